//! What a provider carries, and where it doesn't go.

use byway_access::exit_policy::{ExitLists, Hosts};
use byway_records::offer::{Network, PRICES_MAX};

use super::{Problem, ProviderConfig, problem};
use crate::peer_node::Caps;

/// The slowest that clients can be made, in bits per second: below that nothing works.
const RATE_MIN_BPS: u64 = 64_000;
/// The most destinations in one list: a firewall's table and each connection are checked against all of them.
const LIST_MAX: usize = 500;

impl ProviderConfig {
    pub fn caps(&self) -> Caps {
        Caps {
            month_max_bytes: self.month_max_bytes,
            clients_max: self.clients_max,
            rate_max_bps: self.rate_max_bps,
            client_rate_max_bps: self.client_rate_max_bps,
        }
    }

    pub(super) fn check_caps(&self) -> Result<(), Problem> {
        let rates =
            [("provider.rate_max_bps", self.rate_max_bps), ("provider.client_rate_max_bps", self.client_rate_max_bps)];
        for (key, rate) in rates {
            if let Some(rate) = rate.filter(|rate| *rate < RATE_MIN_BPS) {
                return Err(problem(key, rate, "nothing works so slowly", "write 64000 bits per second or more"));
            }
        }
        let counts = [
            ("provider.month_max_bytes", self.month_max_bytes == Some(0)),
            ("provider.clients_max", self.clients_max == Some(0)),
        ];
        match counts.into_iter().find(|(_, is_nothing)| *is_nothing) {
            Some((key, _)) => Err(problem(key, 0, "nothing would be sold", "leave it out, or write more")),
            None => Ok(()),
        }
    }

    pub(super) fn check_prices(&self) -> Result<(), Problem> {
        if self.price_per_mb.or(self.price_per_second).is_none() {
            let remedy = "write price_per_mb = \"0.01\", or price_per_second, or both for clients to choose";
            return Err(problem("provider.price_per_mb", "", "nothing says what it costs", remedy));
        }
        let better = self.better_prices.iter().flat_map(|better| [better.price_per_mb, better.price_per_second]);
        let prices = [self.price_per_mb, self.price_per_second].into_iter().chain(better).flatten().count();
        if prices > PRICES_MAX {
            let why = "an offer has room for 16 prices in all";
            return Err(problem("provider.better_prices", prices, why, "leave some out"));
        }
        Ok(())
    }

    /// Blocks that are allowed as a whole.
    pub fn allowed_networks(&self) -> Vec<Network> {
        let whole = self.exit_allow.iter().filter(|allowed| allowed.ports.is_none());
        let networks = whole.filter_map(|allowed| match &allowed.hosts {
            Hosts::Network(network) => Some(*network),
            Hosts::All | Hosts::Domain(_) => None,
        });
        networks.collect()
    }

    pub fn exit_lists(&self) -> ExitLists {
        ExitLists { blocked: Vec::new(), allowed: self.exit_allow.clone(), denied: self.exit_deny.clone() }
    }

    pub(super) fn check_lists(&self) -> Result<(), Problem> {
        if let Some(all) = self.exit_allow.iter().find(|allowed| allowed.hosts == Hosts::All) {
            let why = "it would open a port of every host, private ones included";
            return Err(problem("provider.exit_allow", all, why, "name the addresses, such as 192.0.2.0/24:25"));
        }
        for (key, list) in [("provider.exit_allow", &self.exit_allow), ("provider.exit_deny", &self.exit_deny)] {
            if list.len() > LIST_MAX {
                return Err(problem(key, list.len(), "there is room for 500", "name networks and domains as a whole"));
            }
        }
        Ok(())
    }
}
