//! One small content sealed under one key and a nonce, as long as the content and [`TAG_BYTES`] (XChaCha20-Poly1305).

use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit};

/// Bytes that the cipher adds.
pub const TAG_BYTES: usize = 16;
/// Of the cipher's nonce: the others are zeros before them.
pub const NONCE_BYTES: usize = 12;

/// Under one key no nonce may seal two contents.
pub fn seal(key: &[u8; 32], nonce: &[u8; NONCE_BYTES], content: &[u8]) -> Vec<u8> {
    let sealed = XChaCha20Poly1305::new(key.into()).encrypt((&whole(nonce)).into(), content);
    sealed.expect("far below the cipher's limit")
}

/// The content, where it was sealed under this key and nonce and is as it was.
pub fn open(key: &[u8; 32], nonce: &[u8; NONCE_BYTES], sealed: &[u8]) -> Option<Vec<u8>> {
    XChaCha20Poly1305::new(key.into()).decrypt((&whole(nonce)).into(), sealed).ok()
}

fn whole(nonce: &[u8; NONCE_BYTES]) -> [u8; 24] {
    let mut whole = [0; 24];
    whole[24 - NONCE_BYTES..].copy_from_slice(nonce);
    whole
}
