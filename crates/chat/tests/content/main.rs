//! What is in messages, and what becomes of them.

mod fixed;
mod formats;
mod laws;
mod reduction;
