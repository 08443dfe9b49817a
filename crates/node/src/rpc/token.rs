//! The secret that opens the local API: 32 random bytes as 64 hex digits in a file of mode 0600.

use std::io;
use std::path::Path;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::files;

/// The name of the file in a node's directory.
pub const TOKEN_FILE: &str = "rpc.token";

/// Hex digits of a token.
const TOKEN_DIGITS: usize = 64;

/// Whoever holds this can spend. It is never logged and compared in constant time.
#[derive(Clone)]
pub struct Token(Zeroizing<String>);

/// Why a token file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("{path} can't be read or written: {source}; check who owns it")]
    Io { path: String, source: io::Error },
    #[error("{path} does not hold 64 hex digits; delete it, and the node makes a new token at its next start")]
    Malformed { path: String },
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
}

impl Token {
    /// Reads the token of a node, or makes it at the first start.
    pub fn load_or_create(path: &Path) -> Result<Self, TokenError> {
        match Self::load(path) {
            Err(TokenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Self::create(path),
            other => other,
        }
    }

    pub fn load(path: &Path) -> Result<Self, TokenError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|source| TokenError::Io { path: path.display().to_string(), source })?;
        Self::parse(text.trim()).ok_or_else(|| TokenError::Malformed { path: path.display().to_string() })
    }

    fn create(path: &Path) -> Result<Self, TokenError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| TokenError::Entropy(error.to_string()))?;
        let token = Self(Zeroizing::new(hex::encode(*bytes)));
        files::write_secret(path, token.0.as_bytes())
            .map_err(|source| TokenError::Io { path: path.display().to_string(), source })?;
        Ok(token)
    }

    /// 64 lower-case hex digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.len() == TOKEN_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        digits.then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// For the link and for clients; nowhere else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Compares in time that doesn't depend on where the two differ.
    pub fn matches(&self, candidate: &str) -> bool {
        self.0.as_bytes().ct_eq(candidate.as_bytes()).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(TOKEN_FILE);
        let first = Token::load_or_create(&path).unwrap();
        assert!(first.matches(Token::load_or_create(&path).unwrap().expose()));
        assert!(!first.matches(&first.expose()[1..]));
        assert_eq!(format!("{first:?}"), "Token");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::write(&path, "short").unwrap();
        assert!(matches!(Token::load_or_create(&path), Err(TokenError::Malformed { .. })));
    }
}
