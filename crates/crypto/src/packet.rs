//! One small content sealed under one key and a number, as long as the content and [`TAG_BYTES`] (XChaCha20-Poly1305).

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};

/// Bytes that the cipher adds.
pub const TAG_BYTES: usize = 16;

/// Under one key no number may seal two contents.
pub fn seal(key: &[u8; 32], number: u64, content: &[u8]) -> Vec<u8> {
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt((&nonce(number)).into(), content);
    sealed.expect("far below the cipher's limit")
}

/// The content, where it was sealed under this key and number and is as it was.
pub fn open(key: &[u8; 32], number: u64, sealed: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new(key.into()).decrypt((&nonce(number)).into(), sealed).ok()
}

fn nonce(number: u64) -> [u8; 24] {
    let mut nonce = [0; 24];
    nonce[16..].copy_from_slice(&number.to_be_bytes());
    nonce
}
