//! What the two sides come to.

use byway_primitives::Amount;
use byway_records::channel::Position;

use super::scene::{DEPOSIT, LOCK, Rig, SAVED};

impl Rig {
    /// Both are at one co-signed position, and nothing is open.
    pub fn assert_agreed(&mut self) -> Position {
        let [one, two] = [0, 1].map(|side| *self.parties[side].machine.position());
        assert_eq!(one, two);
        for party in &self.parties {
            assert_eq!(party.machine.state().root(), one.root);
            assert_eq!(party.machine.released(), &[]);
            assert_eq!(party.machine.funding(), None);
            assert_eq!(party.machine.held(), self.parties[0].machine.held());
        }
        one
    }

    /// The lock period passes, and whatever is to be shown is.
    pub fn settle(&mut self) {
        for _ in 0..6 {
            for _ in 0..LOCK.commits {
                self.world.commit(&[]);
            }
            self.tick(LOCK.millis);
        }
        assert_eq!(self.entry(), None, "it is closed; refused: {:?}", self.refused);
    }

    /// What each has in its account, to the unit: what is due, less what the ledger charged it, for ending the channel too.
    pub fn assert_paid(&self, balances: [Amount; 2]) {
        for side in [0, 1] {
            let [deposited, withdrawn] = self.moved[side].map(Amount::units);
            let due = SAVED - DEPOSIT + withdrawn - deposited + balances[side].units();
            let charged = self.charged[side].units() + self.charged_at_end[side].units();
            assert_eq!(self.world.balance(side), due - charged, "side {side}, charged {charged} of {due}");
        }
    }
}
