//! The books of payment where another disk has them: exports for whoever asks, exports by itself, and what happens after
//! one was put back (rows A4, I1).
//!
//! **Never over what is worth more.** A node that begins with an empty folder would write empty books over the very file that
//! it should have been given. So before its first export it opens the file that is there. If that holds anything that this
//! node does not know, or can't be opened, it is left alone until a person has put it back or moved it away.
//!
//! **After an export was put back** each promise in it is settled, as soon as the ledger has been read far enough to say what
//! of it was settled already. A settlement that the ledger turns down is left to the usual rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use byway_crypto::ExportKey;
use byway_dialogue::payment::Export;
use byway_primitives::{Amount, Batch, Encode, Hash, IdentityId, NetworkId, Space, Span, Store, Time, hash};
use byway_records::Promise;

use super::{Actor, Arrival};
use crate::api::{BackupExport, BackupView};
use crate::{exports, files};

/// By peer: the last promise that was put back and is to be settled.
const PUT_BACK: Space = Space("put-back");
const CONTENT: hash::Context = hash::Context("byway 1 export: content");
/// Who is not further behind than this knows what was settled.
const LAG_MAX_MS: u64 = 5_000;

/// Where and how often books are exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    pub file: PathBuf,
    pub every: Span,
}

/// What the node knows of its exports.
pub(super) struct Exporting {
    key: ExportKey,
    automatic: Option<Automatic>,
    put_back: BTreeMap<IdentityId, (u64, Amount)>,
}

/// Exports that are made by themselves.
struct Automatic {
    settings: ExportSettings,
    due: Time,
    state: State,
    /// What was written last, without its time, and when it was seen to be so.
    written: Option<(Hash, Time)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// The file that is there has not been looked at.
    Unseen,
    Idle,
    Writing,
    /// With what is in the way.
    Failed(String),
}

/// What to write into the ledger's journal so that promises which are put back are settled.
pub(crate) fn note_put_back(owed: &BTreeMap<IdentityId, Promise>) -> Batch {
    let mut batch = Batch::new();
    for (peer, promise) in owed {
        let value = [&promise.serial.to_be_bytes()[..], &promise.amount.units().to_be_bytes()].concat();
        batch.put(PUT_BACK, peer.0, value);
    }
    batch
}

fn read_put_back(store: &impl Store) -> BTreeMap<IdentityId, (u64, Amount)> {
    let stored = store.scan_prefix(PUT_BACK, &[]).into_iter();
    let read = stored.filter_map(|(peer, value)| {
        let (serial, amount) = value.split_first_chunk()?;
        let amount = Amount::from_units(u128::from_be_bytes(amount.try_into().ok()?));
        Some((IdentityId(peer.try_into().ok()?), (u64::from_be_bytes(*serial), amount)))
    });
    read.collect()
}

impl Exporting {
    pub fn open(key: ExportKey, settings: Option<ExportSettings>, ledger: &impl Store) -> Self {
        let automatic =
            settings.map(|settings| Automatic { settings, due: Time::ZERO, state: State::Unseen, written: None });
        Self { key, automatic, put_back: read_put_back(ledger) }
    }
}

impl Actor {
    /// The books, sealed, for whoever asks.
    pub(super) fn export(&self) -> Option<BackupExport> {
        let export = self.market.export(self.clock.now(), &self.market_journal);
        let sealed = exports::seal(&self.exporting.key, &export);
        let content = sealed.inspect_err(|error| tracing::error!(%error, "the books can't be exported")).ok()?;
        Some(BackupExport {
            made_ms: export.made,
            identity: export.identity,
            peers: export.pairs.len() as u64,
            left_out: export.left_out,
            unsettled: export.unsettled(),
            content: hex::encode(content),
        })
    }

    /// How exports by themselves get on, where there are any.
    pub(super) fn backup_view(&self) -> Option<BackupView> {
        let Automatic { settings, state, written, .. } = self.exporting.automatic.as_ref()?;
        Some(BackupView {
            file: settings.file.display().to_string(),
            every_ms: settings.every,
            written_ms: written.map(|(_, at)| at),
            problem: match state {
                State::Failed(why) => Some(why.clone()),
                _ => None,
            },
        })
    }

    /// Exports when it is time.
    pub(super) fn tend_exports(&mut self) {
        let now = self.clock.now();
        let Some(automatic) = &self.exporting.automatic else { return };
        if now < automatic.due || automatic.state == State::Writing {
            return;
        }
        let Some((file, sealed, content)) = self.next_export() else { return };
        let arrive = self.arrive.clone();
        tokio::task::spawn_blocking(move || {
            let result = files::write_secret(&file, &sealed).map_err(|error| error.to_string());
            // The task is gone only when the node has stopped.
            let _ = arrive.blocking_send(Arrival::Exported { content, result });
        });
    }

    /// What is to be written now; nothing where the file holds it already or is not to be touched.
    fn next_export(&mut self) -> Option<(PathBuf, Vec<u8>, Hash)> {
        let now = self.clock.now();
        let Self { exporting: Exporting { key, automatic, .. }, market, market_journal, network, config, .. } = self;
        let automatic = automatic.as_mut()?;
        automatic.due = now + automatic.settings.every;
        if matches!(automatic.state, State::Unseen | State::Failed(_)) {
            let whose = (*network, config.identity.id());
            if let Err(why) = may_be_replaced(&automatic.settings.file, key, whose, market_journal) {
                if automatic.state != State::Failed(why.clone()) {
                    tracing::error!(file = %automatic.settings.file.display(), why, "the books are not exported");
                }
                automatic.state = State::Failed(why);
                return None;
            }
            automatic.state = State::Idle;
        }
        let export = market.export(now, market_journal);
        let content = CONTENT.hash(&[&Export { made: Time::ZERO, ..export.clone() }.to_bytes()]);
        if let Some((written, at)) = &mut automatic.written
            && *written == content
        {
            *at = now;
            return None;
        }
        match exports::seal(key, &export) {
            Ok(sealed) => {
                automatic.state = State::Writing;
                Some((automatic.settings.file.clone(), sealed, content))
            }
            Err(error) => {
                automatic.state = State::Failed(error.to_string());
                None
            }
        }
    }

    pub(super) fn exported(&mut self, content: Hash, result: Result<(), String>) {
        let now = self.clock.now();
        let Some(automatic) = &mut self.exporting.automatic else { return };
        match result {
            Ok(()) => (automatic.written, automatic.state) = (Some((content, now)), State::Idle),
            Err(why) => {
                tracing::error!(file = %automatic.settings.file.display(), why, "the books can't be exported");
                automatic.state = State::Failed(format!("{why}; check that the folder exists and has room"));
            }
        }
    }

    /// The last export of a node that stops: nothing comes after it.
    pub(super) fn export_at_the_end(&mut self) {
        if let Some((file, sealed, _)) = self.next_export()
            && let Err(error) = files::write_secret(&file, &sealed)
        {
            tracing::error!(file = %file.display(), %error, "the books can't be exported");
        }
    }

    /// Settles what was put back.
    pub(super) fn tend_put_back(&mut self) {
        if self.exporting.put_back.is_empty() || self.lag().is_none_or(|lag| lag > LAG_MAX_MS) {
            return;
        }
        let now = self.clock.now();
        for (peer, (serial, amount)) in self.exporting.put_back.clone() {
            let Some(pair) = self.market.pair(peer) else { continue };
            let is_open = pair.taken.iter().any(|taken| {
                let promise = &taken.promise.promise;
                let settled = promise.amount.saturating_sub(taken.unsettled);
                promise.serial < serial || (promise.serial == serial && settled < amount)
            });
            if !is_open {
                self.settled_put_back(peer);
            } else if pair.settling.is_none() {
                self.settle_later.entry(peer).or_insert(now);
            }
        }
    }

    /// Nothing more is to be settled of what was put back from `peer`: it is, or the ledger turned it down.
    pub(super) fn settled_put_back(&mut self, peer: IdentityId) {
        if self.exporting.put_back.remove(&peer).is_some() {
            let mut batch = Batch::new();
            batch.delete(PUT_BACK, peer.0);
            self.write_ledger(batch);
        }
    }
}

/// Whether the node knows all that is in the file, or there is none; else why it is left alone.
fn may_be_replaced(
    file: &Path,
    key: &ExportKey,
    whose: (NetworkId, IdentityId),
    journal: &impl Store,
) -> Result<(), String> {
    match file.try_exists() {
        Ok(false) => return Ok(()),
        Ok(true) => {}
        Err(error) => return Err(format!("it can't be looked at: {error}")),
    }
    let there = exports::read(file, key).map_err(|error| format!("{error}. Move it away, or name another file"))?;
    if (there.network, there.identity) != whose {
        return Err("it is of another network or identity. Move it away, or name another file".to_owned());
    }
    let news = there.news(journal).map_err(|error| error.to_string())?;
    match news.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the file that is there holds promises with {} peers that this node does not know. Stop the node and put it back \
             (`byway backup restore`), or move it away",
            news.len()
        )),
    }
}
