//! Assets beside WAY: registered, issued, burned (rows K1, K7).
//!
//! - Whoever pays for it registers an asset under a symbol of its own choosing, once; the id covers the issuer, so
//!   symbols can't be squatted.
//! - *Issuing* draws new units into the transaction's outputs, *burning* pays units in. Both change the supply in the
//!   asset's record, against which audits count what there is. WAY can't be issued: the form of the call excludes it.
//! - Moving an asset is no call: outputs and accounts hold any.
//!
//! **Faucet.** A test network has one asset from its genesis on that everyone may draw, a bounded amount at a time, so
//! that wallets and programs can be tried without asking anyone for coins.

use byway_primitives::{Amount, AssetId};
use byway_records::asset::AssetTerms;
use byway_records::call::AssetsCall;
use byway_records::state::{AssetRecord, Control, asset_key};
use byway_records::{Genesis, ProgramId, Reject, Value, VerifiedTransaction};

use super::{authorised, drawn, paid_in};
use crate::state::View;

/// What a faucet gives at a time: enough to try everything, little enough that nobody takes it for money.
pub const FAUCET_MAX: Amount = Amount::from_coins(1_000);

pub(crate) fn execute(view: &mut View<'_>, transaction: &VerifiedTransaction, call: &AssetsCall) -> Result<(), Reject> {
    match call {
        AssetsCall::Register { terms } => {
            authorised(transaction, terms.issuer)?;
            register(view, terms)
        }
        AssetsCall::Issue => issue(view, transaction, drawn(transaction)),
        AssetsCall::Burn => burn(view, transaction, paid_in(transaction)),
    }
}

/// The faucet of a test network.
pub(crate) fn found(view: &mut View<'_>, genesis: &Genesis) {
    if genesis.test {
        let control = Control::Anyone { issue_max: FAUCET_MAX };
        put(view, &AssetRecord { terms: AssetTerms::faucet(), control, supply: Amount::ZERO });
    }
}

fn register(view: &mut View<'_>, terms: &AssetTerms) -> Result<(), Reject> {
    if record(view, terms.id()).is_ok() {
        return Err(Reject::AssetKnown);
    }
    put(view, &AssetRecord { terms: terms.clone(), control: Control::Issuer, supply: Amount::ZERO });
    Ok(())
}

fn issue(view: &mut View<'_>, transaction: &VerifiedTransaction, value: Value) -> Result<(), Reject> {
    let mut record = moved(view, transaction, value)?;
    if let Control::Anyone { issue_max } = record.control
        && value.amount > issue_max
    {
        return Err(Reject::FaucetLimit);
    }
    record.supply = record.supply.checked_add(value.amount).ok_or(Reject::AssetOverflow)?;
    put(view, &record);
    Ok(())
}

fn burn(view: &mut View<'_>, transaction: &VerifiedTransaction, value: Value) -> Result<(), Reject> {
    let mut record = moved(view, transaction, value)?;
    let rest = record.supply.checked_sub(value.amount);
    record.supply = rest.expect("what is burned was spent, so it exists and the supply counts it");
    put(view, &record);
    Ok(())
}

/// The record of an asset of which the transaction may make or burn this much.
fn moved(view: &View<'_>, transaction: &VerifiedTransaction, value: Value) -> Result<AssetRecord, Reject> {
    let record = record(view, value.asset)?;
    if record.control == Control::Issuer {
        authorised(transaction, record.terms.issuer)?;
    }
    if record.terms.decimals.fits(value.amount) { Ok(record) } else { Err(Reject::AssetTooFine) }
}

fn record(view: &View<'_>, asset: AssetId) -> Result<AssetRecord, Reject> {
    view.load(ProgramId::ASSETS, &asset_key(asset)).ok_or(Reject::AssetUnknown)
}

fn put(view: &mut View<'_>, record: &AssetRecord) {
    view.store(ProgramId::ASSETS, asset_key(record.terms.id()), record);
}
