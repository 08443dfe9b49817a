//! Good exports of books, opened and sealed, and what mirrors say.

use std::sync::LazyLock;

use byway_crypto::ExportKey;
use byway_crypto::phrase::Phrase;
use byway_primitives::Encode;

use super::{Samples, dialogue, one};

pub(crate) fn payment_export() -> Samples {
    one(dialogue::export())
}

/// The key of an export.
pub(crate) fn export_key() -> &'static ExportKey {
    static KEY: LazyLock<ExportKey> = LazyLock::new(|| Phrase::from_entropy(&[0; 32]).seed().export_key());
    &KEY
}

pub(crate) fn mirror_message() -> Samples {
    byway_driver::mirror::samples()
}

pub(crate) fn open_export() -> Samples {
    let sealed = export_key().seal(&dialogue::export().to_bytes(), [7; 24]);
    sealed.into_iter().collect()
}
