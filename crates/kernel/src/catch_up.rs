//! Fetching whole rounds, when too far behind for fetching parents one by one.
//!
//! How far the others are is the (f + 1)th highest round that anyone claims (by a snapshot it signed, or a status), so
//! at least one honest node is really there. Below that the node asks one peer at a time for the rounds after its own,
//! in chunks; a peer that doesn't answer, or whose answer leads nowhere, is followed by the next.

use std::collections::BTreeMap;

use byway_primitives::{Span, Time};
use byway_records::epoch::{ROUND_BITS, epoch_of};

use crate::committee::{Committee, MemberIndex};
use crate::message::{SyncMessage, WANTED_ROUNDS_MAX};

/// Rounds that a node may be behind and still keep up by parents alone.
pub const GAP_MAX: u64 = 10;
/// Rounds above the newest quorum from which snapshots are taken in: two chunks, and the gap.
pub const WINDOW: u64 = 2 * WANTED_ROUNDS_MAX + 4 * GAP_MAX;

/// See the [module](self).
#[derive(Debug)]
pub struct CatchUp {
    faults_tolerated: usize,
    /// The newest round that each node is said to have reached.
    claims: BTreeMap<MemberIndex, u64>,
    asked: Option<Asked>,
    turn: usize,
}

#[derive(Debug)]
struct Asked {
    peer: MemberIndex,
    from: u64,
    /// Up to where the peer says it has sent.
    until: Option<u64>,
    deadline: Time,
}

impl CatchUp {
    pub fn new(committee: &Committee) -> Self {
        let claims = committee.members().map(|member| (member, 0)).collect();
        Self { faults_tolerated: committee.faults_tolerated(), claims, asked: None, turn: 0 }
    }

    /// Other nodes count from now on; what those that stay have claimed still holds.
    pub fn turn(&mut self, committee: &Committee) {
        let claim = |member| (member, self.claims.get(&member).copied().unwrap_or(0));
        self.claims = committee.members().map(claim).collect();
        self.faults_tolerated = committee.faults_tolerated();
        self.asked = None;
    }

    /// A node has reached at least this round.
    pub fn reached(&mut self, member: MemberIndex, round: u64) {
        if let Some(claim) = self.claims.get_mut(&member) {
            *claim = round.max(*claim);
        }
    }

    /// A node says itself where it is.
    pub fn stated(&mut self, member: MemberIndex, round: u64) {
        if let Some(claim) = self.claims.get_mut(&member) {
            *claim = round;
        }
    }

    /// A node can't be asked any more.
    pub fn lost(&mut self, member: MemberIndex) {
        self.stated(member, 0);
        self.asked.take_if(|asked| asked.peer == member);
    }

    /// Where the others are.
    pub fn target(&self) -> u64 {
        let mut claims: Vec<u64> = self.claims.values().copied().collect();
        claims.sort_unstable_by(|a, b| b.cmp(a));
        claims.get(self.faults_tolerated).copied().unwrap_or(0)
    }

    /// The newest epoch in which anybody claims to be.
    pub fn newest_epoch(&self) -> Option<u32> {
        epoch_of(self.claims.values().max()?.saturating_add(1))
    }

    /// Whether this node, with a quorum of `round`, should fetch rounds rather than take part.
    pub fn is_behind(&self, round: u64) -> bool {
        self.target() > round + GAP_MAX
    }

    /// The answer of a peer to a request is complete.
    pub fn answered(&mut self, peer: MemberIndex, from: u64, until: u64) {
        if until <= from
            && let Some(claim) = self.claims.get_mut(&peer)
        {
            if claim.saturating_add(1) >> ROUND_BITS > from >> ROUND_BITS {
                // It is in a later epoch, and has let go of this one. So will the next be, after the usual time.
                return;
            }
            // It has nothing there, so it isn't further than that.
            *claim = from.saturating_sub(1).min(*claim);
        }
        if let Some(asked) = self.asked.as_mut().filter(|asked| asked.peer == peer && asked.from == from) {
            asked.until = Some(until);
        }
    }

    /// The next request, if one is due; `round` is the newest of which this node has a quorum.
    pub fn request(
        &mut self,
        now: Time,
        timeout: Span,
        round: u64,
        connected: &[MemberIndex],
    ) -> Option<(MemberIndex, SyncMessage)> {
        if !self.is_behind(round) {
            self.asked = None;
            return None;
        }
        let from = round + 1;
        if let Some(asked) = &self.asked {
            // Everything announced but the newest round, which may lack its quorum, has arrived: go on with this peer.
            let is_done = asked.until.is_some_and(|until| until > asked.from && from + 1 >= until);
            let is_empty = asked.until.is_some_and(|until| until <= asked.from);
            if is_done {
                self.turn = self.turn.wrapping_sub(1);
            } else if now < asked.deadline && !is_empty {
                return None;
            }
        }
        let ahead: Vec<MemberIndex> = connected
            .iter()
            .copied()
            .filter(|peer| self.claims.get(peer).is_some_and(|claim| *claim > round))
            .collect();
        if ahead.is_empty() {
            self.asked = None;
            return None;
        }
        let peer = ahead[self.turn % ahead.len()];
        self.turn = self.turn.wrapping_add(1);
        self.asked = Some(Asked { peer, from, until: None, deadline: now + timeout });
        Some((peer, SyncMessage::WantRounds { from, to: from + WANTED_ROUNDS_MAX - 1 }))
    }

    /// Rounds are not wanted any more.
    pub fn forget_asked(&mut self) {
        self.asked = None;
    }

    /// When the peer that was asked is given up.
    pub fn deadline(&self) -> Option<Time> {
        self.asked.as_ref().map(|asked| asked.deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawn::committee;

    const TIMEOUT: Span = Span::millis(100);

    fn peers() -> Vec<MemberIndex> {
        (0..7).map(MemberIndex).collect()
    }

    #[test]
    fn f_liars_can_not_say_where_the_others_are() {
        let mut catch_up = CatchUp::new(&committee(7));
        catch_up.stated(MemberIndex(0), u64::MAX);
        catch_up.stated(MemberIndex(1), u64::MAX);
        assert_eq!(catch_up.target(), 0);
        catch_up.stated(MemberIndex(2), 500);
        assert_eq!(catch_up.target(), 500);
    }

    #[test]
    fn a_peer_that_does_not_answer_is_followed_by_the_next() {
        let mut catch_up = CatchUp::new(&committee(7));
        (0..4).for_each(|member| catch_up.stated(MemberIndex(member), 500));
        let (first, request) = catch_up.request(Time(0), TIMEOUT, 0, &peers()).expect("behind");
        assert_eq!(request, SyncMessage::WantRounds { from: 1, to: 64 });
        assert_eq!(catch_up.request(Time(50), TIMEOUT, 0, &peers()), None);
        let (second, _) = catch_up.request(Time(100), TIMEOUT, 0, &peers()).expect("timed out");
        assert_ne!(first, second);
        // It sends what it has, and that arrives: the next chunk is its as well.
        catch_up.answered(second, 1, 65);
        let (third, request) = catch_up.request(Time(110), TIMEOUT, 64, &peers()).expect("more");
        assert_eq!((third, request), (second, SyncMessage::WantRounds { from: 65, to: 128 }));
        // It says that it sent more, but nothing comes of it.
        catch_up.answered(third, 65, 129);
        assert_eq!(catch_up.request(Time(150), TIMEOUT, 64, &peers()), None);
        let (fourth, _) = catch_up.request(Time(210), TIMEOUT, 64, &peers()).expect("timed out");
        assert_ne!(third, fourth);
    }

    #[test]
    fn a_peer_that_has_nothing_loses_its_claim() {
        let mut catch_up = CatchUp::new(&committee(7));
        (0..3).for_each(|member| catch_up.stated(MemberIndex(member), 500));
        let (peer, _) = catch_up.request(Time(0), TIMEOUT, 100, &peers()).expect("behind");
        catch_up.answered(peer, 101, 101);
        assert!(!catch_up.is_behind(100), "two claims are not enough");
    }
}
