//! Channels as people read them.

use byway_primitives::{Amount, Time};
use serde_json::Value;

use super::abi::text_of;
use crate::api::*;
use crate::cli::Table;
use crate::cli::output::{ago, duration, fields, now, short, wait, way, word};

pub fn list(channels: &[ChannelRecord]) -> String {
    let mut table =
        Table::new(&["channel", "peer", "state", ">ours", ">theirs", ">in lanes", ">contracts", ">round", "watched"]);
    for record in channels {
        let lanes = Amount::checked_sum([record.our_lane.capacity, record.their_lane.capacity]).unwrap_or_default();
        table.row([
            short(&record.channel),
            short(&record.peer),
            state(record),
            record.ours.to_string(),
            record.theirs.to_string(),
            lanes.to_string(),
            record.contracts.to_string(),
            record.round.to_string(),
            record.watched_until_ms.map_or_else(String::new, |until| duration(until.since(now()).0 / 1000)),
        ]);
    }
    table.text("There is no channel; `byway channel open PEER AMOUNT` proposes one.")
}

pub fn detail(detail: &ChannelDetail, with_log: bool) -> String {
    let record = &detail.record;
    let lock = format!("{} and {} commits", duration(record.lock_ms / 1000), record.lock_commits);
    let mut rows = vec![
        ("channel", record.channel.clone()),
        (
            if record.guaranteed.is_some() { "id" } else { "on the ledger" },
            record.id.clone().unwrap_or_else(|| "not yet".to_owned()),
        ),
        ("peer", record.peer.to_string()),
        ("state", state(record)),
        ("ours", way(record.ours)),
        ("theirs", way(record.theirs)),
        ("our lane", lane(&record.our_lane)),
        ("their lane", lane(&record.their_lane)),
        ("in contracts", way(record.contracts)),
        ("in all", way(record.total)),
        ("reserve", format!("{} each", way(record.reserve))),
        ("round", record.round.to_string()),
        ("time to answer", lock),
        ("remainder", remainder(detail.remainder).to_owned()),
    ];
    if let Some(round) = record.waiting {
        rows.push(("waits", format!("for the peer to sign round {round}; `byway channel cancel` takes it back")));
    }
    if let Some(guarantee) = &record.guaranteed {
        rows.push(("virtual", guaranteed(guarantee)));
    }
    if let Some(dispute) = &record.dispute {
        rows.push(("dispute", disputed(dispute)));
    }
    if let Some(until) = record.dispute.and_then(|dispute| dispute.purses_until_ms) {
        rows.push(("other assets", awaited(until)));
    }
    rows.extend(record.copy.map(|state| ("copy", copied(state, record.copy_problem.as_deref()))));
    if let Some(until) = record.watched_until_ms {
        let towers: Vec<String> = record.watched_by.iter().map(short).collect();
        let left = duration(until.since(now()).0 / 1000);
        rows.push(("watched", format!("by {} for another {left}", towers.join(", "))));
    }
    rows.extend(detail.consents.iter().map(|wish| (if wish.ours { "we want" } else { "peer wants" }, consent(wish))));
    rows.extend(detail.splits.iter().map(|wish| (if wish.by_us { "we name" } else { "peer names" }, named(wish))));
    rows.extend(detail.faults.iter().map(|fault| (if fault.ours { "peer says" } else { "peer broke" }, broken(fault))));
    let mut text = fields(&rows);
    if !record.purses.is_empty() {
        text += &format!("\n{}", purses(&record.purses));
    }
    if !detail.deployed.is_empty() {
        text += &format!("\n{}", contracts(&detail.deployed));
    }
    if with_log {
        text += &format!("\n{}", log(&detail.log));
    }
    text
}

/// What has to be shown before it is paid out, and by when.
fn awaited(until: Time) -> String {
    let when = wait(until, now());
    format!(
        "nobody has shown the ledger yet what both have of them; a node that knows it does so when the time to answer is over. If nobody has {when}, \
         each gets back what it put in"
    )
}

fn copied(state: ChannelCopyState, problem: Option<&str>) -> String {
    match state {
        ChannelCopyState::Off => "none: with this disk, what is in contracts and of other assets is lost if the peer wants that; `copies` in the section \
                                  `[channels]` of the configuration names a second place"
            .to_owned(),
        ChannelCopyState::Behind => "being written".to_owned(),
        ChannelCopyState::Kept => "kept in the second place".to_owned(),
        ChannelCopyState::Failing => {
            format!("can't be written, and is tried again: {}", problem.unwrap_or("the place can't be used"))
        }
    }
}

/// A split that one side has named.
fn named(wish: &ChannelSplitWish) -> String {
    let ChannelSplit { ours, theirs, assets } = &wish.split;
    let others =
        assets.iter().map(|of| format!("; of {} {} to us and {} to the peer", short(&of.asset), of.ours, of.theirs));
    let others: String = others.collect();
    let whose = if wish.by_us { "the peer names the same" } else { "we name the same" };
    let left = duration(wish.until_ms.since(now()).0 / 1000);
    format!(
        "to part without the state, {} to us and {} to the peer{others}; done if {whose} ({left} left)",
        way(*ours),
        way(*theirs)
    )
}

/// Whether both have named the same.
pub fn split(record: &ChannelRecord) -> String {
    match record.state {
        ChannelState::Closed => "Closed by what both have named.\n".to_owned(),
        _ => format!(
            "Named. It is signed once the peer's user names the same numbers within ten minutes; `byway channel show {} --follow` tells, and \
             `byway channel cancel` takes it back before.\n",
            record.channel
        ),
    }
}

/// A rule that one side says the other has broken.
fn broken(fault: &ChannelFaultRecord) -> String {
    let (round, what) = (fault.round, &fault.what.message);
    let whose = if fault.ours { "we have broken a rule, from which nothing follows" } else { "a rule, and was told" };
    format!("{whose}, at round {round}: {what}")
}

/// What waits for the other side to ask for the same.
fn consent(consent: &ChannelConsent) -> String {
    let contract = &consent.contract;
    let what = match consent.wish {
        ContractWishKind::Upgrade => {
            format!("to give {contract} the code {}", short(&consent.code.clone().unwrap_or_default()))
        }
        ContractWishKind::Remove => match (consent.to_us, consent.to_peer) {
            (Some(to_us), Some(to_peer)) => {
                format!("to remove {contract}, {} to us and {} to the peer", way(to_us), way(to_peer))
            }
            _ => format!("to remove {contract}, divided as agreed at the beginning"),
        },
        ContractWishKind::Leave => format!("to let {contract} leave for the ledger"),
        ContractWishKind::Admit => {
            format!("to put in the asset {}", consent.asset.map_or_else(|| contract.clone(), |asset| asset.to_string()))
        }
    };
    let whose = match (consent.ours, consent.wish) {
        (true, ContractWishKind::Admit) => "the peer puts some in; `byway channel cancel` takes it back",
        (true, _) => "the peer asks for the same; `byway channel cancel` takes it back",
        (false, ContractWishKind::Admit) => {
            "we let it in, with a deposit of 0 of it, and the peer asks again; what is in such a channel is paid out only to who has its state"
        }
        (false, _) => "we ask for the same",
    };
    let stakes: String = consent.purses.iter().map(stake).collect();
    format!("{what}{stakes}; done if {whose} ({} left)", duration(consent.until_ms.since(now()).0 / 1000))
}

/// What a contract has of an asset, and may take.
fn stake(purse: &ContractPurseRecord) -> String {
    let ContractPurseRecord { asset, symbol, purse, has, takes_ours, takes_theirs } = purse;
    let unnamed = || asset.as_ref().map_or_else(|| format!("of what {purse} holds"), short);
    let name = symbol.as_ref().map_or_else(unnamed, ToString::to_string);
    let [ours, theirs] = [takes_ours, takes_theirs].map(|takes| match *takes {
        Amount::MAX => "all".to_owned(),
        takes => takes.to_string(),
    });
    format!(
        "; it has {has} {name}, and may take {ours} of ours and {theirs} of the peer's, also of what comes in later"
    )
}

/// What has changed since `before`.
pub fn change(before: &ChannelDetail, detail: &ChannelDetail) -> String {
    // The log is cut at the front, so what is new stands behind the last entry that was there.
    let last = before.log.last().and_then(|last| detail.log.iter().rposition(|entry| entry == last));
    let fresh = &detail.log[last.map_or(0, |last| last + 1)..];
    let lines: String = fresh.iter().map(log_line).collect();
    match (&before.record, &before.consents) == (&detail.record, &detail.consents) {
        true => lines,
        false => lines + &standing(&detail.record),
    }
}

pub fn opened(record: &ChannelRecord) -> String {
    let follow = format!("`byway channel show {} --follow` tells when it is open", record.channel);
    let how_far = match record.state {
        ChannelState::Open => standing(record),
        ChannelState::Asked => format!("proposed, and not answered yet; {follow}.\n"),
        _ if record.guaranteed.is_some() => format!("agreed, and not guaranteed by the hub yet; {follow}.\n"),
        _ => format!("agreed, and not on the ledger yet; {follow}.\n"),
    };
    format!("Channel {}: {how_far}", record.channel)
}

/// Where a channel stands, in one sentence.
pub fn standing(record: &ChannelRecord) -> String {
    format!("{}, round {}: {}.\n", state(record), record.round, parts(record))
}

/// What each has, in WAY and in other assets.
fn parts(record: &ChannelRecord) -> String {
    let way = format!("{} ours, {} theirs", way(record.ours), way(record.theirs));
    let others = record.purses.iter().map(|purse| {
        let name = called_asset(purse);
        format!("; {} {name} ours, {} {name} theirs", purse.ours, purse.theirs)
    });
    way + &others.collect::<String>()
}

pub fn restored(record: &ChannelRecord) -> String {
    match (record.health, record.connected) {
        (ChannelHealth::Sound, true) => format!("Nothing is missing. {}", standing(record)),
        (_, true) => "The peer is there, and is asked for what this node lacks.\n".to_owned(),
        _ => {
            let channel = &record.channel;
            format!(
                "The peer is looked for, and says where both stand when it is there; `byway channel show {channel} --follow` tells. If it \
                 never comes, `byway channel close {channel} --alone` closes with what the ledger has, ten minutes after the node's start.\n"
            )
        }
    }
}

pub fn updated(update: &ChannelUpdated) -> String {
    format!("Both have signed round {}: {}.\n", update.round, parts(&update.record))
}

/// After what was promised is absorbed, and the lane is as it is to be.
pub fn settled(update: &ChannelUpdated) -> String {
    let record = &update.record;
    updated(update) + &format!("Our lane: {}. Their lane: {}.\n", lane(&record.our_lane), lane(&record.their_lane))
}

pub fn said(entry: &ChannelLogEntry) -> String {
    format!("Said: {}. The peer is connected; nobody has signed anything.\n", entry.what.message)
}

pub fn left(record: &ChannelRecord, contract: &str) -> String {
    format!("{contract} is on the ledger now, with what it has: `byway contract show {contract}`. {}", standing(record))
}

pub fn cancelled(update: &ChannelUpdated) -> String {
    let channel = &update.record.channel;
    format!(
        "Being taken back: once both have signed the earlier state again it can't come into effect; `byway channel show {channel}` \
         says so.\n"
    )
}

pub fn promised(update: &ChannelUpdated) -> String {
    format!("Promised: {} of our lane. The peer has it, and needs to sign nothing.\n", lane(&update.record.our_lane))
}

pub fn closed(record: &ChannelRecord) -> String {
    match (record.state, &record.dispute) {
        (ChannelState::Closed, _) if record.guaranteed.is_some() => {
            "Closed; what is theirs everybody has, or is about to have, in the channel with the hub.\n".to_owned()
        }
        (ChannelState::Closed, _) => "Closed; everybody has what is theirs.\n".to_owned(),
        (_, Some(dispute)) => format!("Closing on the ledger: {}.\n", disputed(dispute)),
        _ => "Closing; `byway channel show --follow` tells when it is done.\n".to_owned(),
    }
}

pub fn deployed(update: &ChannelUpdated) -> String {
    let contract = update.contract.clone().unwrap_or_default();
    format!("{contract}\n{}", gas(update)) + &updated(update)
}

pub fn called(update: &ChannelUpdated, decoded: Option<&[Value]>, by_ledger: bool) -> String {
    let returned = update.output.as_ref().map(|output| output_lines(output, decoded)).unwrap_or_default();
    let standing = match by_ledger {
        true => format!("The ledger has executed it. {}", standing(&update.record)),
        false => updated(update),
    };
    returned + &gas(update) + &standing
}

/// What a contract would return.
pub fn output(output: &ContractBytes, decoded: Option<&[Value]>) -> String {
    match output_lines(output, decoded) {
        lines if lines.is_empty() => "It returns, and says nothing.\n".to_owned(),
        lines => lines,
    }
}

pub fn contracts(contracts: &[ContractRecord]) -> String {
    let mut table = Table::new(&["contract", ">holds", ">bytes", "code"]);
    for contract in contracts {
        let (holds, bytes) = (contract.balance.to_string(), contract.code_bytes.to_string());
        table.row([contract.contract.clone(), holds, bytes, short(&contract.code)]);
    }
    table.text("There is no contract in it; `byway channel contract deploy` puts one in.")
}

/// What there is of other assets.
fn purses(purses: &[ChannelPurse]) -> String {
    let mut table = Table::new(&["asset", ">ours", ">theirs", ">in contracts", "purse"]);
    for purse in purses {
        let (ours, theirs) = (purse.ours.to_string(), purse.theirs.to_string());
        table.row([called_asset(purse), ours, theirs, purse.contracts.to_string(), purse.contract.clone()]);
    }
    table.text("There is no other asset than WAY in it.")
}

fn called_asset(purse: &ChannelPurse) -> String {
    purse.symbol.as_ref().map_or_else(|| short(&purse.asset), ToString::to_string)
}

fn output_lines(output: &ContractBytes, decoded: Option<&[Value]>) -> String {
    match decoded {
        Some(values) => values.iter().map(|value| text_of(value) + "\n").collect(),
        None if output.0.is_empty() => String::new(),
        None => format!("{}\n", String::from(output.clone())),
    }
}

fn gas(update: &ChannelUpdated) -> String {
    update.gas_used.map(|gas| format!("It took {gas} gas. ")).unwrap_or_default()
}

fn log(entries: &[ChannelLogEntry]) -> String {
    match entries.is_empty() {
        true => "Nothing has happened since the node started.\n".to_owned(),
        false => entries.iter().map(log_line).collect(),
    }
}

/// What happened and what was said that was not seen before, in the order of time.
pub fn messages(before: Option<&ChannelLog>, log: &ChannelLog) -> String {
    let is_new = |entry: &&ChannelLogEntry| before.is_none_or(|before| !before.log.contains(entry));
    let happened = log.log.iter().filter(is_new).map(|entry| (entry.time_ms, log_line(entry)));
    let is_new = |message: &&ChannelMessageRecord| before.is_none_or(|before| !before.messages.contains(message));
    let said = log.messages.iter().filter(is_new).map(|message| (message.time_ms, message_line(message)));
    let mut lines: Vec<_> = said.chain(happened).collect();
    lines.sort_by_key(|(time, _)| *time);
    match (lines.is_empty(), before) {
        (true, None) => "Nothing has happened since the node started.\n".to_owned(),
        _ => lines.into_iter().map(|(_, line)| line).collect(),
    }
}

fn message_line(message: &ChannelMessageRecord) -> String {
    let who = if message.ours { "→" } else { "←" };
    let round = message.round.map(|round| format!(", round {round}")).unwrap_or_default();
    let times = if message.times > 1 { format!(", {} in a row", message.times) } else { String::new() };
    format!("{}  {who} {}{round}, {} bytes{times}\n", ago(message.time_ms, now()), message.message, message.bytes)
}

fn log_line(entry: &ChannelLogEntry) -> String {
    let round = entry.round.map(|round| format!(", round {round}")).unwrap_or_default();
    format!("{}{round}: {}\n", ago(entry.time_ms, now()), entry.what.message)
}

fn state(record: &ChannelRecord) -> String {
    let state = match record.state {
        ChannelState::Proposed => "proposed to us",
        ChannelState::Asked => "proposed by us",
        ChannelState::Open if !record.connected => "open, peer away",
        _ => &word(&record.state),
    };
    match &record.guaranteed {
        Some(guarantee) => health(record, &format!("{state}, virtual over {}", short(&guarantee.hub))),
        None => health(record, state),
    }
}

fn health(record: &ChannelRecord, state: &str) -> String {
    let is_awaited =
        record.state == ChannelState::Locked && record.dispute.is_some_and(|dispute| dispute.purses_until_ms.is_some());
    match record.health {
        ChannelHealth::Sound if is_awaited => format!("{state}, assets to be shown"),
        ChannelHealth::Sound if record.copy == Some(ChannelCopyState::Failing) => format!("{state}, not copied"),
        ChannelHealth::Recovering if is_awaited => format!("{state}, recovering, assets to be shown"),
        ChannelHealth::Sound => state.to_owned(),
        ChannelHealth::Recovering => format!("{state}, recovering"),
        ChannelHealth::Unreadable => format!("{state}, journal unreadable"),
        ChannelHealth::Frozen => format!("{state}, error: two signed states of one round"),
    }
}

fn lane(lane: &ChannelLaneRecord) -> String {
    format!("{} of {}", lane.promised, way(lane.capacity))
}

fn remainder(remainder: ChannelRemainder) -> &'static str {
    match remainder {
        ChannelRemainder::Ours => "what contracts hold at the end is ours",
        ChannelRemainder::Theirs => "what contracts hold at the end is theirs",
        ChannelRemainder::Halves => "what contracts hold at the end is shared",
    }
}

fn guaranteed(guarantee: &ChannelGuarantee) -> String {
    let (hub, until) = (guarantee.hub, wait(guarantee.until_ms, now()));
    let stands = match guarantee.state {
        ChannelGuaranteeState::Awaited => "the hub has not guaranteed it yet",
        ChannelGuaranteeState::Stands => "guaranteed",
        ChannelGuaranteeState::Parting => "the hub is to sign how both part",
        ChannelGuaranteeState::OnLedger => "the ledger decides what comes out of it",
        ChannelGuaranteeState::Decided => "decided, and about to be paid in the channel with the hub",
        ChannelGuaranteeState::Over => "over",
    };
    format!("over {hub}, ends {until}; {stands}")
}

fn disputed(dispute: &ChannelDispute) -> String {
    let by = match dispute.by {
        ChannelCloser::Us => "by us",
        ChannelCloser::Peer => "by the peer",
        ChannelCloser::Hub => "by the hub",
    };
    let (when, left) = (wait(dispute.until_ms, now()), dispute.until_commits.saturating_sub(dispute.commits));
    format!("begun {by} with round {}; paid out {when}, and {left} commits from now", dispute.round)
}
