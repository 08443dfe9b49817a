//! Which rounds a side may sign, so that it signs none twice, whatever disk or memory it goes on from.
//!
//! A disk may be an old one, and nobody has to say so: neither the disk knows it, nor a peer that keeps silent about what it has. So what was
//! signed before can't be learnt, and rounds are told apart by time, which nothing takes back. Every moment has its rounds ([`round_at`]), and a
//! side has a *floor*, up to which it may have signed in a life that it knows nothing of:
//!
//! - A *life* begins with a start, and where a side was given no time for [`AWAY_TIME_MIN`]: a machine may have been put back with its memory.
//! - A life signs nothing before it has seen the ledger *fresh*: at most [`FRESH_TIME_MAX`] behind the clock. Then it takes the present moment as its
//!   floor, and says so with a greeting.
//! - It signs no round up to its floor, and none beyond the present moment, whoever proposes it. That moment is the clock's, but never before the ledger's time,
//!   and never more than [`CLOCKS_APART_MAX`] after it.
//!
//! So two lives of one side share no rounds, and whatever it signs in the later one beats all that it signed in the earlier one and was not
//! shown. Within a life a channel counts its rounds one by one. There are more rounds in a millisecond than updates can be made in one, so nobody waits for
//! the clock, but for the clock of a peer that is ahead, and a side for its own ledger: what comes too early is kept until its time has come
//! ([`ChannelMachine::hear_held`]).
//!
//! *A clock that is wrong leaves nothing behind.* The floor is in memory only. A side whose clock is ahead by more than a minute never sees the ledger fresh, so it
//! signs nothing, tells no peer a floor, and tells its user ([`ChannelNews::ClockApart`]). With the clock set right it starts as if that life had not been.
//!
//! What this stands on: a clock is not put back by more than the time between two lives. Where it is read from the very disk that was put back, and the ledger too, both
//! look fresh until the first newer checkpoint comes; that puts the time forward, and is where a life begins again.

use std::fmt;

use byway_primitives::{Span, Time};
use byway_records::channel::Environment;

use super::{ChannelMachine, Link};
use crate::change::ChangeError;
use crate::journal::Life;
use crate::message::Proposal;
use crate::news::{ChannelNews, PeerFault, ProposeError};
use crate::signer::Signer;

/// Rounds of one millisecond: more than updates can be made in it, and few enough that a round fits into the 53 bits of a number in
/// JSON for two hundred years.
pub const ROUNDS_PER_MILLI: u64 = 1 << 10;
/// How far the clocks of two parties can be apart before what one says of its rounds is a fault.
pub const CLOCKS_APART_MAX: Span = Span::minutes(60);

/// How far behind the clock the ledger may be, where it shows that the clock is right.
pub const FRESH_TIME_MAX: Span = Span::minutes(1);
/// A side that was given no time for that long may have been put back together with its memory.
pub const AWAY_TIME_MIN: Span = Span::minutes(1);

/// The last round of the millisecond before.
pub fn round_at(time: Time) -> u64 {
    time.0.saturating_mul(ROUNDS_PER_MILLI)
}

impl<S: Signer> ChannelMachine<S> {
    /// The ledger is at another checkpoint, which has the channel as the one before had it.
    pub(crate) fn note_time(&mut self, now: Time, environment: Environment, commits: u64) {
        self.begin(now);
        (self.ledger.environment, self.ledger.commits) = (environment, commits);
        self.see_time(now);
    }

    /// What time it is. Called several times a minute, so that a side knows that it was there all the time ([`AWAY_TIME_MIN`]).
    pub fn handle_time(&mut self, now: Time) {
        self.begin(now);
        self.tell_if_apart(now);
    }

    /// When a loaded channel is first given a time, that is when it started.
    pub(super) fn begin(&mut self, now: Time) {
        if self.started.is_none() {
            self.started = Some(now);
            self.since = now;
            self.wait(now);
        }
        self.come_to(now);
    }

    /// The highest round that may be signed now.
    pub(super) fn round_max(&self, now: Time) -> u64 {
        let ledger = self.ledger.environment.time;
        round_at(now.max(ledger).min(ledger + CLOCKS_APART_MAX) + Span::millis(1))
    }

    /// The highest round that a peer whose clock is wrong could speak of.
    pub(super) fn round_believed(&self, now: Time) -> u64 {
        round_at(now.max(self.ledger.environment.time) + CLOCKS_APART_MAX).max(self.record.base.round)
    }

    /// The highest round that this side has signed, or may have.
    pub(super) fn signed_max(&self) -> u64 {
        self.record.signed.max(self.present.floor)
    }

    /// It was given the time. Where it was not for long, another life begins.
    pub(super) fn come_to(&mut self, now: Time) {
        let latest = self.present.latest.replace(self.present.latest.map_or(now, |latest| latest.max(now)));
        if latest.is_some_and(|latest| now.since(latest) > AWAY_TIME_MIN) {
            self.begin_again(now);
        }
    }

    /// What this side knows may be old, as after a start.
    fn begin_again(&mut self, now: Time) {
        self.started = Some(now);
        (self.present.is_fresh, self.has_heard, self.has_told_unheard) = (false, false, false);
        (self.is_peers_turn, self.held) = (false, None);
        if self.link == Link::Connected {
            // The peer shows where it stands once it is told the floor.
            self.link = Link::Greeting;
        }
    }

    /// The ledger's time was seen. Once it is fresh the floor is taken.
    pub(super) fn see_time(&mut self, now: Time) {
        let ledger = self.ledger.environment.time;
        if self.present.is_fresh || ledger + FRESH_TIME_MAX < now {
            return;
        }
        let floor = self.present.floor.max(round_at(now.max(ledger)));
        self.present = Present { floor, is_fresh: true, is_apart: false, ..self.present };
        if matches!(self.record.life, Life::Open | Life::Closing) && self.link.has_greeted() {
            // The peer says again what this side would sign then, for a round beyond that.
            self.held = None;
            self.greet();
        }
    }

    /// A clock that does not go with the ledger is told once in each life.
    pub(super) fn tell_if_apart(&mut self, now: Time) {
        let is_late = self.started.is_some_and(|started| now.since(started) > FRESH_TIME_MAX);
        if self.record.life == Life::Open && is_late && !self.present.is_fresh && !self.present.is_apart {
            self.present.is_apart = true;
            self.notify(ChannelNews::ClockApart);
        }
    }

    /// The round of what is signed next: new to both, as far as this side knows.
    pub(super) fn next_round(&self, now: Time) -> Result<u64, ProposeError> {
        if !self.present.is_fresh {
            return Err(if self.present.is_apart { ProposeError::Apart } else { ProposeError::Unseen });
        }
        let highest = self.record.base.round.max(self.signed_max()).max(self.record.seen);
        let round = highest.checked_add(1).ok_or(ChangeError::Rounds)?;
        if round <= self.round_max(now) { Ok(round) } else { Err(ProposeError::Clock) }
    }

    /// Whether a proposal is of a later time than it is here, or this side does not know yet what time it is. It is kept, and the last one of those.
    pub(super) fn holds_back(&mut self, now: Time, proposal: &Proposal) -> Result<bool, PeerFault> {
        if proposal.round() > self.round_believed(now) {
            return Err(PeerFault::Round);
        }
        let is_early = !self.present.is_fresh || proposal.round() > self.round_max(now);
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

/// What a side knows of the present.
#[derive(Clone, Copy, Default)]
pub(super) struct Present {
    /// Up to which round this side may have signed in a life that it knows nothing of. Not on disk: each life takes its own.
    floor: u64,
    /// Whether the ledger was seen fresh in this life.
    is_fresh: bool,
    /// Whether the user was told that it was not for too long.
    is_apart: bool,
    /// The latest time that it was given.
    latest: Option<Time>,
}

impl Present {
    /// Of a channel that there was never before.
    pub fn of_first_life() -> Self {
        Self { is_fresh: true, ..Self::default() }
    }

    pub fn is_fresh(&self) -> bool {
        self.is_fresh
    }
}

/// Without the latest time: two that differ in nothing else are at one place.
impl fmt::Debug for Present {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { floor, is_fresh, is_apart, .. } = self;
        f.debug_struct("Present")
            .field("floor", floor)
            .field("is_fresh", is_fresh)
            .field("is_apart", is_apart)
            .finish_non_exhaustive()
    }
}
