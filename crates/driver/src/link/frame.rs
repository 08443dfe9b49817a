//! Frames of the control stream: a length of four bytes (little endian), then the bytes.
//!
//! The side that opened the link sends one empty frame first, because QUIC shows a stream to the other side only once
//! something was sent on it. An empty frame anywhere else, or one over the limit, is the peer's fault and ends the link.

use iroh::endpoint::{ReadExactError, RecvStream, SendStream, WriteError};

/// Bytes of one control frame: the longest Noise message (65,535) and a kilobyte for what frames it.
pub const FRAME_BYTES_MAX: usize = 64 * 1024 + 1024;

/// Why no further frame came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    #[error("a control frame of {0} bytes is not within 1 to {FRAME_BYTES_MAX}")]
    Length(u32),
    #[error("the control stream was cut")]
    Cut,
}

/// The next frame, or `None` if the peer finished the stream between two frames.
pub(super) async fn read_frame(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, FrameError> {
    match read_any_frame(stream).await? {
        Some(frame) if frame.is_empty() => Err(FrameError::Length(0)),
        other => Ok(other),
    }
}

/// Reads the empty frame with which a link begins.
pub(super) async fn read_hello(stream: &mut RecvStream) -> Result<(), FrameError> {
    match read_any_frame(stream).await? {
        Some(frame) if frame.is_empty() => Ok(()),
        Some(frame) => Err(FrameError::Length(frame.len() as u32)),
        None => Err(FrameError::Cut),
    }
}

pub(super) async fn write_frame(stream: &mut SendStream, frame: &[u8]) -> Result<(), WriteError> {
    debug_assert!(frame.len() <= FRAME_BYTES_MAX);
    stream.write_all(&(frame.len() as u32).to_le_bytes()).await?;
    stream.write_all(frame).await
}

async fn read_any_frame(stream: &mut RecvStream) -> Result<Option<Vec<u8>>, FrameError> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(()) => {}
        Err(ReadExactError::FinishedEarly(0)) => return Ok(None),
        Err(_) => return Err(FrameError::Cut),
    }
    let length = u32::from_le_bytes(length);
    if length as usize > FRAME_BYTES_MAX {
        return Err(FrameError::Length(length));
    }
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.map_err(|_| FrameError::Cut)?;
    Ok(Some(frame))
}
