//! peer
pub mod wallet;
