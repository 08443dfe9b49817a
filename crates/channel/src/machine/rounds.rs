//! Which rounds a side may sign, so that it signs none twice, whatever disk it starts from.
//!
//! A disk may be an old one, and nobody has to say so: neither the disk knows it, nor a peer that keeps silent about what it has. So what was
//! signed before can't be learnt, and rounds are told apart by time, which no disk takes back. Every moment has its rounds
//! ([`round_at`]):
//!
//! - a side signs no round beyond those of the present millisecond, whoever proposes it;
//! - a side that starts signs none up to those of the moment in which it starts, and says so with its greeting.
//!
//! So two lives of one side share no rounds, and whatever it signs in the later one beats all that it signed in the earlier one and was not
//! shown. As long as it does not start anew a channel counts its rounds one by one. There are more rounds in a millisecond than
//! updates can be made in one, so nobody waits for the clock, but for the clock of a peer that is ahead: what that proposes is kept until its time
//! has come ([`ChannelMachine::hear_held`]).
//!
//! What this stands on is that a machine's clock is not put back by more than the time between two lives. Where the ledger's time is
//! later than the clock, that counts.

use byway_primitives::{Span, Time};

use super::ChannelMachine;
use crate::change::ChangeError;
use crate::message::Proposal;
use crate::news::{PeerFault, ProposeError};
use crate::signer::Signer;

/// Rounds of one millisecond: more than updates can be made in it, and few enough that a round fits into the 53 bits of a number in
/// JSON for two hundred years.
pub const ROUNDS_PER_MILLI: u64 = 1 << 10;
/// How far the clocks of two parties can be apart before what one says of its rounds is a fault.
pub const CLOCKS_APART_MAX: Span = Span::minutes(60);

/// The last round of the millisecond before.
pub fn round_at(time: Time) -> u64 {
    time.0.saturating_mul(ROUNDS_PER_MILLI)
}

impl<S: Signer> ChannelMachine<S> {
    /// The highest round that may be signed now.
    pub(super) fn round_max(now: Time) -> u64 {
        round_at(now + Span::millis(1))
    }

    /// The highest round that a peer whose clock is wrong could speak of.
    pub(super) fn round_believed(&self, now: Time) -> u64 {
        round_at(now + CLOCKS_APART_MAX).max(self.record.base.round)
    }

    /// This side may have had a life that it knows nothing of, up to that moment.
    pub(super) fn leave_out_until(&mut self, time: Time) {
        self.record.signed = self.record.signed.max(round_at(time));
    }

    /// The round of what is signed next: new to both, as far as this side knows.
    pub(super) fn next_round(&self, now: Time) -> Result<u64, ProposeError> {
        let highest = self.record.base.round.max(self.record.signed).max(self.record.seen);
        let round = highest.checked_add(1).ok_or(ChangeError::Rounds)?;
        if round <= Self::round_max(now) { Ok(round) } else { Err(ProposeError::Clock) }
    }

    /// Whether a proposal is of a later time than it is here. It is kept, and the last one of those.
    pub(super) fn holds_back(&mut self, now: Time, proposal: &Proposal) -> Result<bool, PeerFault> {
        if proposal.round() > self.round_believed(now) {
            return Err(PeerFault::Round);
        }
        let is_early = proposal.round() > Self::round_max(now);
        if is_early {
            self.held = Some(proposal.clone());
        }
        Ok(is_early)
    }

    /// What was kept, and what could not be superseded, for the same reason.
    pub(super) fn hear_held(&mut self, now: Time) {
        if let Some(held) = self.held.take() {
            // It was looked at when it came.
            let _ = self.handle_proposal(now, held);
        }
        self.supersede(now);
    }
}
