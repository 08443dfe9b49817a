//! Errors and in-band messages: what is said beside the state. Nothing that comes here changes what a side signs, keeps or shows.

use byway_primitives::Time;

use super::ChannelMachine;
use crate::beside::{ErrorCode, Inband, InbandError, SaidError};
use crate::message::ChannelMessage;
use crate::news::ChannelNews;
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// Says something to the peer that is no part of the state. It is lost where the connection is.
    pub fn say(&mut self, now: Time, inband: Inband) -> Result<(), InbandError> {
        self.begin(now);
        if !self.is_connected() {
            return Err(InbandError::Disconnected);
        }
        self.beside.may_say(now, &inband)?;
        self.send(ChannelMessage::Inband(inband));
        Ok(())
    }

    /// The last error that was found in the peer, and the last that it says was found in us; since the start.
    pub fn errors(&self) -> [Option<SaidError>; 2] {
        [self.beside.last_said, self.beside.last_heard]
    }

    pub(super) fn say_error(&mut self, code: ErrorCode) {
        let error = SaidError { code, round: self.record.base.round };
        if self.beside.says(error) {
            self.send(ChannelMessage::Error(error));
            self.notify(ChannelNews::ErrorSaid(error));
        }
    }

    pub(super) fn handle_error(&mut self, error: SaidError) {
        if self.beside.hears(error) {
            self.notify(ChannelNews::ErrorHeard(error));
        }
    }

    pub(super) fn handle_inband(&mut self, now: Time, inband: Inband) {
        if self.is_connected() && self.beside.may_hear(now) {
            self.notify(ChannelNews::Inband(inband));
        }
    }
}
