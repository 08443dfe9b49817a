//! Files of conversations: `byway chat attach` and `byway chat fetch`.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::wallet::show;
use super::{ChatAttachArgs, ChatFetchArgs, Globals, chat_mention, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn attach(globals: &Globals, client: &Client, args: ChatAttachArgs) -> anyhow::Result<()> {
    let ChatAttachArgs { to, files, text, reply } = args;
    let mut uploaded = Vec::new();
    for path in &files {
        uploaded.push(upload(client, path).await?);
    }
    let text = match text {
        Some(text) => Some(chat_mention::typed(client, &to, text).await?),
        None => None,
    };
    let idempotency_key = idempotency_key(None)?;
    let request = ChatAttach { to, files: uploaded, text, reply, thread: None, levels: None, idempotency_key };
    let item: ChatItem = client.call("chat_attach", &request).await?;
    show(globals, &item, |_| "Said. The files are kept here, and go to whoever fetches them.\n".to_owned())
}

/// Gives a file to the node, part by part.
async fn upload(client: &Client, path: &Path) -> anyhow::Result<ChatFile> {
    let unreadable = || format!("{} can't be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    if !file.metadata().with_context(unreadable)?.is_file() {
        bail!("{} is no file; pack a folder into one first", path.display());
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let key = idempotency_key(None)?;
    let mut at = 0;
    loop {
        let mut bytes = Vec::with_capacity(PART_BYTES_MAX);
        (&file).take(PART_BYTES_MAX as u64).read_to_end(&mut bytes).with_context(unreadable)?;
        let is_last = bytes.len() < PART_BYTES_MAX;
        // An empty file has one part, which is empty.
        if !bytes.is_empty() || at == 0 {
            let part = ChatUploadPart { upload: key.clone(), at, bytes: Base64(bytes) };
            at = client.call::<ChatUpload>("chat_upload", &part).await?.size;
        }
        if is_last {
            let (media_type, width, height, duration_ms, thumbnail) = (None, None, None, None, None);
            return Ok(ChatFile { upload: key, name, media_type, width, height, duration_ms, thumbnail });
        }
    }
}

pub async fn fetch(globals: &Globals, client: &Client, args: ChatFetchArgs) -> anyhow::Result<()> {
    let ChatFetchArgs { to, message, number, out } = args;
    let number = number - 1;
    let ask = ChatFetch { to: to.clone(), message: message.clone(), number, wait: true };
    let mut last = None;
    let file = loop {
        let file: ChatAttachment = client.call("chat_fetch", &ask).await?;
        match file.state {
            ChatFileState::Here => break file,
            // Each call waits some seconds. While nothing moves, somebody has to come back first.
            ChatFileState::Coming if last.replace(file.fetched) != Some(file.fetched) => {}
            _ => {
                return show(globals, &file, |file| {
                    format!(
                        "{} of {} bytes are here. The rest comes as soon as somebody who has it is there; fetch it again then.\n",
                        file.fetched, file.size
                    )
                });
            }
        }
    };
    let path = out.unwrap_or_else(|| PathBuf::from(&file.name));
    write(client, (to, message, number), &path).await?;
    show(globals, &file, |file| {
        let caution = if file.cautions.iter().any(|caution| caution == "runs" || caution == "two_endings") {
            " Careful: opening it runs a program."
        } else {
            ""
        };
        format!("{}: {} bytes.{caution}\n", path.display(), file.size)
    })
}

/// Writes a file that the node has. Nothing that is there is overwritten, and nothing half is left.
async fn write(client: &Client, (to, message, number): (String, String, u8), path: &Path) -> anyhow::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).open(path);
    let mut file = file.with_context(|| format!("{} can't be written; name another with --out", path.display()))?;
    let written = async {
        let mut at = 0;
        loop {
            let read = ChatFileRead { to: to.clone(), message: message.clone(), number, at };
            let part: ChatFilePart = client.call("chat_file", &read).await?;
            if part.bytes.0.is_empty() {
                return anyhow::Ok(file.sync_all()?);
            }
            file.write_all(&part.bytes.0)?;
            at += part.bytes.0.len() as u64;
        }
    };
    let written = written.await;
    if written.is_err() {
        // What is half there is of no use to anybody.
        let _ = std::fs::remove_file(path);
    }
    written.with_context(|| format!("{} was not written", path.display()))
}
