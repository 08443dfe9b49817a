//! The same of an asset beside WAY, which goes in and out too.

use super::*;

impl Model {
    /// No state here has a purse, so all of the asset goes by the rule for what contracts hold.
    pub fn halve_asset(&mut self) {
        let all = self.put_in[0] + self.put_in[1];
        self.asset_accounts[0] += all - all / 2;
        self.asset_accounts[1] += all / 2;
        self.put_in = [0; 2];
    }
}

impl Run {
    /// Of the asset something goes in or out. The ledger does not look at what the state has of it.
    pub fn fund_asset(&mut self, attempt: &Attempt) {
        let (who, amount) = (attempt.who, attempt.amount * 10u128.pow(12));
        let movement = if attempt.shows { Movement::Deposit } else { Movement::Withdraw };
        let value = Value { asset: self.asset, amount: units(amount) };
        let offer = self.offer(attempt, self.model.total);
        let until = self.scene.world.time + Span::seconds(1);
        let mut draft = self.scene.fund_in(who, movement, value, offer.signed.body.position, until);
        if attempt.fault == 2
            && let Some(byway_records::Call::Channels(ChannelsCall::Fund(change))) = &mut draft.call
        {
            // The state is of before.
            let mut body = change.body;
            body.state.fundings -= 1;
            *change = self.scene.cosign(body);
        }
        let model = &mut self.model;
        let there = if attempt.shows { model.asset_accounts[who] } else { model.put_in[0] + model.put_in[1] };
        let is_possible = model.stage == Stage::Active
            && model.takes(&offer)
            && (1..=there).contains(&amount)
            && model.can_pay(who, CHANNEL_PRICE);
        if is_possible {
            if attempt.shows {
                model.put_in[who] += amount;
                model.asset_accounts[who] -= amount;
            } else {
                let own = amount.min(model.put_in[who]);
                model.put_in[who] -= own;
                model.put_in[1 - who] -= amount - own;
                model.asset_accounts[who] += amount;
            }
            model.fundings += 1;
            model.charged[who] += CHANNEL_PRICE;
            model.acts(who);
            model.adopt(&offer);
        }
        self.execute(&draft, is_possible);
    }
}
