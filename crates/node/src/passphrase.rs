//! Where a keystore's passphrase comes from: a file, the environment, or a person.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::directory::Directory;
use crate::files;

/// Holds the passphrase where no file is named.
pub const PASSPHRASE_VARIABLE: &str = "BYWAY_PASSPHRASE";

/// A passphrase; wiped when dropped, never shown.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<String>);

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    #[error("the passphrase file {path} can't be read: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} is empty; a keystore needs a passphrase")]
    Empty(String),
    #[error("the two passphrases differ; nothing was written")]
    Differ,
    #[error("a passphrase is needed and nobody is there to ask; use --passphrase-file or {PASSPHRASE_VARIABLE}")]
    NoTerminal,
    #[error("no passphrase was typed; nothing was done")]
    Interrupted,
    #[error("the terminal can't be read: {0}; use --passphrase-file or {PASSPHRASE_VARIABLE} instead")]
    Terminal(io::Error),
    #[error("{path} can't be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("the operating system gave no randomness: {0}")]
    Entropy(String),
}

/// Whether a passphrase opens a keystore or is chosen for a new one, which a person types twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    Open,
    Choose,
}

impl Passphrase {
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub fn expose(&self) -> &str {
        &self.0
    }

    /// From the named file, else the environment, else the file that lies beside a keystore made by a program, else a
    /// person.
    pub fn obtain(directory: &Directory, file: Option<&Path>, occasion: Occasion) -> Result<Self, PassphraseError> {
        if let Some(file) = file {
            return Self::read(file);
        }
        if let Ok(text) = std::env::var(PASSPHRASE_VARIABLE) {
            return Self::checked(text, PASSPHRASE_VARIABLE);
        }
        let beside = directory.passphrase_file();
        if beside.exists() {
            return Self::read(&beside);
        }
        ask(occasion)
    }

    /// The first line of a file.
    pub fn read(path: &Path) -> Result<Self, PassphraseError> {
        let text = std::fs::read_to_string(path).map(Zeroizing::new);
        let text = text.map_err(|source| PassphraseError::File { path: path.to_owned(), source })?;
        Self::checked(text.lines().next().unwrap_or_default().to_owned(), &path.display().to_string())
    }

    /// Makes a random passphrase and keeps it in a file of mode 0600, for a node that nobody types a passphrase for. It
    /// has the strength of a key, so that sealing need not stretch it.
    pub fn create_file(path: &Path) -> Result<Self, PassphraseError> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes).map_err(|error| PassphraseError::Entropy(error.to_string()))?;
        let text = Zeroizing::new(hex::encode(*bytes));
        files::create_secret(path, text.as_bytes())
            .map_err(|source| PassphraseError::Write { path: path.to_owned(), source })?;
        Ok(Self(text))
    }

    fn checked(text: String, from: &str) -> Result<Self, PassphraseError> {
        if text.is_empty() { Err(PassphraseError::Empty(from.to_owned())) } else { Ok(Self::new(text)) }
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase")
    }
}

fn ask(occasion: Occasion) -> Result<Passphrase, PassphraseError> {
    // Whoever is asked must see the question; a seed phrase may come through standard input meanwhile.
    if !io::stdin().is_terminal() && !io::stderr().is_terminal() {
        return Err(PassphraseError::NoTerminal);
    }
    let first = Passphrase::checked(ask_hidden("Passphrase: ")?, "the passphrase")?;
    if occasion == Occasion::Choose && *first.0 != ask_hidden("Once more: ")? {
        return Err(PassphraseError::Differ);
    }
    Ok(first)
}

/// Reads a line that the terminal does not show, and leaves the terminal as it was, also after Ctrl-C.
fn ask_hidden(prompt: &str) -> Result<String, PassphraseError> {
    rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
        io::ErrorKind::Interrupted => PassphraseError::Interrupted,
        io::ErrorKind::NotFound => PassphraseError::NoTerminal,
        _ => PassphraseError::Terminal(error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_passphrase_is_read_again_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passphrase");
        let made = Passphrase::create_file(&path).unwrap();
        assert_eq!(Passphrase::read(&path).unwrap().expose(), made.expose());
        assert!(Passphrase::create_file(&path).is_err());
        std::fs::write(&path, "typed \nsecond line").unwrap();
        assert_eq!(Passphrase::read(&path).unwrap().expose(), "typed ");
        std::fs::write(&path, "").unwrap();
        assert!(matches!(Passphrase::read(&path), Err(PassphraseError::Empty(_))));
    }
}
