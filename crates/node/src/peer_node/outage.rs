//! A session that went bad while its link and its dialogue are well: an exit that reaches nothing any more (row A2).
//!
//! A destination that doesn't answer is that destination's affair; an exit from which many don't, and none does, has lost its
//! way to the internet or pretends to. So what counts are connections that the exit could not make, to so many
//! different hosts and ports in a row, with none made for a while. Then the provider is left for another, if there is one.
//! Whoever refuses a connection has been reached, and what an exit's rules deny says nothing.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};

use byway_access::session::{SessionId, StopReason};
use byway_driver::socks::{Outcome, Reply, Target};
use byway_primitives::{Span, Time};

use super::Actor;

/// Different destinations that were not reached, with none in between that was. A page asks for some dozen.
const FAILED_MIN: usize = 8;
/// How long nothing was reached. Programs that look for others, most of whom are gone, find some in that time.
const FAILED_FOR: Span = Span::seconds(20);
/// More need not be told apart.
const KEPT_MAX: usize = 64;

/// Where programs got to through the session in use.
#[derive(Default)]
pub(super) struct Outage {
    of: Option<(SessionId, Reached)>,
    /// Destinations are kept as hashes that mean nothing outside this process.
    hashes: RandomState,
}

/// Since a destination was last reached.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reached {
    last: Time,
    failed: BTreeSet<u64>,
}

/// What a connection says of the exit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carried {
    Reached,
    Failed,
}

impl Carried {
    /// `None` where it says nothing.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Spliced(_) | Outcome::Refused(Reply::Refused) => Some(Self::Reached),
            Outcome::Refused(
                Reply::GeneralFailure | Reply::NetworkUnreachable | Reply::HostUnreachable | Reply::TtlExpired,
            ) => Some(Self::Failed),
            Outcome::Refused(_) | Outcome::Gone => None,
        }
    }
}

impl Reached {
    fn since(last: Time) -> Self {
        Self { last, failed: BTreeSet::new() }
    }

    /// Takes note of a connection. Whether the exit reaches nothing any more.
    fn note(&mut self, now: Time, target: u64, carried: Carried) -> bool {
        match carried {
            Carried::Reached => *self = Self::since(now),
            Carried::Failed if self.failed.len() < KEPT_MAX => drop(self.failed.insert(target)),
            Carried::Failed => {}
        }
        self.failed.len() >= FAILED_MIN && now >= self.last + FAILED_FOR
    }
}

impl Actor {
    /// A program's connection through `session` has ended, or could not be made.
    pub(super) fn carried(&mut self, session: SessionId, target: &Target, carried: Carried) {
        let now = self.clock.now();
        let target = self.quality.outage.hashes.hash_one(target);
        let known = self.quality.outage.of.take_if(|(of, _)| *of == session);
        let (_, mut reached) = known.unwrap_or_else(|| (session, Reached::since(now)));
        let reaches_nothing = reached.note(now, target, carried);
        self.quality.outage.of = Some((session, reached));
        if reaches_nothing
            && let Some(way) = self.ways.of_session(session)
            && self.another_fits(way)
        {
            self.leave_provider(way, StopReason::ChannelFailed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(connections: &[(u64, u64, Carried)], expected: bool) {
        let mut reached = Reached::since(Time(0));
        let found = connections.iter().map(|(s, target, carried)| reached.note(Time(s * 1000), *target, *carried));
        assert_eq!(found.last(), Some(expected), "{connections:?}");
    }

    #[test]
    fn an_exit_is_bad_when_many_destinations_and_none_but_they_are_tried_for_a_while() {
        use Carried::{Failed, Reached};
        let failing =
            |at: u64, targets: std::ops::Range<u64>| targets.map(move |t| (at, t, Failed)).collect::<Vec<_>>();
        check(&failing(21, 0..8), true);
        check(&failing(21, 0..7), false);
        check(&failing(19, 0..8), false);
        check(&failing(21, 0..1).repeat(20), false);
        check(&[failing(30, 0..7), vec![(30, 9, Reached)], failing(31, 10..20)].concat(), false);
        check(&[failing(30, 0..7), vec![(30, 9, Reached)], failing(51, 10..20)].concat(), true);
    }

    #[test]
    fn a_host_that_refuses_was_reached_and_a_denied_one_says_nothing() {
        for (reply, expected) in [
            (Reply::Refused, Some(Carried::Reached)),
            (Reply::TtlExpired, Some(Carried::Failed)),
            (Reply::HostUnreachable, Some(Carried::Failed)),
            (Reply::NotAllowed, None),
        ] {
            assert_eq!(Carried::of(&Outcome::Refused(reply)), expected, "{reply}");
        }
        assert_eq!(Carried::of(&Outcome::Gone), None);
    }
}
