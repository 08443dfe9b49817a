//! What is in messages, and what becomes of them.
