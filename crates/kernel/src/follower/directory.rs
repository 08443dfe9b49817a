//! Who is called what and who holds for whom, read out of what was followed: certified, and without asking anyone.

use byway_primitives::{IdentityId, Time};
use byway_records::holders::{self, Delegate};
use byway_records::names::{self, Name};
use byway_records::state::LedgerClock;
use byway_records::{Checkpoint, ProgramId};

use super::Follower;

/// All of these know nothing where the program is not followed.
impl Follower {
    /// Who holds for `identity`, if it is away at `now`.
    pub fn delegates_of(&self, identity: IdentityId, now: Time) -> Vec<Delegate> {
        let tree = self.tree(ProgramId::HOLDERS);
        tree.map_or_else(Vec::new, |tree| holders::delegates_of(tree, identity, now))
    }

    /// Whose `name` is at `now`.
    pub fn identity_of(&self, name: &Name, now: Time) -> Option<IdentityId> {
        names::identity_of(self.tree(ProgramId::NAMES)?, name, self.clock(now))
    }

    /// What `identity` chose to be called, if that name is its own at `now`.
    pub fn name_of(&self, identity: IdentityId, now: Time) -> Option<Name> {
        names::name_of(self.tree(ProgramId::NAMES)?, identity, self.clock(now))
    }

    /// A time, with the commits of the tip: what needs more of them has not passed as far as anyone can prove.
    fn clock(&self, time: Time) -> LedgerClock {
        LedgerClock { time, commits: self.tip().map_or(0, |tip: &Checkpoint| tip.commits) }
    }
}
