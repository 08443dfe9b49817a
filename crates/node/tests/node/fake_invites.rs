//! What the fake node says of its network and its invites.

use byway_node::api::*;
use byway_primitives::{Amount, Hash, NetworkId, Time};
use byway_records::TransactionId;

pub fn network() -> NetworkInvitation {
    let network = NetworkId(Hash([0; 32]));
    NetworkInvitation { link: "byway:net/".to_owned(), network, name: "test".to_owned() }
}

pub fn taken(number: InviteNumber) -> GivenInvite {
    GivenInvite {
        number,
        coins: Amount::from_coins(20),
        pledge: Amount::from_coins(1),
        created_ms: Time(1_000),
        expires_ms: Some(Time(9_000)),
        stage: InviteStage::Taken,
        ended_ms: Some(Time(2_000)),
        transaction_id: TransactionId(Hash([6; 32])),
    }
}

/// As it is asked for; its payment is under way.
pub fn paid(request: &InviteNew) -> GivenInvite {
    let pledge = if request.pledge { Amount::from_coins(1) } else { Amount::ZERO };
    let expires_ms = request.within_seconds.map(|seconds| Time(1_000 * seconds));
    let (coins, stage) = (request.coins, InviteStage::Paying);
    GivenInvite { coins, pledge, expires_ms, stage, ended_ms: None, ..taken(InviteNumber(1)) }
}

pub fn open(number: InviteNumber) -> InviteLink {
    let invite = GivenInvite { stage: InviteStage::Open, ended_ms: None, ..taken(number) };
    InviteLink { invite, link: Some("byway:invite/a/b".to_owned()) }
}

pub fn list() -> InviteList {
    let lost = AcceptedInvite {
        transaction_id: TransactionId(Hash([6; 32])),
        amount: Amount::from_coins(21),
        accepted_ms: Time(1_000),
        stage: ClaimStage::Lost,
        reason: Some("somebody else took it".to_owned()),
    };
    InviteList { given: vec![taken(InviteNumber(1))], accepted: vec![lost] }
}
