//! Following the ledger, and what it says of others.
//!
//! The follower asks one kernel node at a time and believes what a certificate proves. What changed is passed on: to the
//! wallet, to the index of offers, to the market's knowledge of everyone it deals with. Beside that the node looks at
//! the kernel for showing; nothing is decided on it.

use byway_access::History;
use byway_access::discovery::LedgerClock;
use byway_driver::disk::DiskError;
use byway_kernel::follower::protocol::{Answer, Request};
use byway_kernel::follower::{Advance, ClientNews as LedgerNews, Membership};
use byway_peer::market::Standing;
use byway_primitives::{Amount, AssetId, Decode, IdentityId, Span};
use byway_records::promise::Series;
use byway_records::state::{
    Account, Bounces, Registration, Reservation, Settled, account_key, bounced_prefix, bounces_key, registration_key,
    settled_key, settled_prefix,
};
use byway_records::{Backing, ProgramId, TransactionId};

use super::kernel_access::AskError;
use super::ways::WayId;
use super::{Actor, Arrival, promise_log};
use crate::api::Event;
use crate::explorer::checkpoint_view;

impl Actor {
    /// After opening: what the market must know of the ledger, and what was under way.
    pub(super) fn take_up(&mut self) {
        if let Some(tree) = self.ledger.follower().tree(ProgramId::OFFERS) {
            for (key, value) in tree.iter() {
                note_offer(&mut self.index, key, Some(value));
            }
        }
        if self.ledger.follower().tip().is_none() {
            let (batch, _) = self.wallet.scan_genesis(&self.config.genesis);
            self.write_ledger(batch);
        }
        self.take_up_choices();
        self.take_up_sessions();
        self.take_up_stop(WayId::MAIN);
        self.note_served();
        self.note_peers();
        self.sell();
        self.take_up_provision();
        let pending: Vec<TransactionId> = self.wallet.pending().map(|(id, _)| id).collect();
        pending.into_iter().for_each(|id| self.hand_in(id));
        self.take_up_claims();
        self.take_up_channels();
        self.note_channels(None);
        self.tell_called();
    }

    /// Starts following.
    pub(super) fn follow(&mut self) {
        let news = self.ledger.handle_wake(self.clock.now());
        self.ledger_news(news);
    }

    pub(super) fn answered(&mut self, member: u8, answer: Result<Answer, AskError>) -> Result<(), DiskError> {
        let now = self.clock.now();
        let news = match answer {
            Ok(answer) => self.ledger.handle_answer(now, member, answer),
            Err(error) => {
                tracing::debug!(%error, "following");
                self.ledger.handle_failed(now, member)
            }
        };
        self.ledger_news(news);
        Ok(())
    }

    pub(super) fn ledger_news(&mut self, news: Vec<LedgerNews>) {
        for news in news {
            match news {
                LedgerNews::Ask { member, request } => self.ask(member, request),
                LedgerNews::Advanced(advance) => self.advanced(*advance),
                LedgerNews::Caught { member, lie } => {
                    let name = self.kernel.name(member);
                    tracing::error!(member = name, %lie, "a kernel node lied to this follower; asking another");
                }
                LedgerNews::Stopped(stop) => tracing::error!(%stop, "this node stops to follow the ledger"),
                LedgerNews::WakeAt(time) => drop(self.ledger_timer.set(time)),
            }
        }
    }

    fn ask(&self, member: u8, request: Request) {
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let answer = kernel.ask(member, &request).await;
            // The task is gone only when the node has stopped.
            let _ = arrive.send(Arrival::Answer { member, answer }).await;
        });
    }

    fn advanced(&mut self, advance: Advance) {
        let Advance { mut batch, checkpoint, signers, changed, scan, epoch_turned } = advance;
        if epoch_turned {
            self.members_changed();
        }
        self.clock.not_before(checkpoint.time);
        self.tell(Event::Checkpoint(checkpoint_view(&checkpoint, signers.clone())));
        self.signers = signers;
        let (wallet, found) = self.wallet.scan(checkpoint.height, &scan);
        batch.append(wallet);
        batch.append(self.claims.scan(&scan));
        batch.append(self.invites.scan(&scan));
        batch.append(self.payouts_of(&found));
        self.write_ledger(batch);
        let offers = changed.iter().filter(|(program, _)| *program == ProgramId::OFFERS);
        let keys: Vec<Vec<u8>> = offers.flat_map(|(_, keys)| keys.clone()).collect();
        for key in &keys {
            let tree = self.ledger.follower().tree(ProgramId::OFFERS);
            note_offer(&mut self.index, key, tree.and_then(|tree| tree.value(key)));
        }
        if changed.iter().any(|(program, keys)| *program != ProgramId::OFFERS && !keys.is_empty()) {
            self.settled_alone = promise_log::alone(&found, &self.settlements);
            self.note_peers();
            self.settled_alone.clear();
        }
        let says_who_is_who = [ProgramId::NAMES, ProgramId::REGISTRY];
        if changed.iter().any(|(program, keys)| says_who_is_who.contains(program) && !keys.is_empty()) {
            self.tell_called();
        }
        if !keys.is_empty() {
            self.sell();
            self.follow_contacts();
            self.publish_offers();
        }
        let entries = changed.iter().find(|(program, _)| *program == ProgramId::CHANNELS);
        self.note_channels(Some(entries.map_or(&[], |(_, keys)| keys)));
        for found in &found {
            self.found(found);
        }
        if !found.is_empty() {
            self.publish_wallet();
        }
        self.tend();
    }
}

/// Looking at the kernel, for showing.
impl Actor {
    /// Another epoch has begun: others are asked from now on, and what those said that are gone is let go of.
    fn members_changed(&mut self) {
        let epoch = self.ledger.follower().epoch();
        tracing::info!(epoch = epoch.number, members = epoch.seats.count(), "other kernel nodes from here on");
        self.kernel.follow(&epoch.seats);
        self.kernel_view.retain(|seat, _| epoch.seats.get(*seat).is_some());
    }

    /// Asks one kernel node after the other how it is, for showing.
    pub(super) fn look_at_kernel(&mut self) {
        let seats = &self.ledger.follower().epoch().seats;
        let numbers = || seats.iter().map(|(seat, _)| seat);
        let next = numbers().find(|seat| *seat > self.kernel_looked_at).or(numbers().next());
        let Some(member) = next else { return };
        self.kernel_looked_at = member;
        let (kernel, arrive) = (self.kernel.clone(), self.arrive.clone());
        tokio::spawn(async move {
            let asked = tokio::time::Instant::now();
            let seen = match kernel.ask(member, &Request::Status).await {
                Ok(Answer::Status(status)) => {
                    let latency = Span(asked.elapsed().as_millis() as u64);
                    Arrival::Status { member, status, latency }
                }
                _ => Arrival::Unreachable { member },
            };
            let _ = arrive.send(seen).await;
        });
    }

    /// Looks at what the kernel does, while somebody watches.
    pub(super) fn look_at_pulse(&self) {
        if self.events.receiver_count() == 0 {
            return;
        }
        let (kernel, arrive, member) = (self.kernel.clone(), self.arrive.clone(), self.ledger.current());
        tokio::spawn(async move {
            if let Ok(Answer::Pulse(pulse)) = kernel.ask(member, &Request::Pulse { since: 0 }).await {
                let _ = arrive.send(Arrival::Pulse(pulse)).await;
            }
        });
    }
}

/// What the market is told of others.
impl Actor {
    /// Tells the market what the ledger says of everyone it deals with.
    pub(super) fn note_peers(&mut self) {
        self.market.set_balance(self.account(self.me()).balance);
        for peer in self.market.peers() {
            self.note_peer(peer);
        }
    }

    pub(super) fn note_peer(&mut self, peer: IdentityId) {
        let now = self.clock.now();
        let Some(tree) = self.ledger.follower().tree(ProgramId::ACCOUNTS) else { return };
        let me = self.config.identity.id();
        let series = |payer, payee| Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
        let taken: Option<Settled> = tree.read(&settled_key(&series(peer, me)));
        let given: Option<Settled> = tree.read(&settled_key(&series(me, peer)));
        let standing = self.standing_of(peer);
        self.market.note_registered(peer, self.is_registered(peer));
        self.market.set_standing(now, peer, standing, &self.market_journal);
        self.market.note_settled(now, peer, taken, given, &self.market_journal);
        self.look_up_warnings(peer);
        self.note_promises(peer);
    }

    /// What a client gets for what the ledger says of it, by the operator's policy.
    fn standing_of(&self, peer: IdentityId) -> Standing {
        let judging = self.config.selling.as_ref().map(|selling| selling.judging.clone()).unwrap_or_default();
        let (history, reputation) = (self.history_of(peer), self.score_of(peer));
        let (exposure_max, trial) = (judging.credit.exposure(&history, reputation), judging.credit.trial(&history));
        Standing { exposure_max, reputation, trial }
    }

    fn history_of(&self, id: IdentityId) -> History {
        let follower = self.ledger.follower();
        let (Some(registry), Some(accounts)) = (follower.tree(ProgramId::REGISTRY), follower.tree(ProgramId::ACCOUNTS))
        else {
            return History::default();
        };
        let (settled, bounced) = (settled_prefix(id), bounced_prefix(id));
        let (settled, bounced) = (accounts.iter_prefix(&settled), accounts.iter_prefix(&bounced));
        let is_registered = |payee| registry.value(&registration_key(payee)).is_some();
        History::read(self.registered(id), self.account(id), self.bounces(id), settled, bounced, is_registered)
    }

    /// How this node judges an identity, itself included.
    pub(super) fn score_of(&self, id: IdentityId) -> u16 {
        let weights = self.config.selling.as_ref().map(|selling| selling.judging.weights).unwrap_or_default();
        let pledge = self.config.genesis.parameters.registration_pledge;
        self.history_of(id).score(&weights, pledge, self.ledger_clock().time)
    }
}

/// What the ledger says.
impl Actor {
    /// Who the kernel nodes are, certified.
    pub(super) fn membership(&self) -> Membership {
        let follower = self.ledger.follower();
        let pledges = follower.tree(ProgramId::KERNEL).expect("a market node follows every program");
        Membership::of(follower.epoch(), pledges)
    }

    pub(super) fn registered(&self, id: IdentityId) -> Option<Registration> {
        self.ledger.follower().tree(ProgramId::REGISTRY)?.read(&registration_key(id))
    }

    pub(super) fn is_registered(&self, id: IdentityId) -> bool {
        self.registered(id).is_some()
    }

    pub(super) fn account(&self, id: IdentityId) -> Account {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&account_key(id, AssetId::WAY))).unwrap_or_default()
    }

    pub(super) fn bounces(&self, id: IdentityId) -> Bounces {
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&bounces_key(id))).unwrap_or_default()
    }

    /// What `id` has set aside in reservations.
    pub(super) fn reserved(&self, id: IdentityId) -> Amount {
        let Some(tree) = self.ledger.follower().tree(ProgramId::ACCOUNTS) else { return Amount::ZERO };
        let entries = tree.iter_prefix(&[3]).filter_map(|(_, value)| Reservation::from_bytes(value).ok());
        let own = entries.filter(|reservation| reservation.payer == id).map(|reservation| reservation.value.amount);
        Amount::checked_sum(own).unwrap_or(Amount::MAX)
    }

    pub(super) fn settled_of(&self, payer: IdentityId, payee: IdentityId) -> Settled {
        let series = Series { payer, payee, asset: AssetId::WAY, backing: Backing::Account };
        let tree = self.ledger.follower().tree(ProgramId::ACCOUNTS);
        tree.and_then(|tree| tree.read(&settled_key(&series))).unwrap_or_default()
    }

    /// Where the ledger stands.
    pub(super) fn ledger_clock(&self) -> LedgerClock {
        let tip = self.ledger.follower().tip();
        LedgerClock {
            time: tip.map_or(self.config.genesis.time, |tip| tip.time),
            commits: tip.map_or(0, |tip| tip.commits),
        }
    }
}

fn note_offer(index: &mut byway_access::Index, key: &[u8], value: Option<&[u8]>) {
    if let Err(error) = index.apply(key, value) {
        tracing::warn!(%error, "an offer on the ledger can't be read; it may be of a newer version");
    }
}
