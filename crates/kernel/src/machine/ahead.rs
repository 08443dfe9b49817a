//! Hearing of newer epochs from anyone, by proof.
//!
//! # The problem
//!
//! A node that was away believes that others are ahead when f + 1 members of its own epoch say so, and it knows no other
//! addresses than theirs. Members come and go: when it comes back, fewer than that may be left, or none.
//!
//! # The idea
//!
//! Which epochs followed proves itself, step by step, to whoever knows one ([`light`](crate::light)): no matter who shows
//! it. So the layer above asks any kernel node that it can reach, as a client does, whenever this node
//! [would like to know](Kernel::epochs_wanted). What it is shown names members to connect to ([`News::Ahead`]), and
//! [steps](super::stepping) are taken on the word of f + 1 of those. Each step then proves itself as ever.
//!
//! Members of the newer epoch sit in seats where others may have sat in this one. They are nobody here but givers of steps:
//! everything else that they say waits until the epoch has turned.
//!
//! A node whose key has no seat there is not a member any more. It is told so; who still knows it may help it on.
//!
//! **Old keys** prove nothing: see [`OldKeys`](crate::light::OldKeys). Who was away for longer than pledges are locked can't
//! be shown the way.

use std::sync::Arc;

use byway_primitives::{Span, Store, Time};
use byway_records::Epoch;

use super::Kernel;
use super::status::NewestEpoch;
use crate::archive;
use crate::committee::{Committee, MemberIndex};
use crate::light::protocol::EpochStep;
use crate::light::{Head, LightClient, Unproven};
use crate::message::SyncMessage;
use crate::news::News;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Ahead {
    /// How long pledges stay locked.
    pledge_lock: Span,
    proven: Option<Proven>,
}

/// A later epoch than this node's.
#[derive(Debug)]
struct Proven {
    client: LightClient,
    committee: Committee,
}

impl Ahead {
    pub fn new(pledge_lock: Span) -> Self {
        Self { pledge_lock, proven: None }
    }
}

impl Kernel {
    /// The number of the first epoch that this node would like to be shown: it lacks the connections for a quorum of the
    /// newest that it knows of, or a peer is in a later one. `None` while it gets along.
    pub fn epochs_wanted(&self) -> Option<u32> {
        let known = self.newest_known();
        let reached = self.connected.iter().filter(|peer| known.counts(peer.member)).count();
        let is_cut_off = reached + usize::from(self.newest_epoch().counts) < known.quorum();
        let is_behind = self.catch_up.newest_epoch().is_some_and(|newest| newest > known.epoch());
        (self.halted.is_none() && (is_cut_off || is_behind)).then_some(known.epoch() + 1)
    }

    /// Takes what anyone shows of the epochs after those that are known here.
    ///
    /// # Errors
    /// [`Unproven::Lie`] is the fault of who showed it. What was proved before that holds.
    pub fn handle_epochs(&mut self, now: Time, steps: Vec<EpochStep>, store: &dyn Store) -> Result<(), Unproven> {
        let outcome = self.take_epochs(now, steps, store);
        self.settle(now, store);
        outcome
    }

    fn take_epochs(&mut self, now: Time, steps: Vec<EpochStep>, store: &dyn Store) -> Result<(), Unproven> {
        let mut client = match &self.ahead.proven {
            Some(proven) => proven.client.clone(),
            None => {
                let epoch = self.ledger.epoch().clone();
                let after = archive::stored_epoch(store, epoch.number).map(|record| record.after).unwrap_or_default();
                let head = Head { epoch, after, checkpoint: None };
                LightClient::at(self.committee.network(), self.ahead.pledge_lock, head)
            }
        };
        let known = client.head().epoch.number;
        // Two may have been asked at once.
        let new = steps.into_iter().filter(|step| step.epoch.number > known);
        let outcome = new.into_iter().try_for_each(|step| client.take_epoch(now, step));
        let epoch = client.head().epoch.clone();
        if epoch.number > known && self.halted.is_none() {
            self.learn_of(epoch, client);
        }
        outcome
    }

    fn learn_of(&mut self, epoch: Epoch, client: LightClient) {
        let committee = Committee::of_epoch(self.committee.network(), &epoch);
        self.connected.retain(|peer| self.committee.contains(peer.member) || committee.contains(peer.member));
        self.ahead.proven = Some(Proven { client, committee });
        self.notify(News::Ahead(Arc::new(epoch)));
    }

    /// The epoch has turned, perhaps to the one that was shown.
    pub(super) fn catch_up_with_ahead(&mut self) {
        let present = self.committee.epoch();
        self.ahead.proven.take_if(|proven| proven.committee.epoch() <= present);
    }

    /// Who counts in the newest epoch that is proved here: this node's own, or a later one.
    pub fn newest_known(&self) -> &Committee {
        self.ahead.proven.as_ref().map_or(&self.committee, |proven| &proven.committee)
    }

    /// That epoch, and what this node is in it.
    pub fn newest_epoch(&self) -> NewestEpoch {
        let newest = self.newest_known();
        let seat = newest.seat_of(self.config.secret.public());
        NewestEpoch { epoch: newest.epoch(), seat, counts: seat.is_some_and(|seat| newest.counts(seat)) }
    }

    /// Whether somebody sits there that this node has a use for: a member of its epoch or of the newest.
    pub fn knows(&self, peer: MemberIndex) -> bool {
        self.committee.contains(peer) || self.newest_known().contains(peer)
    }

    /// Whether whoever is in this seat sits there in this node's own epoch: where another does in the newest, that one is
    /// connected.
    pub(super) fn is_colleague(&self, peer: MemberIndex) -> bool {
        let newest = self.newest_known().key(peer);
        self.committee.contains(peer) && newest.is_none_or(|key| self.committee.key(peer) == Some(key))
    }

    /// Whether these members are so many, of this epoch or of the newest, that one of them is honest.
    pub(super) fn is_one_honest(&self, members: impl Iterator<Item = MemberIndex> + Clone) -> bool {
        let is_enough = |committee: &Committee, members: &mut dyn Iterator<Item = MemberIndex>| {
            members.filter(|member| committee.counts(*member)).count() > committee.faults_tolerated()
        };
        is_enough(&self.committee, &mut members.clone().filter(|member| self.is_colleague(*member)))
            || is_enough(self.newest_known(), &mut members.clone())
    }

    /// Whether a message is listened to: all of a colleague's, and steps of whoever sits in the newest epoch.
    pub(super) fn listens_to(&self, peer: MemberIndex, message: &SyncMessage) -> bool {
        self.is_colleague(peer) || (self.knows(peer) && matches!(message, SyncMessage::Steps(_)))
    }
}
