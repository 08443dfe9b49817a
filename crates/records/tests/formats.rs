//! The formats from outside: laws of the codec for every record, encodings frozen by digest, and what verification
//! turns down.

#[path = "formats/channel.rs"]
mod channel;
#[path = "formats/fixed.rs"]
mod fixed;
#[path = "formats/frozen.rs"]
mod frozen;
#[path = "formats/genesis.rs"]
mod genesis;
#[path = "formats/ill_formed.rs"]
mod ill_formed;
#[path = "formats/laws.rs"]
mod laws;
#[path = "formats/names.rs"]
mod names;
#[path = "formats/pair.rs"]
mod pair;
