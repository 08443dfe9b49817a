//! Payments over several channels: `byway hub`, `byway channel invoice`, and `byway channel pay` with an invoice.

use byway_channel::routing::Invoice;
use byway_primitives::{Amount, IdentityId};

use super::confirm::confirm;
use super::output::{ago, fields, now, short, wait, way, word};
use super::progress::with_progress;
use super::wallet::show;
use super::{Globals, HubCommand, Outcome, Table, idempotency_key};
use crate::api::*;
use crate::client::Client;

pub async fn hub(globals: &Globals, command: HubCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    let status: HubStatus = match command {
        HubCommand::List => return list(globals, &client).await,
        HubCommand::Run {
            fee_base,
            fee_per_million,
            amount_min,
            guarantee,
            guarantee_fee_base,
            guarantee_fee_per_million,
            publish,
        } => {
            let [guarantee, publish] = [guarantee, publish].map(|asked| asked.then_some(true));
            let request = HubRun {
                run: true,
                fee_base,
                fee_per_million,
                amount_min,
                guarantee,
                guarantee_fee_base,
                guarantee_fee_per_million,
                publish,
            };
            client.call("hub_run", &request).await?
        }
        HubCommand::Ask { hub, deposit, theirs, days } => {
            let request = HubAsk { hub, deposit, their_deposit: theirs, days };
            let asking = client.call::<HubQuote>("hub_ask", &request);
            let quote = with_progress("Asking the hub…", asking).await?;
            show(globals, &quote, quoted)?;
            return Ok(Outcome::Done);
        }
        HubCommand::Rebalance { amount, from, to, fee_max, key } => {
            let idempotency_key = idempotency_key(key.idempotency_key)?;
            let request = HubRebalance { from, to, amount, fee_max, idempotency_key };
            let moving = client.call::<InvoicePayment>("hub_rebalance", &request);
            let moved = with_progress("Moving money in a circle, over other hubs…", moving).await?;
            show(globals, &moved, rebalanced)?;
            return Ok(Outcome::Done);
        }
        HubCommand::Stop => {
            let request = HubRun { run: false, ..HubRun::default() };
            client.call("hub_run", &request).await?
        }
        HubCommand::Status => client.call("hub_status", &Nothing {}).await?,
    };
    show(globals, &status, text)?;
    Ok(Outcome::Done)
}

async fn list(globals: &Globals, client: &Client) -> anyhow::Result<Outcome> {
    let hubs: Vec<HubOffer> = client.call("hub_list", &Nothing {}).await?;
    show(globals, &hubs, |hubs| {
        let mut table = Table::new(&["hub", ">for each payment", ">our channels", "there"]);
        for hub in hubs {
            let there = if hub.connected { "yes" } else { "no" };
            table.row([hub.hub.to_string(), way(hub.fee_base), hub.channels.to_string(), there.to_owned()]);
        }
        table.text("No hub has an offer on the market. Any peer with channels can be one: `byway hub run`.")
    })?;
    Ok(Outcome::Done)
}

pub fn invoice(made: &ChannelInvoice) -> String {
    let (amount, expires) = (way(made.amount), wait(made.expires_ms, now()));
    format!("{}\n\nWhoever pays this pays {amount}, once. It expires {expires}.\n", made.invoice)
}

/// Asks whether an invoice is to be paid, unless that was said already.
pub fn ask(yes: bool, invoice: &str, fee_max: Option<Amount>) -> anyhow::Result<()> {
    if yes { Ok(()) } else { confirm(false, &question(invoice, fee_max)?) }
}

/// What an invoice says, and whether it is to be paid.
fn question(invoice: &str, fee_max: Option<Amount>) -> anyhow::Result<String> {
    let terms = invoice.parse::<Invoice>()?.terms;
    let fee_max = fee_max.unwrap_or_else(|| hub_fee_default(terms.amount));
    let mut rows = vec![("to", terms.payee.to_string()), ("amount", way(terms.amount))];
    if let Some(note) = &terms.note {
        rows.push(("for", note.to_string()));
    }
    rows.push(("fee at most", way(fee_max)));
    rows.push(("expires", wait(terms.expires, now())));
    Ok(format!("{}\nIt can't be taken back once the payee has it. Pay it?", fields(&rows)))
}

fn quoted(quote: &HubQuote) -> String {
    let rows = [
        ("hub", quote.hub.to_string()),
        ("fee", format!("{} from you; the peer pays its own", way(quote.fee))),
        ("fee at most", way(quote.fee_max)),
        ("you can put in", way(quote.available)),
        ("hub puts in at most", way(quote.amount_max)),
        ("goes on at most", format!("{} days", quote.days_max)),
    ];
    let verdict = match &quote.unfit {
        Some(why) => format!("It would not come about: {}.", why.message),
        None => format!("`byway channel open PEER AMOUNT --via {}` proposes it.", quote.hub),
    };
    format!("{}\n{verdict}\n", fields(&rows))
}

fn rebalanced(payment: &InvoicePayment) -> String {
    let amount = way(payment.amount);
    let over = over(&payment.ways);
    match payment.state {
        InvoicePaymentState::Paid => {
            format!("Moved {amount} from one channel into another, {over}; {}.\n", fee(payment.fee))
        }
        InvoicePaymentState::OnItsWay => {
            format!("On its way: {amount}, {over}. `byway hub status` shows it; it arrives, or comes back by itself.\n")
        }
    }
}

/// By what hubs it goes.
fn over(ways: &[Vec<IdentityId>]) -> String {
    let over = |way: &Vec<IdentityId>| match way[..] {
        [] => "without a hub".to_owned(),
        _ => format!("over {}", way.iter().map(short).collect::<Vec<_>>().join(", ")),
    };
    match ways {
        [] => "without a hub".to_owned(),
        [way] => over(way),
        _ => format!("in {} parts: {}", ways.len(), ways.iter().map(over).collect::<Vec<_>>().join("; ")),
    }
}

pub fn paid(payment: &InvoicePayment) -> String {
    let note = payment.note.as_ref().map_or_else(String::new, |note| format!(" for \"{note}\""));
    let whom = format!("{} to {}{note}", way(payment.amount), payment.payee);
    let over = over(&payment.ways);
    match payment.state {
        InvoicePaymentState::Paid => format!("Paid {whom}, {over}; {}.\n", fee(payment.fee)),
        InvoicePaymentState::OnItsWay => {
            let back = payment.until_ms.map_or_else(String::new, |until| {
                format!(" If nobody takes it, it comes back {}.", wait(until, now()))
            });
            format!(
                "On its way: {whom}, {over}. It has not been taken yet.{back} Pay the same invoice again to see how it stands; it \
                 is paid once.\n"
            )
        }
    }
}

fn fee(fee: Option<Amount>) -> String {
    match fee.filter(|fee| !fee.is_zero()) {
        Some(fee) => format!("the fee was {}", way(fee)),
        None => "there was no fee".to_owned(),
    }
}

fn text(status: &HubStatus) -> String {
    let terms = &status.terms;
    let runs = match (status.runs, &status.unready) {
        (false, _) => "sends nothing on; `byway hub run` has it do so".to_owned(),
        (true, None) => "sends payments on".to_owned(),
        (true, Some(why)) => format!("takes no payments now: {}", why.message),
    };
    let guarantees = match terms.guarantees {
        true => format!(
            "virtual channels for {} and {} of a million from each, for {} days at most",
            way(terms.guarantee_fee_base),
            terms.guarantee_fee_per_million,
            terms.guarantee_days_max
        ),
        false => "nothing; `byway hub run --guarantee` has it do so".to_owned(),
    };
    let rows = [
        ("hub", runs),
        ("fee", format!("{} and {} of a million", way(terms.fee_base), terms.fee_per_million)),
        ("least amount", way(terms.amount_min)),
        (
            "on its way at most",
            format!("{} from one peer, {} in all", way(terms.peer_amount_max), way(terms.amount_max)),
        ),
        ("guarantees", guarantees),
        ("sent on", format!("{} payments, {}", status.forwarded, way(status.amount))),
        ("earned", way(status.fees)),
    ];
    let mut text = fields(&rows);
    text += &format!("\n{}\n{}", peers(&status.peers), payments(&status.on_their_way));
    if !status.guarantees.is_empty() {
        text += &format!("\n{}", guaranteed(&status.guarantees));
    }
    if !status.refused.is_empty() {
        text += &format!("\n{}", refusals(&status.refused));
    }
    text
}

fn peers(peers: &[HubPeer]) -> String {
    let mut table = Table::new(&["peer", "there", ">channels", ">to it", ">from it"]);
    for peer in peers {
        let there = if peer.connected { "yes" } else { "no" };
        table.row([
            short(&peer.peer),
            there.to_owned(),
            peer.channels.to_string(),
            peer.to_peer.to_string(),
            peer.from_peer.to_string(),
        ]);
    }
    table.text("There is no open channel, so nothing can be sent on.")
}

fn payments(payments: &[HubPayment]) -> String {
    let mut table = Table::new(&["payment", "from", ">comes in", "to", ">goes out", "state", "back"]);
    for payment in payments {
        let who = |lock: &Option<HubLock>| {
            lock.as_ref().map_or("us".to_owned(), |lock| lock.peer.as_ref().map_or("?".to_owned(), short))
        };
        let amount = |lock: &Option<HubLock>| lock.as_ref().map_or("-".to_owned(), |lock| lock.amount.to_string());
        let back = payment.outgoing.as_ref().or(payment.incoming.as_ref()).map(|lock| wait(lock.until_ms, now()));
        table.row([
            short(&payment.hash),
            who(&payment.incoming),
            amount(&payment.incoming),
            who(&payment.outgoing),
            amount(&payment.outgoing),
            word(&payment.state),
            back.unwrap_or_default(),
        ]);
    }
    table.text("No payment is on its way.")
}

fn guaranteed(guarantees: &[HubGuarantee]) -> String {
    let mut table = Table::new(&["guaranteed", "between", "and", ">put in", ">and", "state", "until"]);
    for guarantee in guarantees {
        let ([one, other], [first, second]) = (&guarantee.peers, &guarantee.amounts);
        let state = if guarantee.stands { "stands" } else { "being accepted" };
        table.row([
            short(&guarantee.channel),
            short(one),
            short(other),
            first.to_string(),
            second.to_string(),
            state.to_owned(),
            wait(guarantee.until_ms, now()),
        ]);
    }
    table.text("")
}

fn refusals(refused: &[HubRefusal]) -> String {
    let mut table = Table::new(&["refused", "peer", ">amount", "because"]);
    for refusal in refused {
        table.row([
            ago(refusal.at_ms, now()),
            short(&refusal.peer),
            refusal.amount.to_string(),
            refusal.reason.message.clone(),
        ]);
    }
    table.text("")
}

#[cfg(test)]
mod tests {
    use byway_channel::routing::{InvoiceTerms, Preimage};
    use byway_crypto::IdentitySecret;
    use byway_crypto::noise::StaticKey;
    use byway_primitives::{Hash, NetworkId, Span};

    use super::*;

    #[test]
    fn before_an_invoice_is_paid_it_is_said_to_whom_how_much_for_what_fee_and_until_when() {
        let payee = IdentitySecret::from_bytes(&[3; 32]).unwrap();
        let terms = InvoiceTerms {
            network: NetworkId(Hash::default()),
            payee: payee.id(),
            key: StaticKey([0; 32]),
            amount: "0.5".parse().unwrap(),
            hash: Preimage([1; 32]).hash(),
            expires: now() + Span::minutes(60),
            hubs: Vec::new(),
            note: Some("two coffees".parse().unwrap()),
        };
        let invoice = terms.sign(&payee).to_string();
        let said = question(&invoice, None).unwrap();
        for part in [&payee.id().to_string(), "0.5 WAY", "two coffees", "0.006 WAY", "Pay it?"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert!(question(&invoice, Some("0.002".parse().unwrap())).unwrap().contains("0.002 WAY"));
        assert!(question(&format!("{invoice}a"), None).is_err(), "one that was changed is not shown at all");
    }
}
