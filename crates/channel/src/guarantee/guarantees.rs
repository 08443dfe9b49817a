//! The machine: what there is, what comes in, and what it hands on.

use std::collections::BTreeMap;

use byway_primitives::codec::DecodeError;
use byway_primitives::{Amount, Effect, Encode, IdentityId, NetworkId, Span, Store, Time};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Cosigned, VirtualClose, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::message::{GuaranteeMessage, GuaranteeRefusal};
use super::record::{GUARANTEES, Held, HeldStage, Own, earned_key, entries, held_key, load_earned, own_key};
use super::terms::{GuaranteeTerms, VIRTUAL_LOCK_MIN};
use super::wish::{LastAct, Wish};
use crate::change::{Change, ContractCall};
use crate::channels::Channels;
use crate::outbox::Outbox;
use crate::signer::Signer;

/// How often this is looked at where nothing happens.
const LOOK_AGAIN: Span = Span::seconds(5);
/// How often somebody is told again what it does not react to, and the ledger is handed again what had no effect.
pub(super) const SAY_AGAIN: Span = Span::seconds(10);

/// How often it is asked what a channel holds that is not known.
pub(super) const RECALL_AGAIN: Span = Span::minutes(1);

/// What guarantees emit.
pub type GuaranteeEffect = Effect<IdentityId, GuaranteeMessage, GuaranteeNews>;

/// What is to be done, and what happened. The driver does what is asked after the writes that come before it; what can't be done is
/// asked for again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time: a box would cost more than it saves")]
pub enum GuaranteeNews {
    /// In a channel with a hub, or of a hub's.
    Propose {
        channel: ChannelId,
        change: Change,
    },
    Force {
        channel: ChannelId,
        call: ContractCall,
    },
    /// The last resort, where the peer neither does it together nor lets the ledger.
    Close {
        channel: ChannelId,
    },
    /// The time of a virtual channel is over: its parties part.
    Part {
        channel: ChannelId,
    },
    /// A virtual channel has to be closed on the ledger, since a channel that it is guaranteed in is being closed.
    CloseAlone {
        channel: ChannelId,
    },
    /// A virtual channel of ours is not guaranteed, and nothing is offered for it any more
    /// ([`ChannelMachine::give_up`](crate::ChannelMachine::give_up)).
    GiveUp {
        channel: ChannelId,
    },
    /// A virtual channel of ours is guaranteed, and lost here: it is taken up anew
    /// ([`Channels::find_virtual`]).
    Find {
        terms: Cosigned<VirtualTerms>,
    },
    /// A channel holds guarantees that this node, which is no hub, knows nothing of. Whoever may know of them was asked.
    Unknown {
        parent: ChannelId,
    },
    /// A hub's: hand this to the ledger with a fee that pays for it.
    Submit(ChannelsCall),
    /// A hub has said on what terms it guarantees channels.
    Told {
        hub: IdentityId,
        terms: Option<GuaranteeTerms>,
    },
    /// A hub does not guarantee a channel of ours; what was offered comes back at once, or at the offer's end.
    Refused {
        channel: ChannelId,
        refusal: GuaranteeRefusal,
    },
    /// The hub takes more than this node pays, so nothing is offered.
    TooDear {
        channel: ChannelId,
        fee: Amount,
    },
    /// A guarantee stands; one is paid out, or was taken back.
    Stands {
        channel: ChannelId,
    },
    Ended {
        channel: ChannelId,
    },
    /// A hub's: it guarantees a channel for so much; that is over.
    Guaranteed {
        channel: ChannelId,
        fees: Amount,
    },
    Released {
        channel: ChannelId,
    },
    /// A hub's: it has not guaranteed a channel that was offered by this peer, and of all that would be in it.
    Declined {
        peer: IdentityId,
        channel: ChannelId,
        amount: Amount,
        refusal: GuaranteeRefusal,
    },
}

/// What the ledger has of a virtual channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen {
    pub entry: Option<Channel>,
    /// What each side is paid, once that is decided.
    pub outcome: Option<[Amount; 2]>,
}

/// A guarantee as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuaranteeView {
    pub channel: ChannelId,
    pub terms: VirtualTerms,
    /// The channels that it is in: one, or the two of a hub.
    pub parents: Vec<ChannelId>,
    pub stands: bool,
}

/// All guarantees of a node, of channels of its own and of others'. Call order: [`load`](Self::load), then anything, and
/// [`poll`](Self::poll) after each. [`handle_channel`](Self::handle_channel) is called after whatever happened to a channel, and
/// [`handle_ledger`](Self::handle_ledger) for each checkpoint before the channels are shown it.
#[derive(Debug)]
pub struct Guarantees {
    pub(super) id: IdentityId,
    pub(super) network: NetworkId,
    /// None where it is no hub.
    pub(super) terms: Option<GuaranteeTerms>,
    /// The shortest lock period of a channel that it guarantees.
    pub(super) lock_min: Span,
    /// The most that it pays for a guarantee.
    pub(super) fee_max: Amount,
    pub(super) own: BTreeMap<ChannelId, Own>,
    pub(super) held: BTreeMap<ChannelId, Held>,
    /// What this node was paid for guarantees, ever.
    pub(super) earned: Amount,
    pub(super) seen: BTreeMap<ChannelId, Seen>,
    pub(super) commits: u64,
    /// What hubs said, since the start.
    pub(super) told: BTreeMap<IdentityId, GuaranteeTerms>,
    /// When something was last said, asked for or handed in.
    pub(super) said: BTreeMap<(ChannelId, Said), Time>,
    /// When peers were last told what channels of theirs there are.
    pub(super) recalled: BTreeMap<IdentityId, Time>,
    pub(super) wishes: BTreeMap<ChannelId, Vec<Wish>>,
    pub(super) last_acts: BTreeMap<ChannelId, LastAct>,
    pub(super) out: Outbox<GuaranteeMessage, GuaranteeNews>,
}

/// What is said over and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Said {
    Ask,
    Offer,
    Close,
    Part,
    CloseAlone,
    Dear,
    Over,
    Register,
    End,
    Settle,
    Certificate,
    Recall,
    /// Not said, but known since.
    Resolve,
}

impl Guarantees {
    pub fn load(
        id: IdentityId,
        network: NetworkId,
        terms: Option<GuaranteeTerms>,
        fee_max: Amount,
        store: &impl Store,
    ) -> Result<Self, DecodeError> {
        Ok(Self {
            id,
            network,
            terms,
            lock_min: VIRTUAL_LOCK_MIN,
            fee_max,
            own: entries(store, 0)?.into_iter().collect(),
            held: entries(store, 1)?.into_iter().collect(),
            earned: load_earned(store)?,
            seen: BTreeMap::new(),
            commits: 0,
            told: BTreeMap::new(),
            said: BTreeMap::new(),
            recalled: BTreeMap::new(),
            wishes: BTreeMap::new(),
            last_acts: BTreeMap::new(),
            out: Outbox::new(),
        })
    }

    // What there is.

    pub fn terms(&self) -> Option<&GuaranteeTerms> {
        self.terms.as_ref()
    }

    /// What a hub has said since the start.
    pub fn told(&self, hub: IdentityId) -> Option<&GuaranteeTerms> {
        self.told.get(&hub)
    }

    /// Guarantees of channels of this node's.
    pub fn own(&self) -> impl Iterator<Item = GuaranteeView> {
        self.own.iter().map(|(id, own)| GuaranteeView {
            channel: *id,
            terms: own.terms.body,
            parents: vec![own.parent],
            stands: own.stands,
        })
    }

    /// What this node was paid for guarantees, ever.
    pub fn earned(&self) -> Amount {
        self.earned
    }

    /// Guarantees that this node gives others.
    pub fn held(&self) -> impl Iterator<Item = GuaranteeView> {
        let held = self.held.iter().filter(|(_, held)| held.stage != HeldStage::Over);
        held.map(|(id, held)| GuaranteeView {
            channel: *id,
            terms: held.terms.body,
            parents: held.parents.to_vec(),
            stands: held.stage == HeldStage::Standing,
        })
    }

    /// The offers that a hub accepts, or has accepted, by the channels that they are in: until it has, nothing else is proposed there
    /// ([`Channels::note_accepting`]).
    pub fn accepting(&self) -> BTreeMap<ChannelId, Vec<(Address, ChannelId)>> {
        let mut accepting: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, held) in self.held.iter().filter(|(_, held)| held.stage != HeldStage::Over) {
            for (parent, place) in held.parents.into_iter().zip(held.places) {
                accepting.entry(parent).or_default().push((place, *id));
            }
        }
        accepting
    }

    /// What the ledger says each side is paid, of the virtual channels that matter here; for
    /// [`Channels::note_outcomes`].
    pub fn outcomes(&self) -> BTreeMap<ChannelId, [Amount; 2]> {
        self.seen.iter().filter_map(|(id, seen)| Some((*id, seen.outcome?))).collect()
    }

    /// What is to be done, in this order.
    pub fn poll(&mut self) -> Vec<GuaranteeEffect> {
        self.out.poll()
    }

    // What is asked.

    /// On what terms this node guarantees channels from now on; those that stand go on.
    pub fn set_terms(&mut self, terms: Option<GuaranteeTerms>) {
        self.terms = terms;
    }

    /// The shortest lock period of channels that this node guarantees from now on. What it signs must reach the ledger within one.
    pub fn set_lock_min(&mut self, lock_min: Span) {
        self.lock_min = lock_min;
    }

    /// The most that this node pays for a guarantee from now on.
    pub fn set_fee_max(&mut self, fee_max: Amount) {
        self.fee_max = fee_max;
    }

    /// Asks a hub for its terms.
    pub fn ask(&mut self, hub: IdentityId) {
        self.out.send(hub, GuaranteeMessage::Ask);
    }

    // What comes in.

    /// A message of a peer's that there is a dialogue with.
    pub fn handle_message<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        message: GuaranteeMessage,
    ) {
        match message {
            GuaranteeMessage::Ask => self.out.send(peer, GuaranteeMessage::Tell { terms: self.terms }),
            GuaranteeMessage::Tell { terms } => self.handle_told(now, channels, peer, terms),
            GuaranteeMessage::Offered { terms } => self.handle_offered(now, channels, peer, &terms),
            GuaranteeMessage::Refuse { channel, refusal } => self.handle_refused(peer, channel, refusal),
            GuaranteeMessage::Close { close } => self.handle_close_of_others(now, channels, peer, &close),
            GuaranteeMessage::Certified { certificate } => self.handle_certified(now, channels, peer, certificate),
            GuaranteeMessage::Over { channel } => self.handle_over(peer, channel),
            GuaranteeMessage::Recall => self.handle_recall(now, channels, peer),
            GuaranteeMessage::Named { terms } => self.handle_named(now, channels, peer, &terms),
        }
        self.finish(now, channels);
    }

    /// Both sides of a virtual channel of ours have signed how they part.
    pub fn handle_close<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        close: Cosigned<VirtualClose>,
    ) {
        let id = close.body.channel;
        if let Some(own) = self.own.get(&id).filter(|own| own.close != Some(close)).cloned() {
            self.put_own(id, Own { close: Some(close), ..own });
        }
        self.advance(now, channels, id);
        self.finish(now, channels);
    }

    /// Something happened in that channel, or to it.
    pub fn handle_channel<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, channel: ChannelId) {
        self.take_up(now, channels, channel);
        let own = self.own.iter().filter(|(id, own)| **id == channel || own.parent == channel).map(|(id, _)| *id);
        let held = self.held.iter().filter(|(_, held)| held.parents.contains(&channel)).map(|(id, _)| *id);
        let touched: Vec<_> = own.chain(held).collect();
        touched.into_iter().for_each(|id| self.advance(now, channels, id));
        self.ask_for_unknown(now, channels, channel);
        self.finish(now, channels);
    }

    /// The ledger at its newest final checkpoint: called for each, before the channels are shown it
    /// ([`Channels::note_outcomes`]). The functions look up what it has of a virtual channel, and what came out of one.
    pub fn handle_ledger<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        commits: u64,
        entry: impl Fn(ChannelId) -> Option<Channel>,
        outcome: impl Fn(ChannelId) -> Option<[Amount; 2]>,
    ) {
        self.commits = commits;
        let ids: Vec<_> = self.own.keys().chain(self.held.keys()).copied().collect();
        self.seen = ids.iter().map(|id| (*id, Seen { entry: entry(*id), outcome: outcome(*id) })).collect();
        ids.into_iter().for_each(|id| self.advance(now, channels, id));
        self.finish(now, channels);
    }

    /// Looks at everything: after a start, and when it is woken.
    pub fn handle_wake<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        let virtual_ones = channels.iter().filter(|(_, machine)| machine.virtual_terms().is_some());
        let ids: Vec<_> = virtual_ones.filter_map(|(_, machine)| machine.id()).collect();
        ids.into_iter().for_each(|id| self.take_up(now, channels, id));
        let all: Vec<_> = self.own.keys().chain(self.held.keys()).copied().collect();
        all.into_iter().for_each(|id| self.advance(now, channels, id));
        let parents: Vec<_> = channels.iter().filter_map(|(_, machine)| machine.id()).collect();
        parents.into_iter().for_each(|parent| self.ask_for_unknown(now, channels, parent));
        self.finish(now, channels);
    }

    fn advance<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, id: ChannelId) {
        self.advance_own(now, channels, id);
        self.advance_held(now, channels, id);
    }

    // Towards the driver.

    /// Writes what is to be written, then has done in the channels what is wished.
    fn finish<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>) {
        self.out.write();
        self.act(now, channels);
        let is_waiting = !self.own.is_empty() || self.held.values().any(|held| held.stage != HeldStage::Over);
        if is_waiting {
            self.out.wake_at(now + LOOK_AGAIN);
        }
    }

    /// Whether it is time to say that, or to say it again.
    pub(super) fn is_time_to(&mut self, now: Time, channel: ChannelId, what: Said) -> bool {
        let last = self.said.get(&(channel, what));
        let again = if what == Said::Recall { RECALL_AGAIN } else { SAY_AGAIN };
        let is_time = last.is_none_or(|at| now.since(*at) >= again);
        if is_time {
            self.said.insert((channel, what), now);
        }
        is_time
    }

    pub(super) fn put_own(&mut self, id: ChannelId, own: Own) {
        self.out.batch.put(GUARANTEES, own_key(id), own.to_bytes());
        self.own.insert(id, own);
    }

    pub(super) fn remove_own(&mut self, id: ChannelId) {
        self.out.batch.delete(GUARANTEES, own_key(id));
        self.own.remove(&id);
        self.forget(id);
    }

    pub(super) fn put_held(&mut self, id: ChannelId, held: Held) {
        self.out.batch.put(GUARANTEES, held_key(id), held.to_bytes());
        self.held.insert(id, held);
    }

    /// The hub has its fee once an offer is accepted and nothing half-signed undoes that.
    pub(super) fn note_earned(&mut self, id: ChannelId, is_paid: [bool; 2]) {
        let Some(held) = self.held.get(&id).cloned() else { return };
        let new = [0, 1].map(|index| is_paid[index] && !held.is_paid[index]);
        if new == [false; 2] {
            return;
        }
        let fees = held.fees.into_iter().zip(new).filter_map(|(fee, is_new)| is_new.then_some(fee));
        let earned = Amount::checked_sum(fees.chain([self.earned]));
        self.earned = earned.unwrap_or(Amount::MAX);
        self.out.batch.put(GUARANTEES, earned_key(), self.earned.to_bytes());
        let is_paid = [0, 1].map(|index| held.is_paid[index] || new[index]);
        self.put_held(id, Held { is_paid, ..held });
    }

    pub(super) fn remove_held(&mut self, id: ChannelId) {
        self.out.batch.delete(GUARANTEES, held_key(id));
        self.held.remove(&id);
        self.forget(id);
    }

    fn forget(&mut self, id: ChannelId) {
        self.said.retain(|(channel, _), _| *channel != id);
    }
}
