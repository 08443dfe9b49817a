//! `byway status`: one calm screen.

use byway_primitives::{Span, Time};

use super::invite::accepted_line;
use super::limit::ask_line;
use super::output::{ago, bytes, duration, fields, now, print, print_json, rate, wait, way};
use super::{Globals, Outcome, StatusArgs};
use crate::api::params::LIMIT_MAX;
use crate::api::*;
use crate::client::Client;

pub async fn status(globals: &Globals, args: StatusArgs) -> anyhow::Result<Outcome> {
    let client = globals.client()?;
    if args.link {
        match globals.json {
            true => print_json(&serde_json::json!({ "link": client.page_link() }))?,
            false => print(&format!("{}\n", client.page_link()))?,
        }
        return Ok(Outcome::Done);
    }
    let status: NodeStatus = client.call("node_status", &Nothing {}).await?;
    if globals.json {
        print_json(&status)?;
    } else {
        let request = SessionList { limit: LIMIT_MAX as usize };
        let sessions: Vec<Session> = client.call("session_list", &request).await?;
        let own = sessions.iter().find(|session| Some(&session.id) == status.connection.session_id.as_ref());
        let invites: InviteList = client.call("invite_list", &Nothing {}).await?;
        print(&screen(&status, own, &invites, &client))?;
    }
    Ok(Outcome::Done)
}

fn screen(status: &NodeStatus, session: Option<&Session>, invites: &InviteList, client: &Client) -> String {
    let mut rows = vec![("Exit", exit(&status.connection))];
    if let Some(session) = session.filter(|session| session.state.is_open()) {
        rows.push(("Session", session_line(session)));
    }
    let accepting = if status.proxy.accepting { "" } else { "  (refuses; `byway connect` opens it)" };
    rows.extend(status.hops.iter().map(|hop| ("Over", hop_line(hop))));
    rows.push(("Proxy", format!("socks5h://{}{accepting}", status.proxy.address)));
    rows.extend(status.relay.as_ref().map(|relay| ("Relay", relay_line(relay))));
    rows.extend([
        ("", String::new()),
        ("Wallet", wallet_line(&status.balance)),
        ("Account", account_line(&status.balance)),
        ("Spent today", spending_line(&status.spending)),
    ]);
    rows.extend(status.spending.asks.iter().map(|ask| ("Asks you", ask_line(ask))));
    // Whoever came with one waits for it; once it is here the account says so.
    let awaited = invites.accepted.iter().filter(|one| one.stage != ClaimStage::Done);
    rows.extend(awaited.map(|one| ("Invite", accepted_line(one))));
    rows.extend([
        ("", String::new()),
        ("Identity", identity_line(&status.identity)),
        ("Ledger", ledger_line(&status.ledger)),
    ]);
    rows.extend(status.backup.as_ref().map(|backup| ("Backup", backup_line(backup))));
    rows.extend([
        ("Network", format!("{}  ·  up for {}", status.network_name, duration(status.uptime_seconds))),
        ("Page", format!("http://{}  (`byway status --link` opens it with the key)", client.run_file().web)),
    ]);
    fields(&rows).lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

fn backup_line(backup: &BackupView) -> String {
    let state = match (&backup.problem, backup.written_ms) {
        (Some(problem), _) => format!("NOT written: {problem}"),
        (None, Some(at)) => format!("as of {}", ago(at, now())),
        (None, None) => "not written yet".to_owned(),
    };
    format!("{}  ({state})", backup.file)
}

fn relay_line(relay: &RelayView) -> String {
    let way = match relay.way {
        RelayWay::None => "not reached",
        RelayWay::Plain => "reached",
        RelayWay::Disguised => "reached in disguise",
    };
    format!("{}  ({way})", relay.url)
}

pub(super) fn exit(connection: &Connection) -> String {
    let place = connection.country.map(|country| country.to_string()).unwrap_or_default();
    let reason = connection.reason.as_ref().map(|reason| format!(": {}", reason.message)).unwrap_or_default();
    match connection.state {
        ConnectionState::Idle => "none yet; the first connection opens one".to_owned(),
        ConnectionState::Connecting => format!("connecting … {place}"),
        ConnectionState::Connected => {
            let provider = connection.provider.map(|id| id.to_string()).unwrap_or_default();
            let (down, up) = (rate(connection.rate_down_bps), rate(connection.rate_up_bps));
            let path = if connection.path == Some(Path::Relayed) { "  over a relay" } else { "" };
            format!("{place}  by {provider}{path}  ↓ {down}  ↑ {up}")
        }
        ConnectionState::Paused => format!("{place}, paused{reason}"),
        ConnectionState::Disconnected => "disconnected; `byway connect` opens one".to_owned(),
        ConnectionState::Failed => format!("failed{reason}"),
    }
}

fn hop_line(hop: &Hop) -> String {
    let reason = hop.reason.as_ref().map(|reason| format!(": {}", reason.message)).unwrap_or_default();
    let state = match hop.state {
        ConnectionState::Connected => format!("cost {}", way(hop.cost)),
        ConnectionState::Connecting => "connecting …".to_owned(),
        ConnectionState::Paused => format!("paused{reason}, cost {}", way(hop.cost)),
        ConnectionState::Failed => format!("failed{reason}"),
        ConnectionState::Idle | ConnectionState::Disconnected => "not connected".to_owned(),
    };
    let who = match (hop.country, hop.provider) {
        (Some(country), Some(provider)) => format!("{country}  by {provider}"),
        _ => hop.wish.to_string(),
    };
    format!("{who}  ·  {state}")
}

fn session_line(session: &Session) -> String {
    let (up, down) = (bytes(session.bytes_up), bytes(session.bytes_down));
    format!("↓ {down}  ↑ {up}  in {}  ·  cost {}", duration(session.seconds), way(session.cost))
}

fn wallet_line(balance: &Balance) -> String {
    let pending =
        if balance.pending.is_zero() { String::new() } else { format!("  + {} coming", way(balance.pending)) };
    format!("{}{pending}", way(balance.wallet))
}

fn account_line(balance: &Balance) -> String {
    let reserved =
        if balance.reserved.is_zero() { String::new() } else { format!("  + {} reserved", way(balance.reserved)) };
    let leaving: String = balance.withdrawing.iter().map(|leaving| leaving_line(leaving, now())).collect();
    format!("{}{reserved}{leaving}", way(balance.account))
}

fn leaving_line(leaving: &Withdrawing, now: Time) -> String {
    let place = leaving.to.as_ref().map_or_else(|| "in the wallet".to_owned(), |to| format!("at {to}"));
    format!("  + {} leaving, {place} {}", way(leaving.amount), wait(leaving.available_ms, now))
}

fn spending_line(spending: &Spending) -> String {
    let allowed = spending.day_allowed.unwrap_or_default();
    let max = spending.day_max.and_then(|max| max.checked_add(allowed));
    let limit = max.map(|max| format!(" of {}", way(max))).unwrap_or_default();
    format!("{}{limit}", way(spending.day_spent))
}

fn identity_line(identity: &Identity) -> String {
    let registered = if identity.registered { "registered" } else { "not registered" };
    format!("{}  {}  ({registered})", identity.name, identity.id)
}

/// An idle kernel certifies a checkpoint twice as often.
const CHECKPOINT_AGE_MAX: Span = Span::seconds(60);

fn ledger_line(ledger: &LedgerView) -> String {
    let reachable = ledger.kernel_nodes.iter().filter(|node| node.reachable).count();
    let nodes = format!("{reachable} of {} kernel nodes reachable", ledger.kernel_nodes.len());
    let view = match ledger.lag_ms {
        None => "cut off from the kernel".to_owned(),
        Some(0) if now().since(ledger.time_ms) > CHECKPOINT_AGE_MAX => {
            format!("no newer checkpoint for {}", duration(now().since(ledger.time_ms).0 / 1000))
        }
        Some(0) => "up to date".to_owned(),
        Some(lag) => format!("{} behind", duration(lag.div_ceil(1000))),
    };
    let finality = ledger.finality_ms_p50.map(|ms| format!("  ·  final in {ms} ms")).unwrap_or_default();
    format!("{view} at height {}  ·  {nodes}{finality}", ledger.height)
}
