//! How what is to be said reaches somebody: parcels, kept until whoever they are for has them on disk.
//!
//! What one person's node has for another's is a [`Letter`]; its bytes are a *parcel*, named by their hash. A parcel goes to
//! the other in [parts](ChatMessage::Part), as soon as the two talk and each time they talk again, until a
//! [receipt](ChatMessage::Receipt) for it comes, which is sent once it is durable over there. So nothing is lost as long as
//! the sender's disk is not, and what comes twice is known by its name.
//!
//! - [`letter`]: the messages, and what is in parcels.
//! - [`group_letter`]: what keeps groups together. [`own_letter`]: what devices of one person say to each other.
//! - [`refusal`]: why somebody who asks is not heard.
//! - [`outbox`]: what waits for a receipt.
//! - [`inbox`]: parts become parcels again; what came before is known.

pub mod group_letter;
pub mod inbox;
pub mod letter;
pub mod outbox;
pub mod own_letter;
pub mod refusal;

pub use inbox::{Gathered, Inbox, PartFault};
pub use letter::{Ask, ChatMessage, InviteToken, Letter, ParcelId};
pub use outbox::{NotPosted, Outbox, OutboxFull};
pub use refusal::{AskRefusal, PaymentFault};
