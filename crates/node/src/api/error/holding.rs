//! What goes wrong with holding.

use byway_primitives::IdentityId;

use super::{ApiError, ErrorKind};

impl ApiError {
    pub fn hold_full(most: usize) -> Self {
        Self::new(
            ErrorKind::HoldFull,
            format!("{most} hold for this node already, which is as many as may be."),
            "Have one of them hold no more first: `byway hold status`, `byway hold leave`.",
        )
    }

    pub fn no_holder() -> Self {
        Self::new(
            ErrorKind::NoHolder,
            "Nobody else on the market holds for so little.",
            "Allow a higher price, or name somebody: an identity, or a card as `byway identity card` prints one.",
        )
    }

    pub fn not_held_by(holder: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotHeldBy,
            format!("{holder} does not hold for this node."),
            "`byway hold status` shows who does.",
        )
        .with("holder", holder.to_string().into())
    }

    pub fn holder_unregistered(holder: IdentityId) -> Self {
        Self::new(
            ErrorKind::HolderUnregistered,
            format!("{holder} is not registered, and the ledger names nobody as a holder who is not."),
            "Have it registered there (`byway identity register`), or name another: `byway hold find`.",
        )
        .with("holder", holder.to_string().into())
    }
}
