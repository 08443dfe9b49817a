//! The only source of randomness: the operating system's.
//!
//! Machines never draw any; they are handed seeds that come from here.

/// 32 fresh, unpredictable bytes.
///
/// # Panics
///
/// If the operating system gives none, which no supported one does once it is up: going on without would mean keys that
/// can be guessed.
pub fn seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives randomness");
    seed
}

/// A random number, for jitter and for names that only have to differ.
pub fn number() -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = seed();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}
