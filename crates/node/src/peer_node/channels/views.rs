//! Channels as they are shown.

use byway_channel::{Change, ChannelKey, ChannelNews, ContractWish, ErrorCode, Health, Life, SaidError};
use byway_peer::market::OwnChannel;
use byway_primitives::{Amount, Time};
use byway_records::Channel;
use byway_records::call::ChannelsCall;
use byway_records::channel::{Closer, Movement, Phase, Remainder, Side};
use byway_records::promise::ChannelId;
use byway_vm::Target;

use super::{Actor, CLOSED_MAX, LOG_MAX};
use crate::api::{
    Answer, ApiError, ChannelCloser, ChannelConsent, ChannelDetail, ChannelDispute, ChannelHealth, ChannelLaneRecord,
    ChannelLogEntry, ChannelRecord, ChannelRemainder, ChannelState, ContractPurseRecord, ContractRecord,
    ContractWishKind, Reason,
};

/// Letters by which a channel may be named if no other begins with them.
pub(super) const PREFIX_MIN: usize = 4;

impl Actor {
    /// The channel that a caller names.
    pub(in super::super) fn channel_named(&self, name: &str) -> Answer<ChannelKey> {
        let name = name.to_ascii_lowercase();
        let not_found = || ApiError::channel_not_found(&name);
        if name.len() < PREFIX_MIN {
            return Err(not_found());
        }
        let named = |is_it: &dyn Fn(&str, Option<&str>) -> bool| {
            let mut found = self
                .market
                .channels()
                .iter()
                .filter(|(key, channel)| is_it(&hex::encode(key.handle.0), channel.id().map(id_text).as_deref()));
            match (found.next(), found.next()) {
                (Some((key, _)), None) => Some(key),
                _ => None,
            }
        };
        // The peer may have chosen the handle: no other channel's id is mistaken for it.
        let by_id = || named(&|_, id| id == Some(name.as_str()));
        let by_handle = || named(&|handle, _| handle == name);
        let by_beginning =
            || named(&|handle, id| handle.starts_with(&name) || id.is_some_and(|id| id.starts_with(&name)));
        by_id().or_else(by_handle).or_else(by_beginning).ok_or_else(not_found)
    }

    pub(in super::super) fn channel_records(&self) -> Vec<ChannelRecord> {
        let live = self.market.channels().iter().map(|(key, channel)| self.channel_record(key, channel));
        let closed = self.channels.closed.iter().map(|(_, closed)| closed.record.clone());
        live.chain(self.unreadable_records()).chain(closed).collect()
    }

    pub(super) fn record_of(&self, key: ChannelKey) -> Answer<ChannelRecord> {
        if let Some(live) = self.market.channels().get(key) {
            return Ok(self.channel_record(key, live));
        }
        let closed =
            self.channels.closed.iter().find(|(known, _)| *known == key).map(|(_, closed)| closed.record.clone());
        closed.ok_or_else(|| ApiError::channel_not_found(&hex::encode(key.handle.0)))
    }

    fn channel_record(&self, key: ChannelKey, channel: &OwnChannel) -> ChannelRecord {
        let (side, position, terms) = (channel.side(), channel.position(), channel.terms());
        let entry = channel.id().and_then(|id| self.channel_entry(id));
        let clock = self.ledger_clock();
        let dispute = entry.as_ref().and_then(|entry| match entry.phase {
            Phase::Active => None,
            Phase::Closing { by, until, .. } => Some(ChannelDispute {
                ours: closer(by, side) == ChannelCloser::Us,
                by: closer(by, side),
                round: entry.position.round,
                until_ms: until.time,
                until_commits: until.commits,
                commits: clock.commits,
                purses_until_ms: awaited_until(entry),
            }),
        });
        let is_locked = entry.is_some_and(|entry| match entry.phase {
            Phase::Active => false,
            Phase::Closing { until, .. } => until.passed(clock.time, clock.commits),
        });
        let lane = |of: Side| {
            let lane = position.lanes[of.index()];
            ChannelLaneRecord { capacity: lane.capacity, promised: lane.due(channel.promised(of)) }
        };
        let total = channel.total();
        let (copy, copy_problem) = self.copy_state(key).map_or((None, None), |(state, problem)| (Some(state), problem));
        let (watched_by, watched_until_ms) = self.watched_by(channel.id());
        ChannelRecord {
            channel: hex::encode(key.handle.0),
            id: channel.id().map(id_text),
            peer: key.peer,
            initiated: side == Side::Initiator,
            state: state_of(channel, is_locked),
            connected: channel.is_connected(),
            health: match channel.health() {
                Health::Sound if self.market.channels().is_found(key) => ChannelHealth::Recovering,
                Health::Sound => ChannelHealth::Sound,
                Health::Recovering => ChannelHealth::Recovering,
                Health::Frozen(_) => ChannelHealth::Frozen,
            },
            total,
            ours: position.balances[side.index()],
            theirs: position.balances[side.other().index()],
            our_lane: lane(side),
            their_lane: lane(side.other()),
            contracts: position.rest(total).unwrap_or(Amount::ZERO),
            purses: self.purses_of(channel),
            reserve: terms.reserve,
            round: position.round,
            waiting: channel.released().last().map(|released| released.round()),
            lock_ms: terms.lock.millis.0,
            lock_commits: terms.lock.commits,
            dispute,
            guaranteed: self.guarantee_of(channel),
            watched_by,
            watched_until_ms,
            copy,
            copy_problem,
        }
    }

    /// A channel that a caller names, also one that is over.
    pub(in super::super) fn channel_shown(&self, name: &str) -> Answer<ChannelDetail> {
        let closed = || {
            let name = name.to_ascii_lowercase();
            let (key, _) = self.channels.closed.iter().rev().find(|(_, closed)| closed.record.channel == name)?;
            self.channel_detail(*key)
        };
        match self.channel_named(name) {
            Ok(key) => self.channel_detail(key).ok_or_else(ApiError::internal),
            Err(error) => closed().ok_or(error),
        }
    }

    pub(super) fn channel_detail(&self, key: ChannelKey) -> Option<ChannelDetail> {
        let log = self.channels.logs.get(&key).into_iter().flatten().cloned().collect();
        let Some(channel) = self.market.channels().get(key) else {
            let (_, closed) = self.channels.closed.iter().find(|(known, _)| *known == key)?;
            return Some(ChannelDetail { log, ..closed.clone() });
        };
        let deployed = channel.state().contracts().map(|(address, contract)| ContractRecord {
            contract: format!("0x{}", hex::encode(address.0)),
            balance: channel.state().account(address).map(|account| account.balance).unwrap_or_default(),
            code: hex::encode(contract.code.0),
            code_bytes: channel.state().code(contract.code).map_or(0, |code| code.len() as u64),
        });
        let remainder = match (channel.terms().remainder, channel.side()) {
            (Remainder::Halves, _) => ChannelRemainder::Halves,
            (Remainder::Initiator, Side::Initiator) | (Remainder::Responder, Side::Responder) => ChannelRemainder::Ours,
            _ => ChannelRemainder::Theirs,
        };
        let side = channel.side();
        let consents = [(true, channel.consent()), (false, channel.asked())].into_iter();
        let consents = consents.filter_map(|(ours, consent)| Some((ours, consent?)));
        let consents = consents.map(|(ours, (wish, until))| {
            let purses = self.purses_of_contract(channel, wish.contract());
            consent(ours, wish, purses, until, side)
        });
        let consents = consents.collect();
        let record = self.channel_record(key, channel);
        let (splits, faults) = (self.splits_of(channel), self.faults_in(key));
        Some(ChannelDetail { record, remainder, deployed: deployed.collect(), consents, splits, faults, log })
    }

    /// Which side of a channel is ours, also of one that has just been let go of.
    pub(super) fn side_of(&self, key: ChannelKey) -> Side {
        let live = self.market.channels().get(key).map(|channel| channel.side());
        let shown = || self.channels.shown.get(&key).map(|shown| shown.record.initiated);
        let was_ours = || if shown().unwrap_or_default() { Side::Initiator } else { Side::Responder };
        live.unwrap_or_else(was_ours)
    }

    /// A channel that is over stays shown for a while, as it was told last.
    pub(super) fn keep_closed(&mut self, key: ChannelKey) {
        let Some(shown) = self.channels.shown.remove(&key) else {
            // One that was over before it was anything.
            self.channels.logs.remove(&key);
            self.channels.messages.remove(&key);
            return;
        };
        if self.channels.closed.len() >= CLOSED_MAX
            && let Some((oldest, _)) = self.channels.closed.pop_front()
        {
            self.channels.logs.remove(&oldest);
            self.channels.messages.remove(&oldest);
        }
        let state = ChannelState::Closed;
        let guaranteed = shown.record.guaranteed;
        let guaranteed = guaranteed.map(|shown_last| self.guarantee_left(shown.record.id.as_deref(), shown_last));
        let record = ChannelRecord {
            state,
            guaranteed,
            connected: false,
            waiting: None,
            dispute: None,
            watched_by: Vec::new(),
            watched_until_ms: None,
            copy: None,
            copy_problem: None,
            ..shown.record
        };
        self.channels.closed.push_back((
            key,
            ChannelDetail { record, consents: Vec::new(), splits: Vec::new(), log: Vec::new(), ..shown },
        ));
    }

    pub(super) fn add_to_log(&mut self, key: ChannelKey, round: Option<u64>, code: &str, message: String) {
        let (time_ms, channel) = (self.clock.now(), hex::encode(key.handle.0));
        let log = self.channels.logs.entry(key).or_default();
        if log.len() >= LOG_MAX {
            log.pop_front();
        }
        log.push_back(ChannelLogEntry { time_ms, channel, round, what: Reason::new(code, message), said: None });
        self.channels.changed.insert(key);
    }
}

/// Until when what both have of other assets can be shown, where there are any.
fn awaited_until(entry: &Channel) -> Option<Time> {
    let until = entry.abandoned_from().filter(|_| !entry.assets.is_empty());
    until.map(|until| until.time)
}

/// Who began to close a channel, seen from our side.
fn closer(by: Closer, ours: Side) -> ChannelCloser {
    match by {
        Closer::Party { side, .. } if side == ours => ChannelCloser::Us,
        Closer::Party { .. } => ChannelCloser::Peer,
        Closer::Hub => ChannelCloser::Hub,
    }
}

pub(super) fn id_text(id: ChannelId) -> String {
    hex::encode(id.0.0)
}

fn state_of(channel: &OwnChannel, is_locked: bool) -> ChannelState {
    match (channel.life(), channel.side()) {
        (Life::Initialized, Side::Initiator) => ChannelState::Asked,
        (Life::Initialized, Side::Responder) => ChannelState::Proposed,
        (Life::Accepted | Life::HalfSigned, _) => ChannelState::Accepted,
        (Life::Signed, _) => ChannelState::Opening,
        (Life::Open, _) => ChannelState::Open,
        (Life::Closing, _) if is_locked => ChannelState::Locked,
        (Life::Closing, _) => ChannelState::Closing,
        (Life::Closed, _) => ChannelState::Closed,
    }
}

/// What is said of news in a channel's log: the round, a stable word, and a sentence.
/// `side` is ours.
pub(super) fn told(news: &ChannelNews, side: Side) -> Option<(Option<u64>, &'static str, String)> {
    if let Some((round, word, message)) = told_of_round(news, side) {
        return Some((Some(round), word, message));
    }
    let plain = |word, message: &str| Some((None, word, message.to_owned()));
    match news {
        ChannelNews::Proposed => plain("proposed", "the peer proposes the channel"),
        ChannelNews::Accepted => plain("accepted", "the peer agrees to the channel"),
        ChannelNews::Declined => plain("declined", "the peer declines the channel"),
        ChannelNews::Fund(_) => plain("funding", "the transaction that opens it is with the ledger"),
        ChannelNews::Submit(call) => Some((None, "handed_in", format!("the ledger is handed {}", name_of(call)))),
        ChannelNews::Opened => plain("opened", "the ledger has the channel"),
        ChannelNews::Found => {
            plain("found", "the ledger has it and the disk hasn't; the peer is to say what both have signed since")
        }
        ChannelNews::Named { .. } => plain("heard", "the peer says where both stand"),
        // A session says what it is paid; so many entries would push out all others.
        ChannelNews::Promised { more, for_services } if more == for_services => None,
        ChannelNews::Promised { more, .. } => Some((None, "promised", format!("the peer promises {more} WAY more"))),
        ChannelNews::Asked { wish } => Some((
            None,
            "asked",
            format!("the peer wants to {}: it is done once this side asks for the same", words_of(wish)),
        )),
        ChannelNews::Left { contract } => {
            Some((None, "left", format!("0x{} is on the ledger now, with what it has", hex::encode(contract.0))))
        }
        ChannelNews::Reminded => plain("reminded", "the peer shows a promise of ours that the journal had lost"),
        ChannelNews::Alarm(_) => {
            plain("frozen", "there are two signed states of one round; nothing is signed any more")
        }
        ChannelNews::AskedToPart => plain(
            "asked",
            "the peer wants to close it while contracts hold something, which that would divide: it is done once this side closes it too",
        ),
        ChannelNews::MayBeOld => plain(
            "may_be_old",
            "a payment or a guarantee in it is near its time, and the peer was not heard since the start: close it alone, unless the disk is an old copy",
        ),
        ChannelNews::ClockApart => plain(
            "clock_apart",
            "this machine's clock is more than a minute ahead of the ledger as this node sees it, so nothing is signed: if the ledger is reached, set the clock and start the node anew",
        ),
        ChannelNews::AskedToSplit(_) => plain(
            "asked_to_split",
            "the peer's user names how both part without the state; it is done once this side names the same numbers, and not before",
        ),
        ChannelNews::Closing => plain("closing", "it is being closed"),
        ChannelNews::Parted(_) => plain("parted", "both have signed how they part; the hub is to sign too"),
        ChannelNews::Closed => plain("closed", "it is over; what was in it is in the accounts"),
        // Where there is something to say of it that is said with the round, or with what was said.
        _ => None,
    }
}

/// What is said of news of a round.
fn told_of_round(news: &ChannelNews, side: Side) -> Option<(u64, &'static str, String)> {
    let plain = |round: &u64, word, message: &str| Some((*round, word, message.to_owned()));
    match news {
        ChannelNews::Updated { round, change } => Some((*round, "updated", describe(change, side))),
        ChannelNews::Funded { movement: Movement::Leave { .. }, .. } => None,
        ChannelNews::Funded { round, .. } => {
            plain(round, "funded", "the ledger has executed a deposit or a withdrawal")
        }
        ChannelNews::NotFunded { round, .. } => {
            plain(round, "not_funded", "a deposit, a withdrawal or the leaving of a contract will never be executed")
        }
        ChannelNews::Refused { round, refusal } => Some((*round, "refused", format!("the peer refuses: {refusal}"))),
        ChannelNews::Abandoned { round, .. } => plain(round, "abandoned", "an update of ours has become worthless"),
        ChannelNews::Stalled { round } => plain(round, "stalled", "the peer does not answer"),
        ChannelNews::Behind { round } => plain(
            round,
            "behind",
            "the journal was an old one, or is lost; there is a newer state that both have signed",
        ),
        ChannelNews::Recovered { round } => plain(round, "recovered", "what was lost is there again"),
        ChannelNews::ErrorSaid(SaidError { code: ErrorCode::Round, round }) => plain(
            round,
            "clocks_apart",
            "the peer's clock is more than an hour ahead of this machine's, so nothing goes on in the channel until whichever is wrong is set; \
             `byway doctor` says whether it is this one",
        ),
        ChannelNews::ErrorHeard(SaidError { code: ErrorCode::Round, round }) => plain(
            round,
            "clocks_apart",
            "the peer says that this machine's clock is more than an hour ahead of its own, so nothing goes on in the channel until whichever is \
             wrong is set; `byway doctor` says whether it is this one",
        ),
        ChannelNews::ErrorSaid(SaidError { code, round }) => {
            Some((*round, "error", format!("the peer has broken a rule, and is told: {code}")))
        }
        ChannelNews::ErrorHeard(SaidError { code, round }) => {
            let message = format!("the peer says that we have broken a rule: {code}; nothing follows from it");
            Some((*round, "error", message))
        }
        ChannelNews::Forced { round } => plain(round, "forced", "the ledger has executed a call"),
        _ => None,
    }
}

/// A call about a channel, in words.
fn name_of(call: &ChannelsCall) -> &'static str {
    match call {
        ChannelsCall::Create { .. } => "the channel",
        ChannelsCall::Fund(_) => "a deposit or a withdrawal",
        ChannelsCall::SetDelegates { .. } => "who may act for this side",
        ChannelsCall::SnapshotSolo { .. } => "the newest state",
        ChannelsCall::CloseSolo { .. } => "this side's wish to close",
        ChannelsCall::Slash { .. } => "a newer state than it was shown",
        ChannelsCall::ForceProgress(_) => "a call to be executed",
        ChannelsCall::Settle { .. } => "the word to pay out",
        ChannelsCall::CloseMutual(_) => "how both part",
        ChannelsCall::Claim { .. } => "what the peer has promised",
        ChannelsCall::RegisterCode { .. } => "a contract's code",
        ChannelsCall::Leave(_) => "a contract that leaves the channel",
        ChannelsCall::CallContract(_) => "a call of a contract on the ledger",
        ChannelsCall::RegisterVirtual(_) => "a virtual channel",
        ChannelsCall::EndVirtual { .. } => "the hub's wish to close a virtual channel",
        ChannelsCall::CloseVirtual(_) => "how both part, with the hub's word",
    }
}

/// A change, in words.
fn describe(change: &Change, side: Side) -> String {
    let who = |of: Side, ours: &str, theirs: &str| {
        if of == side { format!("we {ours}") } else { format!("the peer {theirs}") }
    };
    match change {
        Change::Nothing => "the earlier state again: what was proposed since is worthless".to_owned(),
        Change::Transfer { from, amount } => who(*from, "pay", "pays") + &format!(" {amount} WAY"),
        Change::Lane { side: of, capacity } => {
            who(*of, "set aside", "sets aside") + &format!(" {capacity} WAY for promises")
        }
        Change::Absorb { payer, .. } => who(*payer, "promised", "promised") + " what is in the balance now",
        Change::Call(call) => match call.target {
            Target::Create => who(call.caller, "make a contract", "makes a contract"),
            Target::Contract(contract) => {
                who(call.caller, "call", "calls") + &format!(" 0x{}", hex::encode(contract.0))
            }
        },
        Change::Contract(_) => {
            ContractWish::of(change).map_or_else(String::new, |wish| format!("both {}", words_of(&wish)))
        }
    }
}

/// What one side wants to be done, and the other has not asked for.
fn consent(
    ours: bool,
    wish: &ContractWish,
    purses: Vec<ContractPurseRecord>,
    until_ms: Time,
    side: Side,
) -> ChannelConsent {
    let (kind, code, shares) = match wish {
        ContractWish::Upgrade { code, .. } => (ContractWishKind::Upgrade, Some(hex::encode(code.0)), None),
        ContractWish::Remove { shares, .. } => (ContractWishKind::Remove, None, *shares),
        ContractWish::Leave { .. } => (ContractWishKind::Leave, None, None),
        ContractWish::Admit { .. } => (ContractWishKind::Admit, None, None),
    };
    let [to_us, to_peer] = [side, side.other()].map(|of| shares.map(|shares| shares[of.index()]));
    let contract = format!("0x{}", hex::encode(wish.contract().0));
    let asset = if let ContractWish::Admit { asset } = wish { Some(*asset) } else { None };
    ChannelConsent { ours, wish: kind, contract, asset, code, to_us, to_peer, purses, until_ms }
}

/// What both are to do to a contract or to let in, in words.
fn words_of(wish: &ContractWish) -> String {
    let name = format!("0x{}", hex::encode(wish.contract().0));
    match wish {
        ContractWish::Leave { .. } => format!("let {name} leave the channel for the ledger"),
        ContractWish::Admit { asset } => format!("let the asset {asset} in, of which the channel has none"),
        ContractWish::Upgrade { code, .. } => format!("give {name} the code with the digest {}", hex::encode(code.0)),
        ContractWish::Remove { shares, .. } => {
            let division = match shares {
                Some([initiator, responder]) => {
                    format!("; the initiator gets {initiator} WAY of what it has and the responder {responder} WAY")
                }
                None => "; what it has is divided as agreed at the beginning".to_owned(),
            };
            format!("remove {name}{division}")
        }
    }
}
