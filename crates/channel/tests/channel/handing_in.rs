//! What a side hands to the ledger, and what the ledger makes of it.

use byway_channel::ChannelNews;
use byway_ledger::Verdict;
use byway_primitives::{Amount, AssetId};
use byway_records::call::ChannelsCall;
use byway_records::channel::{Closer, FundingChange, Movement, Phase};
use byway_records::{Call, Channel, Reject, Transaction, verified};

use super::scene::Rig;
use super::world::{CHANNEL_PRICE, Draft, units};

/// What a byte costs that shows the ledger the purses.
const BYTE_PRICE: u128 = 16;

/// What each side is charged for a call that ends its channel, where the transaction pays nothing: no more than is left of its reserve.
pub fn charged_at_end(entry: &Channel, call: &ChannelsCall) -> [Amount; 2] {
    let mut price = [0; 2];
    match (call, entry.phase) {
        (ChannelsCall::Settle { witness, .. }, Phase::Closing { by: Closer::Party { side, .. }, .. }) => {
            price[side.index()] = CHANNEL_PRICE + BYTE_PRICE * witness.len() as u128;
        }
        (ChannelsCall::CloseMutual(_), _) => price = [CHANNEL_PRICE / 2; 2],
        _ => {}
    }
    [0, 1].map(|side: usize| units(price[side]).min(entry.reserve.saturating_sub(entry.charged[side])))
}

impl Rig {
    pub fn hand_in(&mut self, side: usize, news: ChannelNews) {
        match news {
            ChannelNews::Fund(transaction) => {
                self.execute(transaction);
            }
            ChannelNews::Submit(call) if self.is_late => self.parties[side].handed_in.push_back(call),
            ChannelNews::Submit(call) => {
                self.submit(side, call);
            }
            _ => {}
        }
    }

    pub fn submit(&mut self, side: usize, call: ChannelsCall) -> Verdict {
        let draft = Draft { call: Some(Call::Channels(call.clone())), signers: vec![side], ..Draft::default() };
        let before = self.entry();
        let mut verdict = self.world.run(&draft);
        let is_forced = matches!(call, ChannelsCall::ForceProgress(_));
        if verdict == Verdict::Rejected(Reject::ChannelFee) && !is_forced {
            // Whoever has used its reserve up pays by the fee.
            let draft = Draft { fee: units(CHANNEL_PRICE), ..draft };
            verdict = self.world.run(&self.world.funded(self.world.coin(side), draft));
        }
        if let Some(before) = before.filter(|_| self.entry().is_none()) {
            self.charged_at_end = charged_at_end(&before, &call);
        }
        let add = |sum: &mut Amount, amount| *sum = sum.checked_add(amount).unwrap();
        match call {
            _ if matches!(verdict, Verdict::Rejected(_)) => {}
            ChannelsCall::Fund(change) => {
                let FundingChange { side, movement, value, .. } = change.body;
                if value.asset == AssetId::WAY {
                    add(&mut self.moved[side.index()][usize::from(movement == Movement::Withdraw)], value.amount);
                }
            }
            ChannelsCall::ForceProgress(force) => add(&mut self.forced[side], force.call.call.value),
            _ => {}
        }
        self.note(verdict)
    }

    pub fn execute(&mut self, transaction: Transaction) -> Verdict {
        let transaction = verified::verify(self.world.network, transaction).expect("well-formed");
        let verdict = self.world.commit(&[transaction])[0];
        self.note(verdict)
    }

    fn note(&mut self, verdict: Verdict) -> Verdict {
        self.now = self.now.max(self.world.time);
        if let Some(entry) = self.entry() {
            self.charged = entry.charged;
            self.last = Some(entry);
        }
        if let Verdict::Rejected(reason) = verdict {
            self.refused.push(reason);
        }
        verdict
    }
}
