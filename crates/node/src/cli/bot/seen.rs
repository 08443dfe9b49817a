//! What a bot has seen, kept in the node's folder by the bot's name, so that it sees nothing twice.
//!
//! What is kept is written before a message is handed over: a program that dies of a message does not get it again. A crash
//! of the machine in between can so lose a message for a bot, and never shows it twice.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use crate::api::ChatConversation;
use crate::directory::Directory;
use crate::files;

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// It was let into all conversations: those that are not named here have begun since.
    all: bool,
    /// The place of what comes next, by conversation.
    next: BTreeMap<String, u64>,
}

/// What a bot has seen. While this is held no other bot of that name runs.
pub struct Seen {
    path: PathBuf,
    kept: Kept,
    _lock: File,
}

impl Seen {
    /// What the bot of this name has seen in `talks`, in which it is; where it is new, all that was said so far.
    ///
    /// # Errors
    /// Another bot of that name runs, or the folder can't be used.
    pub fn open(directory: &Directory, name: &str, talks: &[&ChatConversation], all: bool) -> anyhow::Result<Self> {
        let folder = directory.root().join("bots");
        files::create_private_folder(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let path = folder.join(format!("{name}.lock"));
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.with_context(|| format!("{} can't be used", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => bail!("a bot `{name}` runs already; give this one another name (--name)"),
            Err(TryLockError::Error(error)) => return Err(error).with_context(|| format!("{}", path.display())),
        }
        let path = folder.join(format!("{name}.json"));
        let mut kept = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
                format!("{} is damaged; without it the bot begins with what is said from then on", path.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => return Err(error).with_context(|| format!("{} can't be read", path.display())),
        };
        for talk in talks {
            let begins = if kept.all && all { 0 } else { end(talk) };
            kept.next.entry(talk.conversation.clone()).or_insert(begins);
        }
        kept.all = all;
        let seen = Self { path, kept, _lock: lock };
        seen.write()?;
        Ok(seen)
    }

    /// The place of what the bot sees next.
    pub fn next(&self, conversation: &str) -> u64 {
        self.kept.next.get(conversation).copied().unwrap_or_default()
    }

    /// Has seen all before this place. It is on the disk when this returns.
    pub fn up_to(&mut self, conversation: &str, next: u64) -> anyhow::Result<()> {
        self.kept.next.insert(conversation.to_owned(), next);
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        let bytes = serde_json::to_vec(&self.kept)?;
        files::write_secret(&self.path, &bytes).with_context(|| format!("{} can't be written", self.path.display()))
    }
}

/// The place behind the newest message.
pub fn end(talk: &ChatConversation) -> u64 {
    talk.newest.as_ref().map_or(0, |item| item.place + 1)
}

#[cfg(test)]
mod tests {
    use super::super::pretend;
    use super::*;
    use crate::api::ChatItem;

    #[test]
    fn what_was_seen_is_kept_and_what_is_new_is_seen_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let directory = Directory::new(folder.path());
        let newest = Some(ChatItem { place: 4, ..pretend::item("") });
        let [old, new] = ["a0", "b0"].map(|id| ChatConversation {
            conversation: id.to_owned(),
            newest: newest.clone(),
            ..pretend::conversation()
        });
        let mut seen = Seen::open(&directory, "bot", &[&old], true).unwrap();
        assert_eq!(seen.next("a0"), 5, "what was said before it was there is not for it");
        assert!(Seen::open(&directory, "bot", &[&old], true).is_err(), "one at a time");
        assert!(Seen::open(&directory, "other", &[&old], true).is_ok());
        seen.up_to("a0", 7).unwrap();
        drop(seen);
        let seen = Seen::open(&directory, "bot", &[&old, &new], true).unwrap();
        assert_eq!((seen.next("a0"), seen.next("b0")), (7, 0));
        drop(seen);
        let third = ChatConversation { conversation: "c0".to_owned(), ..new };
        let seen = Seen::open(&directory, "bot", &[&third], false).unwrap();
        assert_eq!(seen.next("c0"), 5, "who names a conversation anew does not hand over what was said in it");
    }
}
