//! Where a peer's books of payment are exported to by themselves (row A4).

use std::path::PathBuf;
use std::time::Duration;

use byway_primitives::Span;
use serde::{Deserialize, Deserializer};

use crate::calendar::span_of;
use crate::peer_node::ExportSettings;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupConfig {
    /// Best on another disk than the node's, or where something takes it elsewhere.
    pub file: PathBuf,
    /// What is lost with the disk is what came in since; written only when something did.
    #[serde(default = "every", deserialize_with = "time")]
    pub every: Duration,
}

impl BackupConfig {
    pub fn settings(&self) -> ExportSettings {
        ExportSettings { file: self.file.clone(), every: Span::millis(self.every.as_millis() as u64) }
    }
}

fn every() -> Duration {
    Duration::from_secs(600)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    span_of(&text).map_err(serde::de::Error::custom)
}
