//! Dealing the key of the coin that names leaders (row K3).
//!
//! Where genesis' leaders are named by a coin, the members that count in the epoch in force hold a
//! [ceremony](byway_crypto::threshold::ceremony), which is a machine over calls in an agreed order; this program gives it
//! that order and keeps its state. Dealings stand in entries of their own.
//!
//! - *It begins* with an epoch whose counting members, or what shares are sealed to them for, are others than before, and
//!   at the genesis. An epoch that changes anything else goes on with the ceremony, or with the key, that there is.
//! - *Steps need no time*: each ends when q(n) members have done it.
//! - *The key takes effect* with the next checkpoint, in the epoch that begins there ([`prepare`]). An epoch for other
//!   members has no coin, so its leaders take turns until these have dealt their key.
//!
//! Contributions are free, since nodes have no coins. Who is no member, comes at the wrong step or again is refused by a
//! look-up; what is signed and turns out to be false excludes its author, also though the call is refused.

use std::collections::BTreeMap;

use byway_crypto::node::NodeSignature;
use byway_crypto::threshold::KeyRecord;
use byway_crypto::threshold::ceremony::{Ceremony, CeremonyError, CeremonyHead, Phase};
use byway_crypto::threshold::dealing::Dealing;
use byway_primitives::NetworkId;
use byway_records::call::dealing::{Contribution, occasion};
use byway_records::genesis::LeaderKind;
use byway_records::state::{ceremony_key, coin_key, dealing_key};
use byway_records::{Epoch, Genesis, ProgramId, Reject};

use super::super::Moment;
use super::super::system::{self, change_epoch};
use crate::state::View;

/// Takes what the member in `seat` says.
pub(super) fn contribute(
    view: &mut View<'_>,
    now: Moment<'_>,
    seat: u8,
    contribution: &Contribution,
    signature: &NodeSignature,
) -> Result<(), Reject> {
    let head = head(view).ok_or(Reject::NoCeremony)?;
    let step = match contribution {
        Contribution::Deal(_) => Phase::Dealing,
        Contribution::Complain { .. } | Contribution::Confirm => Phase::Checking,
    };
    head.admit(seat, step).map_err(reason)?;
    let epoch = system::epoch(view).expect("the genesis wrote one");
    let member = &epoch.seats.get(seat).ok_or(Reject::SeatEmpty)?.member;
    if !contribution.is_signed_by(member.key, now.network, head.occasion(), seat, signature) {
        return Err(Reject::NodeSignature);
    }
    let before = dealings(view, &head);
    let mut ceremony = Ceremony::resume(head, before.clone());
    let outcome = match contribution {
        Contribution::Deal(dealing) => ceremony.deal(seat, dealing.as_ref().clone()),
        Contribution::Complain { dealer, complaint } => ceremony.complain(seat, *dealer, complaint),
        Contribution::Confirm => ceremony.confirm(seat),
    };
    match outcome {
        Ok(()) => put(view, &before, &ceremony),
        Err(CeremonyError::Dealing(_) | CeremonyError::Complaint) => keep(view, &before, &ceremony),
        Err(_) => {}
    }
    outcome.map_err(reason)
}

/// The ceremony of the first epoch.
pub(super) fn found(view: &mut View<'_>, genesis: &Genesis) {
    if genesis.parameters.leader_rule.kind == LeaderKind::CommonCoin {
        begin(view, genesis.network(), &genesis.epoch());
    }
}

/// Gives the epoch that a checkpoint is about to bring the coin that its members have dealt, if they have.
pub(crate) fn prepare(view: &mut View<'_>) {
    let Some(head) = head(view) else { return };
    let epoch = system::epoch_prepared(view);
    let made: Option<KeyRecord> = view.load(ProgramId::KERNEL, &coin_key());
    let coin = made.filter(|_| epoch.seats.receivers() == head.receivers()).map(|key| key.digest());
    if epoch.coin != coin {
        change_epoch(view, |epoch| epoch.coin = coin);
    }
}

/// Begins another ceremony if other members count in an epoch than in the one before.
pub(super) fn turn(view: &mut View<'_>, network: NetworkId, epoch: &Epoch) {
    let Some(head) = head(view).filter(|head| epoch.seats.receivers() != head.receivers()) else { return };
    head.members().for_each(|seat| view.remove(ProgramId::KERNEL, dealing_key(seat)));
    view.remove(ProgramId::KERNEL, coin_key());
    begin(view, network, epoch);
}

/// The key of an epoch's coin.
pub(super) fn key_of(view: &View<'_>, epoch: &Epoch) -> Option<KeyRecord> {
    let made: Option<KeyRecord> = view.load(ProgramId::KERNEL, &coin_key());
    made.filter(|key| epoch.coin == Some(key.digest()))
}

fn begin(view: &mut View<'_>, network: NetworkId, epoch: &Epoch) {
    let ceremony = Ceremony::new(occasion(network, epoch.number), epoch.seats.receivers());
    view.store(ProgramId::KERNEL, ceremony_key(), ceremony.head());
}

fn head(view: &View<'_>) -> Option<CeremonyHead> {
    view.load(ProgramId::KERNEL, &ceremony_key())
}

fn dealings(view: &View<'_>, head: &CeremonyHead) -> BTreeMap<u8, Dealing> {
    let dealing = |seat| Some((seat, view.load(ProgramId::KERNEL, &dealing_key(seat))?));
    head.members().filter_map(dealing).collect()
}

fn put(view: &mut View<'_>, before: &BTreeMap<u8, Dealing>, ceremony: &Ceremony) {
    view.store(ProgramId::KERNEL, ceremony_key(), ceremony.head());
    for (seat, dealing) in ceremony.dealings().iter().filter(|(seat, _)| !before.contains_key(*seat)) {
        view.store(ProgramId::KERNEL, dealing_key(*seat), dealing);
    }
    for seat in taken_out(before, ceremony) {
        view.remove(ProgramId::KERNEL, dealing_key(seat));
    }
    if let Some(key) = ceremony.key() {
        view.store(ProgramId::KERNEL, coin_key(), &key);
    }
}

/// As [`put`], where the call is refused: its author is excluded.
fn keep(view: &mut View<'_>, before: &BTreeMap<u8, Dealing>, ceremony: &Ceremony) {
    view.keep(ProgramId::KERNEL, ceremony_key(), ceremony.head());
    for seat in taken_out(before, ceremony) {
        view.keep_removal(ProgramId::KERNEL, dealing_key(seat));
    }
}

fn taken_out(before: &BTreeMap<u8, Dealing>, ceremony: &Ceremony) -> Vec<u8> {
    before.keys().copied().filter(|seat| !ceremony.dealings().contains_key(seat)).collect()
}

fn reason(error: CeremonyError) -> Reject {
    match error {
        CeremonyError::Stranger => Reject::CeremonyStranger,
        CeremonyError::Phase => Reject::CeremonyPhase,
        CeremonyError::Repeated => Reject::ContributedBefore,
        CeremonyError::Dealing(_) => Reject::DealingBad,
        CeremonyError::NoDealing => Reject::DealingUnknown,
        CeremonyError::Complaint => Reject::ComplaintFalse,
    }
}
