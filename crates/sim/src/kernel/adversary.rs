//! Kernel nodes that don't keep to the rules.
//!
//! All but the [equivocators and their like](super::equivocator) are honest machines whose words are twisted on their way out, so that
//! they know all that an honest node knows and are as quick.

use std::sync::Arc;

use byway_kernel::message::Steps;
use byway_kernel::{Header, MemberIndex, Message, SyncMessage, VerifiedSnapshot};
use byway_primitives::{Effect, Hash, Time};
use byway_records::Height;

use super::Setup;
use super::node::{NodeNews, SharedCache};

type NodeEffect = Effect<usize, Message, NodeNews>;

/// What an adversary does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Signs two snapshots for every round; see [`super::equivocator`].
    Equivocator,
    /// An equivocator that names no checkpoint newer than genesis.
    OldCheckpoint,
    /// An equivocator that names a checkpoint that nobody will ever make.
    FutureCheckpoint,
    /// Signs one snapshot for every round, and votes for checkpoints that nobody has made.
    FalseVoter,
    /// Signs one snapshot for every round, and puts into it whatever it is handed, spent or not.
    DoubleSpender,
    /// Shows its snapshots to only two nodes, other ones each round, and never answers when asked for others'.
    Withholder,
    /// Signs snapshots with so many of the transactions that it is handed for so many rounds, keeps them to itself, and then
    /// shows them all at once.
    Hoarder { rounds: usize, transactions: usize },
    /// Spoils its snapshots for half of the nodes, each time in another place.
    IllSigner,
    /// Hears everything and says nothing.
    Silent,
    /// Gives shares of the coin that are none.
    FalseSharer,
    /// Deals a share of the coin's key that is false for one node.
    FalseDealer { victim: usize },
    /// Complains of a dealing again and again though nothing is wrong with it.
    FalseComplainer { of: usize },
    /// Claims to be far ahead, and that it has sent what it hasn't.
    Boaster,
    /// Spoils the steps that it gives to nodes that are epochs behind, each time in another place.
    FalseStepper,
    /// Gives nodes that are epochs behind the first step of all, again and again.
    IdleStepper,
    /// Takes part, and helps nobody who is behind or has forgotten something.
    Unhelpful,
    /// Shows whoever asks for the highest snapshot one of its own for a far round, on top of nothing that exists.
    FarSigner,
}

/// Twists what an honest machine says.
#[derive(Debug, Clone, Copy)]
pub struct Adversary {
    conduct: Conduct,
    me: MemberIndex,
    nodes: usize,
}

impl Adversary {
    pub fn new(conduct: Conduct, me: MemberIndex, nodes: usize) -> Self {
        Self { conduct, me, nodes }
    }

    /// What it answers before its machine hears the message.
    pub fn answer(&self, message: &Message, cache: &SharedCache) -> Vec<Message> {
        match (self.conduct, message) {
            (Conduct::Boaster, Message::Sync(SyncMessage::WantRounds { from, to })) => {
                vec![Message::Sync(SyncMessage::RoundsSent { from: *from, until: to + 1 })]
            }
            (Conduct::FarSigner, Message::Sync(SyncMessage::AskHighest)) => {
                let far = self.far_snapshot(cache);
                let highest = SyncMessage::Highest { epoch: 0, highest: Some(far.reference()) };
                vec![Message::Snapshots(vec![far.bytes().clone()]), Message::Sync(highest)]
            }
            _ => Vec::new(),
        }
    }

    /// A well-formed and well-signed snapshot of a round to come, whose references lead nowhere.
    fn far_snapshot(&self, cache: &SharedCache) -> VerifiedSnapshot {
        let committee = cache.borrow().newest().clone();
        let round = committee.first_round() + 100_000;
        let header = Header {
            author: self.me,
            round,
            previous: None,
            references: committee.members().filter(|m| *m != self.me).map(|m| (m, Hash([m.0; 32]))).collect(),
            weak_references: Vec::new(),
            checkpoint: Height::GENESIS,
            votes: Vec::new(),
            coin_shares: Vec::new(),
            time: Time(1),
        };
        VerifiedSnapshot::sign(&committee, &Setup::secret(usize::from(self.me.0)), header, Vec::new())
    }

    /// What becomes of an effect of its machine.
    pub fn twist(&self, effect: NodeEffect, cache: &SharedCache) -> Option<NodeEffect> {
        let Effect::Send { to, message, after } = effect else { return Some(effect) };
        let message = match message {
            Message::Snapshots(snapshots) => {
                let twisted = snapshots.into_iter().filter_map(|bytes| self.twist_snapshot(to, bytes, cache));
                let twisted: Vec<_> = twisted.collect();
                if twisted.is_empty() {
                    return None;
                }
                Message::Snapshots(twisted)
            }
            Message::Transactions(_) => return None,
            Message::Sync(sync) => Message::Sync(self.twist_sync(sync)?),
        };
        Some(Effect::Send { to, message, after })
    }

    fn twist_sync(&self, sync: SyncMessage) -> Option<SyncMessage> {
        match (self.conduct, sync) {
            (Conduct::Silent, _) => None,
            (Conduct::Boaster, SyncMessage::RoundsSent { .. }) => None,
            (Conduct::FarSigner, SyncMessage::Highest { .. }) => None,
            (Conduct::Boaster, SyncMessage::Status { commits, .. }) => {
                Some(SyncMessage::Status { round: u64::MAX, commits })
            }
            (Conduct::FalseStepper, SyncMessage::Steps(steps)) => {
                let mut steps = *steps;
                spoil_steps(&mut steps);
                Some(SyncMessage::Steps(Box::new(steps)))
            }
            (Conduct::IdleStepper, SyncMessage::Steps(steps)) => {
                let mut steps = *steps;
                steps.steps.truncate(1);
                steps.steps.iter_mut().for_each(|step| {
                    step.certificate.checkpoint.height = Height(1);
                    step.certificate.signatures.clear();
                });
                Some(SyncMessage::Steps(Box::new(steps)))
            }
            (Conduct::Unhelpful, SyncMessage::Highest { .. } | SyncMessage::Steps(_)) => None,
            (_, sync) => Some(sync),
        }
    }

    fn twist_snapshot(&self, to: usize, bytes: Arc<[u8]>, cache: &SharedCache) -> Option<Arc<[u8]>> {
        let snapshot = cache.borrow_mut().verify_any(bytes.clone()).ok()?;
        let is_own = snapshot.header().author == self.me;
        let round = snapshot.header().round as usize;
        match self.conduct {
            Conduct::Silent => None,
            Conduct::Withholder => (is_own && (to + round) % self.nodes < 2).then_some(bytes),
            Conduct::IllSigner if is_own && (to + round).is_multiple_of(2) => Some(spoil(&bytes, round * 31 + to)),
            Conduct::Boaster if !is_own => None,
            Conduct::IllSigner | Conduct::Boaster | Conduct::FarSigner | Conduct::FalseStepper => Some(bytes),
            Conduct::IdleStepper | Conduct::Unhelpful => Some(bytes),
            // These have no machine whose words could be twisted.
            Conduct::Equivocator | Conduct::OldCheckpoint | Conduct::FutureCheckpoint => Some(bytes),
            Conduct::FalseVoter | Conduct::DoubleSpender | Conduct::FalseSharer => Some(bytes),
            Conduct::FalseDealer { .. } | Conduct::FalseComplainer { .. } | Conduct::Hoarder { .. } => Some(bytes),
        }
    }
}

/// Makes the last step false, and sometimes what it stands on.
fn spoil_steps(steps: &mut Steps) {
    let Some(last) = steps.steps.last_mut() else { return };
    match last.certificate.checkpoint.height.0 % 6 {
        0 => last.certificate.signatures.truncate(1),
        1 => last.certificate.checkpoint.epoch_next = Hash::ZERO,
        2 => last.scan.time.0 += 1,
        3 => last.differences.iter_mut().flat_map(|difference| &mut difference.entries).for_each(|e| e.key.push(0)),
        4 => last.differences.clear(),
        _ => steps.closing = None,
    }
}

/// Flips a bit somewhere.
fn spoil(bytes: &[u8], choice: usize) -> Arc<[u8]> {
    let mut spoiled = bytes.to_vec();
    let place = choice.wrapping_mul(0x9E37_79B9) % spoiled.len();
    spoiled[place] ^= 1 << (choice % 8);
    spoiled.into()
}
