//! Services that plug in (`[[provider.plugged]]`, row A11).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byway_primitives::Amount;
use byway_records::offer::Service;
use serde::Deserialize;

use super::{Problem, problem};
use crate::plugged::{PluggedSelling, Source};

/// A program that provides a service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluggedConfig {
    /// The service's name, with a hyphen in it.
    pub service: String,
    pub price_per_mb: Amount,
    /// The program and its arguments, which the node starts …
    pub command: Option<Vec<String>>,
    /// … with this in its environment …
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// … or the socket of one that somebody else runs.
    pub socket: Option<PathBuf>,
}

impl PluggedConfig {
    pub(super) fn check(&self) -> Result<(), Problem> {
        const KEY: &str = "provider.plugged.service";
        if Service::of_name(&self.service).is_none() {
            let remedy = "use 3 to 32 of a-z, 0-9 and single hyphens, one hyphen at least, such as http-fetch";
            return Err(problem(KEY, &self.service, "it is no name for a service that plugs in", remedy));
        }
        let remedy = "give `command` for a program that the node starts, or `socket` for one that runs already";
        match (&self.command, &self.socket) {
            (Some(command), None) if command.is_empty() => {
                Err(problem("provider.plugged.command", "[]", "there is no program in it", remedy))
            }
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (Some(_), Some(_)) => Err(problem(KEY, &self.service, "it has two programs", remedy)),
            (None, None) => Err(problem(KEY, &self.service, "it has no program", remedy)),
        }
    }

    /// Paths count from `folder`.
    pub(super) fn resolve(&mut self, folder: &Path) {
        if let Some(socket) = &mut self.socket {
            *socket = folder.join(&*socket);
        }
        // A program's name without a path is looked for where programs are.
        if let Some(program) = self.command.as_mut().and_then(|command| command.first_mut())
            && program.contains('/')
        {
            *program = folder.join(&*program).display().to_string();
        }
    }

    /// As the node sells it, by its number on the market.
    pub fn selling(&self) -> Option<(Service, PluggedSelling)> {
        let source = match (&self.command, &self.socket) {
            (Some(command), None) => {
                Source::Command { command: command.clone(), environment: self.environment.clone() }
            }
            (_, socket) => Source::Socket(socket.clone()?),
        };
        let selling = PluggedSelling { name: self.service.clone(), price_per_mb: self.price_per_mb, source };
        Some((selling.service()?, selling))
    }
}
