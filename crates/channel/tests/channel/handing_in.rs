//! What a side hands to the ledger, and what the ledger makes of it.

use byway_channel::ChannelNews;
use byway_ledger::Verdict;
use byway_primitives::{Amount, AssetId};
use byway_records::call::ChannelsCall;
use byway_records::channel::{FundingChange, Movement};
use byway_records::{Call, Reject, Transaction, verified};

use super::scene::Rig;
use super::world::{CHANNEL_PRICE, Draft, units};

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
        let mut verdict = self.world.run(&draft);
        let is_forced = matches!(call, ChannelsCall::ForceProgress(_));
        if verdict == Verdict::Rejected(Reject::ChannelFee) && !is_forced {
            // Whoever has used its reserve up pays by the fee.
            let draft = Draft { fee: units(CHANNEL_PRICE), ..draft };
            verdict = self.world.run(&self.world.funded(self.world.coin(side), draft));
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
        self.charged = self.entry().map_or(self.charged, |entry| entry.charged);
        match verdict {
            Verdict::Rejected(reason) => self.refused.push(reason),
            _ => self.calls += 1,
        }
        verdict
    }
}
