//! Whether a phone can open the node.

use super::{Verdict, good, note};
use crate::api::PhoneStatus;

/// Nothing is said of a door that nobody asked for.
pub(super) fn phones(status: &PhoneStatus) -> Option<Verdict> {
    let url = status.url.as_ref()?;
    let linked = match status.phones.len() {
        0 => "none is linked".to_owned(),
        1 => "one is linked".to_owned(),
        many => format!("{many} are linked"),
    };
    Some(match status.public {
        true => note(
            "phone_public",
            format!("Phones open this node at {url}, which others than the local network may reach; {linked}."),
            "Name a private address (phone.listen), or leave it out, unless you meant it.",
        ),
        false => good("phones", format!("Phones in the local network open this node at {url}; {linked}.")),
    })
}
