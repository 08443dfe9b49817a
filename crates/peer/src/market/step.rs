//! One step of the market machine: what the machines of one pair want, collected into one commit.

use std::collections::VecDeque;

use byway_dialogue::{Commit, CommitError, Dialogues, Durability, Goodbye, Outgoing, ProtocolId, Receipt};
use byway_primitives::{Batch, IdentityId, Space, Time, Token};

use super::news::MarketNews;

/// Said when a peer's message makes no sense.
pub(super) const MALFORMED: u16 = 1;
/// Said when a peer has not confirmed anything for so long that the queue to it is full.
pub(super) const OVERFULL: u16 = 2;

pub(super) struct Step {
    peer: IdentityId,
    commit: Commit,
    /// The newest payment write in this step.
    payment: Option<Token>,
    news: Vec<MarketNews>,
    wakes: Vec<Time>,
}

/// What is left to do after a commit.
pub(super) struct Finished {
    pub news: Vec<MarketNews>,
    pub wakes: Vec<Time>,
}

impl Step {
    pub fn new(peer: IdentityId) -> Self {
        Self { peer, commit: Commit::default(), payment: None, news: Vec::new(), wakes: Vec::new() }
    }

    pub fn receipt(&mut self, receipt: Receipt) {
        self.commit.receipts.push(receipt);
    }

    pub fn put(&mut self, space: Space, key: Vec<u8>, value: Vec<u8>) {
        self.commit.batch.put(space, key, value);
    }

    pub fn persist(&mut self, batch: Batch) {
        self.commit.batch.append(batch);
    }

    /// A payment write: the payment machine wants to hear when it is durable.
    pub fn persist_payment(&mut self, batch: Batch, token: Token) {
        self.persist(batch);
        self.payment = Some(token);
    }

    pub fn send(&mut self, protocol: ProtocolId, bytes: Vec<u8>, durability: Durability) {
        self.commit.sends.push((self.peer, Outgoing { protocol, bytes, durability }));
    }

    pub fn notify(&mut self, news: MarketNews) {
        self.news.push(news);
    }

    pub fn wake_at(&mut self, time: Time) {
        self.wakes.push(time);
    }

    /// Commits everything. Where the messages can't go (no dialogue, or one whose peer has confirmed nothing for so long
    /// that its queue is full), the writes are kept all the same: the machines say everything again when a dialogue is
    /// next open. An overfull dialogue is closed, because one message left out would leave the peer astray.
    pub fn commit(
        mut self,
        now: Time,
        dialogues: &mut Dialogues,
        awaiting: &mut VecDeque<(Token, IdentityId, Token)>,
    ) -> Finished {
        if dialogues.dialogue(self.peer).is_none() {
            self.commit.sends.clear();
        }
        let token = match dialogues.commit(now, self.commit.clone()) {
            Ok(token) => token,
            Err(error) => {
                if matches!(error, CommitError::Full { .. }) {
                    dialogues.close(now, self.peer, Goodbye::Application(OVERFULL));
                }
                // The receipts are of a dialogue that is over, or of one that is closed now.
                let writes = Commit { batch: self.commit.batch, ..Commit::default() };
                dialogues.commit(now, writes).expect("writes alone are never refused")
            }
        };
        if let Some((token, inner)) = token.zip(self.payment) {
            awaiting.push_back((token, self.peer, inner));
        }
        Finished { news: self.news, wakes: self.wakes }
    }
}
