//! What kernel nodes and followers send each other, byte for byte; described in `docs/formats/kernel.md` and
//! `docs/formats/follower.md`.

mod fixed;
mod frozen;
