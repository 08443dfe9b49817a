//! Who the kernel nodes are (row K4): pledging, joining, leaving, changing keys; [`convictions`] of those who break the
//! rules; [`upgrades`] of what they speak; [`dealing`] the key of the coin that names who leads.
//!
//! A member's way through its [`Standing`]s:
//!
//! ```text
//!  pledge → Candidate ── ready ──→ Counting ── first conviction ──→ Marked
//!               └──────── leave ───────┴─────────── leave ────────────┘
//!                                      ↓
//!                                    Left ── reclaim, once unlocked ──→ the seat is free
//! ```
//!
//! A second conviction empties the seat at once. Every step is a call, prepares the next epoch and takes effect with it, at the next
//! checkpoint ([`system::change_epoch`]). Calls are judged against the prepared epoch, so that two of them can't
//! together do what neither may.
//!
//! **Pledges** stand in this program, one per seat; who the member is stands in the epoch. A pledge is locked until
//! [`pledge_lock`](byway_records::Parameters::pledge_lock) after the epoch in which the member last took part: until
//! then whatever it signed can be punished, and a light client that was away for less can't be deceived with old keys.
//!
//! **Rolls.** Of every epoch the program keeps who counted in it ([`Roll`]) as long as a pledge that could be forfeited for
//! it may be locked.
//!
//! **Seats.** Nobody gets a seat that somebody holds in the epoch in force or in the prepared one, so within one epoch a
//! seat means one member. Across epochs members are told apart by the epoch that they joined with.
//!
//! **Never too few.** A call that takes a counting member out is refused where fewer than the network's minimum would be
//! left.

use byway_crypto::Purpose;
use byway_crypto::node::NodeSignature;
use byway_primitives::{Amount, AssetId};
use byway_records::call::KernelCall;
use byway_records::call::kernel::{MemberEntry, ready};
use byway_records::state::{KernelPledge, kernel_pledge_key, roll_key};
use byway_records::{
    Epoch, Genesis, Height, Member, ProgramId, Reject, Roll, Seat, Standing, Value, VerifiedTransaction,
};

use super::system::{self, change_epoch};
use super::{Moment, authorised, drawn, paid_in};
use crate::state::View;

pub mod convictions;
pub mod dealing;
pub mod upgrades;

pub(crate) fn execute(
    view: &mut View<'_>,
    now: Moment<'_>,
    transaction: &VerifiedTransaction,
    call: &KernelCall,
) -> Result<(), Reject> {
    match call {
        KernelCall::Pledge { entry } => {
            authorised(transaction, entry.member.owner)?;
            pledge(view, now, entry, paid_in(transaction))
        }
        KernelCall::Ready { seat, signature } => begin(view, now, *seat, signature),
        KernelCall::Leave { seat } => {
            authorised(transaction, seated(view, *seat)?.member.owner)?;
            leave(view, now, *seat)
        }
        KernelCall::Reclaim { seat } => {
            authorised(transaction, seated(view, *seat)?.member.owner)?;
            reclaim(view, now, *seat, drawn(transaction))
        }
        KernelCall::Rotate { seat, entry } => {
            authorised(transaction, seated(view, *seat)?.member.owner)?;
            rotate(view, now, *seat, entry)
        }
        KernelCall::Accuse { evidence } => convictions::accuse(view, now, evidence),
        KernelCall::Appeal { conviction } => convictions::appeal(view, now, transaction, *conviction),
        KernelCall::Upgrade { seat, to } => {
            authorised(transaction, seated(view, *seat)?.member.owner)?;
            upgrades::approve(view, now, *seat, *to)
        }
        KernelCall::Contribute { seat, contribution, signature } => {
            dealing::contribute(view, now, *seat, contribution, signature)
        }
    }
}

/// The pledges that a network starts with, and the roll of its first epoch and the ceremony for its coin.
pub(crate) fn found(view: &mut View<'_>, genesis: &Genesis) {
    let pledge = new_pledge(genesis.parameters.kernel_pledge, 0);
    for (seat, _) in genesis.members.iter() {
        put_pledge(view, seat, &pledge);
    }
    call_roll(view, &genesis.epoch(), Height::GENESIS.next());
    dealing::found(view, genesis);
}

/// Notes that an epoch begins with the checkpoint of this height, and another ends. Begins to count the lock of those who take no part any more, now that their last epoch is over.
pub(crate) fn turn(view: &mut View<'_>, now: Moment<'_>, epoch: &Epoch) {
    let ended = roll_key(epoch.number - 1);
    let mut roll: Roll = view.load(ProgramId::KERNEL, &ended).expect("the epoch that ends has its roll");
    roll.last = Some(now.height);
    roll.forgotten = Some(now.after(now.parameters.pledge_lock));
    view.store(ProgramId::KERNEL, ended, &roll);
    call_roll(view, epoch, now.height.next());
    dealing::turn(view, now.network, epoch);
    for (number, _) in epoch.seats.iter().filter(|(_, seat)| seat.standing == Standing::Left) {
        let Some(pledge) = kernel_pledge(view, number).filter(|pledge| pledge.unlocks.is_none()) else { continue };
        let unlocks = Some(now.after(now.parameters.pledge_lock));
        put_pledge(view, number, &KernelPledge { unlocks, ..pledge });
    }
}

fn call_roll(view: &mut View<'_>, epoch: &Epoch, first: Height) {
    let since = |seat| kernel_pledge(view, seat).expect("who counts has pledged").since;
    let mut roll = Roll::call(epoch, first, since);
    roll.coin = dealing::key_of(view, epoch);
    view.store(ProgramId::KERNEL, roll_key(epoch.number), &roll);
}

fn new_pledge(amount: Amount, since: u32) -> KernelPledge {
    KernelPledge { amount, since, rotates: None, unlocks: None, offence: None, approves: None }
}

fn pledge(view: &mut View<'_>, now: Moment<'_>, entry: &MemberEntry, paid: Value) -> Result<(), Reject> {
    if paid.amount != now.parameters.kernel_pledge {
        return Err(Reject::PledgeMismatch);
    }
    let current = system::epoch(view).expect("the genesis wrote one");
    let next = system::epoch_prepared(view);
    check_keys(&next, &entry.member, None)?;
    let seat = next.seats.lowest_free(&current.seats).ok_or(Reject::KernelFull)?;
    let pledge = new_pledge(paid.amount, next.number);
    put_pledge(view, seat, &pledge);
    let taken = Seat { member: entry.member.clone(), standing: Standing::Candidate };
    let is_taken = change_epoch(view, |epoch| epoch.seats.take(seat, taken));
    assert!(is_taken, "the seat was free");
    Ok(())
}

fn begin(view: &mut View<'_>, now: Moment<'_>, number: u8, signature: &NodeSignature) -> Result<(), Reject> {
    let seat = seated(view, number)?;
    if seat.standing != Standing::Candidate {
        return Err(Reject::SeatStanding);
    }
    let since = kernel_pledge(view, number).ok_or(Reject::SeatEmpty)?.since;
    if !seat.member.key.verifies(Purpose::Ready, now.network, &ready(number, since), signature) {
        return Err(Reject::NodeSignature);
    }
    set_standing(view, number, Standing::Counting);
    Ok(())
}

fn leave(view: &mut View<'_>, now: Moment<'_>, number: u8) -> Result<(), Reject> {
    match seated(view, number)?.standing {
        Standing::Left => return Err(Reject::SeatStanding),
        Standing::Counting if system::epoch_prepared(view).seats.count() <= now.members_min => {
            return Err(Reject::TooFewMembers);
        }
        Standing::Counting | Standing::Candidate | Standing::Marked => {}
    }
    set_standing(view, number, Standing::Left);
    let pledge = kernel_pledge(view, number).ok_or(Reject::SeatEmpty)?;
    put_pledge(view, number, &KernelPledge { approves: None, ..pledge });
    Ok(())
}

fn reclaim(view: &mut View<'_>, now: Moment<'_>, number: u8, draws: Value) -> Result<(), Reject> {
    let pledge = kernel_pledge(view, number).ok_or(Reject::SeatEmpty)?;
    if !pledge.unlocks.is_some_and(|deadline| now.passed(deadline)) {
        return Err(Reject::PledgeLocked);
    }
    if draws != (Value { asset: AssetId::WAY, amount: pledge.amount }) {
        return Err(Reject::PledgePart);
    }
    view.remove(ProgramId::KERNEL, kernel_pledge_key(number));
    change_epoch(view, |epoch| epoch.seats.free(number));
    Ok(())
}

fn rotate(view: &mut View<'_>, now: Moment<'_>, number: u8, entry: &MemberEntry) -> Result<(), Reject> {
    if seated(view, number)?.standing == Standing::Left {
        return Err(Reject::SeatStanding);
    }
    check_keys(&system::epoch_prepared(view), &entry.member, Some(number))?;
    let pledge = kernel_pledge(view, number).ok_or(Reject::SeatEmpty)?;
    if pledge.rotates.is_some_and(|deadline| !now.passed(deadline)) {
        return Err(Reject::RotatedLately);
    }
    let rotates = Some(now.after(now.parameters.rotation_pause));
    put_pledge(view, number, &KernelPledge { rotates, ..pledge });
    change_epoch(view, |epoch| {
        let seat = epoch.seats.get_mut(number).expect("the seat is taken");
        seat.member = entry.member.clone();
    });
    Ok(())
}

/// Refuses a member with a key that another seat than `own` has.
fn check_keys(epoch: &Epoch, member: &Member, own: Option<u8>) -> Result<(), Reject> {
    let mut others = epoch.seats.iter().filter(|(number, _)| Some(*number) != own);
    let is_taken = others.any(|(_, seat)| seat.member.key == member.key || seat.member.mesh == member.mesh);
    if is_taken { Err(Reject::MemberKeyTaken) } else { Ok(()) }
}

/// The seat as it will be in the next epoch.
fn seated(view: &View<'_>, number: u8) -> Result<Seat, Reject> {
    system::epoch_prepared(view).seats.get(number).cloned().ok_or(Reject::SeatEmpty)
}

fn set_standing(view: &mut View<'_>, number: u8, standing: Standing) {
    change_epoch(view, |epoch| epoch.seats.get_mut(number).expect("the seat is taken").standing = standing);
}

fn kernel_pledge(view: &View<'_>, seat: u8) -> Option<KernelPledge> {
    view.load(ProgramId::KERNEL, &kernel_pledge_key(seat))
}

fn put_pledge(view: &mut View<'_>, seat: u8, pledge: &KernelPledge) {
    view.store(ProgramId::KERNEL, kernel_pledge_key(seat), pledge);
}
