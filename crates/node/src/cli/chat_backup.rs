//! `byway chat backup` and `byway chat restore`.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde_json::json;

use super::Globals;
use super::output::{ago, now, print, print_json};
use crate::api::*;
use crate::client::Client;

pub async fn backup(globals: &Globals, client: &Client, path: &Path, replace: bool) -> anyhow::Result<()> {
    ensure!(
        replace || !path.exists(),
        "{} is there already, and may hold what this node lost; name another file, or use --replace",
        path.display()
    );
    // Only what is whole takes the place of what is there.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".part");
    let unfinished = PathBuf::from(unfinished);
    let written = write(client, &unfinished).await;
    let written = written.and_then(|counts| Ok(std::fs::rename(&unfinished, path).map(|()| counts)?));
    if written.is_err() {
        // What is half there is of no use to anybody.
        let _ = std::fs::remove_file(&unfinished);
    }
    let (bytes, messages, left_out) = written.with_context(|| format!("{} was not written", path.display()))?;
    if globals.json {
        return print_json(&json!({ "file": path, "bytes": bytes, "messages": messages, "left_out": left_out }));
    }
    let missing = if left_out == 0 { String::new() } else { format!(" {left_out} were too long.") };
    print(&format!(
        "{} holds your contacts, conversations and {messages} messages.{missing} Files that were attached are in it by name \
         alone.\nOnly your seed phrase opens it. What is said from now on is not in it.\n",
        path.display()
    ))
}

/// Bytes, messages, and messages that were left out.
async fn write(client: &Client, path: &Path) -> anyhow::Result<(u64, u64, u64)> {
    let file = create(path).context("it can't be written there")?;
    let (mut out, mut next) = (BufWriter::new(file), None);
    let (mut bytes, mut messages, mut left_out) = (0, 0, 0);
    loop {
        let part: ChatBackupPart = client.call("chat_backup", &ChatBackup { next }).await?;
        out.write_all(&part.bytes.0)?;
        bytes += part.bytes.0.len() as u64;
        messages += part.messages;
        left_out += part.left_out;
        next = part.next;
        if next.is_none() {
            break;
        }
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok((bytes, messages, left_out))
}

/// A file that only its owner reads.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

pub async fn restore(globals: &Globals, client: &Client, path: &Path) -> anyhow::Result<()> {
    // Looked through as a whole first, so that nothing is put back of a file that is damaged.
    bring(client, path, true).await?;
    let restored = bring(client, path, false).await?;
    if globals.json {
        return print_json(&restored);
    }
    let ChatRestored { made_ms, people, conversations, messages, known, .. } = restored;
    let made = made_ms.map_or_else(String::new, |made| format!(" It was made {}.", ago(made, now())));
    print(&format!(
        "{messages} messages are here again ({known} were here already), with {people} people and {conversations} \
         conversations.{made}\nConversations go on by themselves as soon as somebody who is in them is there. Whoever was \
         removed from a group meanwhile has to be added again by an admin of it.\n"
    ))
}

async fn bring(client: &Client, path: &Path, trial: bool) -> anyhow::Result<ChatRestored> {
    let unreadable = || format!("{} can't be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    if !file.metadata().with_context(unreadable)?.is_file() {
        bail!("{} is no file", path.display());
    }
    let mut at = 0;
    loop {
        let mut bytes = Vec::with_capacity(PART_BYTES_MAX);
        (&file).take(PART_BYTES_MAX as u64).read_to_end(&mut bytes).with_context(unreadable)?;
        let last = bytes.len() < PART_BYTES_MAX;
        let part = ChatRestore { at, bytes: Base64(bytes), last, trial };
        let restored: ChatRestored = client.call("chat_restore", &part).await?;
        if last {
            return Ok(restored);
        }
        at = restored.size;
    }
}
