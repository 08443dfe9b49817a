//! What becomes of what the node measures of providers (row A2).

use byway_primitives::Amount;
use serde::Deserialize;

use super::{Problem, problem};
use crate::fetch::Url;
use crate::peer_node::{self, ProbeConfig};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityConfig {
    /// Whether others are told how providers served that the ledger shows this node to have paid.
    pub share: bool,
    /// How often exits that aren't in use are measured, on average, at random times; never when left out.
    pub probes_per_day: Option<u32>,
    /// The most that one such measurement may cost.
    pub probe_cost_max: Amount,
    /// Pages of which one is fetched then.
    pub probe_urls: Vec<String>,
}

/// What a few megabytes cost at usual prices.
const PROBE_COST_MAX: Amount = Amount::from_units(byway_primitives::amount::ONE / 20);
/// More than this is a load on providers, and no sample.
const PER_DAY_MAX: u32 = 1_000_000;

impl Default for QualityConfig {
    fn default() -> Self {
        let share = peer_node::QualityConfig::default().share;
        Self { share, probes_per_day: None, probe_cost_max: PROBE_COST_MAX, probe_urls: Vec::new() }
    }
}

impl QualityConfig {
    pub fn settings(&self) -> peer_node::QualityConfig {
        let urls = self.probe_urls.iter().filter_map(|url| url.parse::<Url>().ok()).collect();
        let probes = self.probes_per_day.map(|per_day| ProbeConfig { per_day, cost_max: self.probe_cost_max, urls });
        peer_node::QualityConfig { share: self.share, probes }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        if let Some(url) = self.probe_urls.iter().find(|url| url.parse::<Url>().is_err()) {
            return Err(problem(
                "quality.probe_urls",
                url,
                "it is no address of a page",
                "write https://example.org/ or the like",
            ));
        }
        if let Some(per_day) = self.probes_per_day.filter(|per_day| !(1..=PER_DAY_MAX).contains(per_day)) {
            let remedy = "write a few, or leave it out for none";
            return Err(problem("quality.probes_per_day", per_day, "it is no number of probes", remedy));
        }
        Ok(())
    }
}
