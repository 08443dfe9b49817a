//! Channels as the fake node has them: with peers that sign at once, but for one that is away, and with contracts that
//! give back what they are given.

use std::sync::{Arc, Mutex};

use byway_node::api::*;
use byway_primitives::{Amount, AssetId, Time};
use tokio::sync::{broadcast, watch};

use super::fake::id;

/// Open, with a peer that signs.
pub const OPEN: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";
/// Proposed by a peer.
pub const PROPOSED: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";
/// Open, with a peer that is away.
pub const AWAY: &str = "a1c3c3c3c3c3c3c3c3c3c3c3c3c3c3c3";
pub const CONTRACT: &str = "0x9191919191919191919191919191919191919191";
/// What any call takes.
pub const GAS: u64 = 21_500;

pub struct FakeChannels {
    channels: Mutex<Vec<ChannelDetail>>,
    events: broadcast::Sender<Arc<Event>>,
    /// Which ones were asked for, as they were named.
    shown: watch::Sender<Vec<String>>,
}

pub fn coins(text: &str) -> Amount {
    text.parse().unwrap()
}

fn plus(amount: Amount, more: Amount) -> Amount {
    amount.checked_add(more).unwrap()
}

fn new(channel: &str, peer: u8, state: ChannelState) -> ChannelDetail {
    let (ours, theirs) = (coins("2"), coins("3"));
    let record = ChannelRecord {
        channel: channel.to_owned(),
        id: (state == ChannelState::Open).then(|| channel.repeat(2)),
        peer: id(peer),
        initiated: state == ChannelState::Open,
        state,
        connected: channel != AWAY,
        health: ChannelHealth::Sound,
        total: coins("5.5"),
        ours,
        theirs,
        our_lane: ChannelLaneRecord::default(),
        their_lane: ChannelLaneRecord { capacity: coins("0.5"), promised: coins("0.2") },
        contracts: Amount::ZERO,
        purses: Vec::new(),
        reserve: coins("0.01"),
        round: 7,
        waiting: None,
        lock_ms: 3_600_000,
        lock_commits: 600,
        dispute: None,
        guaranteed: None,
        watched_by: vec![crate::fake_watching::TOWER],
        watched_until_ms: Some(Time(1_700_000_000_000)),
        copy: Some(if channel == AWAY { ChannelCopyState::Off } else { ChannelCopyState::Kept }),
        copy_problem: None,
    };
    let contract = ContractRecord {
        contract: CONTRACT.to_owned(),
        balance: Amount::ZERO,
        code: "c0".repeat(32),
        code_bytes: 2464,
    };
    let wanted = ChannelConsent {
        ours: false,
        wish: ContractWishKind::Remove,
        contract: CONTRACT.to_owned(),
        asset: None,
        code: None,
        to_us: Some(coins("0.25")),
        to_peer: Some(Amount::ZERO),
        purses: Vec::new(),
        until_ms: Time(4_000_000_000_000),
    };
    let consents = if channel == AWAY { vec![wanted] } else { Vec::new() };
    let (remainder, deployed, log) = (ChannelRemainder::Halves, vec![contract], Vec::new());
    let split = ChannelSplit { ours: coins("2"), theirs: coins("3.5"), assets: Vec::new() };
    let wish = ChannelSplitWish { by_us: false, split, until_ms: Time(4_000_000_000_000) };
    let splits = if channel == AWAY { vec![wish] } else { Vec::new() };
    ChannelDetail { record, remainder, deployed, consents, splits, faults: Vec::new(), log }
}

impl FakeChannels {
    pub fn new(events: broadcast::Sender<Arc<Event>>) -> Self {
        let open = |name, peer| new(name, peer, ChannelState::Open);
        let channels = vec![open(OPEN, 1), new(PROPOSED, 2, ChannelState::Proposed), open(AWAY, 3)];
        Self { channels: Mutex::new(channels), events, shown: watch::channel(Vec::new()).0 }
    }

    pub fn list(&self) -> Vec<ChannelRecord> {
        self.channels.lock().unwrap().iter().map(|detail| detail.record.clone()).collect()
    }

    pub fn show(&self, name: &str) -> Answer<ChannelDetail> {
        let detail = self.with(name, |detail| Ok(detail.clone()))?;
        self.shown.send_modify(|shown| shown.push(name.to_owned()));
        Ok(detail)
    }

    pub fn log(&self, name: &str) -> Answer<ChannelLog> {
        let ChannelDetail { record, log, .. } = self.with(name, |detail| Ok(detail.clone()))?;
        let (time_ms, message) = (Time(1), "propose".to_owned());
        let said =
            ChannelMessageRecord { time_ms, ours: true, message, round: Some(record.round), bytes: 156, times: 1 };
        Ok(ChannelLog { channel: record.channel, state: record.state, log, messages: vec![said] })
    }

    /// Waits until somebody was shown what goes by this name.
    pub async fn wait_until_shown(&self, name: &str) {
        let is_shown = |shown: &Vec<String>| shown.iter().any(|shown| shown == name);
        self.shown.subscribe().wait_for(is_shown).await.unwrap();
    }

    /// The one channel whose name begins like this.
    fn with<T>(&self, name: &str, what: impl FnOnce(&mut ChannelDetail) -> Answer<T>) -> Answer<T> {
        let mut channels = self.channels.lock().unwrap();
        let mut found = channels.iter_mut().filter(|detail| detail.record.channel.starts_with(name));
        match (found.next(), found.next()) {
            (Some(detail), None) if name.len() >= 4 => what(detail),
            _ => Err(ApiError::channel_not_found(name)),
        }
    }

    fn changed<T>(
        &self,
        name: &str,
        what: &str,
        change: impl FnOnce(&mut ChannelDetail) -> Answer<T>,
    ) -> Answer<(T, ChannelRecord)> {
        self.with(name, |detail| {
            let done = change(detail)?;
            let ChannelRecord { channel, round, .. } = &detail.record;
            let (what, round) = (Reason::new(what, format!("it is {what}")), Some(*round));
            detail.log.push(ChannelLogEntry { time_ms: Time(1), channel: channel.clone(), round, what, said: None });
            // Nobody need listen.
            let _ = self.events.send(Arc::new(Event::Channel(Box::new(detail.clone()))));
            Ok((done, detail.record.clone()))
        })
    }

    /// A round that both sign, if the peer is there and both keep the reserve.
    fn update(
        &self,
        name: &str,
        change: impl FnOnce(&mut ChannelDetail) -> Answer<Option<ChannelUpdated>>,
    ) -> Answer<ChannelUpdated> {
        let (updated, record) = self.changed(name, "updated", |detail| {
            let before = detail.record.clone();
            let silent = before.round + 1;
            match (before.state, before.connected) {
                (ChannelState::Open, true) => {}
                (ChannelState::Open, false) => {
                    detail.record.waiting = Some(silent);
                    return Err(ApiError::peer_silent(silent));
                }
                _ => return Err(ApiError::channel_not_ready("it is not open")),
            }
            let updated = change(detail)?;
            if detail.record.ours < before.reserve {
                detail.record = before;
                return Err(ApiError::update_refused("a side would have less than the reserve"));
            }
            detail.record.round = silent;
            Ok(updated)
        })?;
        let plain = ChannelUpdated { round: 0, contract: None, output: None, gas_used: None, record: record.clone() };
        Ok(ChannelUpdated { round: record.round, record, ..updated.unwrap_or(plain) })
    }

    pub fn open(&self, request: ChannelOpen) -> Answer<ChannelRecord> {
        let peer = request.peer.parse().map_err(|error| ApiError::invalid_params("peer", error))?;
        if peer == id(9) {
            return Err(ApiError::peer_unreachable(peer, "it sells nothing, and there is no card of it"));
        }
        let reserve = request.reserve.unwrap_or(coins("0.01"));
        if request.deposit < reserve {
            return Err(ApiError::channel_not_opened("a side would have less than the reserve"));
        }
        let theirs = request.their_deposit.unwrap_or(reserve);
        let guaranteed = request.via.map(|hub| {
            let hub = hub.parse().map_err(|error| ApiError::invalid_params("via", error))?;
            if hub == id(9) {
                return Err(ApiError::hub_guarantees_none(hub));
            }
            let until_ms = Time(1_700_000_000_000 + 86_400_000 * request.days.unwrap_or(7));
            Ok(ChannelGuarantee { hub, until_ms, state: ChannelGuaranteeState::Stands })
        });
        let guaranteed = guaranteed.transpose()?;
        let mut channels = self.channels.lock().unwrap();
        let mut detail = new(&format!("{:032x}", channels.len()), 1, ChannelState::Open);
        detail.remainder = request.remainder;
        let lane = ChannelLaneRecord::default();
        let lock_ms = request.lock_seconds.map_or(detail.record.lock_ms, |seconds| seconds * 1000);
        let (ours, total, round) = (request.deposit, plus(request.deposit, theirs), 0);
        detail.record = ChannelRecord {
            peer,
            ours,
            theirs,
            total,
            reserve,
            lock_ms,
            their_lane: lane,
            round,
            guaranteed,
            ..detail.record
        };
        channels.push(detail.clone());
        Ok(detail.record)
    }

    pub fn accept(&self, name: &str) -> Answer<ChannelRecord> {
        let accept = |detail: &mut ChannelDetail| {
            proposed(detail)?;
            detail.record.state = ChannelState::Open;
            Ok(())
        };
        Ok(self.changed(name, "opened", accept)?.1)
    }

    pub fn decline(&self, name: &str) -> Answer<()> {
        let whole = self.with(name, |detail| proposed(detail).map(|()| detail.record.channel.clone()))?;
        self.channels.lock().unwrap().retain(|detail| detail.record.channel != whole);
        Ok(())
    }

    pub fn pay(&self, request: &ChannelPay) -> Answer<ChannelUpdated> {
        let amount = request.amount;
        if !request.lane {
            return self.update(&request.channel, |detail| {
                take(&mut detail.record, amount)?;
                detail.record.theirs = plus(detail.record.theirs, amount);
                Ok(None)
            });
        }
        let ((), record) = self.changed(&request.channel, "promised", |detail| {
            let lane = &mut detail.record.our_lane;
            let promised = plus(lane.promised, amount);
            if promised > lane.capacity {
                return Err(ApiError::lane_too_small());
            }
            lane.promised = promised;
            Ok(())
        })?;
        Ok(ChannelUpdated { round: record.round, contract: None, output: None, gas_used: None, record })
    }

    pub fn lane(&self, request: &ChannelLane) -> Answer<ChannelUpdated> {
        self.update(&request.channel, |detail| {
            let before = detail.record.our_lane.capacity;
            detail.record.ours = plus(detail.record.ours, before);
            take(&mut detail.record, request.capacity)?;
            detail.record.our_lane.capacity = request.capacity;
            Ok(None)
        })
    }

    pub fn absorb(&self, name: &str) -> Answer<ChannelUpdated> {
        self.update(name, |detail| {
            let lane = &mut detail.record.their_lane;
            let due = std::mem::take(&mut lane.promised);
            if due.is_zero() {
                return Err(ApiError::channel_not_ready("the peer has promised nothing that is not absorbed"));
            }
            lane.capacity = lane.capacity.saturating_sub(due);
            detail.record.ours = plus(detail.record.ours, due);
            Ok(None)
        })
    }

    pub fn settle(&self, request: &ChannelUpdate) -> Answer<ChannelUpdated> {
        let ChannelUpdate { channel, lane } = request.clone();
        let absorbed = self.absorb(&channel);
        match lane {
            Some(capacity) => self.lane(&ChannelLane { channel, capacity }),
            None => absorbed,
        }
    }

    pub fn say(&self, request: ChannelMessageSay) -> Answer<ChannelLogEntry> {
        let ChannelMessageSay { channel, text, kind, data } = request;
        let say = |detail: &mut ChannelDetail| match detail.record.connected {
            true => Ok(detail.record.round),
            false => Err(ApiError::peer_unreachable(detail.record.peer, "it is not connected")),
        };
        let (round, record) = self.changed(&channel, "said", say)?;
        let (what, said) = (Reason::new("said", "it is said"), Some(ChannelSaid { ours: true, text, kind, data }));
        Ok(ChannelLogEntry { time_ms: Time(1), channel: record.channel, round: Some(round), what, said })
    }

    pub fn cancel(&self, name: &str) -> Answer<ChannelUpdated> {
        let ((), record) = self.changed(name, "cancelled", |detail| {
            let waiting = detail.record.waiting.take();
            waiting.map(|_| ()).ok_or_else(|| ApiError::channel_not_ready("no update is open"))
        })?;
        Ok(ChannelUpdated { round: record.round, contract: None, output: None, gas_used: None, record })
    }

    pub fn fund(&self, request: &ChannelFund) -> Answer<ChannelRecord> {
        let updated = self.update(&request.channel, |detail| {
            let record = &mut detail.record;
            if let Some(asset) = request.asset.filter(|asset| *asset != AssetId::WAY) {
                return fund_asset(record, request, asset).map(|()| None);
            }
            match request.movement {
                ChannelMovement::Deposit => {
                    record.ours = plus(record.ours, request.amount);
                    record.total = plus(record.total, request.amount);
                }
                ChannelMovement::Withdraw => {
                    take(record, request.amount)?;
                    record.total = record.total.checked_sub(request.amount).unwrap();
                }
            }
            Ok(None)
        })?;
        Ok(updated.record)
    }

    pub fn restore(&self, request: &ChannelRestore) -> Answer<ChannelRecord> {
        let listen = |detail: &mut ChannelDetail| {
            detail.record.health = ChannelHealth::Recovering;
            Ok(())
        };
        let ((), record) = self.changed(&request.channel, "found", listen)?;
        Ok(record)
    }

    pub fn close(&self, request: &ChannelClose) -> Answer<ChannelRecord> {
        let close = |detail: &mut ChannelDetail| {
            let round = detail.record.round;
            if request.alone {
                detail.record.state = ChannelState::Closing;
                let (until_ms, until_commits) = (Time(4_000_000_000_000), 1_600);
                detail.record.dispute = Some(ChannelDispute {
                    ours: true,
                    by: ChannelCloser::Us,
                    round,
                    until_ms,
                    until_commits,
                    commits: 1_000,
                    purses_until_ms: Some(Time(4_031_536_000_000)),
                });
            } else {
                detail.record.state = ChannelState::Closed;
            }
            Ok(())
        };
        Ok(self.changed(&request.channel, "closing", close)?.1)
    }

    pub fn deploy(&self, request: &ChannelDeploy) -> Answer<ChannelUpdated> {
        self.update(&request.channel, |detail| {
            take(&mut detail.record, request.value)?;
            detail.record.contracts = plus(detail.record.contracts, request.value);
            let contract = format!("0x{:040x}", detail.deployed.len());
            let (balance, code_bytes) = (request.value, request.code.0.len() as u64);
            let code = "c1".repeat(32);
            detail.deployed.push(ContractRecord { contract: contract.clone(), balance, code, code_bytes });
            Ok(Some(executed(detail, contract, None)))
        })
    }

    pub fn call(&self, request: &ChannelCall) -> Answer<ChannelUpdated> {
        self.update(&request.channel, |detail| {
            let output = returned(detail, &request.contract, &request.input)?;
            take(&mut detail.record, request.value)?;
            detail.record.contracts = plus(detail.record.contracts, request.value);
            Ok(Some(executed(detail, request.contract.clone(), Some(output))))
        })
    }

    /// The peer wants whatever is asked for.
    pub fn upgrade(&self, request: &ChannelUpgrade) -> Answer<ChannelUpdated> {
        self.update(&request.channel, |detail| {
            let mut contracts = detail.deployed.iter_mut();
            let contract = contracts.find(|known| known.contract == request.contract);
            let contract = contract.ok_or_else(|| ApiError::update_refused("there is no such contract"))?;
            contract.code_bytes = request.code.0.len() as u64;
            Ok(None)
        })
    }

    pub fn remove(&self, request: &ChannelRemove) -> Answer<ChannelUpdated> {
        self.update(&request.channel, |detail| {
            let place = detail.deployed.iter().position(|known| known.contract == request.contract);
            let place = place.ok_or_else(|| ApiError::update_refused("there is no such contract"))?;
            let removed = detail.deployed.remove(place);
            let record = &mut detail.record;
            record.contracts = record.contracts.checked_sub(removed.balance).unwrap_or_default();
            record.ours = plus(record.ours, request.ours.unwrap_or_default());
            record.theirs = plus(record.theirs, request.theirs.unwrap_or_default());
            Ok(None)
        })
    }

    pub fn leave(&self, request: &ChannelLeave) -> Answer<ChannelRecord> {
        let updated = self.update(&request.channel, |detail| {
            let place = detail.deployed.iter().position(|known| known.contract == request.contract);
            let place = place.ok_or_else(|| ApiError::update_refused("there is no such contract"))?;
            let gone = detail.deployed.remove(place).balance;
            let record = &mut detail.record;
            record.contracts = record.contracts.checked_sub(gone).unwrap_or_default();
            record.total = record.total.checked_sub(gone).unwrap_or_default();
            Ok(None)
        })?;
        Ok(updated.record)
    }

    pub fn look(&self, request: &ChannelLook) -> Answer<ContractOutput> {
        self.with(&request.channel, |detail| match returned(detail, &request.contract, &request.input) {
            Ok(output) => Ok(ContractOutput { output, gas_used: GAS, returned: true }),
            Err(_) => Ok(ContractOutput { output: ContractBytes(too_early()), gas_used: GAS, returned: false }),
        })
    }

    /// The ledger asks no peer.
    pub fn force(&self, request: &ChannelCall) -> Answer<ChannelUpdated> {
        let (updated, record) = self.changed(&request.channel, "forced", |detail| {
            returned(detail, &request.contract, &request.input)
                .map_err(|_| ApiError::call_not_forced("it does not return"))?;
            detail.record.round += 1;
            detail.record.waiting = None;
            Ok(executed(detail, request.contract.clone(), None))
        })?;
        Ok(ChannelUpdated { round: record.round, record, ..updated })
    }
}

fn proposed(detail: &ChannelDetail) -> Answer<()> {
    match detail.record.state {
        ChannelState::Proposed => Ok(()),
        _ => Err(ApiError::channel_not_ready("nobody proposes it")),
    }
}

/// Of an asset beside WAY, which has a purse as long as there is any.
fn fund_asset(record: &mut ChannelRecord, request: &ChannelFund, asset: AssetId) -> Answer<()> {
    let place = record.purses.iter().position(|purse| purse.asset == asset);
    let before = place.map_or(Amount::ZERO, |place| record.purses.remove(place).ours);
    let ours = match request.movement {
        ChannelMovement::Deposit => Some(plus(before, request.amount)),
        ChannelMovement::Withdraw => before.checked_sub(request.amount),
    };
    let ours =
        ours.ok_or_else(|| ApiError::update_refused("the side does not have so much of the asset in the channel"))?;
    let (theirs, contracts, contract) = (Amount::ZERO, Amount::ZERO, CONTRACT.to_owned());
    record.purses.push(ChannelPurse { asset, symbol: None, contract, ours, theirs, contracts });
    Ok(())
}

fn take(record: &mut ChannelRecord, amount: Amount) -> Answer<()> {
    let left = record.ours.checked_sub(amount);
    record.ours = left.ok_or_else(|| ApiError::update_refused("a side would have less than the reserve"))?;
    Ok(())
}

fn executed(detail: &ChannelDetail, contract: String, output: Option<ContractBytes>) -> ChannelUpdated {
    ChannelUpdated { round: 0, contract: Some(contract), output, gas_used: Some(GAS), record: detail.record.clone() }
}

/// What stands behind the selector; a call with nothing there is one that reverts.
fn returned(detail: &ChannelDetail, contract: &str, input: &ContractBytes) -> Answer<ContractBytes> {
    if !detail.deployed.iter().any(|known| known.contract == contract) {
        return Err(ApiError::call_failed("there is no such contract"));
    }
    match input.0.get(4..) {
        Some(arguments) if !arguments.is_empty() => Ok(ContractBytes(arguments.to_vec())),
        _ => Err(ApiError::call_failed("there is still time")),
    }
}

/// `Error("there is still time")`, as Solidity writes it.
fn too_early() -> Vec<u8> {
    let mut output = hex::decode("08c379a0").unwrap();
    let mut word = |number: u8| output.extend([[0; 31].as_slice(), &[number]].concat());
    word(32);
    word(19);
    output.extend(b"there is still time");
    output.extend([0; 13]);
    output
}
