//! A system without sockets that are files: there is never a connection.

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection, of which there is none.
#[derive(Debug)]
pub struct ProgramSocket(Infallible);

/// What is read of one.
pub type OwnedReadHalf = ProgramSocket;
/// What is written of one.
pub type OwnedWriteHalf = ProgramSocket;

impl ProgramSocket {
    /// # Errors
    /// Always: the system has no such sockets.
    pub async fn connect(_path: &Path) -> io::Result<Self> {
        let why = "programs beside the node need Unix sockets, which this operating system has not";
        Err(io::Error::new(io::ErrorKind::Unsupported, why))
    }

    pub fn split(&mut self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {}
    }

    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        match self.0 {}
    }
}

impl AsyncRead for ProgramSocket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}

impl AsyncWrite for ProgramSocket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        match self.0 {}
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0 {}
    }
}
