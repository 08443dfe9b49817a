//! What is in messages, and what becomes of them.

mod fixed;
mod formats;
mod hostile;
mod laws;
mod lists;
mod markdown;
mod query;
mod reduction;
mod search;
