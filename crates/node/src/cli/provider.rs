//! What providers ask of their node: `byway provider`.

use std::time::Duration;

use byway_primitives::{Amount, Span, Time};

use super::forward::word;
use super::output::{ago, bytes, duration, fields, now, print, rate, way};
use super::wallet::{Until, entry_text, settle_all, show, transact};
use super::{By, Globals, Outcome, PortProtocol, PortsCommand, ProviderCommand, Table, idempotency_key, with_progress};
use crate::api::*;
use crate::client::Client;

pub async fn provider(globals: &Globals, command: ProviderCommand) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    match command {
        ProviderCommand::Earnings(args) => {
            let by = match args.by {
                By::Day => EarningsBy::Day,
                By::Month => EarningsBy::Month,
            };
            let request = MarketEarnings { by, limit: args.limit as usize };
            let earnings: ProviderEarnings = client.call("market_earnings", &request).await?;
            match args.csv {
                true => print(&csv(&earnings))?,
                false => show(globals, &earnings, earnings_text)?,
            }
        }
        ProviderCommand::CashOut { amount, to } => return cash_out(globals, &client, amount, to).await,
        ProviderCommand::Block(args) => {
            let for_ms = args.time.map(|time: Duration| Span::millis(time.as_millis() as u64));
            let request = MarketBlock { destination: args.destination, for_ms, note: args.note };
            let block: ProviderBlock = client.call("market_block", &request).await?;
            show(globals, &block, |block| {
                format!("No client gets to {} {}.\n", block.destination, until(block, now()))
            })?;
        }
        ProviderCommand::Unblock { destination } => {
            let block: ProviderBlock = client.call("market_unblock", &MarketUnblock { destination }).await?;
            show(globals, &block, |block| format!("Clients get to {} again.\n", block.destination))?;
        }
        ProviderCommand::Blocks => {
            let blocks: Vec<ProviderBlock> = client.call("market_blocks", &Nothing {}).await?;
            show(globals, &blocks, |blocks| blocks_text(blocks, now()))?;
        }
        ProviderCommand::Ports { command: None } => {
            let ports: Vec<GivenPort> = client.call("market_ports", &Nothing {}).await?;
            show(globals, &ports, |ports| ports_text(ports, now()))?;
        }
        ProviderCommand::Ports { command: Some(PortsCommand::Close { port, protocol }) } => {
            let protocol = protocol.map(|protocol| match protocol {
                PortProtocol::Tcp => Protocol::Tcp,
                PortProtocol::Udp => Protocol::Udp,
            });
            let closed: Vec<GivenPort> = client.call("market_port_close", &MarketPortClose { port, protocol }).await?;
            show(globals, &closed, |closed| closed_text(closed))?;
        }
    }
    Ok(Outcome::Done)
}

/// Settles what is open, then announces the withdrawal of what is in the account.
async fn cash_out(
    globals: &Globals,
    client: &Client,
    amount: Option<Amount>,
    to: Option<String>,
) -> anyhow::Result<Outcome> {
    let settled = settle_all(client).await?;
    let balance: Balance = client.call("wallet_balance", &Nothing {}).await?;
    let amount = amount.unwrap_or(balance.account);
    let mut entry = None;
    if !amount.is_zero() {
        let request = WalletWithdraw { amount, asset: None, to, idempotency_key: idempotency_key(None)? };
        let withdrawing = transact(client, "wallet_withdraw", &request, Until::Decided);
        entry = Some(with_progress("withdrawing from the account", withdrawing).await?);
    }
    let balance: Balance = client.call("wallet_balance", &Nothing {}).await?;
    let is_refused = entry.as_ref().is_some_and(|entry| entry.stage == Stage::Rejected);
    let report = serde_json::json!({ "settlements": settled, "withdrawal": entry, "withdrawing": balance.withdrawing });
    show(globals, &report, |_| cash_out_text(&settled, entry.as_ref(), &balance, now()))?;
    Ok(if is_refused { Outcome::No } else { Outcome::Done })
}

fn cash_out_text(settled: &[PromiseSettlement], entry: Option<&Entry>, balance: &Balance, now: Time) -> String {
    let mut text: String = settled.iter().flat_map(|settlement| &settlement.entries).map(entry_text).collect();
    match entry {
        Some(entry) => text += &entry_text(entry),
        None => text += "There is nothing in the account to withdraw.\n",
    }
    if !balance.withdrawing.is_empty() {
        text += "The wait is the network's: nobody can withdraw what a settlement is about to take.\n";
    }
    for leaving in &balance.withdrawing {
        let wait = match leaving.available_ms.0.saturating_sub(now.0) {
            0 => "in a moment".to_owned(),
            millis => format!("in {}", duration(millis / 1000)),
        };
        let place = leaving.to.as_ref().map_or_else(|| "the wallet".to_owned(), Clone::clone);
        text += &format!("{} come to {place} {wait}, by themselves as long as this node runs.\n", way(leaving.amount));
    }
    text
}

fn until(block: &ProviderBlock, now: Time) -> String {
    match block.until_ms {
        Some(until) => format!("for {}", duration(until.0.saturating_sub(now.0) / 1000)),
        None => "until it is unblocked".to_owned(),
    }
}

fn blocks_text(blocks: &[ProviderBlock], now: Time) -> String {
    let mut table = Table::new(&["destination", "blocked", "still", "note"]);
    for block in blocks {
        let note = block.note.clone().unwrap_or_default();
        table.row([block.destination.to_string(), ago(block.since_ms, now), until(block, now), note]);
    }
    table.text("Nothing is blocked.")
}

fn ports_text(ports: &[GivenPort], now: Time) -> String {
    let mut table = Table::new(&[">port", "", "client", "session", "since", ">sent to it", ">sent by it"]);
    for given in ports {
        let since = ago(given.since_ms, now);
        let since = if given.open { since } else { format!("{since}, kept for it") };
        table.row([
            given.port.to_string(),
            word(given.protocol).to_owned(),
            given.client.to_string(),
            given.session_id.0.clone(),
            since,
            bytes(given.bytes_down),
            bytes(given.bytes_up),
        ]);
    }
    table.text("No client has a port here.")
}

fn closed_text(closed: &[GivenPort]) -> String {
    let line = |given: &GivenPort| {
        let GivenPort { port, client, .. } = given;
        format!("Port {port} ({}) of {client} is closed, and that client gets none for a day.\n", word(given.protocol))
    };
    closed.iter().map(line).collect()
}

fn earnings_text(earnings: &ProviderEarnings) -> String {
    let usage = &earnings.usage;
    let of = |value: String, max: Option<String>| match max {
        Some(max) => format!("{value} of {max}"),
        None => value,
    };
    let limit = |limit: Option<u64>| limit.map_or("no limit".to_owned(), rate);
    let head = fields(&[
        ("not settled yet", way(earnings.unsettled)),
        ("carried this month", of(bytes(usage.month_bytes), usage.month_max_bytes.map(bytes))),
        ("clients now", of(usage.clients.to_string(), usage.clients_max.map(|max| max.to_string()))),
        ("speed of all", limit(usage.rate_max_bps)),
        ("speed of each", limit(usage.client_rate_max_bps)),
    ]);
    let headings = ["", ">sessions", ">carried", ">earned", ">settled", ">fees", ">bounced"];
    let mut table = Table::new(&headings);
    for period in &earnings.periods {
        table.row([
            period.period.clone(),
            period.sessions.to_string(),
            bytes(period.bytes_up.saturating_add(period.bytes_down)),
            way(period.earned),
            way(period.settled),
            way(period.fees),
            way(period.bounced),
        ]);
    }
    format!("{head}\n{}", table.text("Nothing was carried yet."))
}

/// One line for each service in each period; what is of the period as a whole stands in a line without service.
fn csv(earnings: &ProviderEarnings) -> String {
    let mut text =
        "period,service,sessions,bytes_up,bytes_down,earned_way,settled_way,fees_way,bounced_way\n".to_owned();
    for period in &earnings.periods {
        let name = &period.period;
        for part in &period.services {
            let ServiceEarnings { service, sessions, bytes_up, bytes_down, earned } = part;
            text += &format!("{name},{service},{sessions},{bytes_up},{bytes_down},{earned},,,\n");
        }
        text += &format!("{name},,,,,,{},{},{}\n", period.settled, period.fees, period.bounced);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(text: &str) -> Amount {
        text.parse().expect("an amount")
    }

    #[test]
    fn a_spreadsheet_has_a_line_for_each_service_and_one_for_the_money() {
        let service = ServiceEarnings {
            service: "socks".parse().expect("a service"),
            sessions: 3,
            bytes_up: 10,
            bytes_down: 2_000_000,
            earned: amount("0.5"),
        };
        let period = EarningsPeriod {
            period: "2026-11-27".to_owned(),
            from_ms: Time(0),
            sessions: 3,
            bytes_up: 10,
            bytes_down: 2_000_000,
            earned: amount("0.5"),
            settled: amount("0.4"),
            fees: amount("0.001"),
            bounced: Amount::ZERO,
            services: vec![service],
        };
        let usage = ProviderUsage {
            month: "2026-11".to_owned(),
            month_bytes: 2_000_010,
            month_max_bytes: Some(10_000_000),
            clients: 1,
            clients_max: None,
            rate_max_bps: Some(8_000_000),
            client_rate_max_bps: None,
        };
        let earnings = ProviderEarnings { by: EarningsBy::Day, periods: vec![period], unsettled: amount("0.1"), usage };
        let lines = csv(&earnings);
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines[1..], ["2026-11-27,socks,3,10,2000000,0.5,,,", "2026-11-27,,,,,,0.4,0.001,0"]);
        assert!(lines.iter().all(|line| line.matches(',').count() == 8), "{lines:?}");
        let text = earnings_text(&earnings);
        for part in ["2.0 MB of 10.0 MB", "8.0 Mbit/s", "no limit", "0.1 WAY", "2026-11-27"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }

    #[test]
    fn whose_port_was_closed_is_told() {
        let client = byway_primitives::IdentityId([7; 20]);
        let given = |protocol| GivenPort {
            port: 40_001,
            protocol,
            client,
            session_id: SessionId("s".to_owned()),
            since_ms: Time(0),
            open: true,
            bytes_down: 1,
            bytes_up: 2,
        };
        let text = closed_text(&[given(Protocol::Tcp), given(Protocol::Udp)]);
        for part in ["Port 40001 (TCP)", "Port 40001 (UDP)", &client.to_string()] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
