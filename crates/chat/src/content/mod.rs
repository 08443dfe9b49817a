//! What is in a message, before it is sealed and after it is opened; and how the messages of many become what is shown.
//!
//! A [`Content`] is one thing that one device says: an [envelope](envelope) with a [`Kind`] in it. Most kinds are about a message that
//! somebody has posted: they edit it, delete it, react to it, vote in it, change it as a list. Contents cross each other on their way,
//! come twice, or come before what they are about. [`apply`](apply()) makes of them [`Item`]s, messages as they stand now, and it does not
//! depend on the order. What a content says of itself is not believed: its author is who has sealed it, and what they may do the caller
//! knows.
//!
//! Everything here was written by somebody else, perhaps to deceive. [`markdown`] reads text into a small tree in which nothing
//! executes and nothing is fetched; [`display`] and [`files`] make names harmless to look at. [`query`] is what people
//! type to find it all again, [`index`] what of a message is looked at for it.
//!
//! Bytes: docs/formats/chat.md. How much there may be of everything: [`limits`].

pub mod apply;
pub mod book;
pub mod bounded;
pub mod display;
pub mod envelope;
pub mod files;
pub mod index;
pub mod item;
mod joining;
pub mod kind;
pub mod limits;
pub mod links;
pub mod lists;
pub mod markdown;
pub mod poll;
pub mod position;
pub mod post;
pub mod query;
pub mod signs;
mod stored;

pub use apply::{About, Change, Items, Refusal, Rights, Sender, Shown, apply};
pub use envelope::{Author, Content, MessageId, MessageRef, Stamp};
pub use item::Item;
pub use kind::Kind;
