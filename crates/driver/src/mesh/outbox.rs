//! What waits to be sent on one connection, bounded in bytes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use super::frame::{HEADER, Kind};
use super::{CloseReason, FRAME_MAX, SendError};

/// What a queued frame is counted as beside its body, in bytes.
const FRAME_OVERHEAD: usize = 64;

/// A frame to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub kind: Kind,
    pub id: Option<u64>,
    pub body: Bytes,
}

#[derive(Debug)]
pub(super) struct Outbox {
    state: Mutex<State>,
    /// For the one that takes.
    filled: Notify,
    /// For those that wait for the end.
    ended: Notify,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    frames: VecDeque<Outgoing>,
    bytes: usize,
    closed: Option<CloseReason>,
}

impl Outgoing {
    pub(super) fn data(body: Bytes) -> Self {
        Self { kind: Kind::Data, id: None, body }
    }

    pub(super) fn empty(kind: Kind) -> Self {
        Self { kind, id: None, body: Bytes::new() }
    }

    /// Bytes of the body as it goes over the wire.
    pub(super) fn body_length(&self) -> usize {
        self.body.len() + if self.id.is_some() { size_of::<u64>() } else { 0 }
    }
}

impl Outbox {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { state: Mutex::default(), filled: Notify::new(), ended: Notify::new(), bytes_max }
    }

    /// Queues a frame. One too many closes the connection: who doesn't read is not waited for.
    pub(super) fn push(&self, frame: Outgoing) -> Result<(), SendError> {
        if frame.body_length() > FRAME_MAX - HEADER {
            return Err(SendError::TooLong { length: frame.body.len(), limit: FRAME_MAX - HEADER });
        }
        let mut state = self.lock();
        if state.closed.is_some() {
            return Err(SendError::NotConnected);
        }
        let bytes = state.bytes + frame.body.len() + FRAME_OVERHEAD;
        if bytes > self.bytes_max {
            drop(state);
            self.close(CloseReason::Slow);
            return Err(SendError::TooSlow);
        }
        state.bytes = bytes;
        state.frames.push_back(frame);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Some of what waits, in order: the first frame, and as many more as stay below `bytes_max`. For one taker.
    pub(super) async fn take(&self, bytes_max: usize) -> Result<Vec<Outgoing>, CloseReason> {
        loop {
            {
                let mut state = self.lock();
                if let Some(reason) = &state.closed {
                    return Err(reason.clone());
                }
                let mut taken = Vec::new();
                let mut bytes = 0;
                while let Some(frame) = state.frames.pop_front_if(|frame| {
                    bytes += frame.body.len() + FRAME_OVERHEAD;
                    bytes <= bytes_max || bytes == frame.body.len() + FRAME_OVERHEAD
                }) {
                    state.bytes -= frame.body.len() + FRAME_OVERHEAD;
                    taken.push(frame);
                }
                if !taken.is_empty() {
                    return Ok(taken);
                }
            }
            self.filled.notified().await;
        }
    }

    /// Closes the connection; what waits is dropped.
    pub(super) fn close(&self, reason: CloseReason) {
        {
            let mut state = self.lock();
            state.closed.get_or_insert(reason);
            state.frames.clear();
            state.bytes = 0;
        }
        self.ended.notify_waiters();
        self.filled.notify_one();
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed.is_some()
    }

    /// Waits until it is closed.
    pub(super) async fn closed(&self) -> CloseReason {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before looking, so that a close in between is not missed.
            ended.as_mut().enable();
            if let Some(reason) = &self.lock().closed {
                return reason.clone();
            }
            ended.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
