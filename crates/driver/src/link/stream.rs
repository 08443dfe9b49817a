//! Data streams of a link: a header of at most a kilobyte, then raw bytes both ways.
//!
//! The two halves differ from the library's in one thing: a half that is dropped without having been finished is *reset*,
//! so that the other side sees a cut and never takes half a download for a whole one.

use std::sync::Arc;

use bytes::Bytes;
use iroh::endpoint::{ReadError, RecvStream, SendStream, StoppedError, VarInt, WriteError};

use super::progress::{Reader, Reading};

/// Bytes of a data stream's header: a session, a host name, a port.
pub const HEADER_BYTES_MAX: usize = 1024;

/// The code with which a stream is cut.
const CUT: VarInt = VarInt::from_u32(1);

/// The sending half of a data stream.
#[derive(Debug)]
pub struct StreamSend {
    stream: SendStream,
    finished: bool,
    written: u64,
    /// Of a stream that the peer opened: the peer tells how far it reads.
    reader: Option<Arc<Reader>>,
}

/// The receiving half of a data stream.
#[derive(Debug)]
pub struct StreamRecv {
    stream: RecvStream,
    /// Of a stream that we opened: the peer is told how far we read.
    reading: Option<Reading>,
}

/// Why a half gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    #[error("the other side cut the stream")]
    Cut,
    #[error("the link is down")]
    Down,
    #[error("the stream was already finished")]
    Finished,
    #[error("the stream's header is over {HEADER_BYTES_MAX} bytes, or is cut short")]
    Header,
}

impl StreamSend {
    pub(super) fn new(stream: SendStream, reader: Option<Arc<Reader>>) -> Self {
        Self { stream, finished: false, written: 0, reader }
    }

    /// Writes a prefix of `bytes` and says how long it was; waits while the other side doesn't read. Cancel-safe.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, StreamError> {
        let count = self.stream.write(bytes).await?;
        self.written += count as u64;
        Ok(count)
    }

    /// The same without a copy.
    pub async fn write_shared(&mut self, bytes: Bytes) -> Result<usize, StreamError> {
        let count = self.stream.write_many_chunks(&mut &mut [bytes][..]).await?;
        self.written += count as u64;
        Ok(count)
    }

    /// Writes all of it. If this is cancelled, a prefix may have been written.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.stream.write_all(bytes).await?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Bytes that were written and that the reader at the far end has not said to have read; none where it doesn't say
    /// because it did not open the stream.
    pub fn unread(&self) -> u64 {
        self.reader.as_ref().map_or(0, |reader| self.written.saturating_sub(reader.read()))
    }

    /// Resolves when the reader has read on after this was first polled. Never where it doesn't say.
    pub async fn read_on(&self) {
        match &self.reader {
            Some(reader) => reader.moved().await,
            None => std::future::pending().await,
        }
    }

    /// Says that nothing more follows; what was written still arrives.
    pub fn finish(&mut self) {
        // An error means that the stream is already finished or cut, and then there is nothing left to say.
        let _ = self.stream.finish();
        self.finished = true;
    }

    /// Waits until the other side no longer wants what is sent here, or the link is down. Never returns for a stream
    /// that ends well.
    pub fn cut(&self) -> impl Future<Output = StreamError> + Send + 'static {
        let stopped = self.stream.stopped();
        async move {
            match stopped.await {
                Ok(Some(_)) => StreamError::Cut,
                Ok(None) => std::future::pending().await,
                Err(StoppedError::ConnectionLost(_) | StoppedError::ZeroRttRejected) => StreamError::Down,
            }
        }
    }
}

impl Drop for StreamSend {
    fn drop(&mut self) {
        if !self.finished {
            // An error means that the stream is already closed.
            let _ = self.stream.reset(CUT);
        }
    }
}

impl StreamRecv {
    pub(super) fn new(stream: RecvStream, reading: Option<Reading>) -> Self {
        Self { stream, reading }
    }

    /// Fills a prefix of `buffer` and says how long it is; `None` at the end. Cancel-safe.
    pub async fn read(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, StreamError> {
        let count = self.stream.read(buffer).await?;
        if let (Some(reading), Some(count)) = (&mut self.reading, count) {
            reading.count(count);
        }
        Ok(count)
    }

    /// Reads one byte; `None` at the end. Cancel-safe.
    pub async fn read_byte(&mut self) -> Result<Option<u8>, StreamError> {
        let mut byte = [0];
        Ok(self.read(&mut byte).await?.map(|_| byte[0]))
    }

    /// Everything up to the end, if that is at most `limit` bytes.
    pub async fn read_to_end(mut self, limit: usize) -> Result<Vec<u8>, StreamError> {
        self.stream.read_to_end(limit).await.map_err(|_| StreamError::Cut)
    }
}

impl From<WriteError> for StreamError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Stopped(_) => Self::Cut,
            WriteError::ConnectionLost(_) | WriteError::ZeroRttRejected => Self::Down,
            WriteError::ClosedStream => Self::Finished,
        }
    }
}

impl From<ReadError> for StreamError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(_) => Self::Cut,
            ReadError::ConnectionLost(_) | ReadError::ZeroRttRejected => Self::Down,
            ReadError::ClosedStream => Self::Finished,
        }
    }
}

/// Writes the header: its length in two bytes (little endian), then itself.
pub(super) async fn write_header(stream: &mut SendStream, header: &[u8]) -> Result<(), StreamError> {
    let length = u16::try_from(header.len()).ok().filter(|_| header.len() <= HEADER_BYTES_MAX);
    let length = length.ok_or(StreamError::Header)?;
    stream.write_all(&[&length.to_le_bytes(), header].concat()).await?;
    Ok(())
}

pub(super) async fn read_header(stream: &mut RecvStream) -> Result<Vec<u8>, StreamError> {
    let mut length = [0; 2];
    stream.read_exact(&mut length).await.map_err(|_| StreamError::Header)?;
    let length = usize::from(u16::from_le_bytes(length));
    if length > HEADER_BYTES_MAX {
        return Err(StreamError::Header);
    }
    let mut header = vec![0; length];
    stream.read_exact(&mut header).await.map_err(|_| StreamError::Header)?;
    Ok(header)
}
