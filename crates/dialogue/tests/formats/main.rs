//! What two dialogues' ends say about payment, and the certificate they show, byte for byte; described in
//! `docs/formats/payment.md` and `docs/formats/dialogue.md`. Frames and handshake payloads are frozen inside the crate.

mod fixed;
mod frozen;
