//! Encodings frozen by digest: if one of these changes, old snapshots don't verify and nodes of two versions don't
//! understand each other.

use byway_kernel::{MemberIndex, VerifiedSnapshot};
use byway_primitives::hash::Context;
use byway_primitives::{Decode, Encode, Hash};

use crate::fixed;

const FROZEN: Context = Context("byway test frozen encoding");

fn digest(name: &str, bytes: &[u8]) -> String {
    format!("{name}: {} {}", bytes.len(), &FROZEN.hash(&[bytes]).to_string()[..16])
}

/// Length and digest of an encoding, on one line. Also checks that it decodes to the same value.
fn line<T: Encode + Decode + PartialEq + std::fmt::Debug>(name: &str, value: &T) -> String {
    let bytes = value.to_bytes();
    assert_eq!(T::from_bytes(&bytes).as_ref(), Ok(value), "{name}");
    digest(name, &bytes)
}

fn lines<T: Encode + Decode + PartialEq + std::fmt::Debug>(values: &[(&'static str, T)]) -> Vec<String> {
    values.iter().map(|(name, value)| line(name, value)).collect()
}

/// Bytes, hash and author's signature.
#[test]
fn snapshots_are_frozen() {
    let snapshots = fixed::snapshots();
    for snapshot in &snapshots {
        let verified = VerifiedSnapshot::verify(&fixed::committee(), snapshot.bytes().clone());
        assert_eq!(verified.as_ref(), Ok(snapshot));
    }
    let [full, first] = snapshots;
    let hash = |hash: Hash| hash.to_string()[..16].to_owned();
    let found = [
        line("header", full.header()),
        line("first header", first.header()),
        line("reference", &fixed::reference()),
        line("vote", &full.header().votes[0]),
        line("member", &MemberIndex(49)),
        digest("snapshot", full.bytes()),
        digest("first snapshot", first.bytes()),
        format!("snapshot hash: {}", hash(full.hash())),
        format!("first snapshot hash: {}", hash(first.hash())),
    ];
    assert_eq!(found, FROZEN_SNAPSHOTS);
}

#[test]
fn messages_between_nodes_are_frozen() {
    assert_eq!(lines(&fixed::messages()), FROZEN_MESSAGES);
}

#[test]
fn messages_of_followers_are_frozen() {
    assert_eq!(lines(&fixed::requests()), FROZEN_REQUESTS);
    assert_eq!(lines(&fixed::answers()), FROZEN_ANSWERS);
    assert_eq!(line("step", &fixed::step()), FROZEN_STEP);
}

const FROZEN_SNAPSHOTS: [&str; 9] = [
    "header: 578 f52b304c7e832b15",
    "first header: 15 ae65b8608d156004",
    "reference: 35 2f245f8884a94108",
    "vote: 97 d01e9c2453417031",
    "member: 1 9944fb38fc904b9b",
    "snapshot: 850 12b5f66a76263aac",
    "first snapshot: 80 71de983ad8cd79ed",
    "snapshot hash: 361292af583e0331",
    "first snapshot hash: 1da2e281066c1816",
];
const FROZEN_MESSAGES: [&str; 8] = [
    "snapshots: 935 e5483117a3cdc1c5",
    "status: 5 bd80cb8e334d5945",
    "want: 72 da586ccf8856b3c4",
    "want rounds: 5 6d2064b13b37098f",
    "rounds sent: 5 a9395a69c1fec8a9",
    "want steps: 3 962b685c7ad0e551",
    "want closing: 3 968af84ff0360032",
    "steps: 901 32360fde974cd0e3",
];
const FROZEN_REQUESTS: [&str; 20] = [
    "follow: 6 9155694811e7e902",
    "submit: 6 c8772338b78d0e74",
    "submit stamped: 8 639ed8e9fa6772cf",
    "stage: 33 8568a1c683ce9f71",
    "status: 1 cb8bcb2eef183f49",
    "pulse: 3 4437bd9463e97945",
    "find: 33 c3c6bcc13b967e7c",
    "explore certificates: 4 7640a37c34a4dba8",
    "explore proof: 34 72279099f8bf6928",
    "explore snapshots: 5 d6fdb31f61a352e1",
    "explore outputs: 69 8747c8d931030d01",
    "explore evidence: 2 fc203af5b729c821",
    "explore members: 2 a5761d95dd4f9060",
    "light epochs: 4 0ca224671dec7b82",
    "light newest: 2 277ba884a44ec6d0",
    "light beginning: 4 8dec9bfa7329d888",
    "light transaction: 34 3b6cfa6230e5cb31",
    "light body: 34 668104248e8f8ba2",
    "light entry: 24 5a4ec191d52864e2",
    "genesis: 1 bab13cd8c6f6e420",
];
const FROZEN_ANSWERS: [&str; 41] = [
    "steps: 628 9edc3ea7a8d9d00e",
    "taken: 1 996c5ad08c436211",
    "refused: 23 6848b24b3afb4af2",
    "refused as spent: 2 fda8b9872743c60d",
    "refused for a conflict: 2 8983516b21957b72",
    "refused as full: 2 a8628c8313bf9f8b",
    "refused as busy: 35 8ddee03efd8aef90",
    "refused by a stopped one: 2 b4d3142c6ac4a0d0",
    "refused by a failed one: 2 0e78713bbc7816d5",
    "refused as rejected: 3 5960cfb5d75b5f22",
    "stage unknown: 2 eef9074e7c851380",
    "stage pooled: 2 d3dd3faf90631253",
    "stage included: 2 1a348a6389c8d5ce",
    "stage final: 2 b368307c1c188ed3",
    "stage rejected: 2 f524d3a0aab00cd8",
    "stage gave way: 2 e0ca5ca1648e14ae",
    "status: 30 277ee3626b710adb",
    "pulse: 67 1af719faf276a060",
    "found: 4 e3c6095f679cde49",
    "not found: 2 619cd4473b98ac46",
    "explored certificates: 275 e7c6c6d92ae301c1",
    "explored proof: 342 6f4c4ac6054ad5f2",
    "explored no proof: 3 e86f1ba3380f1c7f",
    "explored snapshots: 341 444bbf69cf39fd56",
    "explored outputs: 42 71ad98fdb7f89669",
    "explored evidence: 76 e1c1919624ef9710",
    "explored members: 411 c5a02b572661c110",
    "light epochs: 470 12b57bd1a84815be",
    "light newest: 275 6f655401c7305283",
    "light no newest: 3 5ab0548cd624f7f2",
    "light beginning: 405 e6dded2c0d67653a",
    "light founding: 210 1f5d9f45807c0ee2",
    "light no beginning: 3 88d12f7e218c6028",
    "light transaction: 342 d5093e594d0f965c",
    "light no transaction: 3 3ae4a32769833bca",
    "light body: 305 7af47c71020e0329",
    "light no body: 3 77d7884814907cdd",
    "light entry: 712 133fd68e0ae38fb2",
    "light absent entry: 475 8a030b3a7904bdb1",
    "light empty program: 411 c3f2933e888ce9d1",
    "light no entry: 3 7c9864b846edf3c7",
];
const FROZEN_STEP: &str = "step: 626 81b84f801bddf039";
