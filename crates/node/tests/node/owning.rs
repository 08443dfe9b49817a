//! Owning kernel nodes over the local API: a seat is taken, changed and left, and what can't be done is told with its
//! reason.

use byway_crypto::noise::StaticKey;
use byway_node::api::*;
use byway_primitives::{Amount, Hash, NetworkId};
use byway_records::{Member, SignedEntry};

use super::network::{Network, Node, USERS, key, keystore};

/// The seat that a fifth kernel node gets.
const FIFTH: u8 = 4;

impl Network {
    fn entry(&self, name: &str, member: Member) -> String {
        SignedEntry::sign(member, &keystore(name).kernel_node(), self.genesis.network()).to_string()
    }
}

async fn join(node: &Node, entry: &str, once: &str) -> Answer<Entry> {
    let request = KernelJoin { entry: entry.to_owned(), idempotency_key: key(once) };
    node.api.kernel_join(request).await
}

fn seat(seat: u8, once: &str) -> KernelSeat {
    KernelSeat { seat, idempotency_key: key(once) }
}

async fn rotate(node: &Node, seat: u8, entry: &str, once: &str) -> Answer<Entry> {
    let request = KernelRotate { seat, entry: entry.to_owned(), idempotency_key: key(once) };
    node.api.kernel_rotate(request).await
}

fn kind<T: std::fmt::Debug>(answer: Answer<T>) -> ErrorKind {
    answer.unwrap_err().kind
}

/// Waits until the kernel node in this seat stands so.
async fn until(node: &Node, index: u8, standing: Standing) -> KernelMember {
    node.until(&format!("seat {index} is {standing:?}"), async |api| {
        let members = api.kernel_members().await.ok()?;
        members.into_iter().find(|member| member.index == index && member.standing == standing)
    })
    .await
}

/// Entries with which no seat is taken, each with its reason.
async fn entries_that_are_refused(network: &Network, user: &Node, member: &Member, entry: &str) {
    let ours = member.owner;
    let founder = network.genesis.members.get(0).unwrap();
    for (what, entry, expected) in [
        ("no entry", "waynode00".to_owned(), ErrorKind::EntryRefused),
        ("somebody's possession", entry.replace(&hex::encode("fifth"), &hex::encode("sixth")), ErrorKind::EntryRefused),
        (
            "of another network",
            SignedEntry::sign(member.clone(), &keystore("fifth").kernel_node(), NetworkId(Hash([1; 32]))).to_string(),
            ErrorKind::EntryOfOtherNetwork,
        ),
        (
            "of another owner",
            network.entry("fifth", Member { owner: founder.owner, ..member.clone() }),
            ErrorKind::NotTheOwner,
        ),
        (
            "with a founder's key",
            network.entry("k0", Member { owner: ours, ..founder.clone() }),
            ErrorKind::MemberKeyTaken,
        ),
        (
            "with a founder's mesh key",
            network.entry("fifth", Member { mesh: founder.mesh, ..member.clone() }),
            ErrorKind::MemberKeyTaken,
        ),
    ] {
        assert_eq!(kind(join(user, &entry, "refused").await), expected, "{what}");
        let look = KernelLook { entry, seat: None };
        assert_eq!(kind(user.api.kernel_look(look).await), expected, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_is_taken_changed_and_left() {
    let network = Network::start(&["poor"], &[]).await;
    let user = network.node("user", "").await;
    user.until("the node follows", async |api| api.node_status().await.ok()?.ledger.lag_ms).await;
    let ours = user.api.kernel_owner().await.unwrap().owner;
    assert_eq!(ours, keystore("user").kernel_owner().id());

    let (fifth, member) = network.newcomer("fifth").await;
    let member = Member { owner: ours, ..member };
    let entry = network.entry("fifth", member.clone());
    entries_that_are_refused(&network, &user, &member, &entry).await;
    let founding = USERS as u8;
    assert_eq!(kind(user.api.kernel_leave(seat(founding, "few")).await), ErrorKind::TooFewMembers);
    assert_eq!(kind(user.api.kernel_leave(seat(0, "theirs")).await), ErrorKind::NotTheOwner);
    assert_eq!(kind(user.api.kernel_leave(seat(FIFTH, "none")).await), ErrorKind::SeatNotFound);

    let poor = network.node("poor", "").await;
    let theirs = poor.api.kernel_owner().await.unwrap().owner;
    let too_much = join(&poor, &network.entry("fifth", Member { owner: theirs, ..member.clone() }), "poor").await;
    let too_much = too_much.unwrap_err();
    assert_eq!(too_much.kind, ErrorKind::InsufficientWallet);
    assert_eq!(too_much.details["needed"], serde_json::json!("10000"));

    let plan = user.api.kernel_look(KernelLook { entry: entry.clone(), seat: None }).await.unwrap();
    let lock = network.genesis.parameters.pledge_lock;
    assert_eq!((plan.lock_ms, plan.lock_commits), (lock.millis.0, lock.commits));
    let paid = join(&user, &entry, "join").await.unwrap();
    assert_eq!((paid.kind, paid.amount), (EntryKind::NodePledge, Amount::from_coins(10_000)));
    assert_eq!(join(&user, &entry, "join").await.unwrap().transaction_id, paid.transaction_id, "the same key again");
    let counting = until(&user, FIFTH, Standing::Counting).await;
    assert_eq!((counting.pledge, counting.owner, &*counting.name), (plan.pledge, ours, "fifth"));
    assert_eq!(user.api.kernel_status().await.unwrap().size, 5);

    let already = join(&user, &entry, "again").await.unwrap_err();
    assert_eq!((already.kind, &already.details["seat"]), (ErrorKind::AlreadyMember, &serde_json::json!(FIFTH)));
    assert_eq!(kind(user.api.kernel_reclaim(seat(FIFTH, "early")).await), ErrorKind::WrongStanding);
    let upgrade = KernelUpgrade { seat: FIFTH, protocol: 2, height: 1, idempotency_key: key("past") };
    assert_eq!(kind(user.api.kernel_upgrade(upgrade).await), ErrorKind::UpgradeRefused);
    let appeal = KernelAppeal { seat: FIFTH, offence: None, idempotency_key: key("appeal") };
    assert_eq!(kind(user.api.kernel_appeal(appeal).await), ErrorKind::ConvictionNotFound);

    assert_eq!(kind(rotate(&user, FIFTH, &entry, "same").await), ErrorKind::AlreadyMember);

    // Another name and another mesh key; the process goes on under the old one and is dialled under the new in vain.
    let renamed = Member { name: "fifth-again".into(), mesh: StaticKey::of(&[5; 32]), ..member.clone() };
    let renamed = network.entry("fifth", renamed);
    assert_eq!(kind(rotate(&user, 0, &renamed, "theirs-too").await), ErrorKind::NotTheOwner);
    assert_eq!(kind(rotate(&user, founding, &renamed, "twice").await), ErrorKind::MemberKeyTaken);
    assert_eq!(rotate(&user, FIFTH, &renamed, "rotate").await.unwrap().kind, EntryKind::NodeCall);
    user.until("the new name", async |api| {
        let members = api.kernel_members().await.ok()?;
        members.into_iter().find(|member| member.name == "fifth-again" && member.changeable_ms.is_some())
    })
    .await;
    assert_eq!(kind(rotate(&user, FIFTH, &entry, "too-soon").await), ErrorKind::ChangedLately);

    // Five count, so one may leave, and then no other.
    user.api.kernel_leave(seat(FIFTH, "leave")).await.unwrap();
    let left = until(&user, FIFTH, Standing::Left).await;
    assert!(left.unlocks_ms.is_some() && left.unlocks_commits.is_some());
    assert_eq!(kind(user.api.kernel_leave(seat(FIFTH, "leave-again")).await), ErrorKind::WrongStanding);
    assert_eq!(kind(rotate(&user, FIFTH, &entry, "left").await), ErrorKind::WrongStanding);
    let locked = user.api.kernel_reclaim(seat(FIFTH, "locked")).await.unwrap_err();
    assert_eq!(locked.kind, ErrorKind::PledgeLocked);
    assert!(locked.details["commits_left"].as_u64().unwrap() > 0, "{locked}");
    assert_eq!(user.api.kernel_status().await.unwrap().size, 4);
    fifth.stop().await;
}
