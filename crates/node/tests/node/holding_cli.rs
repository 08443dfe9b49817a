//! `byway hold`, and its calls, against a fake node.

use serde_json::{Value, json};

use super::cli::{check_typed, directory_of, failure, json, shown};
use super::fake::Fake;
use super::wire::call;

#[test]
fn what_can_be_typed_about_holding() {
    check_typed(&[
        ("hold offer", true),
        ("hold offer --price 0.00001 --room 500 --client 20 --publish", true),
        ("hold offer --room 0", false),
        ("hold stop", true),
        ("hold find", true),
        ("hold use", true),
        ("hold use 7878787878787878787878787878787878787878 --price-max 0.00002 --mb 20 --days 30", true),
        ("hold use --days 0", false),
        ("hold use --mb 4000", false),
        ("hold leave 7878787878787878787878787878787878787878", true),
        ("hold leave Bob", false),
        ("hold fetch", true),
        ("hold status", true),
        ("hold", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_shown_and_what_goes_wrong_has_a_remedy() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let shown = |arguments: &[&str]| shown(directory, arguments);
    let status = shown(&["hold", "status"]);
    assert!(
        status.contains(&"78".repeat(20)) && status.contains("holds for you, 0.00001 WAY a MB and day"),
        "{status}"
    );
    assert!(
        status.contains("did not hand over 5 that others did") && status.contains("another takes its place"),
        "{status}"
    );
    assert!(status.contains("4 parcels for people who are away"), "{status}");
    assert!(status.contains("1536 bytes of at most 1000 MB for 1 people"), "{status}");
    let stopped = shown(&["hold", "stop"]);
    assert!(stopped.contains("nothing new is taken"), "{stopped}");
    let offered = json(directory, &["hold", "offer", "--price", "0.002", "--room", "7"]);
    assert_eq!((&offered["price"], &offered["room_mb"]), (&json!("0.002"), &json!(7)));
    let found = shown(&["hold", "find"]);
    assert!(found.contains("0.00001") && found.contains("430"), "{found}");
    assert_eq!(json(directory, &["hold", "use", "--days", "9"])["holders"][0]["days"], 30);
    assert_eq!(json(directory, &["hold", "fetch"])["bringing"], 4);
    let none = failure(directory, &["hold", "use", "--price-max", "0"]);
    assert!(none.contains("Nobody else on the market holds for so little"), "{none}");
    let other = "99".repeat(20);
    let not = failure(directory, &["hold", "leave", &other]);
    assert!(not.contains("does not hold for this node"), "{not}");

    let rows: [(&str, Value, i64, Value); 4] = [
        ("hold_use", json!({"holder": "full"}), 1631, json!({"code": "hold_full"})),
        ("hold_use", json!({"price_max": "0"}), 1632, json!({"code": "no_holder"})),
        ("hold_leave", json!({"holder": other}), 1633, json!({"code": "not_held_by", "holder": other})),
        (
            "hold_use",
            json!({"holder": "stranger"}),
            1634,
            json!({"code": "holder_not_registered", "holder": "78".repeat(20)}),
        ),
    ];
    for (method, params, number, data) in rows {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = call(served.port, &request.to_string()).await;
        assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(number), &data), "{answer}");
    }
}
