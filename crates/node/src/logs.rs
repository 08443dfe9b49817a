//! Logs: text for a person at a terminal, or JSON lines in the node's directory.
//!
//! What must never be logged (keys, tokens, payloads, who visits what) is kept out where it is known: secrets have no
//! `Debug` that shows them, and libraries that would name destinations, or flood the terminal, are kept to warnings unless
//! they are asked for by name.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::config::{LogConfig, LogTarget};
use crate::directory::Directory;
use crate::files;

/// Overrides the configured level.
pub const LOG_VARIABLE: &str = "BYWAY_LOG";

/// A log file that is longer when a node starts is set aside.
const FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Set-aside log files that are kept.
const FILES_KEPT: u32 = 4;
const FILE_NAME: &str = "byway.jsonl";

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("the log {path} can't be written: {source}; check who owns it, or set log.to = \"terminal\"")]
    File { path: PathBuf, source: io::Error },
    #[error("{LOG_VARIABLE}={0} is no log level; write info or debug")]
    Level(String),
}

/// Turns logging on for the life of the process. A second call changes nothing.
pub fn init(config: &LogConfig, directory: &Directory) -> Result<(), LogError> {
    let level = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| config.level.clone());
    let filter = filter(&level).ok_or(LogError::Level(level))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_span_events(FmtSpan::NONE);
    // Tests and several nodes in one process share the first subscriber.
    let _ = match config.to {
        LogTarget::Terminal => {
            // Colours are for people: a journal or a file would hold their codes.
            let is_terminal = io::stderr().is_terminal();
            builder.with_writer(io::stderr).with_ansi(is_terminal).with_target(false).try_init()
        }
        LogTarget::File => builder.json().with_writer(Mutex::new(open(&directory.log_folder())?)).try_init(),
    };
    Ok(())
}

/// Libraries kept to warnings, or to nothing: resolvers, which name what clients visit; the storage engine, which tells of every
/// table it opens; and that of conversations, to which every frame that comes twice is an error. Who calls it says what was refused.
const QUIET: [(&str, &str); 6] = [
    ("hickory_net", "warn"),
    ("hickory_proto", "warn"),
    ("hickory_resolver", "warn"),
    ("fjall", "warn"),
    ("lsm_tree", "warn"),
    ("openmls", "off"),
];

/// The filter that a level or a list of directives means.
pub(crate) fn filter(level: &str) -> Option<EnvFilter> {
    let mut filter = EnvFilter::try_new(level).ok()?;
    for (library, quiet) in QUIET.iter().filter(|(library, _)| !level.contains(library)) {
        filter = filter.add_directive(format!("{library}={quiet}").parse().ok()?);
    }
    Some(filter)
}

fn open(folder: &Path) -> Result<File, LogError> {
    let path = folder.join(FILE_NAME);
    files::create_private_folder(folder)
        .and_then(|()| set_aside(&path))
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .map_err(|source| LogError::File { path, source })
}

/// Makes room for a new file where the present one has grown long.
fn set_aside(path: &Path) -> io::Result<()> {
    if !std::fs::metadata(path).is_ok_and(|file| file.len() > FILE_BYTES_MAX) {
        return Ok(());
    }
    let numbered = |number: u32| path.with_extension(format!("{number}.jsonl"));
    for number in (1..FILES_KEPT).rev() {
        if numbered(number).exists() {
            std::fs::rename(numbered(number), numbered(number + 1))?;
        }
    }
    std::fs::rename(path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_never_name_what_clients_visit() {
        for (level, quiet) in [("debug", true), ("trace,byway_node=info", true), ("info,hickory_net=debug", false)] {
            let filter = filter(level).unwrap().to_string();
            assert_eq!(filter.contains("hickory_net=warn"), quiet, "{level}: {filter}");
            assert!(filter.contains("hickory_proto=warn"), "{level}: {filter}");
        }
    }

    #[test]
    fn long_files_are_set_aside_and_few_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        for _ in 0..FILES_KEPT + 2 {
            File::create(&path).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
            open(folder.path()).unwrap();
        }
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1 + FILES_KEPT as usize);
    }

    #[test]
    fn levels() {
        for (level, valid) in [("info", true), ("info,byway_kernel=debug", true), ("=", false), ("a=b=c", false)] {
            assert_eq!(filter(level).is_some(), valid, "{level}");
        }
    }
}
