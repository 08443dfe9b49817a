//! What a name may be, and which names look alike.
//!
//! A name is shown to people as proof of who somebody is, so two names that look alike are one name here, and none is written in
//! a way that hides what it is:
//!
//! - 3 to 32 characters: letters, the digits 0 to 9, and single hyphens between them;
//! - letters are those that UTS 39 recommends for identifiers, of one script: Latin, Greek or Cyrillic; or one of the usual
//!   sets of East Asia: Han with Hiragana and Katakana, Han with Hangul, Han with Bopomofo. No marks that combine;
//! - lower case, and in Unicode's form NFKC, so that there is one way to write it;
//! - none that looks like a word that people take for the network's own ([`RESERVED`]), or has `byway` between its hyphens.
//!
//! **Alike** are two names of the same [`NameKey`]: the digest of the *skeleton* by UTS 39, section 4, in lower case and taken
//! twice, so that `0` and `o`, which are told apart there, are one; [two letters more](also_alike). Whole words of another script are found that way as well:
//! Cyrillic `сор` is Latin `cop`.
//!
//! Kernel nodes must agree on all of this. The tables are those of Unicode 16 in crates of fixed versions; the standard
//! library is asked for lower case alone, which Unicode never changes for a character once it has it. A test freezes the
//! rule by the digest of what it says of every character (decision 0051).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use byway_primitives::Hash;
use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};
use byway_primitives::hash::Context;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};
use unicode_security::GeneralSecurityProfile;
use unicode_security::confusable_detection::skeleton;

const KEY: Context = Context("byway 1 name: skeleton");

/// Characters of a name.
pub const NAME_CHARS_MIN: usize = 3;
/// Characters of a name: what fits beside a message.
pub const NAME_CHARS_MAX: usize = 32;
/// Bytes of a name: a character has four at the most.
pub const NAME_BYTES_MAX: usize = 4 * NAME_CHARS_MAX;
/// Bytes of a text that is looked at at all, before it is normalised.
const TEXT_BYTES_MAX: usize = 8 * NAME_BYTES_MAX;

/// The network's own, that no part of a name between hyphens may look like.
const OWN: &str = "byway";

/// Words that nobody can have, nor what looks like them: they would be taken for the network's own voice, or for nobody's.
pub const RESERVED: [&str; 40] = [
    "admin",
    "administrator",
    "all",
    "anonymous",
    "billing",
    "bot",
    "byway",
    "channel",
    "contact",
    "escrow",
    "everyone",
    "exit",
    "faucet",
    "foundation",
    "genesis",
    "help",
    "here",
    "holder",
    "info",
    "kernel",
    "ledger",
    "moderator",
    "name",
    "network",
    "nobody",
    "none",
    "null",
    "official",
    "operator",
    "payment",
    "pool",
    "registry",
    "root",
    "security",
    "service",
    "staff",
    "support",
    "system",
    "treasury",
    "wallet",
];

/// A name, as it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// What all names that look like one another have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameKey(pub Hash);

/// Why a text is no name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("a name has {NAME_CHARS_MIN} to {NAME_CHARS_MAX} characters, and this has {0}")]
    Length(usize),
    #[error("a name is made of letters, digits and hyphens: {0:?} can't stand in one")]
    Character(char),
    #[error("hyphens stand between letters or digits, one at a time")]
    Hyphen,
    #[error("a name is written in one script: {0:?} is of another than what stands before it")]
    Script(char),
    #[error("this name, or one that looks like it, is kept for the network itself")]
    Reserved,
    #[error("the name is not in lower case, or not in Unicode's form NFKC")]
    Form,
}

impl NameKey {
    /// What a text looks like that need be no name: what somebody says that they are called. Words count as if hyphens stood between
    /// them, and what can't stand in a name does not count. Not part of what kernel nodes agree on.
    pub fn of_text(text: &str) -> Self {
        let end = text.char_indices().nth(TEXT_BYTES_MAX).map_or(text.len(), |(end, _)| end);
        let words = normalised(&text[..end]);
        let words = words
            .split(|c: char| c.is_whitespace() || c == '-')
            .map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>());
        let words: Vec<String> = words.filter(|word| !word.is_empty()).collect();
        Self(KEY.hash(&[skeleton_of(&words.join("-")).as_bytes()]))
    }
}

impl Name {
    /// A name that is written exactly so.
    pub fn exact(text: &str) -> Result<Self, NameError> {
        let chars = text.chars().take(TEXT_BYTES_MAX).count();
        if !(NAME_CHARS_MIN..=NAME_CHARS_MAX).contains(&chars) {
            return Err(NameError::Length(chars));
        }
        check_characters(text)?;
        if normalised(text) != text {
            return Err(NameError::Form);
        }
        let is_own = text.split('-').any(|part| skeleton_of(part) == *OWN_SKELETON);
        if is_own || RESERVED_SKELETONS.contains(&skeleton_of(text)) {
            return Err(NameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// How many characters it has: what its price goes by.
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }

    /// What it has in common with all that look like it.
    pub fn key(&self) -> NameKey {
        NameKey(KEY.hash(&[skeleton_of(&self.0).as_bytes()]))
    }
}

/// Reads what people type: in capitals, in other forms of Unicode, with space around it.
impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NameError::Length(text.chars().count()));
        }
        Self::exact(&normalised(text.trim()))
    }
}

static OWN_SKELETON: LazyLock<String> = LazyLock::new(|| skeleton_of(OWN));
/// Skeletons of the reserved words.
static RESERVED_SKELETONS: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| RESERVED.into_iter().map(skeleton_of).collect());

/// In lower case and NFKC. What lower case leaves may have another NFKC, so that is taken before and after.
fn normalised(text: &str) -> String {
    let lower = |text: &str| text.nfkc().flat_map(char::to_lowercase).collect::<String>();
    lower(&lower(text)).nfkc().collect()
}

fn skeleton_of(text: &str) -> String {
    let alike: String = text.chars().map(also_alike).collect();
    let once = |text: &str| skeleton(text).flat_map(char::to_lowercase).collect::<String>();
    once(&once(&alike))
}

/// What UTS 39 tells apart: the sigma at the end of a Greek word, and the Cyrillic palochka, in which it sees an `i`.
fn also_alike(c: char) -> char {
    match c {
        'ς' => 'σ',
        'ӏ' => 'l',
        other => other,
    }
}

fn check_characters(text: &str) -> Result<(), NameError> {
    let mut scripts = Scripts::ALL;
    let mut before = '-';
    for c in text.chars() {
        match c {
            '-' if before == '-' => return Err(NameError::Hyphen),
            '-' | '0'..='9' => {}
            letter => {
                let of_letter = Scripts::of(letter).ok_or(NameError::Character(letter))?;
                scripts = scripts.both(of_letter).ok_or(NameError::Script(letter))?;
            }
        }
        before = c;
    }
    if before == '-' { Err(NameError::Hyphen) } else { Ok(()) }
}

/// Scripts, or usual sets of them, in which a name may be written: those that all its letters so far are part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Scripts(u8);

impl Scripts {
    const LATIN: Scripts = Scripts(1);
    const GREEK: Scripts = Scripts(1 << 1);
    const CYRILLIC: Scripts = Scripts(1 << 2);
    const JAPANESE: Scripts = Scripts(1 << 3);
    const KOREAN: Scripts = Scripts(1 << 4);
    const CHINESE: Scripts = Scripts(1 << 5);
    const HAN: Scripts = Scripts(Self::JAPANESE.0 | Self::KOREAN.0 | Self::CHINESE.0);
    const ALL: Scripts = Scripts(u8::MAX);

    /// Those that a letter is part of; `None` for what is no letter of a name.
    fn of(letter: char) -> Option<Self> {
        // Lengthens the vowel before it in Katakana, and is of no script by itself.
        if letter == 'ー' {
            return Some(Self::JAPANESE);
        }
        if !letter.identifier_allowed() || is_combining_mark(letter) {
            return None;
        }
        match letter.script() {
            Script::Latin => Some(Self::LATIN),
            Script::Greek => Some(Self::GREEK),
            Script::Cyrillic => Some(Self::CYRILLIC),
            Script::Hiragana | Script::Katakana => Some(Self::JAPANESE),
            Script::Hangul => Some(Self::KOREAN),
            Script::Bopomofo => Some(Self::CHINESE),
            Script::Han => Some(Self::HAN),
            _ => None,
        }
    }

    /// Those in both; `None` where there are none.
    fn both(self, other: Self) -> Option<Self> {
        Some(Self(self.0 & other.0)).filter(|both| both.0 != 0)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

byway_primitives::serde_as_text!(Name);

impl Encode for Name {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl Decode for Name {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::exact(&input.text(NAME_BYTES_MAX)?).map_err(|_| DecodeError::Invalid("name"))
    }
}

impl Encode for NameKey {
    fn encode(&self, out: &mut Writer) {
        out.value(&self.0);
    }
}

impl Decode for NameKey {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        input.value().map(Self)
    }
}
