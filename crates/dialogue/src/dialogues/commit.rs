//! Confirming, sending and writing as one step.
//!
//! This is where exactly-once comes from. The layer above hands over, as one [`Commit`]: the receipts of the messages it
//! has taken to heart, the messages it sends because of them, and its own writes. All of it becomes one batch, so after a
//! crash either everything has happened or nothing has, and in the latter case the other side sends again, because an
//! acknowledgement leaves only after the batch is durable.

use std::collections::BTreeMap;

use byway_primitives::{Batch, IdentityId, Time, Token};

use super::Dialogues;
use crate::config::MESSAGE_MAX;
use crate::message::{Durability, Outgoing, ProtocolId, Receipt};

/// One step of the layer above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commit {
    /// Messages taken to heart, in the order in which they were delivered. Those of volatile messages may be left out.
    pub receipts: Vec<Receipt>,
    pub sends: Vec<(IdentityId, Outgoing)>,
    /// What the layer above writes along with them.
    pub batch: Batch,
}

/// Why a commit was refused; then nothing of it has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    #[error("there is no dialogue with {peer:?}; open one first")]
    NotOpen { peer: IdentityId },
    #[error("too much waits to be confirmed by {peer:?}; send again when told that the queue has drained")]
    Full { peer: IdentityId },
    #[error("a message of {length} bytes is over the limit of {MESSAGE_MAX}")]
    TooLong { length: usize },
    #[error("the dialogue in which {receipt:?} was delivered is over")]
    Over { receipt: Receipt },
    #[error("{receipt:?} is not the next message to confirm")]
    OutOfOrder { receipt: Receipt },
}

impl Dialogues {
    /// Confirms, sends and writes, all or nothing. The token names the batch, where anything was to be written.
    pub fn commit(&mut self, now: Time, commit: Commit) -> Result<Option<Token>, CommitError> {
        if let Err(error) = self.check_receipts(&commit.receipts).and_then(|()| self.check_sends(&commit.sends)) {
            if let CommitError::Full { peer } = error
                && let Some(dialogue) = self.dialogue_mut(peer)
            {
                dialogue.note_refused();
            }
            return Err(error);
        }
        let Commit { receipts, sends, mut batch } = commit;
        let mut touched: Vec<IdentityId> = Vec::new();
        for receipt in receipts.iter().filter(|receipt| receipt.durability == Durability::Durable) {
            let dialogue = self.peers.get_mut(&receipt.peer).and_then(|peer| peer.dialogue.as_mut());
            let dialogue = dialogue.expect("receipts were checked to be of dialogues that exist");
            dialogue.confirm(now, receipt.ordinal, &self.config, &mut batch);
            touched.push(receipt.peer);
        }
        for (peer, outgoing) in sends {
            let dialogue = self.dialogue_mut(peer).expect("sends were checked to be in dialogues that exist");
            dialogue.push(outgoing, &mut batch);
            touched.push(peer);
        }
        let token = self.out.persist(batch);
        touched.sort_unstable();
        touched.dedup();
        for peer in touched {
            if let Some(dialogue) = self.dialogue_mut(peer) {
                dialogue.rely_on(token);
            }
            self.settle(now, peer);
        }
        self.announce();
        Ok(token)
    }

    /// Sends one message; see [`commit`](Self::commit).
    pub fn send(
        &mut self,
        now: Time,
        peer: IdentityId,
        protocol: ProtocolId,
        bytes: Vec<u8>,
        durability: Durability,
    ) -> Result<Option<Token>, CommitError> {
        let sends = vec![(peer, Outgoing { protocol, bytes, durability })];
        self.commit(now, Commit { sends, ..Commit::default() })
    }

    /// Confirms one message along with what it changed; see [`commit`](Self::commit).
    pub fn confirm(&mut self, now: Time, receipt: Receipt, batch: Batch) -> Result<Option<Token>, CommitError> {
        self.commit(now, Commit { receipts: vec![receipt], batch, ..Commit::default() })
    }

    fn dialogue_mut(&mut self, peer: IdentityId) -> Option<&mut crate::dialogue::Dialogue> {
        self.peers.get_mut(&peer)?.dialogue.as_mut()
    }

    fn check_receipts(&self, receipts: &[Receipt]) -> Result<(), CommitError> {
        let mut confirmed: BTreeMap<IdentityId, u64> = BTreeMap::new();
        for receipt in receipts {
            let dialogue = self.dialogue(receipt.peer).filter(|dialogue| dialogue.id() == receipt.dialogue);
            let dialogue = dialogue.ok_or(CommitError::Over { receipt: *receipt })?;
            if receipt.durability == Durability::Volatile {
                continue;
            }
            let (handed, before) = dialogue.handed_and_confirmed();
            let confirmed = confirmed.entry(receipt.peer).or_insert(before);
            if receipt.ordinal > handed || receipt.ordinal != *confirmed + 1 {
                return Err(CommitError::OutOfOrder { receipt: *receipt });
            }
            *confirmed += 1;
        }
        Ok(())
    }

    fn check_sends(&self, sends: &[(IdentityId, Outgoing)]) -> Result<(), CommitError> {
        let mut added: BTreeMap<IdentityId, (usize, usize)> = BTreeMap::new();
        for (peer, outgoing) in sends {
            let length = outgoing.bytes.len();
            if length > MESSAGE_MAX {
                return Err(CommitError::TooLong { length });
            }
            let dialogue = self.dialogue(*peer).ok_or(CommitError::NotOpen { peer: *peer })?;
            let (messages, bytes) = added.entry(*peer).or_default();
            *messages += 1;
            *bytes += length;
            if !dialogue.has_room(*messages, *bytes) {
                return Err(CommitError::Full { peer: *peer });
            }
        }
        Ok(())
    }
}
