//! What clients are given for what is known of them (`provider.trial`, `provider.score`; row A6).

use byway_access::Weights;
use serde::Deserialize;

/// A free trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialConfig {
    pub bytes: u64,
    /// How many days must pass before one identity gets another.
    pub every_days: u64,
}

/// Points for and against a client; see `byway_access::score`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScoreConfig {
    pub paid: u16,
    pub payees: u16,
    pub deposit: u16,
    pub age: u16,
    pub pledge: u16,
    pub bounced: u16,
    pub owing: u16,
    pub leaving: u16,
}

impl Default for ScoreConfig {
    fn default() -> Self {
        let Weights { paid, payees, deposit, age, pledge, bounced, owing, leaving, .. } = Weights::default();
        Self { paid, payees, deposit, age, pledge, bounced, owing, leaving }
    }
}

impl ScoreConfig {
    pub fn weights(self) -> Weights {
        let Self { paid, payees, deposit, age, pledge, bounced, owing, leaving } = self;
        Weights { paid, payees, deposit, age, pledge, bounced, owing, leaving, ..Weights::default() }
    }
}
