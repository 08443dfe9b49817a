//! Whether a transaction is final in the state in which its turn comes (row K1).
//!
//! Its form and signatures are good already; what is left depends on state. The checks stand in the order in which
//! their reasons are given.

use byway_primitives::{Amount, AssetId, Time};
use byway_records::transaction::Body;
use byway_records::{Output, Parameters, Reject, Value, VerifiedTransaction};

use crate::kept::Kept;
use crate::programs::system::pay_pool;
use crate::programs::{self, Moment};
use crate::state::{Programs, Writes};

/// Why a transaction is rejected, and what is written nevertheless.
pub(crate) struct Refused {
    pub reject: Reject,
    pub kept: Writes,
}

impl From<Reject> for Refused {
    fn from(reject: Reject) -> Self {
        Self { reject, kept: Writes::new() }
    }
}

/// What goes in and out of one transaction, per asset.
#[derive(Default)]
struct Tally(Vec<(AssetId, Amount, Amount)>);

/// What the transaction's call changes, if the transaction is final.
pub(crate) fn judge(
    transaction: &VerifiedTransaction,
    now: Moment<'_>,
    kept: &mut Kept<'_>,
    programs: &Programs,
) -> Result<Writes, Refused> {
    let body = &transaction.transaction().body;
    check_expiry(body, now.time)?;
    let spent = inputs(body, kept)?;
    check_spending(body, &spent, now.parameters)?;
    call(transaction, now, programs)
}

/// What can be said against a transaction whose inputs are these unspent outputs, whatever its call does.
pub(crate) fn check_money(
    transaction: &VerifiedTransaction,
    spent: &[&Output],
    time: Time,
    parameters: &Parameters,
) -> Result<(), Reject> {
    let body = &transaction.transaction().body;
    check_expiry(body, time)?;
    check_spending(body, spent, parameters)?;
    check_price(transaction, parameters)
}

fn check_expiry(body: &Body, time: Time) -> Result<(), Reject> {
    if body.expires != Time::ZERO && time > body.expires { Err(Reject::Expired) } else { Ok(()) }
}

/// Whether the inputs open these outputs, and what goes in comes out, in outputs that are large enough.
fn check_spending(body: &Body, spent: &[&Output], parameters: &Parameters) -> Result<(), Reject> {
    if !body.inputs.iter().zip(spent).all(|(input, output)| input.lock == output.lock) {
        return Err(Reject::WrongLock);
    }
    check_balance(body, spent)?;
    let small = |value: Value| value.asset == AssetId::WAY && value.amount < parameters.output_min;
    if body.outputs.iter().any(|output| small(output.value)) { Err(Reject::OutputTooSmall) } else { Ok(()) }
}

/// Whether the fee covers what the call costs.
fn check_price(transaction: &VerifiedTransaction, parameters: &Parameters) -> Result<(), Reject> {
    let price = transaction.call().map_or(Amount::ZERO, |call| programs::price(&parameters.call_prices, call));
    if transaction.transaction().body.fee < price { Err(Reject::FeeTooLow) } else { Ok(()) }
}

/// The outputs that the inputs spend.
fn inputs<'k>(body: &Body, kept: &'k mut Kept<'_>) -> Result<Vec<&'k Output>, Reject> {
    body.inputs.iter().for_each(|input| kept.look_up(input.spent));
    body.inputs.iter().map(|input| kept.unspent(input.spent).ok_or(Reject::UnknownInput)).collect()
}

/// Per asset: inputs + what the call draws = outputs + what the call pays + fee.
fn check_balance(body: &Body, spent: &[&Output]) -> Result<(), Reject> {
    let mut tally = Tally::default();
    let draws = body.call.iter().filter_map(|call| call.draws);
    for value in spent.iter().map(|output| output.value).chain(draws) {
        let (_, coming_in, _) = tally.row(value.asset);
        *coming_in = coming_in.checked_add(value.amount).ok_or(Reject::Unbalanced)?;
    }
    let pays = body.call.iter().filter_map(|call| call.pays);
    let fee = Value { asset: AssetId::WAY, amount: body.fee };
    for value in body.outputs.iter().map(|output| output.value).chain(pays).chain([fee]) {
        let (.., going_out) = tally.row(value.asset);
        *going_out = going_out.checked_add(value.amount).ok_or(Reject::Unbalanced)?;
    }
    let balanced = tally.0.iter().all(|(_, coming_in, going_out)| coming_in == going_out);
    if balanced { Ok(()) } else { Err(Reject::Unbalanced) }
}

/// What the call and the fee change in the programs' state.
fn call(transaction: &VerifiedTransaction, now: Moment<'_>, programs: &Programs) -> Result<Writes, Refused> {
    let fee = transaction.transaction().body.fee;
    let mut view = programs.view();
    if let Some(call) = transaction.call() {
        check_price(transaction, now.parameters)?;
        if let Err(reject) = programs::execute(&mut view, now, transaction, call) {
            return Err(Refused { reject, kept: view.into_kept() });
        }
    }
    pay_pool(&mut view, fee);
    Ok(view.into_writes())
}

impl Tally {
    fn row(&mut self, asset: AssetId) -> &mut (AssetId, Amount, Amount) {
        let at = self.0.iter().position(|row| row.0 == asset).unwrap_or_else(|| {
            self.0.push((asset, Amount::ZERO, Amount::ZERO));
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}
