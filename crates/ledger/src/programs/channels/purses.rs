//! Assets beside WAY in channels.
//!
//! An asset is in its *purse* within the channel: a contract of the first state, whose storage says who has how much of it (`byway_vm`). The
//! ledger knows what went in, and the root of the last state. At the end it is shown the two numbers under that root and pays
//! them; what contracts have in the purse is divided like what they have of WAY.
//!
//! **Whatever both signed**, exactly what went in comes out: a state without the purse, with another contract in its place, or that says
//! more than there is, says nothing, and all goes by the rule for the rest.
//!
//! **Where nobody shows it.** Anyone who has the state can, for a year from when the channel could be settled. It is not shown if both
//! parties have lost it or would rather have what they put in, or one has lost it and the other would; then each gets back what it put in. The
//! rule for the rest would give a party that it favours more than it ever had.

use byway_primitives::{Amount, Decode};
use byway_records::call::channels::WITNESS_BYTE_GAS;
use byway_records::channel::{AssetParts, Channel, ChannelAssets, ChannelTerms, MutualClose};
use byway_records::{Reject, Value};
use byway_vm::{Address, Witness, purse_of};

use super::forcing::COMMIT_GAS_MAX;
use crate::programs::Moment;
use crate::programs::accounts::{credit, debit};
use crate::state::View;

/// Takes what both put in.
pub(super) fn collect(view: &mut View<'_>, terms: &ChannelTerms) -> Result<(), Reject> {
    for AssetParts { asset, parts } in terms.assets.iter().copied() {
        for (party, amount) in terms.parties.into_iter().zip(parts).filter(|(_, amount)| !amount.is_zero()) {
            debit(view, party, Value { asset, amount })?;
        }
    }
    Ok(())
}

/// What each gets of the assets of a channel that is locked.
pub(super) fn shown(now: Moment<'_>, channel: &Channel, witness: &[u8]) -> Result<Vec<AssetParts>, Reject> {
    let nothing = channel.assets.is_empty();
    match witness {
        [] if nothing || channel.abandoned_from().is_some_and(|deadline| now.passed(deadline)) => {
            Ok(channel.assets.to_vec())
        }
        [] => Err(Reject::PurseAwaited),
        _ if nothing => Err(Reject::PurseWitness),
        _ if now.forced_gas.saturating_add(gas_of(witness)) > COMMIT_GAS_MAX => Err(Reject::ChannelBusy),
        _ => {
            let witness = Witness::from_bytes(witness).map_err(|_| Reject::PurseWitness)?;
            witness.check(channel.position.root).map_err(|_| Reject::PurseWitness)?;
            // Anyone may settle, and who closed pays: nobody shows more than is looked at.
            if !witness.is_of_purses(&channel.assets, channel.parties.map(Address::from)) {
                return Err(Reject::PurseWitness);
            }
            channel.assets.iter().map(|row| parts(channel, row, &witness)).collect()
        }
    }
}

/// What reading a witness takes of a commit's gas.
pub(super) fn gas_of(witness: &[u8]) -> u64 {
    WITNESS_BYTE_GAS * witness.len() as u64
}

/// What both have in the purse, and each's share of what others have there.
fn parts(channel: &Channel, row: &AssetParts, witness: &Witness) -> Result<AssetParts, Reject> {
    let total = row.total().expect("a channel's assets are of totals that fit");
    let owned = witness.in_purse(row.asset, channel.parties.map(Address::from)).map_err(|_| Reject::PurseWitness)?;
    let owned = owned.unwrap_or_default();
    let rest = Amount::checked_sum(owned).and_then(|sum| total.checked_sub(sum));
    let (owned, rest) = rest.map_or(([Amount::ZERO; 2], total), |rest| (owned, rest));
    let shares = channel.remainder.shares(rest);
    let add = |side: usize| owned[side].checked_add(shares[side]).expect("parts of a total that fits");
    Ok(AssetParts { asset: row.asset, parts: [add(0), add(1)] })
}

/// Refuses a close that does not divide what there is of each asset.
pub(super) fn check_split(channel: &Channel, close: &MutualClose) -> Result<(), Reject> {
    if channel.assets.is_divided_by(&close.assets) { Ok(()) } else { Err(Reject::PurseSplit) }
}

/// Pays what each gets of the assets into the parties' accounts.
pub(super) fn pay(view: &mut View<'_>, channel: &Channel, rows: &[AssetParts]) {
    for AssetParts { asset, parts } in rows.iter().copied() {
        for (party, amount) in channel.parties.into_iter().zip(parts).filter(|(_, amount)| !amount.is_zero()) {
            credit(view, party, Value { asset, amount });
        }
    }
}

/// Whether an asset of the channel is at this address: what is there stays, or nobody could be shown what is in it.
pub(super) fn is_purse(assets: &ChannelAssets, contract: Address) -> bool {
    assets.iter().any(|row| purse_of(row.asset) == contract)
}
