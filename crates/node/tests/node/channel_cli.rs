//! `byway channel` and the calls behind it, against a fake node.

use std::time::Duration;

use byway_node::api::{ChannelState, Event};
use serde_json::{Value, json};

use super::cli::{byway, check_typed, directory_of, failure, json as json_of, text};
use super::fake::{Fake, id};
use super::fake_channels::{AWAY, CONTRACT, GAS, OPEN, PROPOSED};
use super::fake_contracts::LOST;
use super::wire::{Socket, call};

const GAME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/contracts/compiled/HiddenMoves.json");

async fn ask(port: u16, method: &str, params: Value) -> Value {
    call(port, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
}

#[test]
fn what_can_be_typed_about_channels() {
    check_typed(&[
        ("channel open 00 5 --theirs 5 --reserve 0.01 --lock 7200 --remainder ours --idempotency-key k", true),
        ("channel open byway:peer/x 5", true),
        ("channel open 00", false),
        ("channel open 00 -5", false),
        ("channel open 00 5 --lock 0", false),
        ("channel open 00 5 --remainder nobody", false),
        ("channel list --json", true),
        ("channel show a1a1 --log", true),
        ("channel show a1a1 --follow", true),
        ("channel show", false),
        ("channel accept a1a1", true),
        ("channel decline a1a1", true),
        ("channel pay a1a1 0.25 --lane", true),
        ("channel pay byway:pay/aeba --fee-max 0.01", true),
        ("channel pay byway:pay/aeba --fee-max -1", false),
        ("channel invoice 0.5 --expires 600 --for coffee", true),
        ("channel invoice", false),
        ("channel invoice 0.5 --expires 0", false),
        ("hub run --fee-base 0.0002 --fee-per-million 2000 --amount-min 0.01", true),
        ("hub run --fee-base -1", false),
        ("hub stop", true),
        ("hub ask 3333333333333333333333333333333333333333 --deposit 1 --theirs 0.5 --days 3", true),
        ("hub ask --days 3", false),
        ("hub status --json", true),
        ("hub", false),
        ("hub run --guarantee --guarantee-fee-base 0.002", true),
        ("hub run --guarantee-fee-base 0.002", false),
        ("channel open a1a1 1 --via b2b2 --days 3", true),
        ("channel open a1a1 1 --days 3", false),
        ("channel open a1a1 1 --via b2b2 --days 0", false),
        ("channel lane a1a1 2", true),
        ("channel absorb a1a1", true),
        ("channel cancel a1a1", true),
        ("channel deposit a1a1 5", true),
        ("channel withdraw a1a1 5", true),
        ("channel withdraw a1a1", false),
        ("channel deposit a1a1 5 --asset TEST", true),
        ("channel withdraw a1a1 5 --asset test", false),
        ("channel close a1a1 --alone", true),
        ("channel close a1a1 --split WAY:2:3.5 --split ABC:1:2", true),
        ("channel close a1a1 --split WAY:2:3.5 --alone", false),
        ("channel close a1a1 --split 2:3.5:x", false),
        ("channel restore a1a1", true),
        ("channel restore a1a1 --peer ec80", true),
        ("channel force a1a1 0x91 claim()", true),
        ("channel force a1a1 0x91", false),
        ("channel contract deploy a1a1 file me peer 1ether 600 --value 1 --gas 9000000", true),
        ("channel contract deploy a1a1", false),
        ("channel contract call a1a1 0x91 set(int8) -3 --value 0.5", true),
        ("channel contract call a1a1 0x91 next() --gas 0", false),
        ("channel contract look a1a1 0x91 winner()(address)", true),
        ("channel contract look a1a1 0x91 winner() --value 1", false),
        ("channel contract show a1a1 0x91", true),
        ("channel contract upgrade a1a1 0x91 run.hex", true),
        ("channel contract upgrade a1a1 0x91", false),
        ("channel contract remove a1a1 0x91", true),
        ("channel contract remove a1a1 0x91 --ours 1 --theirs 0.5", true),
        ("channel contract remove a1a1 0x91 --ours 1", false),
        ("identity card", true),
    ]);
}

#[tokio::test]
async fn calls_about_channels_change_what_is_shown() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let channels = ask(port, "channel_list", json!({})).await;
    assert_eq!(channels["result"].as_array().unwrap().len(), 3);
    let paid = json!({"channel": "a1a1", "amount": "0.5", "idempotency_key": "p"});
    let first = ask(port, "channel_pay", paid.clone()).await;
    assert_eq!((&first["result"]["update_round"], &first["result"]["round"]), (&json!(8), &json!(8)));
    assert_eq!(first["result"]["ours"], "1.5");
    assert_eq!(ask(port, "channel_pay", paid).await["result"], first["result"], "the same key pays once");
    let shown = ask(port, "channel_show", json!({"channel": OPEN})).await;
    assert_eq!((&shown["result"]["ours"], &shown["result"]["log"][0]["round"]), (&json!("1.5"), &json!(8)));
    assert!(shown["result"].get("waiting").is_none() && shown["result"].get("dispute").is_none(), "{shown}");

    let declined = ask(port, "channel_decline", json!({"channel": PROPOSED})).await;
    assert_eq!(declined["result"], json!({}));
    assert_eq!(ask(port, "channel_list", json!({})).await["result"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn errors_of_channels_have_their_numbers_and_a_remedy() {
    let served = Fake::new().serve().await;
    let pay = |channel: &str, amount: &str, lane: bool| json!({"channel": channel, "amount": amount, "lane": lane, "idempotency_key": format!("{channel}{lane}")});
    let call = |contract: &str, input: &str| json!({"channel": OPEN, "contract": contract, "input": input, "idempotency_key": "c"});
    let open = |peer: u8, deposit: &str| json!({"peer": id(peer), "deposit": deposit, "idempotency_key": "o"});
    for (method, params, number, data) in [
        ("channel_show", json!({"channel": "ffff"}), 1501, json!({"code": "channel_not_found"})),
        ("channel_open", open(1, "0"), 1502, json!({"code": "channel_not_opened"})),
        ("channel_pay", pay(OPEN, "2", false), 1503, json!({"code": "update_refused"})),
        ("channel_pay", pay(PROPOSED, "1", false), 1504, json!({"code": "channel_not_ready"})),
        ("channel_open", open(9, "1"), 1505, json!({"code": "peer_unreachable", "peer": id(9)})),
        ("channel_pay", pay(AWAY, "1", false), 1506, json!({"code": "peer_silent", "round": 8})),
        ("channel_call", call(CONTRACT, "0x4e71d92d"), 1507, json!({"code": "call_failed"})),
        ("channel_pay", pay(OPEN, "1", true), 1508, json!({"code": "lane_too_small"})),
        ("channel_force", call(CONTRACT, "0x4e71d92d"), 1509, json!({"code": "call_not_forced"})),
        (
            "channel_invoice_pay",
            json!({"invoice": "byway:pay/lost"}),
            1531,
            json!({"code": "no_way_to_payee", "payee": id(0x44)}),
        ),
        (
            "channel_invoice_pay",
            json!({"invoice": "byway:pay/aeba", "fee_max": "0.0001"}),
            1532,
            json!({"code": "hub_fee_too_high", "fee_max": "0.0001"}),
        ),
        (
            "channel_invoice_pay",
            json!({"invoice": "byway:pay/silent"}),
            1535,
            json!({"code": "payee_silent", "payee": id(0x44)}),
        ),
        ("hub_ask", json!({"hub": id(9)}), 1557, json!({"code": "hub_guarantees_none", "hub": id(9)})),
        (
            "hub_rebalance",
            json!({"from": OPEN, "to": OPEN, "idempotency_key": "r"}),
            1538,
            json!({"code": "not_rebalanced"}),
        ),
        ("contract_show", json!({"contract": "0x77"}), 1545, json!({"code": "contract_not_found"})),
        ("contract_export", json!({"contract": LOST}), 1546, json!({"code": "contents_missing"})),
        ("contract_import", json!({"content": "00"}), 1547, json!({"code": "contents_refused"})),
        ("watch_add", json!({"channel": OPEN, "tower": "full"}), 1520, json!({"code": "watch_full"})),
        (
            "watch_remove",
            json!({"channel": OPEN, "tower": id(9)}),
            1521,
            json!({"code": "not_watched", "tower": id(9)}),
        ),
        ("channel_call", call(CONTRACT, "0xabc"), -32602, json!({"code": "invalid_params", "field": "input"})),
        (
            "channel_pay",
            pay(OPEN, "0", false),
            1204,
            json!({"code": "amount_too_small", "field": "amount", "minimum": "0.000000000000000001"}),
        ),
    ] {
        let answer = ask(served.port, method, params).await;
        assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(number), &data), "{method}: {answer}");
        let message = answer["error"]["message"].as_str().unwrap();
        assert!(
            message.ends_with('.') && message.matches(". ").count() >= 1,
            "what was wrong, and a remedy: {message}"
        );
    }
}

/// Every channel as of now, and then what happens to each.
#[tokio::test]
async fn channels_can_be_subscribed_to() {
    let served = Fake::new().serve().await;
    let mut socket = Socket::authorised(served.port).await;
    let params = json!({"topics": ["channel"]});
    socket.send(&json!({"jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": params}).to_string()).await;
    assert!(socket.next_text().await["result"].is_string());
    let mut names = Vec::new();
    for _ in 0..3 {
        let event = socket.next_text().await;
        assert_eq!(event["params"]["topic"], "channel");
        names.push(event["params"]["data"]["channel"].as_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, [OPEN, AWAY, PROPOSED]);
    ask(served.port, "channel_accept", json!({"channel": PROPOSED})).await;
    let event = socket.next_text().await;
    assert_eq!(
        (&event["params"]["data"]["channel"], &event["params"]["data"]["state"]),
        (&json!(PROPOSED), &json!("open"))
    );
}

/// One channel's events don't hold up those of another, and a change of its state leaves at once.
#[test]
fn events_of_channels_are_thinned_out_for_each() {
    use byway_node::rpc::outbox::Outbox;
    let fake = Fake::new();
    let event = |name: &str, state, round| {
        let mut detail = fake.channels.show(name).unwrap();
        (detail.record.state, detail.record.round) = (state, round);
        std::sync::Arc::new(Event::Channel(Box::new(detail)))
    };
    let mut outbox = Outbox::new(super::subscriptions::everything());
    outbox.prime([]);
    let start = std::time::Instant::now();
    let mut leaving = |events: Vec<_>, millis| -> Vec<Value> {
        events.into_iter().for_each(|event| outbox.push(event));
        let now = start + Duration::from_millis(millis);
        std::iter::from_fn(|| outbox.pop(now)).map(|event| json!(*event)["round"].clone()).collect()
    };
    let open = ChannelState::Open;
    assert_eq!(
        leaving(vec![event(OPEN, open, 1), event(AWAY, open, 2), event(OPEN, open, 3)], 0),
        [json!(3), json!(2)]
    );
    assert_eq!(leaving(vec![event(OPEN, open, 4)], 999), [] as [Value; 0]);
    assert_eq!(leaving(vec![event(OPEN, ChannelState::Closing, 5)], 999), [json!(5)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invoices_are_paid_and_a_hub_is_run() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let made = json_of(directory, &["channel", "invoice", "0.5", "--for", "two coffees"]);
    assert_eq!((&made["invoice"], &made["note"]), (&json!("byway:pay/aeba"), &json!("two coffees")));
    let paid = text(&byway(directory, &["channel", "pay", "byway:pay/aeba", "--yes"]).stdout);
    for word in ["0.5 WAY", &id(0x44).to_string(), "two coffees", "over 3333333333", "the fee was 0.0006 WAY"] {
        assert!(paid.contains(word), "{word}: {paid}");
    }
    let slow = text(&byway(directory, &["channel", "pay", "byway:pay/slow", "--yes"]).stdout);
    assert!(slow.contains("not been taken yet") && slow.contains("comes back"), "{slow}");
    let error = failure(directory, &["channel", "pay", "byway:pay/silent", "--yes"]);
    assert!(error.contains("did not take the payment") && error.contains("Nothing was spent"), "{error}");
    let error = failure(directory, &["channel", "pay", OPEN]);
    assert!(error.contains("that is no invoice"), "{error}");
    assert_eq!(json_of(directory, &["hub", "run", "--fee-base", "0.0002"])["terms"]["fee_base"], "0.0002");
    assert_eq!(json_of(directory, &["hub", "stop"])["runs"], false);
    let status = text(&byway(directory, &["hub", "status"]).stdout);
    for word in [
        "virtual channels for 0.001 WAY",
        "b7b7b7b7",
        "sends payments on",
        "3 payments",
        "0.0018 WAY",
        "4444444444",
        "locked",
        "has not enough in it",
    ] {
        assert!(status.contains(word), "{word}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_virtual_channel_is_opened_over_a_hub_that_guarantees_and_shown_with_it() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let [peer, hub, none] = [1, 4, 9].map(|number| id(number).to_string());
    let open = ["channel", "open", &peer, "1", "--via", &hub, "--days", "3"];
    let opened = json_of(directory, &open);
    let guarantee = json!({ "hub": hub, "until_ms": 1_700_259_200_000u64, "state": "stands" });
    assert_eq!(opened["guaranteed"], guarantee);
    let channel = opened["channel"].as_str().unwrap();
    let shown = text(&byway(directory, &["channel", "show", channel]).stdout);
    assert!(shown.contains(&format!("over {hub}")) && shown.contains("guaranteed"), "{shown}");
    let listed = text(&byway(directory, &["channel", "list"]).stdout);
    assert!(listed.contains("open, virtual over"), "{listed}");
    let error = failure(directory, &["channel", "open", &peer, "1", "--via", &none]);
    assert!(error.contains("guarantees no virtual channels") && error.contains("--guarantee"), "{error}");
    let disputed = json_of(directory, &["channel", "close", channel, "--alone"]);
    assert_eq!(disputed["dispute"]["by"], "us");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_opened_paid_in_and_closed() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let peer = id(1).to_string();
    let opened =
        json_of(directory, &["channel", "open", &peer, "5", "--theirs", "2", "--lock", "60", "--remainder", "ours"]);
    assert_eq!((&opened["total"], &opened["lock_ms"], &opened["state"]), (&json!("7"), &json!(60_000), &json!("open")));
    assert_eq!(json_of(directory, &["channel", "accept", PROPOSED])["state"], "open");
    assert_eq!(json_of(directory, &["channel", "pay", OPEN, "0.5"])["ours"], "1.5");
    assert_eq!(json_of(directory, &["channel", "lane", OPEN, "1"])["our_lane"]["capacity"], "1");
    assert_eq!(json_of(directory, &["channel", "pay", OPEN, "0.25", "--lane"])["our_lane"]["promised"], "0.25");
    assert_eq!(json_of(directory, &["channel", "absorb", OPEN])["ours"], "0.7");
    assert_eq!(json_of(directory, &["channel", "deposit", OPEN, "5"])["ours"], "5.7");
    assert_eq!(json_of(directory, &["channel", "withdraw", OPEN, "1"])["total"], "9.5");
    let of_asset = json_of(directory, &["channel", "deposit", OPEN, "4", "--asset", "XYZ"]);
    assert_eq!((&of_asset["total"], &of_asset["purses"][0]["ours"]), (&json!("9.5"), &json!("4")));
    let of_asset = json_of(directory, &["channel", "withdraw", OPEN, "1", "--asset", "XYZ"]);
    assert_eq!(of_asset["purses"][0]["ours"], "3");
    let disputed = json_of(directory, &["channel", "close", OPEN, "--alone"]);
    assert_eq!((&disputed["state"], &disputed["dispute"]["ours"]), (&json!("closing"), &json!(true)));
    let error = failure(directory, &["channel", "pay", AWAY, "1"]);
    assert!(error.contains("round 8") && error.contains("byway channel cancel"), "{error}");
    assert_eq!(json_of(directory, &["channel", "show", AWAY])["waiting"], 8);
    assert!(json_of(directory, &["channel", "cancel", AWAY]).get("waiting").is_none());
    assert_eq!(json_of(directory, &["channel", "close", AWAY])["state"], "closed");
    assert_eq!(json_of(directory, &["identity", "card"])["card"], "byway:peer/7777");
    assert_eq!(text(&byway(directory, &["identity", "card"]).stdout), "byway:peer/7777\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_told_in_sentences() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let told = |arguments: &[&str]| {
        let output = byway(folder.path(), arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let list = told(&["channel", "list"]);
    assert!(list.contains("proposed to us") && list.contains("open, peer away"), "{list}");
    assert_eq!(told(&["channel", "pay", OPEN, "0.5"]), "Both have signed round 8: 1.5 WAY ours, 3.5 WAY theirs.\n");
    let shown = told(&["channel", "show", OPEN, "--log"]);
    for part in [
        OPEN,
        &id(1).to_string(),
        "0.01 WAY each",
        "0.2 of 0.5 WAY",
        "1 h 00 min and 600 commits",
        CONTRACT,
        "round 8: it is updated",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    told(&["channel", "close", OPEN, "--alone"]);
    let shown = told(&["channel", "show", OPEN]);
    assert!(shown.contains("begun by us with round 8") && shown.contains("600 commits from now"), "{shown}");
    assert!(!shown.contains("it is updated"), "the log is shown where it is asked for: {shown}");
    assert_eq!(told(&["channel", "decline", PROPOSED]), "Declined, and forgotten; no money has moved.\n");
}

/// It ends when the channel does; as JSON each change is one line.
#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_followed_until_it_is_closed() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path().to_owned();
    let follow = |name: &'static str, more: &'static [&'static str]| {
        let directory = directory.clone();
        std::thread::spawn(move || {
            text(&byway(&directory, &[&["channel", "show", name, "--follow"], more].concat()).stdout)
        })
    };
    let (people, programs) = (follow("a1a1", &[]), follow("a1a1a", &["--json"]));
    served.fake.channels.wait_until_shown("a1a1").await;
    served.fake.channels.wait_until_shown("a1a1a").await;
    json_of(folder.path(), &["channel", "close", OPEN]);
    let lines = tokio::task::spawn_blocking(move || (people.join().unwrap(), programs.join().unwrap())).await.unwrap();
    assert!(
        lines.0.contains("it is closing") && lines.0.ends_with("closed, round 7: 2 WAY ours, 3 WAY theirs.\n"),
        "{}",
        lines.0
    );
    let states: Vec<Value> =
        lines.1.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone()).collect();
    assert_eq!(states, [json!("open"), json!("closed")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_deployed_called_looked_at_and_forced() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let deployed = json_of(
        directory,
        &["channel", "contract", "deploy", OPEN, GAME, "me", "peer", "1ether", "600", "--value", "0.5"],
    );
    assert_eq!((&deployed["contracts"], &deployed["gas_used"]), (&json!("0.5"), &json!(GAS)));
    let contracts = json_of(directory, &["channel", "contract", "show", OPEN]);
    let code: Value = serde_json::from_str(&std::fs::read_to_string(GAME).unwrap()).unwrap();
    let bytes = code["create"].as_str().unwrap().len() / 2 + 4 * 32;
    assert_eq!((&contracts[1]["contract"], &contracts[1]["code_bytes"]), (&deployed["contract"], &json!(bytes)));

    let call = ["channel", "contract", "call", OPEN, "0x91", "echo(int16,bytes4)(int16,bytes4)", "-3", "0x00ff00ff"];
    let called = json_of(directory, &[&call[..], &["--value", "0.25"]].concat());
    assert_eq!((&called["decoded"], &called["contract"]), (&json!(["-3", "0x00ff00ff"]), &json!(CONTRACT)));
    assert_eq!((&called["contracts"], &called["round"]), (&json!("0.75"), &json!(9)));
    let told = text(&byway(directory, &call).stdout);
    assert!(told.starts_with("-3\n0x00ff00ff\nIt took 21500 gas. Both have signed round 10"), "{told}");

    let look = ["channel", "contract", "look", OPEN, CONTRACT, "who(address)(address)", "peer"];
    assert_eq!(text(&byway(directory, &look).stdout), format!("0x{}\n", id(1)));
    let reverts = byway(directory, &["channel", "contract", "look", OPEN, CONTRACT, "claim()"]);
    assert_eq!(
        (reverts.status.code(), text(&reverts.stdout)),
        (Some(1), "It would not return: there is still time.\n".to_owned())
    );
    let raw = json_of(directory, &["channel", "contract", "look", OPEN, CONTRACT, "0x4e71d92d07"]);
    assert_eq!((&raw["output"], raw.get("decoded")), (&json!("0x07"), None));

    let forced = byway(directory, &["channel", "force", AWAY, CONTRACT, "open(uint8)", "1"]);
    assert_eq!(
        text(&forced.stdout),
        "It took 21500 gas. The ledger has executed it. open, peer away, round 8: 2 WAY ours, 3 WAY theirs.\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contracts_are_upgraded_and_removed() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let run = directory.join("run.hex");
    std::fs::write(&run, "0x5f00\n").unwrap();
    let file = run.to_str().unwrap();
    let upgraded = json_of(directory, &["channel", "contract", "upgrade", OPEN, "0x91", file]);
    assert_eq!(upgraded["update_round"], json!(8));
    let contracts = json_of(directory, &["channel", "contract", "show", OPEN, "0x91"]);
    assert_eq!(contracts[0]["code_bytes"], json!(2));
    let compiled = failure(directory, &["channel", "contract", "upgrade", OPEN, "0x91", GAME]);
    assert!(compiled.contains("evm.deployedBytecode.object"), "{compiled}");
    let remove = ["channel", "contract", "remove", OPEN, "0x91", "--ours", "0.25", "--theirs", "0"];
    let told = text(&byway(directory, &remove).stdout);
    assert_eq!(told, "Both have signed round 9: 2.25 WAY ours, 3 WAY theirs.\n");
    assert_eq!(json_of(directory, &["channel", "contract", "show", OPEN]), json!([]));
    let gone = failure(directory, &["channel", "contract", "remove", OPEN, CONTRACT]);
    assert!(gone.contains("there is no such contract"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_were_mistyped_say_how_to_write_them() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    for (call, remedy) in [
        (&["0x91", "move(uint8"][..], "such as 'move(uint256,bytes32)'"),
        (&["0x91", "move(uint8)", "256"], "a number that fits"),
        (&["0x91", "move(uint8)"], "it takes 1 arguments (uint8), and 0 are given"),
        (&["0x91", "pay(address)", "nobody"], "`me` or `peer`"),
        (&["0x91", "set(bytes4)", "0x00"], "8 hex digits behind 0x"),
        (&["0x91", "set(thing)", "1"], "such as uint256, address or bytes32"),
        (&["0x91", "0xabc"], "two digits for each byte"),
        (&["0x77", "claim()"], "byway channel contract show"),
    ] {
        let error = failure(directory, &[&["channel", "contract", "call", OPEN], call].concat());
        assert!(error.contains(remedy), "{call:?}: {error}");
    }
    let nothing = failure(directory, &["channel", "contract", "deploy", OPEN, "/nowhere/x.json"]);
    assert!(nothing.contains("say where the compiled contract is"), "{nothing}");
}

#[test]
fn what_can_be_typed_about_contracts_on_the_ledger() {
    check_typed(&[
        ("channel contract leave a1a1 0x91", true),
        ("channel contract leave a1a1", false),
        ("contract list --json", true),
        ("contract show 0x91", true),
        ("contract show a1a1/0x91", true),
        ("contract call 0x91 pay() --value 0.5 --gas 100000 --idempotency-key k", true),
        ("contract call 0x91 set(int8) -3", true),
        ("contract call 0x91 pay() --gas 0", false),
        ("contract call 0x91", false),
        ("contract look 0x91 due()(uint256) --value 1", true),
        ("contract export 0x91 file", true),
        ("contract export 0x91", false),
        ("contract import file", true),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_is_shown_and_named_and_what_is_not_kept_elsewhere_is_said() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let waiting = text(&byway(directory, &["channel", "show", AWAY]).stdout);
    let named = "to part without the state, 2 WAY to us and 3.5 WAY to the peer; done if we name the same";
    assert!(waiting.contains(named), "{waiting}");
    assert!(waiting.contains("`copies` in the section `[channels]`"), "{waiting}");
    let kept = text(&byway(directory, &["channel", "show", OPEN]).stdout);
    assert!(kept.contains("kept in the second place"), "{kept}");
    let asset = format!("{}:1:2", "ab".repeat(32));
    let half = failure(directory, &["channel", "close", OPEN, "--split", &asset]);
    assert!(half.contains("say what becomes of WAY too"), "{half}");
    let closed = text(&byway(directory, &["channel", "close", OPEN, "--split", "WAY:2:3.5"]).stdout);
    assert_eq!(closed, "Closed by what both have named.\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_has_left_is_shown_called_and_given_to_others() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let left = text(&byway(directory, &["channel", "contract", "leave", OPEN, "0x91"]).stdout);
    assert!(left.starts_with(&format!("{CONTRACT} is on the ledger now, with what it has")), "{left}");
    assert_eq!(json_of(directory, &["channel", "contract", "show", OPEN]), json!([]));
    let waiting = text(&byway(directory, &["channel", "show", AWAY]).stdout);
    assert!(
        waiting.contains(&format!(
            "peer wants      to remove {CONTRACT}, 0.25 WAY to us and 0 WAY to the peer; done if we ask"
        )),
        "{waiting}"
    );
    let list = text(&byway(directory, &["contract", "list"]).stdout);
    assert!(list.contains(CONTRACT) && list.contains("missing"), "{list}");
    let shown = text(&byway(directory, &["contract", "show", &LOST[..6]]).stdout);
    assert!(shown.contains("import them from somebody who has them"), "{shown}");
    let shown = json_of(directory, &["contract", "show", "a1a1/0x91"]);
    assert_eq!((&shown["recent"][0]["number"], &shown["contents"]), (&json!(2), &json!("here")));

    let seven = ["contract", "call", "0x91", "give(uint256)(uint256)", "7", "--value", "0.25"];
    let called = text(&byway(directory, &seven).stdout);
    assert_eq!(
        called,
        format!(
            "7\nIt took 21500 gas. The ledger has executed it. {CONTRACT} holds 1 WAY after 3 calls; contents here, 2 bytes.\n"
        )
    );
    assert_eq!(json_of(directory, &seven)["decoded"], json!(["7"]));
    let early = failure(directory, &["contract", "call", "0x91", "claim()"]);
    assert!(early.contains("there is still time"), "{early}");
    let lost = failure(directory, &["contract", "call", &LOST[..6], "claim()"]);
    assert!(lost.contains("`byway contract export` there, `byway contract import` here"), "{lost}");
    let looked = byway(directory, &["contract", "look", "0x91", "claim()"]);
    assert_eq!(looked.status.code(), Some(1), "it would not return");

    let file = directory.join("pot.contract");
    let file = file.to_str().unwrap();
    byway(directory, &["contract", "export", "0x91", file]);
    assert_eq!(std::fs::read_to_string(file).unwrap(), "0511");
    assert_eq!(json_of(directory, &["contract", "import", file])["contract"], json!(CONTRACT));
    std::fs::write(file, "0512\n").unwrap();
    let refused = failure(directory, &["contract", "import", file]);
    assert!(refused.contains("The contents were not taken"), "{refused}");
    let nowhere = failure(directory, &["contract", "import", "/nowhere/x"]);
    assert!(nowhere.contains("can't read /nowhere/x"), "{nowhere}");
}
