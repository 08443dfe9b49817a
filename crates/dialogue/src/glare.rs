//! When both open at once: the attempt of the lower id wins (row A8).
//!
//! The rule has two halves. The side with the **higher** id never stands in the way: it answers the other's opening, and
//! when that opening proves live, it drops its own attempt. The side with the **lower** id *insists*: it refuses the
//! other's opening while its own is under way. Nothing is dropped on the strength of a Hello alone, since that could be a
//! replay; so a recorded Hello can't make the higher side give up an attempt.
//!
//! # Why the two never end up with two different dialogues
//!
//! When the lower's attempt succeeds, the higher has dropped its own, but what it sent for it may still be under way. The
//! lower therefore forgets, at that moment, the half-opens of that peer: they are of openings from before its own attempt
//! began, since while that was under way it refused all others.
//!
//! With a *new* dialogue there is a dangerous moment more: L (lower) has sent Live for its dialogue D and lost the link before
//! Ready. Perhaps H (higher) holds D now and has begun to say lasting things in it; perhaps H never heard of it. If L
//! took up H's own offer D′ now, H could be in D while L is in D′, and what was said in D would be lost when the two
//! meet. So L keeps D on disk as *offered* and, for [`INSIST_SPAN`] after its last Live, accepts only D, whoever opens.
//! Afterwards it may take up D′, because by then:
//!
//! - H can take up D only from a half-open that it made before L's last Live, and half-opens live for
//!   [`HALF_OPEN_SPAN`](crate::config::HALF_OPEN_SPAN); so H takes up D within that span after L's last Live, or never.
//! - If H did take up D, it gave up D′ at that moment, so its last Live for D′ is older than that; and L could accept that
//!   Live only from a half-open of its own, made before it. That one ended a half-open span later at the latest.
//!
//! Two half-open spans are less than [`INSIST_SPAN`]. The argument needs that both clocks run at about the same rate, not
//! that they agree. After a crash L does not know when it sent its last Live, and counts from its restart.
//!
//! What the rule costs: where L's attempt is stuck on a dead link that nobody reports dead, H waits for L to give up
//! (`attempt_max`), repeating its own opening meanwhile.

use byway_primitives::{IdentityId, Time};

use crate::config::INSIST_SPAN;
use crate::handshake::DialogueId;

/// Where this side stands towards a peer that opens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stance {
    Idle,
    /// An own attempt is under way.
    Attempting,
    /// A dialogue was offered, and may have been taken up.
    Offered {
        dialogue: DialogueId,
        live_at: Time,
    },
}

/// Whether it is `own` whose attempt wins.
pub(crate) fn is_lower(own: IdentityId, peer: IdentityId) -> bool {
    own < peer
}

/// Whether `own` refuses an opening of `peer` for `dialogue` at `now`.
pub(crate) fn insists(own: IdentityId, peer: IdentityId, stance: Stance, dialogue: DialogueId, now: Time) -> bool {
    is_lower(own, peer)
        && match stance {
            Stance::Idle => false,
            Stance::Attempting => true,
            Stance::Offered { dialogue: offered, live_at } => offered != dialogue && now < live_at + INSIST_SPAN,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::HALF_OPEN_SPAN;

    #[test]
    fn the_lower_insists_while_its_own_may_still_be_taken_up() {
        const { assert!(INSIST_SPAN.0 > 2 * HALF_OPEN_SPAN.0, "the argument in the module's doc") };
        let (low, high) = (IdentityId([1; 20]), IdentityId([2; 20]));
        let (mine, theirs) = (DialogueId([1; 16]), DialogueId([2; 16]));
        let offered = Stance::Offered { dialogue: mine, live_at: Time(1000) };
        let over = Time(1000) + INSIST_SPAN;
        for (own, peer, stance, dialogue, now, expected) in [
            (low, high, Stance::Idle, theirs, Time(1000), false),
            (low, high, Stance::Attempting, theirs, Time(1000), true),
            (low, high, Stance::Attempting, mine, Time(1000), true),
            (high, low, Stance::Attempting, theirs, Time(1000), false),
            (low, high, offered, theirs, Time(1000), true),
            (low, high, offered, mine, Time(1000), false),
            (low, high, offered, theirs, over, false),
            (high, low, offered, theirs, Time(1000), false),
        ] {
            assert_eq!(insists(own, peer, stance, dialogue, now), expected, "{own:?} {stance:?} {dialogue:?} {now:?}");
        }
    }
}
