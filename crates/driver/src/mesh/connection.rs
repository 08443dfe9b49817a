//! A connection in use: writing what its outbox holds and reading at the same time, until one of them ends.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::frame::{Kind, header};
use super::outbox::{Outbox, Outgoing};
use super::wire::SealedWriter;
use super::{CloseReason, Limits};

/// Sealed and written at once, in bytes: enough for large writes, little enough to see who is slow.
const WRITE_MAX: usize = 256 << 10;

/// Runs `reading` beside the writing of `outbox`; gives why the connection ended.
pub(super) async fn run(
    outbox: Arc<Outbox>,
    writer: SealedWriter,
    limits: &Limits,
    reading: impl Future<Output = CloseReason>,
) -> CloseReason {
    let reason = tokio::select! {
        reason = reading => reason,
        reason = write(&outbox, writer, limits.keep_alive, limits.write_time_max) => reason,
        reason = outbox.closed() => reason,
    };
    outbox.close(reason.clone());
    reason
}

async fn write(outbox: &Outbox, mut writer: SealedWriter, keep_alive: Duration, time_max: Duration) -> CloseReason {
    loop {
        let frames = match timeout(keep_alive, outbox.take(WRITE_MAX)).await {
            Ok(Ok(frames)) => frames,
            Ok(Err(reason)) => return reason,
            Err(_) => vec![Outgoing::empty(Kind::KeepAlive)],
        };
        if let Err(reason) = write_frames(&mut writer, &frames, time_max).await {
            return reason;
        }
    }
}

/// Writes frames back to back, several in a message where they fit, one over several where not.
async fn write_frames(writer: &mut SealedWriter, frames: &[Outgoing], time_max: Duration) -> Result<(), CloseReason> {
    let mut plain = Vec::new();
    let mut sealed = Vec::new();
    for frame in frames {
        let id = frame.id.map(u64::to_be_bytes);
        let head = header(frame.kind, frame.body_length());
        for mut part in [&head[..], id.as_ref().map_or(&[], |id| &id[..]), &frame.body[..]] {
            while !part.is_empty() {
                let room = SealedWriter::PLAIN_MAX - plain.len();
                let (now, later) = part.split_at(room.min(part.len()));
                plain.extend_from_slice(now);
                part = later;
                if plain.len() == SealedWriter::PLAIN_MAX {
                    seal(writer, &mut plain, &mut sealed)?;
                }
                if sealed.len() >= WRITE_MAX {
                    send(writer, &mut sealed, time_max).await?;
                }
            }
        }
    }
    if !plain.is_empty() {
        seal(writer, &mut plain, &mut sealed)?;
    }
    send(writer, &mut sealed, time_max).await
}

fn seal(writer: &mut SealedWriter, plain: &mut Vec<u8>, sealed: &mut Vec<u8>) -> Result<(), CloseReason> {
    writer.seal(plain, sealed).map_err(|_| CloseReason::Ended)?;
    plain.clear();
    Ok(())
}

async fn send(writer: &mut SealedWriter, sealed: &mut Vec<u8>, time_max: Duration) -> Result<(), CloseReason> {
    match timeout(time_max, writer.write(sealed)).await {
        Ok(Ok(())) => sealed.clear(),
        Ok(Err(_)) => return Err(CloseReason::Ended),
        Err(_) => return Err(CloseReason::Slow),
    }
    Ok(())
}
