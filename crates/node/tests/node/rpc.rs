//! JSON-RPC over HTTP: who may ask, and what they are told.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use tokio::sync::Notify;

use super::fake::{Fake, TOKEN};
use super::wire::{call, request};

const STATUS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"node_status"}"#;
const JSON: &str = "Content-Type: application/json";

fn bearer() -> String {
    format!("Authorization: Bearer {TOKEN}")
}

#[tokio::test]
async fn who_may_ask() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let wrong = format!("Authorization: Bearer {}", TOKEN.replace('0', "1"));
    let basic = format!("Authorization: Basic {TOKEN}");
    let bearer = bearer();
    let local_host = format!("Host: localhost:{port}");
    let page = "Origin: http://127.0.0.1:7070";
    let post = "POST / HTTP/1.1";
    for (line, headers, status) in [
        (post, vec![&*bearer, JSON], 200),
        (post, vec![&*bearer, JSON, page], 200),
        (post, vec![&*bearer, JSON, "Origin: http://localhost:7070"], 200),
        (post, vec![&*bearer, JSON, &local_host], 200),
        (post, vec![&*bearer, "Content-Type: application/json; charset=utf-8"], 200),
        (post, vec![JSON], 401),
        (post, vec![&*wrong, JSON], 401),
        (post, vec![&*basic, JSON], 401),
        (post, vec!["Authorization: Bearer ", JSON], 401),
        (post, vec![&*bearer], 415),
        (post, vec![&*bearer, "Content-Type: text/plain"], 415),
        (post, vec![&*bearer, JSON, "Origin: https://evil.example"], 403),
        (post, vec![&*bearer, JSON, "Origin: http://127.0.0.1:7071"], 403),
        (post, vec![&*bearer, JSON, "Origin: null"], 403),
        (post, vec![&*bearer, JSON, "Host: evil.example"], 403),
        (post, vec!["Host: evil.example:7071"], 403),
        ("GET / HTTP/1.1", vec![&*bearer], 405),
        ("OPTIONS / HTTP/1.1", vec![page], 405),
        ("PUT / HTTP/1.1", vec![&*bearer, JSON], 405),
        ("POST /other HTTP/1.1", vec![&*bearer, JSON], 404),
    ] {
        let answer = request(port, line, &headers, STATUS).await;
        assert_eq!(answer.status, status, "{line} {headers:?}");
        assert_eq!(answer.header("access-control-allow-origin"), None);
        match status {
            200 => assert_eq!(answer.json()["result"]["network_name"], "local"),
            401 => {
                assert_eq!(answer.json()["error"]["code"], 1001);
                assert_eq!(answer.json()["id"], Value::Null);
            }
            403 => assert!(answer.body.is_empty()),
            _ => {}
        }
        assert!(!String::from_utf8_lossy(&answer.body).contains(TOKEN));
    }
}

#[tokio::test]
async fn size_is_bounded() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let body = format!("{STATUS}{}", " ".repeat(1 << 20));
    let answer = request(port, "POST / HTTP/1.1", &[&bearer(), JSON], &body).await;
    assert_eq!(answer.status, 413);
}

fn invalid(field: &str) -> Value {
    json!({"code": "invalid_params", "field": field})
}

/// Method, params, and the number and `data` of the error.
async fn check_errors(port: u16, cases: impl IntoIterator<Item = (&str, Value, i32, Value)>) {
    for (method, params, number, data) in cases {
        let body = json!({"jsonrpc": "2.0", "id": "x", "method": method, "params": params}).to_string();
        let answer = call(port, &body).await;
        assert_eq!((&answer["error"]["code"], &answer["error"]["data"]), (&json!(number), &data), "{body}");
        assert_eq!(answer["id"], "x");
        assert!(answer["error"]["message"].as_str().unwrap().ends_with('.'), "{answer}");
    }
}

#[tokio::test]
async fn errors_of_ports_tunnels_and_withdrawals_say_what_is_wrong() {
    let served = Fake::new().serve().await;
    let cases = [
        ("market_port_close", json!({"port": 40_001}), 1136, json!({"code": "port_not_given"})),
        ("market_port_close", json!({"port": 70_000}), -32602, invalid("port")),
        ("market_port_close", json!({"port": 40_001, "protocol": "sctp"}), -32602, invalid("protocol")),
        ("wallet_withdraw_cancel", json!({"idempotency_key": "c"}), 1218, json!({"code": "nothing_to_withdraw"})),
        ("forward_open", json!({"to": "127.0.0.1:1", "protocol": "sctp"}), -32602, invalid("protocol")),
        (
            "forward_open",
            json!({"to": "127.0.0.1:1", "protocol": "udp", "proxy_protocol": true}),
            -32602,
            invalid("proxy_protocol"),
        ),
        ("tunnel_settings_set", json!({"outside": ["192.0.2.0/33"]}), -32602, invalid("outside")),
        ("tunnel_settings_set", json!({"outside": vec!["192.0.2.0/24"; 65]}), -32602, invalid("outside")),
        ("tunnel_settings_set", json!({"programs": "some"}), -32602, invalid("programs")),
        ("tunnel_settings_set", json!({"outside_domains": ["1.2.3"]}), -32602, invalid("outside_domains")),
        (
            "tunnel_settings_set",
            json!({"outside": ["192.0.2.0/24"], "inside_domains": ["example.com"]}),
            -32602,
            invalid("inside"),
        ),
        ("tunnel_settings_set", json!({"name_servers": ["127.0.0.53"]}), -32602, invalid("name_servers")),
        ("tunnel_settings_set", json!({"relays": 9}), -32602, invalid("relays")),
        ("tunnel_settings_set", json!({"relays": 2, "needed": 3}), -32602, invalid("relays")),
    ];
    check_errors(served.port, cases).await;
}

#[tokio::test]
async fn every_shape_of_error() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let offer = "ab".repeat(32);
    let cases = [
        ("nope", json!({}), -32601, json!({"code": "method_not_found"})),
        ("subscribe", json!({"topics": ["status"]}), -32601, json!({"code": "method_not_found"})),
        ("node_status", json!([1]), -32602, json!({"code": "invalid_params"})),
        ("node_status", json!({"x": 1}), -32602, invalid("x")),
        ("offer_list", json!({"max_price": 5}), -32602, invalid("max_price")),
        ("offer_list", json!({"max_price": "05"}), -32602, invalid("max_price")),
        ("offer_list", json!({"max_price": "-5"}), -32602, invalid("max_price")),
        ("offer_list", json!({"country": "Germany"}), -32602, invalid("country")),
        ("offer_list", json!({"sort": "name"}), -32602, invalid("sort")),
        ("offer_list", json!({"limit": 0}), -32602, invalid("limit")),
        ("offer_list", json!({"limit": 1001}), -32602, invalid("limit")),
        ("offer_prefer", json!({"provider": "12", "preferred": true}), -32602, invalid("provider")),
        ("offer_prefer", json!({"provider": "12".repeat(20)}), -32602, invalid("preferred")),
        ("connect", json!({"offer_id": offer, "country": "DE"}), -32602, invalid("offer_id")),
        ("connect", json!({"offer_id": offer}), 1102, json!({"code": "offer_not_found"})),
        ("wallet_view_key", json!({}), -32602, invalid("understood")),
        ("wallet_view_key", json!({"understood": false}), -32602, invalid("understood")),
        ("wallet_send", json!({"to": "way0", "amount": "1"}), -32602, invalid("idempotency_key")),
        (
            "wallet_send",
            json!({"to": "way0", "amount": "1", "idempotency_key": "a b"}),
            -32602,
            invalid("idempotency_key"),
        ),
        (
            "wallet_send",
            json!({"to": "bc1", "amount": "1", "idempotency_key": "k1"}),
            1205,
            json!({"code": "invalid_address", "field": "to"}),
        ),
        (
            "wallet_deposit",
            json!({"amount": "0", "idempotency_key": "k2"}),
            1204,
            json!({"code": "amount_too_small", "field": "amount", "minimum": "0.000000000000000001"}),
        ),
        (
            "wallet_withdraw",
            json!({"amount": "900", "idempotency_key": "w-7f3a"}),
            1203,
            json!({"code": "insufficient_account", "needed": "900", "available": "12.5"}),
        ),
        ("market_block", json!({"destination": "a b"}), -32602, invalid("destination")),
        ("market_block", json!({"destination": "x.example", "for": 5}), -32602, invalid("for")),
        ("market_earnings", json!({"by": "year"}), -32602, invalid("by")),
        ("market_unblock", json!({"destination": "x.example"}), 1118, json!({"code": "block_not_found"})),
        ("promise_settle", json!({"counterparty": "22".repeat(20)}), 1207, json!({"code": "promise_not_found"})),
        ("ledger_transaction", json!({"transaction_id": offer}), 1303, json!({"code": "transaction_not_found"})),
    ];
    check_errors(port, cases).await;
    for (body, number) in [("{", -32700), ("[]", -32600), ("{}", -32600)] {
        assert_eq!(call(port, body).await["error"]["code"], number, "{body}");
    }
}

/// Results as `docs/formats/rpc.md` writes them down.
#[tokio::test]
async fn results_have_the_shapes_of_the_document() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let offer = byway_records::OfferId::of(super::fake::id(1), 0).to_string();
    for (method, params, expected) in [
        ("wallet_address", json!({}), json!({"address": "way00"})),
        ("disconnect", json!({}), json!({})),
        ("offer_prefer", json!({"provider": "11".repeat(20), "preferred": true}), json!({})),
        ("offer_list", json!({"country": "CH"}), json!([])),
        (
            "wallet_balance",
            json!({}),
            json!({"wallet": "99", "account": "0", "reserved": "0", "pending": "0", "withdrawing": []}),
        ),
        (
            "spending_limits_set",
            json!({"day_max": "2.5", "session_max": null}),
            json!({"day_max": "2.5", "day_spent": "0", "asks": []}),
        ),
        ("offer_own", json!({}), json!([])),
        (
            "tunnel_settings_set",
            json!({"outside": ["192.0.2.0/24"], "outside_domains": ["*.Example.com"],
                   "name_servers": ["203.0.113.53"], "relays": 3}),
            json!({
                "closed": true, "local_network": false, "outside": ["192.0.2.0/24"], "outside_domains": ["example.com"],
                "inside": [], "inside_domains": [], "name_servers": ["203.0.113.53"], "programs": "all", "partial": false,
                "slices": {"relays": 3, "needed": 2},
            }),
        ),
        ("wallet_view_key", json!({"understood": true}), json!({"view_key": "wayview00", "address": "way00"})),
        (
            "session_list",
            json!({"limit": 1}),
            json!([{
                "id": "a1", "offer_id": offer, "provider": "01".repeat(20), "service": "socks", "country": "DE",
                "bytes_up": 10, "bytes_down": 5_000_000, "seconds": 60, "seconds_served": 58,
                "price": {"unit": "mb", "amount": "0.01", "asset": "WAY", "min_reputation": 0},
                "cost": "0.5", "paid": "0.75", "state": "active", "started_ms": 1000,
            }]),
        ),
        (
            "backup_export",
            json!({}),
            json!({
                "made_ms": 5, "identity": "07".repeat(20), "peers": 1, "left_out": 0, "unsettled": "0.5",
                "content": "6279776179657870",
            }),
        ),
        (
            "promise_list",
            json!({}),
            json!([{
                "direction": "in", "counterparty": "01".repeat(20), "serial": "17", "amount": "2", "settled": "1",
                "backing": "account", "updated_ms": 9,
            }]),
        ),
        (
            "ledger_audit",
            json!({}),
            json!({
                "height": 3, "time_ms": 5, "supply": "1000000", "outputs": "0", "accounts": "0", "reservations": "0",
                "pledges": "0", "channels": "0", "pool": "1000000", "balanced": true,
            }),
        ),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        assert_eq!(call(port, &body).await, json!({"jsonrpc": "2.0", "id": 1, "result": expected}), "{method}");
    }
}

/// The same of what providers ask.
#[tokio::test]
async fn a_providers_results_have_the_shapes_of_the_document() {
    let served = Fake::new().serve().await;
    for (method, params, expected) in [
        (
            "market_block",
            json!({"destination": "WWW.Bücher.example:443", "for_ms": 4, "note": "spam"}),
            json!({"destination": "www.xn--bcher-kva.example:443", "since_ms": 5, "until_ms": 9, "note": "spam"}),
        ),
        (
            "market_earnings",
            json!({"by": "month"}),
            json!({
                "by": "month", "unsettled": "0.05",
                "usage": {"month": "2026-11", "month_bytes": 5_000_000, "month_max_bytes": 1_000_000_000, "clients": 1},
                "periods": [{
                    "period": "2026-11-27", "from_ms": 1_795_737_600_000u64, "sessions": 2, "bytes_up": 1000,
                    "bytes_down": 2_000_000, "earned": "0.25", "settled": "0.2", "fees": "0", "bounced": "0",
                    "services": [{
                        "service": "socks", "sessions": 2, "bytes_up": 1000, "bytes_down": 2_000_000, "earned": "0.25",
                    }],
                }],
            }),
        ),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let answer = call(served.port, &body).await;
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 1, "result": expected}), "{method}");
    }
}

/// Every method that the document lists exists here.
#[tokio::test]
async fn no_method_of_the_document_is_missing() {
    let served = Fake::new().serve().await;
    let port = served.port;
    let document = include_str!("../../../../docs/formats/rpc.md");
    let table = document.split("## Calls").nth(1).unwrap().split("\n### ").next().unwrap();
    let methods: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        // An owner's token does not open the last.
        .filter(|name| !name.ends_with("subscribe") && *name != "sub_account_show")
        .collect();
    assert!(methods.len() > 20, "{methods:?}");
    for method in methods {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"x": 1}}).to_string();
        assert_eq!(call(port, &body).await["error"]["code"], -32602, "{method}");
    }
}

fn deposit(key: &str, amount: &str) -> String {
    json!({"jsonrpc": "2.0", "id": 1, "method": "wallet_deposit",
        "params": {"amount": amount, "idempotency_key": key}})
    .to_string()
}

#[tokio::test]
async fn a_repeated_call_does_nothing_twice() {
    let served = Fake::new().serve().await;
    let first = call(served.port, &deposit("once", "5")).await;
    assert_eq!(first["result"]["stage"], "sent");
    served.fake.history.lock().unwrap()[0].stage = byway_node::api::Stage::Final;
    let again = call(served.port, &deposit("once", "5")).await;
    assert_eq!(again["result"]["stage"], "final");
    assert_eq!(again["result"]["transaction_id"], first["result"]["transaction_id"]);
    let other = call(served.port, &deposit("once", "6")).await;
    assert_eq!(other["error"]["data"], json!({"code": "idempotency_conflict"}));
    assert_eq!(served.fake.transactions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn calls_of_one_key_at_once_are_one_call_even_if_the_first_caller_leaves() {
    let served = Fake { gate: Some(Notify::new()), ..Fake::new() }.serve().await;
    let port = served.port;
    let first = tokio::spawn(async move { call(port, &deposit("once", "5")).await });
    served.fake.arrived.notified().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let second = tokio::spawn(async move { call(port, &deposit("once", "5")).await });
    served.fake.gate.as_ref().unwrap().notify_one();
    assert_eq!(second.await.unwrap()["result"]["amount"], "5");
    assert_eq!(served.fake.transactions.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn only_loopback_is_bound() {
    use byway_node::rpc::{self, Settings, Token};
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let settings = Settings { token: Token::parse(TOKEN).unwrap(), page_port: 1 };
    let (_stop, stopping) = tokio::sync::watch::channel(false);
    let error = rpc::serve(listener, settings, std::sync::Arc::new(Fake::new()), stopping).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
}
