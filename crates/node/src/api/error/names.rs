//! What goes wrong with names. Nothing was sent then.

use byway_primitives::IdentityId;
use byway_records::names::Name;

use super::{ApiError, ErrorKind};

impl ApiError {
    /// `taken` is the name itself, or one that looks like it.
    pub fn name_taken(name: &Name, taken: &Name, owner: IdentityId) -> Self {
        let why = if name == taken {
            format!("The name {name} is taken.")
        } else {
            format!("The name {name} looks like {taken}, which is taken.")
        };
        Self::new(ErrorKind::NameTaken, why, format!("`byway name show {taken}` says until when; choose another."))
            .with("looks_like", taken.as_str().into())
            .with("owner", owner.to_string().into())
    }

    pub fn name_not_found(name: &Name) -> Self {
        Self::new(
            ErrorKind::NameNotFound,
            format!("Nobody has the name {name}."),
            format!("`byway name register {name}` takes it."),
        )
    }

    /// Where somebody is to be found by it.
    pub fn nobody_named(name: &Name) -> Self {
        Self::new(
            ErrorKind::NameNotFound,
            format!("Nobody has the name {name}."),
            "Look whether it is written as they write it, or ask them for a link (`byway chat invite` there).",
        )
    }

    /// Where somebody is to be found by it.
    pub fn name_looks_like(name: &Name, taken: &Name, owner: IdentityId) -> Self {
        let why = format!("Nobody has the name {name}; it looks like {taken}, which is {owner}'s.");
        let action = format!(
            "If that is whom you mean, write {taken}; if somebody gave you {name}, they may want to be taken for them."
        );
        Self::new(ErrorKind::NameNotFound, why, action)
            .with("looks_like", taken.as_str().into())
            .with("owner", owner.to_string().into())
    }

    pub fn not_your_name(name: &Name, owner: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotYourName,
            format!("The name {name} is {owner}'s, and only they can do that with it."),
            "`byway name list` shows the names of this node.",
        )
        .with("owner", owner.to_string().into())
    }

    pub fn name_contested(name: &Name) -> Self {
        Self::new(
            ErrorKind::NameContested,
            format!("Somebody who committed to {name} earlier can still take it."),
            format!("`byway name show {name}` says until when; wait until then."),
        )
    }

    pub fn name_expired(name: &Name) -> Self {
        Self::new(
            ErrorKind::NameExpired,
            format!("The time of {name} is over."),
            format!("Its owner can renew it: `byway name renew {name}`."),
        )
    }

    pub fn too_many_names_wanted(most: usize) -> Self {
        Self::new(
            ErrorKind::TooManyNamesWanted,
            format!("This node is about to take {most} names, which is as many as the ledger lets it at once."),
            "Wait until one of them is settled: `byway name list`.",
        )
    }
}
