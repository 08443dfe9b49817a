//! What an offer says of a bot: the data of its contact [`CARD_PROTOCOL`] (row A1). Nobody has checked any of it.

use byway_primitives::codec::{Decode, DecodeError, Encode, Reader, Writer};

/// Of the contact of an offer that holds the card.
pub const CARD_PROTOCOL: &str = "byway-bot/1";
/// Bytes of a bot's name: `a` to `z`, `0` to `9` and hyphens.
pub const NAME_MAX: usize = 32;
/// Bytes of what is said of it, on one line.
pub const ABOUT_MAX: usize = 160;
/// Commands, and bytes of each. With all of them the card fits a contact (512 bytes).
pub const COMMANDS_MAX: usize = 8;
pub const COMMAND_MAX: usize = 24;

/// A bot, as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotCard {
    name: String,
    about: String,
    commands: Vec<String>,
}

/// Why something is no card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardFault {
    #[error("a bot's name has up to {NAME_MAX} characters: a to z, 0 to 9, and -")]
    Name,
    #[error("what is said of it is one line of at most {ABOUT_MAX} bytes, without control characters")]
    About,
    #[error("there are at most {COMMANDS_MAX} commands, each a word of at most {COMMAND_MAX} bytes")]
    Commands,
}

impl BotCard {
    /// # Errors
    /// [`CardFault`].
    pub fn new(name: &str, about: &str, commands: Vec<String>) -> Result<Self, CardFault> {
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(is_name) {
            return Err(CardFault::Name);
        }
        if about.len() > ABOUT_MAX || about.chars().any(char::is_control) {
            return Err(CardFault::About);
        }
        let is_word = |word: &String| {
            let is_part = |c: char| !c.is_whitespace() && !c.is_control();
            !word.is_empty() && word.len() <= COMMAND_MAX && word.chars().all(is_part)
        };
        if commands.len() > COMMANDS_MAX || !commands.iter().all(is_word) {
            return Err(CardFault::Commands);
        }
        Ok(Self { name: name.to_owned(), about: about.to_owned(), commands })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, in a line.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Words that it answers.
    pub fn commands(&self) -> &[String] {
        &self.commands
    }
}

struct Word(String);

impl Decode for Word {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(input.text(COMMAND_MAX)?))
    }
}

impl Encode for Word {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.0);
    }
}

impl Encode for BotCard {
    fn encode(&self, out: &mut Writer) {
        out.text(&self.name);
        out.text(&self.about);
        let commands: Vec<Word> = self.commands.iter().cloned().map(Word).collect();
        out.list(&commands);
    }
}

impl Decode for BotCard {
    fn decode(input: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (name, about) = (input.text(NAME_MAX)?, input.text(ABOUT_MAX)?);
        let commands: Vec<Word> = input.list(COMMANDS_MAX)?;
        let commands = commands.into_iter().map(|Word(word)| word).collect();
        Self::new(&name, &about, commands).map_err(|_| DecodeError::Invalid("card of a bot"))
    }
}
