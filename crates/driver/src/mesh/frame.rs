//! Frames inside the encrypted stream: `length:u32 kind:u8 body`, big endian; the length counts kind and body.
//!
//! The stream is cut into Noise messages wherever that suits the writer: a message may hold several frames, a frame may
//! span several messages.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::{Instant, timeout};

use super::wire::SealedReader;
use super::{CloseReason, FRAME_MAX};

/// Length and kind, in bytes.
pub(super) const HEADER: usize = 5;

/// The longest body before a connection is in use, in bytes: a role, or a reason to refuse.
const HANDSHAKE_BODY_MAX: usize = 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The initiator is live: its first message was not a replay. The body is one byte, its
    /// [`Role`](super::wire::Role).
    Confirm = 1,
    /// The responder takes the connection into use.
    Ready = 2,
    /// The responder doesn't; the body is one byte, a [`Refusal`](super::wire::Refusal).
    Refuse = 3,
    KeepAlive = 4,
    /// Between members.
    Data = 5,
    /// From a client: `id:u64`, then the request.
    Request = 6,
    /// To a client: `id:u64`, then the reply.
    Reply = 7,
    /// To a client, unasked.
    Push = 8,
}

#[derive(Debug)]
pub(super) struct Frame {
    pub kind: Kind,
    pub body: Bytes,
}

impl Frame {
    /// The id at the start of the body, and the rest.
    pub(super) fn split_id(mut self) -> Result<(u64, Bytes), CloseReason> {
        let id = self.body.try_get_u64().map_err(|_| CloseReason::Malformed("a frame without its id"))?;
        Ok((id, self.body))
    }
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        use Kind::{Confirm, Data, KeepAlive, Push, Ready, Refuse, Reply, Request};
        [Confirm, Ready, Refuse, KeepAlive, Data, Request, Reply, Push].into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// The header of a frame whose body has `length` bytes.
pub(super) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = (length as u32 + 1).to_be_bytes();
    [a, b, c, d, kind as u8]
}

/// Takes the next whole frame off the front of `stream`.
fn take(stream: &mut BytesMut, body_max: usize) -> Result<Option<Frame>, CloseReason> {
    let Some((header, _)) = stream.split_first_chunk::<HEADER>() else { return Ok(None) };
    let [a, b, c, d, kind] = *header;
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    let Some(body) = length.checked_sub(1) else { return Err(CloseReason::Malformed("an empty frame")) };
    if body > body_max {
        return Err(CloseReason::Oversized { length, limit: body_max });
    }
    let kind = Kind::of(kind).ok_or(CloseReason::Malformed("a frame of an unknown kind"))?;
    if stream.len() < HEADER + body {
        return Ok(None);
    }
    stream.advance(HEADER);
    Ok(Some(Frame { kind, body: stream.split_to(body).freeze() }))
}

/// Reads frames off a connection. Memory grows with what has arrived, never with what a length claims.
#[derive(Debug)]
pub(super) struct FrameReader {
    sealed: SealedReader,
    stream: BytesMut,
    pub body_max: usize,
    pub silence_max: Duration,
    pub frame_time_max: Duration,
}

impl FrameReader {
    /// With the bounds of a handshake, for one that has just been made.
    pub(super) fn new(sealed: SealedReader) -> Self {
        Self {
            sealed,
            stream: BytesMut::new(),
            body_max: HANDSHAKE_BODY_MAX,
            silence_max: Duration::MAX,
            frame_time_max: Duration::MAX,
        }
    }

    /// The next frame but keep-alives. Not to be cancelled and called again: a message may be half read.
    pub(super) async fn next(&mut self) -> Result<Frame, CloseReason> {
        let mut begun = Instant::now();
        loop {
            match take(&mut self.stream, self.body_max.min(FRAME_MAX))? {
                Some(frame) if frame.kind == Kind::KeepAlive => begun = Instant::now(),
                Some(frame) => return Ok(frame),
                None => begun = self.fill(begun).await?,
            }
        }
    }

    /// Reads one more message. `begun` is when the frame in `stream` began; gives when the one after the call did.
    async fn fill(&mut self, begun: Instant) -> Result<Instant, CloseReason> {
        let between_frames = self.stream.is_empty();
        let begun = if between_frames { Instant::now() } else { begun };
        let left = self.frame_time_max.saturating_sub(begun.elapsed());
        let wait = if between_frames { self.silence_max } else { self.silence_max.min(left) };
        let message = match timeout(wait, self.sealed.next()).await {
            Ok(message) => message?,
            Err(_) if between_frames || self.silence_max <= left => return Err(CloseReason::Silent),
            Err(_) => return Err(CloseReason::Trickling),
        };
        self.stream.extend_from_slice(&message);
        Ok(if between_frames { Instant::now() } else { begun })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(stream: &[u8], expected: Result<Option<(Kind, &[u8])>, CloseReason>) {
        let mut stream = BytesMut::from(stream);
        let found = take(&mut stream, 10);
        assert_eq!(
            found.map(|frame| frame.map(|f| (f.kind, f.body.to_vec()))),
            expected.map(|frame| frame.map(|(k, b)| (k, b.to_vec())))
        );
    }

    #[test]
    fn frames_are_taken_whole_or_refused() {
        check(&[], Ok(None));
        check(&[0, 0, 0, 3, 5], Ok(None));
        check(&[0, 0, 0, 3, 5, 1], Ok(None));
        check(&[0, 0, 0, 3, 5, 1, 2, 9], Ok(Some((Kind::Data, &[1, 2]))));
        check(&[0, 0, 0, 1, 4], Ok(Some((Kind::KeepAlive, &[]))));
        check(&[0, 0, 0, 0, 5], Err(CloseReason::Malformed("an empty frame")));
        check(&[0, 0, 0, 1, 0], Err(CloseReason::Malformed("a frame of an unknown kind")));
        check(&[0, 0, 0, 12, 5], Err(CloseReason::Oversized { length: 12, limit: 10 }));
        check(&[255, 255, 255, 255, 5], Err(CloseReason::Oversized { length: u32::MAX as usize, limit: 10 }));
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut stream = BytesMut::from(&bytes[..]);
            while let Ok(Some(frame)) = take(&mut stream, 64) {
                prop_assert!(frame.body.len() <= 64);
            }
        }

        #[test]
        fn what_is_written_is_read(body in proptest::collection::vec(any::<u8>(), 0..64), cut in 0usize..70) {
            let whole = [&header(Kind::Push, body.len())[..], &body].concat();
            let cut = cut.min(whole.len());
            let mut stream = BytesMut::from(&whole[..cut]);
            if cut < whole.len() {
                prop_assert!(take(&mut stream, 64).expect("sound").is_none());
                stream.extend_from_slice(&whole[cut..]);
            }
            let frame = take(&mut stream, 64).expect("sound").expect("whole");
            prop_assert_eq!(&frame.body[..], &body[..]);
            prop_assert!(stream.is_empty());
        }
    }
}
