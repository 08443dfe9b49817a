//! Key packages: those that this device has given out, whose private halves it keeps, and those of contacts, by which they are added.

use std::collections::BTreeMap;

use byway_primitives::codec::{Decode, DecodeError, Encode};
use byway_primitives::{Batch, IdentityId, Space, Span, Store};

use super::{Call, ChatFault, Chats, ChatsDamaged};
use crate::delivery::group_letter::{GroupLetter, GroupMatter, PACKAGES_GIVEN_MAX};
use crate::delivery::letter::Letter;
use crate::mls::{KeptPackage, Room};

/// The private halves of key packages that somebody was given: key is a number that grows.
const PACKAGES: Space = Space("chat-packages");
/// Key packages that nobody has used, at most; then the oldest of whoever has most goes. Enough for 1,000 contacts.
const PACKAGES_MAX: usize = 4096;
/// Those of them that one contact was given: several times as many as it keeps. Of more the oldest goes, so that nobody uses up those of
/// others.
const PACKAGES_EACH_MAX: usize = 4 * PACKAGES_GIVEN_MAX;

/// Key packages of contacts: key is the contact and a number that grows.
const STOCK: Space = Space("chat-stock");
/// How many each contact is given at first, and each device of our own; each time they have used one they get another.
pub(super) const STOCK_FIRST: usize = 3;

/// Private halves of key packages, the oldest first, each with its number on disk and who was given it.
#[derive(Default)]
pub(super) struct Packages {
    given: Vec<(u64, IdentityId)>,
    pub kept: Vec<KeptPackage>,
}

impl Packages {
    pub fn load(store: &impl Store) -> Result<Self, ChatsDamaged> {
        let mut packages = Self::default();
        for (key, value) in store.scan_prefix(PACKAGES, &[]) {
            let number = <[u8; 8]>::try_from(key.as_slice()).map(u64::from_be_bytes);
            let number = number.map_err(|_| ChatsDamaged::Package(DecodeError::Invalid("number of a key package")))?;
            let (peer, package) =
                value.split_first_chunk().ok_or(ChatsDamaged::Package(DecodeError::Invalid("key package")))?;
            packages.given.push((number, IdentityId(*peer)));
            packages.kept.push(KeptPackage::from_bytes(package).map_err(ChatsDamaged::Package)?);
        }
        Ok(packages)
    }

    /// Keeps the private half of what `peer` is given.
    pub fn keep(&mut self, peer: IdentityId, kept: KeptPackage, batch: &mut Batch) {
        let mut counts: BTreeMap<IdentityId, usize> = BTreeMap::new();
        self.given.iter().for_each(|(_, of)| *counts.entry(*of).or_default() += 1);
        let over = if counts.get(&peer).is_some_and(|count| *count >= PACKAGES_EACH_MAX) {
            Some(peer)
        } else {
            let most = counts.iter().max_by_key(|(_, count)| **count).map(|(of, _)| *of);
            most.filter(|_| self.given.len() >= PACKAGES_MAX)
        };
        if let Some(oldest) = over.and_then(|over| self.given.iter().find(|(_, of)| *of == over)).copied() {
            self.remove(oldest.0, batch);
        }
        let number = self.given.last().map_or(0, |(last, _)| last + 1);
        batch.put(PACKAGES, number.to_be_bytes(), [&peer.0[..], &kept.to_bytes()].concat());
        self.given.push((number, peer));
        self.kept.push(kept);
    }

    /// The number of the one in this place.
    pub fn number(&self, place: usize) -> u64 {
        self.given[place].0
    }

    pub fn remove(&mut self, number: u64, batch: &mut Batch) {
        if let Ok(place) = self.given.binary_search_by_key(&number, |(number, _)| *number) {
            self.given.remove(place);
            self.kept.remove(place);
            batch.delete(PACKAGES, number.to_be_bytes());
        }
    }
}

/// Key packages of contacts, each good for one addition.
#[derive(Default)]
pub(super) struct Stock(BTreeMap<IdentityId, BTreeMap<u64, Vec<u8>>>);

impl Stock {
    pub fn load(store: &impl Store) -> Self {
        let mut stock = Self::default();
        for (key, package) in store.scan_prefix(STOCK, &[]) {
            // Nothing else writes here; what can't be read is as if it had not been given.
            let split = key.split_first_chunk::<20>();
            if let Some((peer, Ok(number))) = split.map(|(peer, number)| (peer, <[u8; 8]>::try_from(number))) {
                stock.0.entry(IdentityId(*peer)).or_default().insert(u64::from_be_bytes(number), package);
            }
        }
        stock
    }

    fn put(&mut self, peer: IdentityId, package: Vec<u8>, batch: &mut Batch) {
        let its = self.0.entry(peer).or_default();
        let number = its.last_key_value().map_or(0, |(last, _)| last + 1);
        batch.put(STOCK, key(peer, number), package.clone());
        its.insert(number, package);
        if its.len() > PACKAGES_GIVEN_MAX
            && let Some((oldest, _)) = its.pop_first()
        {
            batch.delete(STOCK, key(peer, oldest));
        }
    }

    /// The newest, which is used up with that.
    pub fn take(&mut self, peer: IdentityId, batch: &mut Batch) -> Option<Vec<u8>> {
        let (number, package) = self.0.get_mut(&peer)?.pop_last()?;
        batch.delete(STOCK, key(peer, number));
        Some(package)
    }

    /// They are of a device that has lost them, or of nobody who is to be added.
    pub fn forget(&mut self, peer: IdentityId, batch: &mut Batch) {
        for number in self.0.remove(&peer).into_iter().flat_map(BTreeMap::into_keys) {
            batch.delete(STOCK, key(peer, number));
        }
    }
}

fn key(peer: IdentityId, number: u64) -> Vec<u8> {
    [&peer.0[..], &number.to_be_bytes()].concat()
}

impl Chats {
    /// Somebody is a contact from here on, or anew: what they gave before is worth nothing, and they are given keys to add us with.
    pub(super) fn stock_up<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId) {
        self.stock.forget(peer, &mut self.step.batch);
        self.give_packages(call, peer, STOCK_FIRST);
    }

    /// Gives a contact keys with which they can add this device to groups.
    pub(super) fn give_packages<S: Store>(&mut self, call: &Call<'_, S>, peer: IdentityId, count: usize) {
        let mut packages = Vec::new();
        for _ in 0..count {
            match Room::key_package(&self.device, &call.draw()) {
                Ok((package, kept)) => {
                    self.packages.keep(peer, kept, &mut self.step.batch);
                    packages.push(package);
                }
                Err(error) => return self.fault(peer, ChatFault::Package(error.to_string())),
            }
        }
        self.post_matter(call, GroupMatter::Packages { packages }, [peer]);
    }

    /// Takes keys of a node with which its device can be added now. One whose certificate has run out meanwhile is of no use.
    pub(super) fn take_package<S: Store>(&mut self, call: &Call<'_, S>, node: IdentityId) -> Option<Vec<u8>> {
        let network = self.device.certificate.network;
        let given = std::iter::from_fn(|| self.stock.take(node, &mut self.step.batch));
        given.into_iter().find(|package| Room::package_owner(network, package, call.now).is_ok())
    }

    /// A contact gives keys, or a device of our own. Whatever waits for them is done.
    pub(super) fn packages_came<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        peer: IdentityId,
        packages: Vec<Vec<u8>>,
    ) -> Result<(), ChatFault> {
        let is_own = self.own.has(peer);
        if !is_own && !self.people.is_contact(peer) {
            return Err(ChatFault::Unasked(peer));
        }
        let whose = if is_own { self.me() } else { peer };
        for package in packages {
            let owner = Room::package_owner(self.device.certificate.network, &package, call.now);
            match owner {
                // Of contacts first devices alone are added by others.
                Ok(owner) if (owner.identity, owner.node) == (whose, peer) => {
                    self.stock.put(peer, package, &mut self.step.batch)
                }
                Ok(_) => return Err(ChatFault::ForeignPackage(peer)),
                Err(error) => return Err(ChatFault::Package(error.to_string())),
            }
        }
        let wish = if is_own { super::Wish::Device(peer) } else { super::Wish::Add(peer) };
        let awaits = |talk: &super::Talk| talk.record.affairs.wishes.contains(&wish);
        let rooms: Vec<_> = self.talks.iter().filter(|(_, talk)| awaits(talk)).map(|(room, _)| *room).collect();
        rooms.into_iter().for_each(|room| self.pursue(call, room));
        Ok(())
    }

    /// A letter with what keeps groups together.
    pub(super) fn matter<S: Store>(&mut self, call: &Call<'_, S>, what: GroupMatter) -> Letter {
        // Of parcels that are alike the second is not taken, and the same may be asked twice within a moment.
        self.matter_at = call.now.max(self.matter_at + Span(1));
        Letter::Group(GroupLetter { at: self.matter_at, what })
    }

    /// Posts what keeps groups together. Who has too much waiting gets it not: they say themselves how they stand when they come back.
    pub(super) fn post_matter<S: Store>(
        &mut self,
        call: &Call<'_, S>,
        what: GroupMatter,
        to: impl IntoIterator<Item = IdentityId>,
    ) {
        let letter = self.matter(call, what);
        for peer in to {
            if self.outbox.put(&letter, [peer], &mut self.step.batch).is_ok() {
                self.send_due(peer, call.store);
            }
        }
    }
}
