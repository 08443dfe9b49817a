//! Conversations between people (rows M2, M6, M11), with no server in the middle.
//!
//! - [`attachment`]: files beside messages, sealed, named and checked.
//! - [`backup`]: what there is, for a node that has lost its disk.
//! - [`chats`]: all of the below together, for one person on one device.
//! - [`content`]: what is in a message, and how the messages of many become what is shown.
//! - [`device`]: what an identity signs for each of its devices.
//! - [`mls`]: a conversation as one device has it: who is in it, and the keys that they have together.
//! - [`delivery`]: how what is to be said reaches whom it is for.
//! - [`hiring`]: bots that are hired, and paid for by the answer.
//! - [`holding`]: how it reaches them while they are away: others hold it for them.
//! - [`people`]: whom one knows.
//! - [`search`]: finding messages again.
//!
//! Pure code, which knows nothing of links: it says to whom what is to be brought.

pub mod attachment;
pub mod backup;
pub mod chats;
pub mod content;
pub mod delivery;
pub mod device;
pub mod hiring;
pub mod holding;
pub mod mls;
pub mod people;
pub mod search;
