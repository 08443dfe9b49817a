//! Owning kernel nodes: what calls about it take and answer, and what can be wrong (row K4).

use byway_crypto::NodeKey;
use byway_primitives::{Amount, IdentityId, Time};
use byway_records::genesis::Wait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::params::{IdempotencyKey, Params};
use super::requests::Request;
use super::words::duration;
use super::{ApiError, ErrorKind, Offence, Standing};

/// The identity with which this node owns kernel nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelOwner {
    pub owner: IdentityId,
}

/// What an entry would do, checked against the ledger as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelPlan {
    pub name: String,
    pub address: String,
    pub key: NodeKey,
    /// Who owns the node afterwards.
    pub owner: IdentityId,
    /// The seat that changes; left out where a new one is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<u8>,
    /// What is locked for it.
    pub pledge: Amount,
    /// How long that stays locked once the node has left: both must pass.
    pub lock_ms: u64,
    pub lock_commits: u64,
    /// What the wallet holds.
    pub wallet: Amount,
}

/// An entry as `byway kernel entry` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelLook {
    pub entry: String,
    /// The seat that it is to change; a new one when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelJoin {
    pub entry: String,
    pub idempotency_key: IdempotencyKey,
}

/// For calls about a seat that say no more of it: leaving, and reclaiming its pledge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelSeat {
    pub seat: u8,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelRotate {
    pub seat: u8,
    pub entry: String,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelAppeal {
    pub seat: u8,
    /// Which of its convictions; the newest when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offence: Option<Offence>,
    pub idempotency_key: IdempotencyKey,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KernelUpgrade {
    pub seat: u8,
    pub protocol: u16,
    /// The height from which on it is to be spoken.
    pub height: u64,
    pub idempotency_key: IdempotencyKey,
}

impl Request for KernelLook {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { entry: params.required("entry")?, seat: params.optional("seat")? })
    }
}

impl Request for KernelJoin {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { entry: params.required("entry")?, idempotency_key: params.required_key()? })
    }
}

impl Request for KernelSeat {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        Ok(Self { seat: params.required("seat")?, idempotency_key: params.required_key()? })
    }
}

impl Request for KernelRotate {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (seat, entry) = (params.required("seat")?, params.required("entry")?);
        Ok(Self { seat, entry, idempotency_key: params.required_key()? })
    }
}

impl Request for KernelAppeal {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (seat, offence) = (params.required("seat")?, params.optional("offence")?);
        Ok(Self { seat, offence, idempotency_key: params.required_key()? })
    }
}

impl Request for KernelUpgrade {
    fn read(params: &mut Params) -> Result<Self, ApiError> {
        let (seat, protocol, height) =
            (params.required("seat")?, params.required("protocol")?, params.required("height")?);
        Ok(Self { seat, protocol, height, idempotency_key: params.required_key()? })
    }
}

impl ApiError {
    pub fn entry_refused(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::EntryRefused,
            format!("That is no kernel node's entry: {why}."),
            "Copy the whole line that `byway kernel entry` prints on the server, or give the file that it wrote.",
        )
    }

    pub fn entry_of_other_network(theirs: byway_primitives::NetworkId) -> Self {
        Self::new(
            ErrorKind::EntryOfOtherNetwork,
            format!("The entry is for the network {theirs}, which is not this node's."),
            "Make it on the server with this network's genesis file in the configuration.",
        )
    }

    pub fn insufficient_pledge(needed: Amount, available: Amount) -> Self {
        Self::new(
            ErrorKind::InsufficientWallet,
            format!("The pledge for a kernel node is {needed} WAY, and the wallet holds {available} WAY."),
            "Send what is missing to this wallet (`byway wallet address` shows where), or wait for pending outputs.",
        )
        .with("needed", json!(needed))
        .with("available", json!(available))
    }

    /// The member in `seat` has the key, or the mesh key.
    pub fn member_key_taken(seat: u8) -> Self {
        Self::new(
            ErrorKind::MemberKeyTaken,
            format!("The kernel node in seat {seat} has a key of this entry."),
            "A key has one seat. Make another node's keys with `byway kernel init` in an empty directory.",
        )
        .with("seat", seat.into())
    }

    pub fn already_member(seat: u8) -> Self {
        Self::new(
            ErrorKind::AlreadyMember,
            format!("The kernel node of this entry has the seat {seat} already, and you own it."),
            "Nothing is to be done; `byway kernel members` shows how it stands, and `byway kernel rotate` changes it.",
        )
        .with("seat", seat.into())
    }

    pub fn kernel_full() -> Self {
        Self::new(
            ErrorKind::KernelFull,
            "Every seat of the kernel is taken.",
            "Try again when somebody has left and reclaimed the pledge.",
        )
    }

    pub fn seat_not_found(seat: u8) -> Self {
        Self::new(
            ErrorKind::SeatNotFound,
            format!("No kernel node has the seat {seat}."),
            "`byway kernel members` shows those there are.",
        )
    }

    /// `ours` is this node's owner identity.
    pub fn not_the_owner(owner: IdentityId, ours: IdentityId) -> Self {
        Self::new(
            ErrorKind::NotTheOwner,
            format!("The owner of that kernel node is {owner}; this node's keystore owns as {ours}."),
            format!("Go to the node with that owner's keystore, or have the entry made with --owner {ours}."),
        )
        .with("owner", json!(owner))
        .with("ours", json!(ours))
    }

    /// `remedy`: what is to be done first, or instead.
    pub fn wrong_standing(seat: u8, standing: Standing, remedy: &str) -> Self {
        let words = match standing {
            Standing::Candidate => "is a candidate",
            Standing::Counting => "counts",
            Standing::Marked => "is marked",
            Standing::Left => "has left",
        };
        Self::new(ErrorKind::WrongStanding, format!("The kernel node in seat {seat} {words}."), remedy)
            .with("standing", json!(standing))
    }

    pub fn too_few_members(minimum: usize) -> Self {
        Self::new(
            ErrorKind::TooFewMembers,
            format!("A network has at least {minimum} kernel nodes that count, and fewer would be left."),
            "Have another one join first.",
        )
        .with("minimum", minimum.into())
    }

    /// With what must still pass.
    pub fn pledge_locked(left: Wait, unlocks: Time) -> Self {
        Self::new(
            ErrorKind::PledgeLocked,
            format!("The pledge is locked for {} more.", wait(left)),
            "Reclaim it then; what the node signed can be punished until then.",
        )
        .with("unlocks_ms", json!(unlocks))
        .with("commits_left", left.commits.into())
    }

    /// Likewise.
    pub fn changed_lately(left: Wait, changeable: Time) -> Self {
        Self::new(
            ErrorKind::ChangedLately,
            "The kernel node was changed a short while ago.",
            format!("It can be changed again in {}.", wait(left)),
        )
        .with("changeable_ms", json!(changeable))
        .with("commits_left", left.commits.into())
    }

    pub fn conviction_not_found(seat: u8) -> Self {
        Self::new(
            ErrorKind::ConvictionNotFound,
            format!("There is no such conviction of a kernel node in seat {seat}, or the time to appeal it is over."),
            "The page Network, and kernel_evidence, show those there are.",
        )
    }

    pub fn appealed_before() -> Self {
        Self::new(ErrorKind::AppealedBefore, "The conviction is appealed already.", "Nothing is to be done.")
    }

    pub fn upgrade_refused(why: impl std::fmt::Display) -> Self {
        Self::new(
            ErrorKind::UpgradeRefused,
            format!("The upgrade can't be agreed to: {why}."),
            "`byway status` shows the height.",
        )
    }
}

/// What must pass, both in time and in commits: `21 d 0 h and 120000 commits`.
fn wait(wait: Wait) -> String {
    let Wait { millis, commits } = wait;
    match (millis.0.div_ceil(1000), commits) {
        (seconds, 0) => duration(seconds),
        (0, commits) => format!("{commits} commits"),
        (seconds, commits) => format!("{} and {commits} commits", duration(seconds)),
    }
}
