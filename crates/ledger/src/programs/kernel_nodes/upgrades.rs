//! Which version of the protocol is spoken from when on.
//!
//! Until those who govern the network vote on it, the kernel nodes' owners decide: each agrees to a version and a height
//! at most at a time, and what q(n) owners of counting members agree to is decided. It begins with the epoch of the first
//! checkpoint at that height or after. Until then q(n) owners can decide something else, the version spoken now included.

use byway_records::call::kernel::Upgrade;
use byway_records::state::{KernelPledge, upgrade_key};
use byway_records::{Height, ProgramId, Reject, Standing};

use super::super::Moment;
use super::super::system::{self, change_epoch};
use super::{kernel_pledge, put_pledge, seated};
use crate::state::View;

/// Notes what the owner of the member in `seat` agrees to.
pub(super) fn approve(view: &mut View<'_>, now: Moment<'_>, seat: u8, to: Upgrade) -> Result<(), Reject> {
    if seated(view, seat)?.standing != Standing::Counting {
        return Err(Reject::SeatStanding);
    }
    if to.at < now.height {
        return Err(Reject::UpgradePast);
    }
    let pledge = kernel_pledge(view, seat).ok_or(Reject::SeatEmpty)?;
    put_pledge(view, seat, &KernelPledge { approves: Some(to), ..pledge });
    let seats = system::epoch_prepared(view).seats;
    let agrees = |seat: u8| kernel_pledge(view, seat).is_some_and(|pledge| pledge.approves == Some(to));
    if seats.counting().filter(|(seat, _)| agrees(*seat)).count() >= seats.quorum() {
        view.store(ProgramId::KERNEL, upgrade_key(), &to);
    }
    Ok(())
}

/// Prepares the epoch of another version, if its time has come with the checkpoint of this height.
pub(crate) fn begin(view: &mut View<'_>, height: Height) {
    let decided: Option<Upgrade> = view.load(ProgramId::KERNEL, &upgrade_key());
    let Some(upgrade) = decided.filter(|upgrade| upgrade.at <= height) else { return };
    view.remove(ProgramId::KERNEL, upgrade_key());
    if system::epoch_prepared(view).protocol != upgrade.protocol {
        change_epoch(view, |epoch| epoch.protocol = upgrade.protocol);
    }
}
