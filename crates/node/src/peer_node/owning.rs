//! The kernel nodes that this node's keystore owns: taking a seat, changing it, leaving it (row K4).
//!
//! The machine that runs a kernel node has its hot key alone; this node has the owner's key and the coins. Everything is
//! checked against the ledger as this node has it, so that what the ledger would reject is told before anything is
//! signed. The ledger has the last word: somebody else may take the same seat meanwhile.

use byway_kernel::follower::Membership;
use byway_peer::wallet::Wish;
use byway_primitives::{AssetId, IdentityId, Span};
use byway_records::call::kernel::{ConvictionId, KernelCall, Upgrade};
use byway_records::checkpoint::MEMBERS_MAX;
use byway_records::genesis::Wait;
use byway_records::state::{Deadline, KernelPledge};
use byway_records::{Call, Height, Member, Seat, SignedEntry};

use super::Actor;
use super::books::{Order, way};
use crate::api::*;

impl Actor {
    /// The identity that owns kernel nodes.
    pub(super) fn owner(&self) -> IdentityId {
        self.config.owner.id()
    }

    pub(super) fn plan(&self, request: &KernelLook) -> Answer<KernelPlan> {
        let membership = self.membership();
        let SignedEntry { entry, .. } = match request.seat {
            None => self.entry_to_join_with(&request.entry, &membership)?,
            Some(seat) => self.entry_for(seat, &request.entry, &membership)?,
        };
        let parameters = &self.config.genesis.parameters;
        let pledged = request.seat.and_then(|seat| membership.pledge(seat)).map(|pledge| pledge.amount);
        let Member { name, address, key, owner, .. } = entry.member;
        Ok(KernelPlan {
            name,
            address,
            key,
            owner,
            seat: request.seat,
            pledge: pledged.unwrap_or(parameters.kernel_pledge),
            lock_ms: parameters.pledge_lock.millis.0,
            lock_commits: parameters.pledge_lock.commits,
            wallet: self.wallet.balance(AssetId::WAY).free,
        })
    }

    /// What pledges for a new kernel node.
    pub(super) fn join(&self, request: &KernelJoin) -> Answer<Order> {
        let entry = self.entry_to_join_with(&request.entry, &self.membership())?.entry;
        let pledge = self.config.genesis.parameters.kernel_pledge;
        let wallet = self.wallet.balance(AssetId::WAY).free;
        if wallet < pledge {
            return Err(ApiError::insufficient_pledge(pledge, wallet));
        }
        let call = KernelCall::Pledge { entry };
        Ok(self.owners_order(call, Wish { pays: Some(way(pledge)), ..Wish::default() }))
    }

    pub(super) fn leave(&self, seat: u8) -> Answer<Order> {
        let membership = self.membership();
        let taken = self.own_seat(seat, &membership)?;
        match taken.standing {
            byway_records::Standing::Left => {
                let remedy = "Nothing is to be done; `byway kernel reclaim` draws the pledge once it is unlocked.";
                return Err(ApiError::wrong_standing(seat, Standing::Left, remedy));
            }
            byway_records::Standing::Counting if membership.epoch.seats.count() <= self.members_min() => {
                return Err(ApiError::too_few_members(self.members_min()));
            }
            _ => {}
        }
        Ok(self.owners_order(KernelCall::Leave { seat }, Wish::default()))
    }

    pub(super) fn reclaim(&self, seat: u8) -> Answer<Order> {
        let membership = self.membership();
        let standing = self.own_seat(seat, &membership)?.standing;
        let pledge = pledge(seat, &membership)?;
        let Some(unlocks) = pledge.unlocks else {
            let remedy = "`byway kernel leave` first; from then on its pledge is locked for a time.";
            return Err(ApiError::wrong_standing(seat, standing.into(), remedy));
        };
        if let Some(left) = self.left_until(unlocks) {
            return Err(ApiError::pledge_locked(left, unlocks.time));
        }
        let draws = Some(way(pledge.amount));
        Ok(self.owners_order(KernelCall::Reclaim { seat }, Wish { draws, ..Wish::default() }))
    }

    pub(super) fn rotate(&self, request: &KernelRotate) -> Answer<Order> {
        let seat = request.seat;
        let entry = self.entry_for(seat, &request.entry, &self.membership())?.entry;
        Ok(self.owners_order(KernelCall::Rotate { seat, entry }, Wish::default()))
    }

    pub(super) fn appeal(&self, request: &KernelAppeal) -> Answer<Order> {
        let membership = self.membership();
        let wanted = request.offence.map(|offence| offence == Offence::Second);
        // Convictions stand by member and offence, so the last that fits is the newest.
        let fits = |id: ConvictionId| id.seat == request.seat && wanted.is_none_or(|second| id.is_second == second);
        let found = membership.convictions.iter().rfind(|(id, _)| fits(*id));
        let (conviction, what) = found.ok_or_else(|| ApiError::conviction_not_found(request.seat))?;
        if what.owner != self.owner() {
            return Err(ApiError::not_the_owner(what.owner, self.owner()));
        }
        if what.is_appealed {
            return Err(ApiError::appealed_before());
        }
        Ok(self.owners_order(KernelCall::Appeal { conviction: *conviction }, Wish::default()))
    }

    pub(super) fn upgrade(&self, request: &KernelUpgrade) -> Answer<Order> {
        let KernelUpgrade { seat, protocol, height, .. } = *request;
        let standing = self.own_seat(seat, &self.membership())?.standing;
        if !standing.counts() {
            let remedy = "Only owners of kernel nodes that count agree to upgrades.";
            return Err(ApiError::wrong_standing(seat, standing.into(), remedy));
        }
        let next = self.ledger.follower().next_height();
        if Height(height) < next {
            return Err(ApiError::upgrade_refused(format_args!(
                "the height {height} is behind, {} comes next",
                next.0
            )));
        }
        let to = Upgrade { protocol, at: Height(height) };
        Ok(self.owners_order(KernelCall::Upgrade { seat, to }, Wish::default()))
    }

    fn owners_order(&self, call: KernelCall, wish: Wish) -> Order {
        let fee = self.config.genesis.parameters.call_prices.other;
        Order::of_owner(Wish { call: Some(Call::Kernel(call)), fee, ..wish })
    }

    fn members_min(&self) -> usize {
        self.config.genesis.members_min()
    }

    fn entry_to_join_with(&self, text: &str, membership: &Membership) -> Answer<SignedEntry> {
        let signed = self.read_entry(text)?;
        let Member { owner, key, .. } = *signed.member();
        if let Some(seat) = membership.epoch.seats.seat_of(key)
            && membership.epoch.seats.get(seat).is_some_and(|taken| taken.member.owner == self.owner())
        {
            return Err(ApiError::already_member(seat));
        }
        self.check_keys(&signed, None, membership)?;
        if owner != self.owner() {
            return Err(ApiError::not_the_owner(owner, self.owner()));
        }
        if membership.epoch.seats.iter().count() >= MEMBERS_MAX {
            return Err(ApiError::kernel_full());
        }
        Ok(signed)
    }

    fn entry_for(&self, seat: u8, text: &str, membership: &Membership) -> Answer<SignedEntry> {
        let signed = self.read_entry(text)?;
        let taken = self.own_seat(seat, membership)?;
        // It would change nothing, and take the time in which the next change may not be made.
        if taken.member == *signed.member() {
            return Err(ApiError::already_member(seat));
        }
        if taken.standing == byway_records::Standing::Left {
            let remedy = "Join with the new keys instead, in another seat.";
            return Err(ApiError::wrong_standing(seat, Standing::Left, remedy));
        }
        self.check_keys(&signed, Some(seat), membership)?;
        if let Some(changeable) = pledge(seat, membership)?.rotates
            && let Some(left) = self.left_until(changeable)
        {
            return Err(ApiError::changed_lately(left, changeable.time));
        }
        Ok(signed)
    }

    fn read_entry(&self, text: &str) -> Answer<SignedEntry> {
        let signed: SignedEntry = text.parse().map_err(ApiError::entry_refused)?;
        if signed.network == self.network { Ok(signed) } else { Err(ApiError::entry_of_other_network(signed.network)) }
    }

    /// Refuses keys that another seat than `own` has.
    fn check_keys(&self, signed: &SignedEntry, own: Option<u8>, membership: &Membership) -> Answer<()> {
        let Member { key, mesh, .. } = *signed.member();
        let mut others = membership.epoch.seats.iter().filter(|(seat, _)| Some(*seat) != own);
        let taken = others.find(|(_, seat)| seat.member.key == key || seat.member.mesh == mesh);
        taken.map_or(Ok(()), |(seat, _)| Err(ApiError::member_key_taken(seat)))
    }

    fn own_seat<'a>(&self, seat: u8, membership: &'a Membership) -> Answer<&'a Seat> {
        let taken = membership.epoch.seats.get(seat).ok_or_else(|| ApiError::seat_not_found(seat))?;
        let owner = taken.member.owner;
        if owner == self.owner() { Ok(taken) } else { Err(ApiError::not_the_owner(owner, self.owner())) }
    }

    /// What has yet to pass before a moment; `None` once it has come, by the ledger's clock.
    fn left_until(&self, deadline: Deadline) -> Option<Wait> {
        let clock = self.ledger_clock();
        let millis = Span(deadline.time.since(clock.time).0);
        let left = Wait { millis, commits: deadline.commits.saturating_sub(clock.commits) };
        (!deadline.passed(clock.time, clock.commits)).then_some(left)
    }
}

fn pledge(seat: u8, membership: &Membership) -> Answer<&KernelPledge> {
    membership.pledge(seat).ok_or_else(|| ApiError::seat_not_found(seat))
}
