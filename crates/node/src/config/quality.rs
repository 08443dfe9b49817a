//! What becomes of what the node measures of providers (row A2).

use serde::Deserialize;

use crate::peer_node;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct QualityConfig {
    /// Whether others are told how providers served that the ledger shows this node to have paid.
    pub share: bool,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self { share: peer_node::QualityConfig::default().share }
    }
}

impl QualityConfig {
    pub fn settings(self) -> peer_node::QualityConfig {
        peer_node::QualityConfig { share: self.share }
    }
}
