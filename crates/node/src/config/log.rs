//! What a node writes about itself, and where to.

use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives per module such as `info,byway_kernel=debug`.
    pub level: String,
    pub to: LogTarget,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogTarget {
    /// Text on standard error.
    Terminal,
    /// JSON, one object per line, in `log/` of the node's directory.
    File,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: "info".to_owned(), to: LogTarget::Terminal }
    }
}
