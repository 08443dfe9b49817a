//! The kernel at work, for drawing; nothing is decided on it.

use byway_primitives::Time;
use serde::{Deserialize, Serialize};

/// The kernel at work; nothing is decided on it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct KernelPulse {
    pub snapshots: Vec<PulseSnapshot>,
    pub commits: Vec<PulseCommit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<PulseCheckpoint>,
    pub finality_ms: Finality,
    /// Final transactions per second.
    pub tps: f64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseSnapshot {
    pub author: u8,
    pub round: u64,
    pub time_ms: Time,
    pub transactions: u64,
    pub hash: String,
    /// Authors of the snapshots of the round before that it references.
    pub references: Vec<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseCommit {
    pub index: u64,
    pub time_ms: Time,
    pub transactions: u64,
    pub leader: u8,
    pub round: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PulseCheckpoint {
    pub height: u64,
    pub time_ms: Time,
    pub signers: Vec<u8>,
    pub size: u64,
    pub quorum: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Finality {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<u64>,
}
