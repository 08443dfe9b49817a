//! What comes in: messages, a dialogue that begins or ends, and the time.

use byway_primitives::Time;

use super::{ANSWER_TIME_MAX, CLOSING_TIME_MAX, ChannelMachine, Link, OPENING_TIME_MAX};
use crate::journal::Life;
use crate::message::ChannelMessage;
use crate::news::{ChannelNews, PeerFault};
use crate::signer::Signer;

impl<S: Signer> ChannelMachine<S> {
    /// # Errors
    /// If the peer broke the protocol. Nothing has changed then, and the peer is told.
    pub fn handle_message(&mut self, now: Time, message: ChannelMessage) -> Result<(), PeerFault> {
        self.begin(now);
        let taken = self.take_message(now, message);
        taken.inspect_err(|fault| self.say_error((*fault).into()))
    }

    fn take_message(&mut self, now: Time, message: ChannelMessage) -> Result<(), PeerFault> {
        match message {
            ChannelMessage::Reestablish(theirs) => self.handle_reestablish(now, theirs),
            ChannelMessage::Propose(proposal) => self.handle_proposal(now, proposal),
            ChannelMessage::Accept { round, signature } => self.handle_accept(now, round, signature),
            ChannelMessage::Fetch { round } => {
                self.handle_fetch(now, round);
                Ok(())
            }
            ChannelMessage::ProposeFunding(change) => self.handle_funding_proposal(now, change),
            ChannelMessage::AcceptFunding { change, signature } => self.handle_funding_accepted(now, change, signature),
            ChannelMessage::RefuseFunding { round, refusal } => {
                self.handle_funding_refused(round, refusal);
                Ok(())
            }
            ChannelMessage::Promise(promise) => self.handle_promise(now, promise),
            ChannelMessage::Whole { round, state } => self.handle_whole(now, round, &state),
            ChannelMessage::Shutdown => self.handle_shutdown(now),
            ChannelMessage::ClosingSigned { expires, signature } => {
                self.handle_closing(now, expires, signature);
                Ok(())
            }
            ChannelMessage::Split { close, signature } => self.handle_split(now, close, signature),
            ChannelMessage::Error(error) => {
                self.handle_error(error);
                Ok(())
            }
            ChannelMessage::Inband(inband) => {
                self.handle_inband(now, inband);
                Ok(())
            }
            opening => self.handle_opening(now, opening),
        }
    }

    /// A dialogue with the peer stands; what was sent in an earlier one may be lost.
    pub fn handle_connected(&mut self, now: Time) {
        self.begin(now);
        (self.link, self.stalled, self.held) = (Link::Greeting, None, None);
        self.beside.begin();
        match self.record.life {
            Life::Open | Life::Closing => self.greet(),
            Life::Closed => {}
            _ => self.resume_opening(),
        }
        self.say_split(now);
    }

    pub fn handle_disconnected(&mut self) {
        self.link = Link::Disconnected;
        self.is_peers_turn = false;
        (self.early, self.early_promise, self.held) = (None, None, None);
        if matches!(self.record.life, Life::Initialized | Life::Accepted) {
            self.end_opening();
        }
    }

    pub fn handle_wake(&mut self, now: Time) {
        self.begin(now);
        let waited = now.since(self.since);
        match self.record.life {
            Life::Initialized | Life::Accepted if waited >= OPENING_TIME_MAX => self.end_opening(),
            Life::Open if waited >= ANSWER_TIME_MAX => {
                self.is_peers_turn = false;
                if let Some(last) = self.record.released.last() {
                    let round = last.round();
                    (self.since, self.stalled) = (now, Some(round));
                    self.notify(ChannelNews::Stalled { round });
                }
            }
            Life::Closing if waited >= CLOSING_TIME_MAX => self.give_up_closing_together(now),
            _ => {}
        }
        self.wait(now);
    }
}
