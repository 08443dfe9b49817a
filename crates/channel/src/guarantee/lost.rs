//! Virtual channels of a side that has lost its disk.
//!
//! Such a side finds its channels with hubs [on the ledger](crate::lost), and is given by each hub what is in them. There it sees that the contract of
//! guarantees has more than it knows of; of which channels it can't see, since their ids are nowhere in the state. So it asks the hub, which has the
//! terms with both signatures on disk, and whoever says where it stands in a channel that is not known here, who has them as well, if that shows a state that both of us signed
//! or has another channel with this node: a stranger would else learn that something was lost here. What they say counts
//! where all of this is so: both have signed it, one of them is this node, and the guarantee is there.
//!
//! What is guaranteed and not here is then taken up as both agreed to open it. From there it is as with any lost channel: this side is silent until the
//! peer has said where it stands, takes that over with our own signature under it, and signs no round that it may have signed before. If the peer is
//! silent too, the hub ends the channel at its time, and what comes out is what the ledger decides: what both put in, unless somebody shows more.
//!
//! *Nothing was signed in it yet.* Then its other party has nothing to show, and is asked only if there is another channel with it; the hub is always.
//!
//! *Somebody leaves one out.* It pays out nothing by that: it takes our signature, or the ledger's word. As long as the other one tells, it is found all
//! the same. Where both are silent, or one is and the other hides it, the guarantee stays where it is; this node goes on asking, and says to its user
//! that something is missing. Should the channel with the hub be closed meanwhile, what is in the contract is shared as agreed there.

use std::collections::BTreeSet;

use byway_primitives::{Amount, IdentityId, Time};
use byway_records::channel::{Cosigned, Side, VirtualTerms};
use byway_records::promise::ChannelId;
use byway_vm::Address;

use super::contract::{self, Stage};
use super::guarantees::{GuaranteeNews, Guarantees, RECALL_AGAIN, SAY_AGAIN, Said};
use super::message::GuaranteeMessage;
use super::record::{HeldStage, Own};
use super::sight::{Found, Sought, find_in};
use super::terms::is_possible;
use crate::channels::Channels;
use crate::journal::Life;
use crate::machine::ChannelMachine;
use crate::routing::sight;
use crate::signer::Signer;

impl Guarantees {
    /// Where a channel holds more than is known here, whoever may know of it is asked.
    pub(super) fn ask_for_unknown<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, parent: ChannelId) {
        let Some(machine) = sight::machine(channels, parent).filter(|machine| self.holds_unknown(machine, parent))
        else {
            return;
        };
        if !self.is_time_to(now, parent, Said::Recall) {
            return;
        }
        let hub = Some(machine.peer()).filter(|_| machine.is_connected());
        let asked: BTreeSet<_> = channels.knowing_peers().chain(hub).collect();
        asked.into_iter().for_each(|peer| self.out.send(peer, GuaranteeMessage::Recall));
        // What a hub is offered it does not write down before it guarantees it.
        if self.terms.is_none() {
            self.out.notify(GuaranteeNews::Unknown { parent });
        }
        self.out.wake_at(now + RECALL_AGAIN);
    }

    fn holds_unknown<S: Signer>(&self, machine: &ChannelMachine<S>, parent: ChannelId) -> bool {
        let state = machine.state();
        let is_known = state.root() == machine.position().root && machine.life() != Life::Closed;
        if machine.virtual_terms().is_some() || !is_known {
            return false;
        }
        let own = self.own.iter().filter(|(_, own)| own.parent == parent).map(|(id, _)| *id);
        let held = self.held.iter().filter(|(_, held)| held.parents.contains(&parent)).map(|(id, _)| *id);
        let known: Vec<_> = own.chain(held).collect();
        contract::all(state).any(|place| {
            let balance = state.account(place).map_or(Amount::ZERO, |account| account.balance);
            let found = known.iter().filter_map(|id| contract::read(state, place, *id)?.held());
            Amount::checked_sum(found).is_none_or(|found| balance > found)
        })
    }

    /// A party of channels that this node guarantees, or has with it, is told which these are, as often as anything is said again. Whoever has no channel
    /// here is in none of these.
    pub(super) fn handle_recall<S: Signer + Clone>(&mut self, now: Time, channels: &Channels<S>, peer: IdentityId) {
        let is_early = self.recalled.get(&peer).is_some_and(|at| now.since(*at) < SAY_AGAIN);
        if is_early || !channels.has_with(peer) {
            return;
        }
        self.recalled.retain(|_, at| now.since(*at) < SAY_AGAIN);
        self.recalled.insert(peer, now);
        let held = self.held.values().filter(|held| held.stage != HeldStage::Over);
        let held = held.map(|held| (&held.terms, &held.certificate));
        let all = held.chain(self.own.values().map(|own| (&own.terms, &None)));
        for (terms, certificate) in all.filter(|(terms, _)| terms.parties.contains(&peer)) {
            self.out.send(peer, GuaranteeMessage::Named { terms: *terms });
            if let Some(certificate) = certificate {
                self.out.send(peer, GuaranteeMessage::Certified { certificate: *certificate });
            }
        }
    }

    /// A virtual channel of ours, as somebody says who should know. Nothing is taken up whose guarantee is not there.
    pub(super) fn handle_named<S: Signer + Clone>(
        &mut self,
        now: Time,
        channels: &Channels<S>,
        peer: IdentityId,
        terms: &Cosigned<VirtualTerms>,
    ) {
        let (id, VirtualTerms { network, terms: inner, hub, .. }) = (terms.body.id(), terms.body);
        let Some(side) = Side::BOTH.into_iter().find(|side| inner.parties[side.index()] == self.id) else { return };
        let is_sound = network == self.network && terms.parties == inner.parties && is_possible(&terms.body);
        let is_its = [hub, inner.parties[side.other().index()]].contains(&peer);
        if self.own.contains_key(&id) || !is_sound || !is_its {
            return;
        }
        let sought = Sought { id, by: Address::from(self.id), place: None };
        let real = channels.with_peer(hub).filter(|(_, machine)| machine.virtual_terms().is_none());
        let there = real.filter_map(|(_, machine)| match find_in(machine, sought) {
            Found::There { guarantee, is_settled, .. } if guarantee.is_of(&terms.body, side) => {
                Some((machine.id()?, guarantee, is_settled))
            }
            _ => None,
        });
        let Some((parent, guarantee, is_settled)) = there.into_iter().next() else { return };
        if terms.verify().is_err() {
            return;
        }
        let own = Own {
            terms: *terms,
            side,
            parent,
            deadline: guarantee.deadline,
            fee: Some(guarantee.fee),
            since: now,
            stands: guarantee.stage == Stage::Accepted && is_settled,
            is_refused: false,
            close: None,
            certificate: None,
        };
        self.put_own(id, own);
        self.advance_own(now, channels, id);
    }

    /// What is guaranteed and not here is taken up again. A channel is let go of only once the ledger has decided what is paid, or its guarantee is gone; so
    /// this one was lost.
    pub(super) fn find_lost<S: Signer + Clone>(&mut self, channels: &Channels<S>, id: ChannelId, own: &Own) {
        let is_undecided = self.seen.get(&id).is_some_and(|seen| seen.outcome.is_none());
        let is_here = channels.key_of(id).is_some() || channels.unreadable().any(|(unreadable, _)| unreadable == id);
        if own.stands && is_undecided && !is_here {
            self.out.notify(GuaranteeNews::Find { terms: own.terms });
        }
    }
}
