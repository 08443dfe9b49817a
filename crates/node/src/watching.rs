//! `byway wallet watch`: a wallet as its view key shows it, on any machine and without a node (rows I3, K2).
//!
//! It follows the ledger like any market node, so it believes no kernel node, and scans with the view key. There is no
//! key here that could spend. What it has read is kept in a folder of its own and read once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use byway_crypto::{Address, ViewSecret};
use byway_driver::clock::Clock;
use byway_driver::disk::{Disk, Journal};
use byway_driver::entropy;
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Client, ClientConfig, ClientNews};
use byway_kernel::light::TrustedCheckpoint;
use byway_peer::wallet::{Found, Wallet};
use byway_primitives::{Amount, AssetId, Time, Token};
use byway_records::asset::Symbol;
use byway_records::state::{AssetRecord, asset_key};
use byway_records::{Genesis, Height, ProgramId, TransactionId};
use serde::Serialize;

use crate::peer_node::KernelAccess;

/// What came, what went, and what there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "seen")]
pub enum Seen {
    Received(Movement),
    Spent(Movement),
    /// All that the kernel has certified by now is read.
    Balance {
        height: u64,
        address: Address,
        balances: Vec<Held>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Movement {
    pub time_ms: Time,
    pub transaction_id: TransactionId,
    pub amount: Amount,
    pub asset: AssetId,
    /// Left out for WAY.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    pub amount: Amount,
    pub asset: AssetId,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub symbol: Option<Symbol>,
}

/// When to stop watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// When everything certified so far is read.
    CaughtUp,
    Stopped,
}

struct Watcher {
    kernel: KernelAccess,
    ledger: Client,
    wallet: Wallet,
    journal: Journal,
    token: Token,
    clock: Clock,
    /// What kernel nodes credibly claimed to have certified when the watching began.
    target: Height,
    caught_up: bool,
    _disk: Disk,
}

/// Watches and tells what is seen, until the end or an error. What leads to a `trusted` checkpoint is followed whoever left.
pub async fn watch(
    genesis: Arc<Genesis>,
    trusted: Option<TrustedCheckpoint>,
    view: ViewSecret,
    directory: &Path,
    until: Until,
    mut tell: impl FnMut(&Seen) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut watcher = Watcher::open(genesis, trusted, view, directory).await?;
    watcher.tell_known(&mut tell)?;
    let mut news = watcher.ledger.handle_wake(watcher.clock.now());
    loop {
        let (mut ask, mut wake) = (None, None);
        for news in news {
            match news {
                ClientNews::Ask { member, request } => ask = Some((member, request)),
                ClientNews::WakeAt(time) => wake = Some(wake.map_or(time, |at: Time| at.min(time))),
                ClientNews::Advanced(advance) => watcher.advanced(*advance, &mut tell)?,
                ClientNews::Stopped(stop) => return Err(stop.into()),
                ClientNews::Caught { member, lie } => {
                    tracing::error!(member, %lie, "a kernel node lied; asking another")
                }
            }
        }
        if watcher.has_caught_up(&mut tell)? && until == Until::CaughtUp {
            return watcher.journal.flush().context("what was read can't be kept");
        }
        news = watcher.next(ask, wake).await;
    }
}

impl Watcher {
    async fn open(
        genesis: Arc<Genesis>,
        trusted: Option<TrustedCheckpoint>,
        view: ViewSecret,
        directory: &Path,
    ) -> anyhow::Result<Self> {
        let disk = Disk::open(directory).context("the watching wallet's folder can't be opened")?;
        let journal = disk.journal("watch")?;
        let programs = [ProgramId::ASSETS];
        let ledger = Client::open((*genesis).clone(), &programs, ClientConfig::default(), entropy::number(), &journal)?;
        let ledger = ledger.trusting(trusted);
        let mut wallet = Wallet::watch(view, &journal).context("the watching wallet's folder is damaged: remove it")?;
        let kernel = KernelAccess::to(&genesis, &ledger.follower().epoch().seats, &BTreeMap::new(), None);
        let target = target(&kernel).await?;
        let clock = Clock::starting(ledger.follower().tip().map_or(genesis.time, |tip| tip.time));
        if ledger.follower().tip().is_none() {
            let (batch, _) = wallet.scan_genesis(&genesis);
            journal.write(batch, Token(0))?;
        }
        Ok(Self { kernel, ledger, wallet, journal, token: Token(0), clock, target, caught_up: false, _disk: disk })
    }

    /// What was seen the last time, or stood in genesis.
    fn tell_known(&self, tell: &mut impl FnMut(&Seen) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let known = self.wallet.history(&self.journal, usize::MAX);
        known.iter().rev().try_for_each(|line| {
            let movement = self.movement(line.time, line.transaction, line.value);
            match line.kind {
                byway_peer::wallet::Kind::Received => tell(&Seen::Received(movement)),
                byway_peer::wallet::Kind::Spent => tell(&Seen::Spent(movement)),
                _ => Ok(()),
            }
        })
    }

    fn advanced(
        &mut self,
        advance: byway_kernel::follower::Advance,
        tell: &mut impl FnMut(&Seen) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        if advance.epoch_turned {
            self.kernel.follow(&self.ledger.follower().epoch().seats);
        }
        let (scanned, found) = self.wallet.scan(advance.checkpoint.height, &advance.scan);
        let mut batch = advance.batch;
        batch.append(scanned);
        self.token = Token(self.token.0 + 1);
        self.journal.write(batch, self.token).context("what was read can't be kept")?;
        found.iter().try_for_each(|found| match found {
            Found::Received { transaction, value } => {
                tell(&Seen::Received(self.movement(advance.scan.time, *transaction, *value)))
            }
            Found::Spent { transaction, value } => {
                tell(&Seen::Spent(self.movement(advance.scan.time, *transaction, *value)))
            }
            // A wallet that makes no transactions learns of no verdicts.
            Found::Final(_) | Found::Rejected(..) | Found::Lapsed(_) => Ok(()),
        })?;
        self.caught_up &= found.is_empty();
        Ok(())
    }

    /// Tells the balance when everything that there was is read, and again when it has changed since.
    fn has_caught_up(&mut self, tell: &mut impl FnMut(&Seen) -> anyhow::Result<()>) -> anyhow::Result<bool> {
        let height = self.ledger.follower().tip().map_or(Height::GENESIS, |tip| tip.height);
        if height < self.target {
            return Ok(false);
        }
        if !self.caught_up {
            self.caught_up = true;
            let held = |(asset, balance): (AssetId, byway_peer::wallet::Balance)| Held {
                amount: balance.free,
                asset,
                symbol: self.symbol(asset),
            };
            let balances = self.wallet.balances().into_iter().map(held).collect();
            tell(&Seen::Balance { height: height.0, address: self.wallet.address(), balances })?;
        }
        Ok(true)
    }

    /// Asks, or waits for the time to; gives what comes of it.
    async fn next(&mut self, ask: Option<(u8, Request)>, wake: Option<Time>) -> Vec<ClientNews> {
        if let Some((member, request)) = ask {
            return match self.kernel.ask(member, &request).await {
                Ok(answer) => self.ledger.handle_answer(self.clock.now(), member, answer),
                Err(error) => {
                    tracing::debug!(%error, "watching");
                    self.ledger.handle_failed(self.clock.now(), member)
                }
            };
        }
        if let Some(wake) = wake {
            tokio::time::sleep_until(self.clock.instant_of(wake)).await;
        }
        self.ledger.handle_wake(self.clock.now())
    }

    fn movement(&self, time_ms: Time, transaction_id: TransactionId, value: byway_records::Value) -> Movement {
        let byway_records::Value { asset, amount } = value;
        Movement { time_ms, transaction_id, amount, asset, symbol: self.symbol(asset) }
    }

    fn symbol(&self, asset: AssetId) -> Option<Symbol> {
        let record: AssetRecord = self.ledger.follower().tree(ProgramId::ASSETS)?.read(&asset_key(asset))?;
        Some(record.terms.symbol)
    }
}

/// The highest certified height that more kernel nodes claim than may lie.
async fn target(kernel: &KernelAccess) -> anyhow::Result<Height> {
    let members = kernel.order().into_iter();
    let asked = members.map(|member| async move { kernel.ask(member, &Request::Status).await });
    let answers = futures::future::join_all(asked).await;
    let mut heights: Vec<Height> = answers
        .into_iter()
        .filter_map(|answer| match answer {
            Ok(Answer::Status(status)) => Some(status.height),
            _ => None,
        })
        .collect();
    heights.sort_unstable_by(|a, b| b.cmp(a));
    let credible = heights.get(kernel.faults_tolerated()).or(heights.last());
    credible.copied().context("no kernel node can be reached; check the network connection and the network file")
}
