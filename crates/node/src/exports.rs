//! Exports of a peer's books of payment as files, and putting them back (rows A4, I1).
//!
//! A file is what `byway_dialogue::payment::export` holds, sealed by `byway_crypto::export` under the seed phrase. It is made
//! by a running node, for whoever asks and by itself ([`peer_node`](crate::peer_node)), and put back into the folder of a
//! node that does not run. Putting back joins it with what is there, so nothing that a node knows is ever lost by it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use byway_crypto::ExportKey;
use byway_crypto::export::{FILE_BYTES_MAX, OpenError, TooLong};
use byway_dialogue::payment::export::FalsePromise;
use byway_dialogue::payment::{Export, JournalError};
use byway_driver::disk::{Disk, DiskError, SealKey};
use byway_driver::entropy;
use byway_peer::market;
use byway_primitives::codec::{DecodeError, decode_exact};
use byway_primitives::{Encode, IdentityId, NetworkId, Time, Token};

use crate::directory::{Directory, DirectoryError};
use crate::peer_node::{LEDGER_JOURNAL, MARKET_JOURNAL, note_put_back};

/// Why an export can't be read or put back.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("{path} can't be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} can't be opened: {source}")]
    Open { path: PathBuf, source: OpenError },
    #[error("{path} opens, but this version can't read what is in it ({source}); use the version that made it")]
    Content { path: PathBuf, source: DecodeError },
    #[error(
        "it is of the network {theirs}, and this node's is {ours}; name the configuration of that network with --config"
    )]
    Network { ours: NetworkId, theirs: NetworkId },
    #[error(
        "it is of the identity {theirs}, and this node works under {ours}: restore the phrase with the --device number that \
         the lost node had, and use its configuration (one with [provider] sells, one without browses)"
    )]
    Identity { ours: IdentityId, theirs: IdentityId },
    #[error(transparent)]
    False(#[from] FalsePromise),
    #[error(
        "it is older than what is in {0}, or as old: all that it holds is known there, and nothing was changed. If that \
         folder was itself put back from an older copy, say so with --rolled-back: the node must not promise again under \
         serials that it has used since"
    )]
    NothingNew(PathBuf),
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// An export as a file's content.
pub fn seal(key: &ExportKey, export: &Export) -> Result<Vec<u8>, TooLong> {
    let (first, second) = (entropy::seed(), entropy::number());
    let mut nonce = [0; 24];
    nonce[..16].copy_from_slice(&first[..16]);
    nonce[16..].copy_from_slice(&second.to_le_bytes());
    key.seal(&export.to_bytes(), nonce)
}

/// Reads and opens a file.
pub fn read(path: &Path, key: &ExportKey) -> Result<Export, ExportError> {
    let failed = |source| ExportError::Read { path: path.to_owned(), source };
    let mut sealed = Vec::new();
    let file = File::open(path).map_err(failed)?;
    // One byte more than may be there, so that a longer file is seen to be one.
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut sealed).map_err(failed)?;
    let content = key.open(&sealed).map_err(|source| ExportError::Open { path: path.to_owned(), source })?;
    decode_exact(&content).map_err(|source| ExportError::Content { path: path.to_owned(), source })
}

/// Puts an export back into the folder of a node that does not run (`directory` must be locked by the caller) and works
/// under `identity`. What is owed is settled when the node runs. A folder that `is_rolled_back` was put back from an older copy of
/// itself.
pub fn put_back(
    directory: &Directory,
    journals_key: &SealKey,
    export: &Export,
    network: NetworkId,
    identity: IdentityId,
    now: Time,
    is_rolled_back: bool,
) -> Result<(), ExportError> {
    if export.network != network {
        return Err(ExportError::Network { ours: network, theirs: export.network });
    }
    if export.identity != identity {
        return Err(ExportError::Identity { ours: identity, theirs: export.identity });
    }
    export.check()?;
    let disk = Disk::open(&directory.store_folder())?;
    let sealed = |name| disk.sealed_journal(name, journals_key);
    let (ledger, market) = (sealed(LEDGER_JOURNAL)?, sealed(MARKET_JOURNAL)?);
    let books = market::put_back(export, &market, now, is_rolled_back)?;
    let books = books.ok_or_else(|| ExportError::NothingNew(directory.root().to_owned()))?;
    let owed = export.pairs.iter().filter_map(|pair| Some((pair.peer, pair.owed_last()?)));
    let owed: BTreeMap<_, _> = owed.collect();
    // First the wish to settle, which is harmless without the books; with the books alone nothing would be settled soon.
    ledger.write(note_put_back(&owed), Token(0))?;
    ledger.flush()?;
    market.write(books, Token(0))?;
    market.flush()?;
    Ok(())
}
