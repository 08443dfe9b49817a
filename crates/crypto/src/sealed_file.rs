//! What all sealed files have in common: magic and version, a header that is authenticated with the ciphertext behind it
//! (XChaCha20-Poly1305), and at the end a plain checksum, so that damage shows before any key is tried.

use byway_primitives::codec::{DecodeError, Reader, Writer};
use byway_primitives::hash::Context;
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use zeroize::Zeroizing;

/// Bytes that the cipher adds.
pub(crate) const TAG_BYTES: usize = 16;

/// One kind of file.
pub(crate) struct Kind {
    pub magic: &'static [u8; 8],
    pub version: u8,
    pub checksum: Context,
}

/// Why a file is not one of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unreadable {
    OtherKind,
    Newer(u8),
    Damaged,
}

impl Kind {
    /// A header, to which each kind adds its own.
    pub fn header(&self) -> Writer {
        let mut header = Writer::new();
        header.raw(self.magic);
        header.byte(self.version);
        header
    }

    /// The file. `content` must be far below the cipher's limit.
    pub fn seal(&self, header: Writer, key: &[u8; 32], nonce: &[u8; 24], content: &[u8]) -> Vec<u8> {
        let header = header.into_bytes();
        let payload = Payload { msg: content, aad: &header };
        let sealed = XChaCha20Poly1305::new(key.into()).encrypt(nonce.into(), payload);
        let mut out = Writer::new();
        out.raw(&header);
        out.bytes(&sealed.expect("far below the cipher's limit"));
        let mut bytes = out.into_bytes();
        let checksum = self.checksum.hash(&[&bytes]);
        bytes.extend_from_slice(&checksum.0);
        bytes
    }

    /// All but the checksum, which is right.
    pub fn body<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], Unreadable> {
        if !bytes.starts_with(self.magic) {
            return Err(Unreadable::OtherKind);
        }
        let (body, checksum) = bytes.split_last_chunk::<32>().ok_or(Unreadable::Damaged)?;
        if self.checksum.hash(&[body]).0 != *checksum {
            return Err(Unreadable::Damaged);
        }
        match body.get(self.magic.len()) {
            Some(version) if *version == self.version => Ok(body),
            Some(newer) => Err(Unreadable::Newer(*newer)),
            None => Err(Unreadable::Damaged),
        }
    }

    /// What a kind has added to the header, and then the ciphertext.
    pub fn own<'a>(&self, body: &'a [u8]) -> Result<Reader<'a>, DecodeError> {
        let mut input = Reader::new(body);
        input.raw(self.magic.len() + 1)?;
        Ok(input)
    }
}

/// What was sealed, if the key is right and nobody has changed it.
pub(crate) fn open(key: &[u8; 32], nonce: &[u8; 24], header: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let payload = Payload { msg: sealed, aad: header };
    XChaCha20Poly1305::new(key.into()).decrypt(nonce.into(), payload).ok().map(Zeroizing::new)
}
