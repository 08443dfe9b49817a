//! Finding channels again that only the ledger and their peers still know.
//!
//! The handle by which a peer names a channel is lost with the journal. Until the peer has said it, the channel has one that follows from its id
//! and our identity's secret.

use std::collections::BTreeMap;

use byway_primitives::{Effect, IdentityId, Time};
use byway_records::Channel;
use byway_records::channel::{ChannelState, Cosigned, VirtualTerms};
use byway_records::promise::ChannelId;

use crate::channels::{ChannelHandle, ChannelKey, Channels};
use crate::machine::ChannelMachine;
use crate::message::Reestablish;
use crate::news::{ChannelNews, PeerFault};
use crate::signer::Signer;

/// Greetings that are kept for channels that this side does not know, or not yet.
const GREETINGS_MAX: usize = 1024;
/// The same of one peer.
const GREETINGS_PER_PEER_MAX: usize = 16;

/// Where a peer stands in a channel that this side does not know, or not yet.
#[derive(Debug)]
pub(crate) struct Kept {
    key: ChannelKey,
    greeting: Reestablish,
    /// Whether it has a state that this node has signed.
    is_shown: bool,
}

impl<S: Signer + Clone> Channels<S> {
    /// What a channel goes by here until its peer has said its handle. Nobody else can give another channel the same.
    fn handle_of_found(&self, id: ChannelId) -> ChannelHandle {
        // No channel is with this identity itself, so this is said to nobody.
        let mut handle = self.signer.watch_secret(self.network, self.signer.id(), 0).0;
        handle.iter_mut().zip(id.0.0).for_each(|(byte, of_id)| *byte ^= of_id);
        ChannelHandle(handle)
    }

    /// A channel of ours that the ledger has, where the journal hasn't: it is taken up from there. Whether it was.
    pub fn find(&mut self, now: Time, id: ChannelId, entry: &Channel) -> bool {
        if self.named.contains_key(&id) {
            return false;
        }
        let found = ChannelMachine::found(self.signer.clone(), self.network, id, entry, now);
        found.map(|machine| self.take_up_found(now, id, machine)).is_some()
    }

    /// A virtual channel of ours that is guaranteed, where the journal hasn't it: it is taken up as both agreed to open it. Whether it was.
    pub fn find_virtual(&mut self, now: Time, terms: &Cosigned<VirtualTerms>) -> bool {
        let id = terms.body.id();
        if self.named.contains_key(&id) || terms.body.network != self.network {
            return false;
        }
        let found = ChannelMachine::found_virtual(self.signer.clone(), terms, now);
        found.map(|machine| self.take_up_found(now, id, machine)).is_some()
    }

    fn take_up_found(&mut self, now: Time, id: ChannelId, machine: ChannelMachine<S>) {
        let key = ChannelKey { peer: machine.peer(), handle: self.handle_of_found(id) };
        self.unreadable.remove(&id);
        self.machines.insert(key, machine);
        self.collect(key);
        self.notify(key, ChannelNews::Found);
        if let Some(Kept { key: known, greeting, .. }) = self.greetings.remove(&(key.peer, id)) {
            // A peer that breaks the protocol does so again on the next connection.
            let _ = self.hear_of_found(now, known, greeting);
        }
    }

    /// Peers that have said where they stand in channels that are not known here, and are no strangers: they have shown what this node has
    /// signed with them, or there is another channel with them.
    pub(crate) fn knowing_peers(&self) -> impl Iterator<Item = IdentityId> {
        let known = self.greetings.iter().filter(|((peer, _), kept)| kept.is_shown || self.has_with(*peer));
        known.map(|((peer, _), _)| *peer)
    }

    /// Whether a channel was found on the ledger, and its peer has not been heard since.
    pub fn is_found(&self, key: ChannelKey) -> bool {
        let id = self.machines.get(&key).and_then(ChannelMachine::id);
        id.is_some_and(|id| key.handle == self.handle_of_found(id))
    }

    /// A peer says where it stands in a channel by a handle that nothing has here.
    pub(crate) fn hear_of_found(&mut self, now: Time, key: ChannelKey, greeting: Reestablish) -> Result<(), PeerFault> {
        let id = greeting.channel;
        let found = self.named.get(&id).copied().filter(|found| found.peer == key.peer && self.is_found(*found));
        let Some(found) = found else {
            self.keep_greeting(key, greeting);
            return Ok(());
        };
        if let Some(machine) = self.machines.remove(&found) {
            self.drop_alarm(found);
            self.machines.insert(key, machine);
            self.notify(key, ChannelNews::Named { before: found.handle });
            // Its journal has the handle from now on.
            self.named.remove(&id);
        }
        let heard = self.with(key, |machine| {
            machine.listen(now);
            machine.handle_message(now, crate::ChannelMessage::Reestablish(greeting))
        });
        heard.unwrap_or(Ok(()))
    }

    fn notify(&mut self, key: ChannelKey, news: ChannelNews) {
        self.effects.push((key, Effect::Notify((key, news))));
    }

    /// The ledger may show the channel later than its peer comes.
    fn keep_greeting(&mut self, key: ChannelKey, greeting: Reestablish) {
        let place = (key.peer, greeting.channel);
        let of_peer = self.greetings.keys().filter(|(peer, _)| *peer == key.peer).count();
        let is_kept = self.greetings.contains_key(&place);
        if self.named.contains_key(&greeting.channel) || (!is_kept && of_peer >= GREETINGS_PER_PEER_MAX) {
            return;
        }
        let is_shown = self.is_shown(key.peer, &greeting);
        if is_kept || self.makes_room_for(of_peer, is_shown) {
            self.greetings.insert(place, Kept { key, greeting, is_shown });
        }
    }

    /// Whether a greeting has a state that this node and the peer have signed: nobody else can have made that.
    fn is_shown(&self, peer: IdentityId, greeting: &Reestablish) -> bool {
        let Reestablish { channel, position, total, fundings, signatures, .. } = *greeting;
        let body = ChannelState { network: self.network, channel, total, fundings, position };
        let ours = self.signer.id();
        let is_by =
            |parties| signatures.is_some_and(|signatures| Cosigned { body, parties, signatures }.verify().is_ok());
        is_by([ours, peer]) || is_by([peer, ours])
    }

    /// Strangers can't fill up what is kept for those who know something, nor can one of them for the others: where it is full, one that shows
    /// nothing gives way to one that shows something, and else one of the peer that has most.
    fn makes_room_for(&mut self, of_peer: usize, is_shown: bool) -> bool {
        if self.greetings.len() < GREETINGS_MAX {
            return true;
        }
        let mut of_peers: BTreeMap<IdentityId, usize> = BTreeMap::new();
        let kept = self.greetings.iter().filter(|(_, kept)| !kept.is_shown);
        kept.for_each(|((of, _), _)| *of_peers.entry(*of).or_default() += 1);
        let most = of_peers.into_iter().max_by_key(|(_, count)| *count);
        let Some((most, _)) = most.filter(|(_, count)| is_shown || *count > of_peer + 1) else { return false };
        let last =
            self.greetings.iter().rfind(|((of, _), kept)| *of == most && !kept.is_shown).map(|(place, _)| *place);
        last.is_some_and(|place| self.greetings.remove(&place).is_some())
    }

    pub(crate) fn drop_greetings(&mut self, peer: IdentityId) {
        self.greetings.retain(|(of, _), _| *of != peer);
    }
}
