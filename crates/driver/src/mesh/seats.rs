//! Who sits where, and over what each is reached now.
//!
//! One table for all, so that a change of it takes effect at one moment: from then on nothing is queued for a member
//! that is gone, and no connection of it is taken into use. Tasks learn of the change through a [`SeatWatch`].

use std::collections::BTreeMap;
use std::sync::Arc;

use byway_crypto::noise::StaticKey;
use tokio::sync::watch;

use super::outbox::Outbox;
use super::{CloseReason, Member, PeerIndex};

/// The most seats of a mesh: the 50 kernel nodes that there may be, with room to spare. Each costs an idle task.
pub const SEATS_MAX: usize = 64;

/// Why a member list is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MembersError {
    #[error("a member list of {0} seats is too long, {SEATS_MAX} are allowed; check that it is of this network")]
    TooManySeats(usize),
    #[error("seats {first} and {second} have the same key, so their nodes can't be told apart; give one another key")]
    SameKey { first: PeerIndex, second: PeerIndex },
}

pub(super) struct Seats {
    /// Whose seat, if there is one, is nobody to be connected to.
    own: StaticKey,
    /// [`SEATS_MAX`] of them.
    table: watch::Sender<Vec<Seat>>,
}

#[derive(Default, Clone)]
struct Seat {
    /// `None` where nobody sits, and at the own seat.
    peer: Option<Arc<Member>>,
    /// Set while the peer is up.
    outbox: Option<Arc<Outbox>>,
}

/// Sees one seat change hands.
pub(super) struct SeatWatch {
    table: watch::Receiver<Vec<Seat>>,
    seat: usize,
}

impl Seats {
    pub(super) fn new(own: StaticKey, members: Vec<Option<Member>>) -> Result<Self, MembersError> {
        let seats = Self { own, table: watch::Sender::new(vec![Seat::default(); SEATS_MAX]) };
        seats.set(members)?;
        Ok(seats)
    }

    /// Puts another list in force, whole or not at all. Who is on both at one seat, with key and address, isn't touched;
    /// the connections of all others close.
    pub(super) fn set(&self, members: Vec<Option<Member>>) -> Result<(), MembersError> {
        validate(&members)?;
        let mut peers = members.into_iter().map(|member| member.filter(|member| member.key != self.own));
        self.table.send_if_modified(|seats| {
            let mut is_changed = false;
            for seat in seats {
                let next = peers.next().flatten();
                if seat.peer.as_deref() == next.as_ref() {
                    continue;
                }
                if let Some(outbox) = seat.outbox.take() {
                    outbox.close(CloseReason::NoMember);
                }
                seat.peer = next.map(Arc::new);
                is_changed = true;
            }
            is_changed
        });
        Ok(())
    }

    /// The seat of the peer with this key.
    pub(super) fn seat_of(&self, key: StaticKey) -> Option<usize> {
        let has_key = |seat: &Seat| seat.peer.as_ref().is_some_and(|peer| peer.key == key);
        self.table.borrow().iter().position(has_key)
    }

    pub(super) fn watch(&self, peer: PeerIndex) -> SeatWatch {
        SeatWatch { table: self.table.subscribe(), seat: peer.into() }
    }

    pub(super) fn outbox(&self, peer: PeerIndex) -> Option<Arc<Outbox>> {
        self.table.borrow().get(usize::from(peer))?.outbox.clone()
    }

    /// The peers that are up.
    pub(super) fn connected(&self) -> Vec<(PeerIndex, Arc<Outbox>)> {
        let seats = self.table.borrow();
        (0..).zip(seats.iter()).filter_map(|(peer, seat)| Some((peer, seat.outbox.clone()?))).collect()
    }

    /// Makes `member` reachable over `outbox`, unless it doesn't sit there any more.
    pub(super) fn open(&self, peer: PeerIndex, member: &Arc<Member>, outbox: Arc<Outbox>) -> bool {
        let mut is_open = false;
        self.table.send_if_modified(|seats| {
            if let Some(seat) = seats.get_mut(usize::from(peer))
                && is_same(seat.peer.as_ref(), Some(member))
            {
                seat.outbox = Some(outbox);
                is_open = true;
            }
            // Nobody watches for this.
            false
        });
        is_open
    }

    pub(super) fn close(&self, peer: PeerIndex) {
        self.table.send_if_modified(|seats| {
            if let Some(seat) = seats.get_mut(usize::from(peer)) {
                seat.outbox = None;
            }
            false
        });
    }

    pub(super) fn close_all(&self) {
        self.table.send_if_modified(|seats| {
            seats.iter_mut().for_each(|seat| seat.outbox = None);
            false
        });
    }
}

impl SeatWatch {
    /// Who sits there now.
    pub(super) fn now(&self) -> Option<Arc<Member>> {
        self.table.borrow().get(self.seat)?.peer.clone()
    }

    /// Waits until `before` doesn't sit there any more, and gives who does. Whoever was put there anew is another, even
    /// if nothing of it differs.
    pub(super) async fn after(&mut self, before: Option<&Arc<Member>>) -> Option<Arc<Member>> {
        let holder = |seats: &Vec<Seat>| seats.get(self.seat).and_then(|seat| seat.peer.clone());
        let is_other = |seats: &Vec<Seat>| !is_same(holder(seats).as_ref(), before);
        let next = self.table.wait_for(is_other).await.map(|seats| holder(&seats));
        match next {
            Ok(next) => next,
            // Without the table there is no mesh, and soon not whoever waits.
            Err(_) => std::future::pending().await,
        }
    }
}

fn is_same(a: Option<&Arc<Member>>, b: Option<&Arc<Member>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn validate(members: &[Option<Member>]) -> Result<(), MembersError> {
    if members.len() > SEATS_MAX {
        return Err(MembersError::TooManySeats(members.len()));
    }
    let mut seen = BTreeMap::new();
    for (second, member) in (0..).zip(members) {
        let Some(member) = member else { continue };
        if let Some(first) = seen.insert(member.key, second) {
            return Err(MembersError::SameKey { first, second });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: u8 = 9;

    /// A list from keys; 0 is a hole.
    fn list(keys: &[u8]) -> Vec<Option<Member>> {
        let member = |key: &u8| (*key != 0).then(|| member(*key, "there:1"));
        keys.iter().map(member).collect()
    }

    fn member(key: u8, address: &str) -> Member {
        Member { key: StaticKey([key; 32]), address: address.to_owned() }
    }

    fn seats(members: Vec<Option<Member>>) -> Seats {
        Seats::new(StaticKey([OWN; 32]), members).expect("a sound list")
    }

    /// Connects everyone on `before`, changes to `after`, and expects these to be connected still.
    #[track_caller]
    fn check(before: Vec<Option<Member>>, after: Vec<Option<Member>>, expected: &[PeerIndex]) {
        let seats = seats(before);
        let mut outboxes = BTreeMap::new();
        for peer in 0..SEATS_MAX as PeerIndex {
            if let Some(member) = seats.watch(peer).now() {
                let outbox = Arc::new(Outbox::new(1));
                assert!(seats.open(peer, &member, outbox.clone()));
                outboxes.insert(peer, (member, outbox));
            }
        }
        seats.set(after).expect("a sound list");
        let connected: Vec<_> = seats.connected().into_iter().map(|(peer, _)| peer).collect();
        assert_eq!(connected, expected);
        for (peer, (member, outbox)) in outboxes {
            let stays = expected.contains(&peer);
            assert_eq!(outbox.is_closed(), !stays, "seat {peer}");
            assert_eq!(seats.open(peer, &member, outbox), stays, "seat {peer} opens for who sat there");
        }
    }

    #[test]
    fn only_changed_seats_are_touched() {
        check(list(&[1, 2, 3]), list(&[1, 2, 3]), &[0, 1, 2]);
        check(list(&[1, 2, 3]), list(&[1, 0, 3]), &[0, 2]);
        check(list(&[1, 0, 3]), list(&[1, 2, 3]), &[0, 2]);
        check(list(&[1, 2, 3]), list(&[1, 2]), &[0, 1]);
        check(list(&[1, 2]), list(&[1, 2, 3]), &[0, 1]);
        check(list(&[1, 2, 3]), list(&[]), &[]);
        check(list(&[1, 2, 3]), list(&[2, 1, 3]), &[2]);
        check(list(&[1, 2, 3]), list(&[1, 4, 3]), &[0, 2]);
        check(list(&[1, 2]), vec![Some(member(1, "there:1")), Some(member(2, "elsewhere:1"))], &[0]);
    }

    #[test]
    fn the_own_seat_is_nobody_to_connect_to() {
        check(list(&[1, OWN, 3]), list(&[1, OWN, 3]), &[0, 2]);
        check(list(&[1, OWN, 3]), list(&[OWN, 1, 3]), &[2]);
        check(list(&[1, OWN, 3]), list(&[1, 2, OWN]), &[0]);
        let mut moved = list(&[1, OWN]);
        moved[1] = Some(member(OWN, "elsewhere:1"));
        check(list(&[1, OWN]), moved, &[0]);
        assert_eq!(seats(list(&[1, OWN])).seat_of(StaticKey([OWN; 32])), None);
    }

    #[test]
    fn a_list_that_cannot_be_is_refused_whole() {
        for (refused, expected) in [
            (vec![None; SEATS_MAX + 1], MembersError::TooManySeats(SEATS_MAX + 1)),
            (list(&[4, 0, 5, 4]), MembersError::SameKey { first: 0, second: 3 }),
            (list(&[OWN, OWN]), MembersError::SameKey { first: 0, second: 1 }),
        ] {
            let seats = seats(list(&[1, 2]));
            assert_eq!(seats.set(refused), Err(expected));
            assert_eq!(seats.seat_of(StaticKey([2; 32])), Some(1));
            assert_eq!(seats.seat_of(StaticKey([4; 32])), None);
        }
        let longest = [vec![None; SEATS_MAX - 1], list(&[1])].concat();
        assert_eq!(seats(longest).seat_of(StaticKey([1; 32])), Some(SEATS_MAX - 1));
    }

    #[tokio::test]
    async fn a_seat_that_changed_hands_twice_has_changed() {
        let seats = seats(list(&[1]));
        let mut watch = seats.watch(0);
        let first = watch.now();
        seats.set(list(&[2])).expect("a sound list");
        seats.set(list(&[1])).expect("a sound list");
        let next = watch.after(first.as_ref()).await;
        assert_eq!(next, first, "the same member");
        assert!(!is_same(next.as_ref(), first.as_ref()), "seated anew");
    }
}
