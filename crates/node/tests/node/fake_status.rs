//! How the fake node says it is.

use byway_driver::clock::Clock;
use byway_node::api::*;
use byway_primitives::{Amount, Hash, NetworkId, Span, Time};

use super::fake::id;

pub fn status(state: ConnectionState) -> NodeStatus {
    NodeStatus {
        version: "0.1.0".into(),
        network: NetworkId(Hash([9; 32])),
        network_name: "local".into(),
        role: Role::User,
        uptime_seconds: 5,
        ledger: LedgerView {
            height: 3,
            commits: 40,
            // Just now: an old one tells of a kernel that stands still.
            time_ms: Clock::starting(Time::ZERO).now(),
            lag_ms: Some(0),
            kernel_nodes: vec![KernelNode { index: 0, name: "k0".into(), reachable: true, round: 7 }],
            finality_ms_p50: Some(40),
        },
        identity: Identity { id: id(7), name: "browsing".into(), registered: true, purpose: None, number: None },
        person: None,
        balance: Balance { wallet: Amount::from_coins(99), ..Balance::default() },
        proxy: Proxy { address: "127.0.0.1:1080".into(), accepting: true },
        connection: Connection {
            state,
            since_ms: Time(1),
            session_id: None,
            offer_id: None,
            provider: None,
            country: None,
            asn: None,
            reason: None,
            path: None,
            rate_down_bps: 0,
            rate_up_bps: 0,
        },
        hops: Vec::new(),
        relay: None,
        spending: Spending {
            session_max: None,
            day_max: None,
            day_allowed: None,
            day_spent: Amount::ZERO,
            asks: Vec::new(),
        },
        backup: Some(BackupView {
            file: "/mnt/books".into(),
            every_ms: Span::seconds(600),
            written_ms: Some(Time(7)),
            problem: None,
        }),
    }
}
