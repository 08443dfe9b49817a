//! What clients and providers of sessions send each other, byte for byte; described in `docs/formats/session.md`.

mod fixed;
mod frozen;
