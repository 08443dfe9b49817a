//! Channels of a simulated market node: what a scenario wants of them, and the ledger's side. The real node's
//! `peer_node::channels`, without people who ask and programs that wait: what a scenario has asked for is forgotten with a
//! crash, and what the machines have written is not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use byway_channel::{Change, ChannelHandle, ChannelKey, ChannelNews, ProposeError, Signer};
use byway_kernel::follower::protocol::Request;
use byway_peer::market::MarketNews;
use byway_peer::wallet::Wish;
use byway_primitives::{Amount, Encode, Hash, IdentityId, Span, Time, Token};
use byway_records::call::ChannelsCall;
use byway_records::channel::entry::{channel_key, channel_of_key, channel_prefix};
use byway_records::channel::{ChannelAssets, ChannelState, ChannelTerms, Cosigned, Environment, Remainder};
use byway_records::genesis::Wait;
use byway_records::promise::ChannelId;
use byway_records::{Call, Channel, ProgramId, Transaction};

use super::kernel_access::Purpose;
use super::plan::{Conduct, Keys};
use super::{At, PeerNode};

/// What each side keeps in a channel for calls about it.
pub const RESERVE: Amount = Amount::from_units(byway_primitives::amount::ONE / 100);
/// How long there is for an answer on the ledger: longer than anybody is away in a scenario.
pub const LOCK: Wait = Wait { millis: Span::seconds(15), commits: 5 };
/// A peer that is not there is dialled again after this.
const DIAL_AGAIN: Span = Span::seconds(1);

/// What a scenario wants of a channel with a market node.
#[derive(Debug, Clone, Copy)]
pub enum ChannelCommand {
    /// Opens one into which each puts so much beside the reserve.
    Open { free: Amount },
    /// Pays by an update.
    Pay { amount: Amount },
    /// Has so much in the own lane.
    Lane { capacity: Amount },
    /// Pays by a promise out of the lane.
    Promise { amount: Amount },
    /// Parts together.
    Close,
    /// Parts without the other.
    CloseAlone,
}

/// What is to be done with one peer.
#[derive(Default)]
struct Wanted {
    opens: Option<ChannelTerms>,
    changes: VecDeque<Change>,
    /// Of the first of them, where it is proposed.
    proposed_round: Option<u64>,
}

/// What a node keeps in mind of its channels.
#[derive(Default)]
pub(super) struct ChannelDesk {
    wanted: BTreeMap<IdentityId, Wanted>,
    dialled: BTreeMap<IdentityId, Time>,
    /// What goes to the ledger goes when the market's journal is durable up to a token.
    pub calls: VecDeque<(Token, MarketNews)>,
    /// Of the market's journal.
    pub written: Option<Token>,
    /// The first state that both have signed after the opening, of whoever means to close with it.
    stale: BTreeMap<ChannelId, Cosigned<ChannelState>>,
}

impl PeerNode {
    pub(super) fn channel_command(&mut self, at: At<'_>, peer: usize, command: ChannelCommand) {
        let peer = Keys::of(peer).id();
        let Some(key) = self.channel_with(peer) else {
            if let ChannelCommand::Open { free } = command {
                let wanted = self.channels.wanted.entry(peer).or_default();
                wanted.opens = Some(terms([self.keys.id(), peer], free));
                self.tend_channels(at);
            }
            return;
        };
        let Some(side) = self.market.channels().get(key).map(|channel| channel.side()) else { return };
        let changes = &mut self.channels.wanted.entry(peer).or_default().changes;
        match command {
            ChannelCommand::Open { .. } => {}
            ChannelCommand::Pay { amount } => changes.push_back(Change::Transfer { from: side, amount }),
            ChannelCommand::Lane { capacity } => changes.push_back(Change::Lane { side, capacity }),
            // What the lane does not cover is not promised.
            ChannelCommand::Promise { amount } => {
                let _ = self.market.with_channel(at.now, key, &at.store, |channel| channel.promise(amount));
            }
            ChannelCommand::Close => {
                let _ = self.market.with_channel(at.now, key, &at.store, |channel| channel.close(at.now));
            }
            ChannelCommand::CloseAlone if self.plan().conduct == Conduct::StaleCloser => self.close_stale(key),
            ChannelCommand::CloseAlone => {
                let _ = self.market.with_channel(at.now, key, &at.store, |channel| channel.close_alone(at.now));
            }
        }
        self.advance_changes(at, peer);
    }

    fn channel_with(&self, peer: IdentityId) -> Option<ChannelKey> {
        self.market.channels().with_peer(peer).map(|(key, _)| key).next()
    }

    /// Keeps the peers of channels in reach, and proposes what is to be.
    pub(super) fn tend_channels(&mut self, at: At<'_>) {
        self.market.note_channel_time(at.now, &at.store);
        let wanted = self.channels.wanted.iter().filter(|(_, wanted)| wanted.opens.is_some()).map(|(peer, _)| *peer);
        let peers: BTreeSet<IdentityId> =
            self.market.channels().iter().map(|(key, _)| key.peer).chain(wanted).collect();
        for peer in peers {
            if self.market.is_talking_to(peer) {
                self.open_wanted(at, peer);
                self.advance_changes(at, peer);
            } else if self.channels.dialled.get(&peer).is_none_or(|before| at.now >= *before + DIAL_AGAIN) {
                self.channels.dialled.insert(peer, at.now);
                self.dial_channel_peer(at, peer);
            }
        }
    }

    fn dial_channel_peer(&mut self, at: At<'_>, peer: IdentityId) {
        let number = self.scene.identities().position(|id| id == peer).expect("a market node");
        let node = self.scene.kernels + number;
        if !self.links.is_dialling(node) {
            let link = self.draw_number();
            self.links.dial(at.now, node, link);
        }
    }

    /// The peer of a channel at a node that was dialled, if it is to be talked to. Nodes know each other's certificates.
    pub(super) fn channel_peer_at(&self, node: usize) -> Option<IdentityId> {
        let number = node.checked_sub(self.scene.kernels)?;
        let peer = self.scene.identities().nth(number)?;
        let is_wanted = self.market.channels().has_with(peer) || self.channels.wanted.contains_key(&peer);
        (is_wanted && !self.market.is_talking_to(peer)).then_some(peer)
    }

    fn open_wanted(&mut self, at: At<'_>, peer: IdentityId) {
        let has_deposit = !self.account(self.id()).balance.is_zero() && !self.account(peer).balance.is_zero();
        let Some(terms) = self.channels.wanted.get(&peer).and_then(|wanted| wanted.opens) else { return };
        if !has_deposit {
            return;
        }
        let mut handle = ChannelHandle([0; 16]);
        let draw = self.draw();
        let length = handle.0.len();
        handle.0.copy_from_slice(&draw[..length]);
        if self.market.open_channel(at.now, handle, terms, &at.store).is_ok() {
            self.channels.wanted.entry(peer).or_default().opens = None;
        }
    }

    /// Proposes the next change, unless something is open or it is the peer's turn.
    fn advance_changes(&mut self, at: At<'_>, peer: IdentityId) {
        let Some(key) = self.channel_with(peer) else { return };
        let next = self.channels.wanted.get(&peer).filter(|wanted| wanted.proposed_round.is_none());
        let Some(change) = next.and_then(|wanted| wanted.changes.front().cloned()) else { return };
        let proposed = self.market.with_channel(at.now, key, &at.store, |channel| channel.propose(at.now, change));
        let wanted = self.channels.wanted.entry(peer).or_default();
        match proposed {
            Some(Ok(round)) => wanted.proposed_round = Some(round),
            Some(Err(
                ProposeError::Busy
                | ProposeError::Turn
                | ProposeError::Clock
                | ProposeError::Unseen
                | ProposeError::Disconnected,
            )) => {}
            // Nobody has what is to be paid, or the channel is being closed.
            Some(Err(_)) | None => drop(wanted.changes.pop_front()),
        }
    }

    pub(super) fn channel_news(&mut self, at: At<'_>, key: ChannelKey, news: &ChannelNews) {
        let wanted = self.channels.wanted.entry(key.peer).or_default();
        match news {
            ChannelNews::Proposed => {
                self.market.with_channel(at.now, key, &at.store, |channel| channel.agree(at.now));
            }
            ChannelNews::Fund(transaction) => self.hand_in_as_is(at, transaction),
            ChannelNews::Submit(call) => {
                let wish = Wish { call: Some(Call::Channels(call.clone())), ..Wish::default() };
                // Whatever still matters is handed in again.
                let _ = self.transact(wish, true);
            }
            ChannelNews::Updated { change, .. } => {
                // Also where it lost a tie, and was proposed again under another round.
                if wanted.proposed_round.is_some() && wanted.changes.front() == Some(change) {
                    wanted.proposed_round = None;
                    wanted.changes.pop_front();
                }
                self.keep_stale(key);
            }
            ChannelNews::Abandoned { round, .. } if wanted.proposed_round == Some(*round) => {
                wanted.proposed_round = None
            }
            ChannelNews::Closed => *wanted = Wanted::default(),
            ChannelNews::Alarm(conflict) => {
                panic!("seed {}: somebody has signed two states of one round: {conflict:?}", self.scene.seed)
            }
            _ => {}
        }
        self.advance_changes(at, key.peer);
    }

    /// Shows the channels where the ledger is, and those whose entries have changed what it has of them: all, where it is not known
    /// which.
    pub(super) fn note_channels(&mut self, at: At<'_>, changed: Option<&[Vec<u8>]>) {
        self.find_channels(at, changed);
        let Some(tip) = self.ledger.follower().tip() else { return };
        let environment = Environment { time: tip.time, height: tip.height.0 };
        let is_changed = |id| changed.is_none_or(|changed| changed.contains(&channel_key(id)));
        let tree = self.ledger.follower().tree(ProgramId::CHANNELS);
        let entry = |id: ChannelId| tree.and_then(|tree| tree.read(&channel_key(id)));
        self.market.note_channels(at.now, environment, tip.commits, is_changed, entry, |_| None, &at.store);
    }

    /// Takes up the channels that the ledger has and the disk has not.
    fn find_channels(&mut self, at: At<'_>, changed: Option<&[Vec<u8>]>) {
        let Some(tree) = self.ledger.follower().tree(ProgramId::CHANNELS) else { return };
        let keys: Vec<&[u8]> = match changed {
            Some(keys) => keys.iter().map(Vec::as_slice).collect(),
            None => tree.iter_prefix(channel_prefix()).map(|(key, _)| key).collect(),
        };
        let me = self.keys.id();
        let unknown = keys.into_iter().filter_map(|key| Some((channel_of_key(key)?, tree.read::<Channel>(key)?)));
        let unknown =
            unknown.filter(|(id, entry)| entry.parties.contains(&me) && self.market.channels().key_of(*id).is_none());
        for (id, entry) in unknown.collect::<Vec<_>>() {
            self.market.find_channel(at.now, id, &entry, &at.store);
        }
    }

    /// Hands in a transaction that is complete and costs the wallet nothing; the machine says so again until it is there.
    fn hand_in_as_is(&mut self, at: At<'_>, transaction: &Transaction) {
        let request = Request::Submit { transaction: transaction.to_bytes(), stamp: None };
        let member = (self.draw_number() % self.scene.kernels as u64) as u8;
        let asked = self.kernel.ask(at.now, member, Purpose::Submit(transaction.id()), &request);
        self.out.extend(asked.into_iter().flatten());
    }

    /// Whoever means to close with an old state keeps the first.
    fn keep_stale(&mut self, key: ChannelKey) {
        if self.plan().conduct != Conduct::StaleCloser {
            return;
        }
        let channel = self.market.channels().get(key);
        if let Some((id, state)) = channel.and_then(|channel| Some((channel.id()?, channel.cosigned()?))) {
            self.channels.stale.entry(id).or_insert(state);
        }
    }

    /// Closes with the state that was kept, past the machine, which never would.
    fn close_stale(&mut self, key: ChannelKey) {
        let Some(machine) = self.market.channels().get(key) else { return };
        let (Some(channel), side, network) = (machine.id(), machine.side(), machine.network()) else { return };
        let own = machine.terms().secrets[side.index()];
        let mut secrets = (0..=u16::MAX).map(|number| self.keys.identity.watch_secret(network, key.peer, number));
        let secret = secrets.find(|secret| secret.digest() == own).expect("the terms have a digest of one");
        let state = self.channels.stale.get(&channel).copied();
        let call = ChannelsCall::CloseSolo { channel, side, secret, state };
        let _ = self.transact(Wish { call: Some(Call::Channels(call)), ..Wish::default() }, true);
    }
}

fn terms(parties: [IdentityId; 2], free: Amount) -> ChannelTerms {
    let deposit = RESERVE.checked_add(free).expect("scenarios are small");
    ChannelTerms {
        parties,
        deposits: [deposit; 2],
        reserve: RESERVE,
        lock: LOCK,
        remainder: Remainder::Halves,
        secrets: [Hash::default(); 2],
        assets: ChannelAssets::NONE,
    }
}
