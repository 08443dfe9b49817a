//! The OpenRPC document and the code say the same.

use std::collections::BTreeSet;

use byway_node::api::ErrorKind;
use byway_node::rpc::dispatch;
use byway_node::rpc::kernel::{self, METHODS};
use serde_json::{Map, Value, json};

use super::fake::{ACCOUNT_TOKEN, Fake};
use super::fake_kernel::{KNOWN, output};
use super::wire::{call, call_with};

fn document() -> Value {
    serde_json::from_str(kernel::DOCUMENT).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Parameters of a method with which the fake node answers with everything.
fn sample(method: &str) -> Value {
    match method {
        "kernel_send" => json!({"transaction": "00ff"}),
        "kernel_transaction" => json!({"transaction_id": KNOWN, "proof": true}),
        "kernel_outputs" => json!({"outputs": [output()]}),
        "kernel_snapshots" => json!({"from": 9, "limit": 7}),
        "kernel_checkpoints" => json!({"from": 3, "limit": 1}),
        _ => json!({}),
    }
}

async fn ask(port: u16, method: &str, params: &Value) -> Value {
    call(port, &json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()).await
}

#[test]
fn the_same_methods_are_described_and_there() {
    let document = document();
    let described: BTreeSet<&str> = list(&document["methods"]).iter().map(|method| text(&method["name"])).collect();
    assert_eq!(described.len(), list(&document["methods"]).len(), "none is described twice");
    assert_eq!(described, METHODS.iter().copied().collect());
    assert_eq!(kernel::document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn errors_have_the_numbers_that_are_described() {
    let document = document();
    let errors = document["components"]["errors"].as_object().unwrap();
    for (word, error) in errors {
        let kind = ErrorKind::ALL.iter().find(|kind| kind.word() == word).expect(word);
        assert_eq!(error["code"], kind.number(), "{word}");
    }
    let mut used = BTreeSet::new();
    for method in list(&document["methods"]) {
        for error in list(&method["errors"]) {
            used.insert(text(&error["$ref"]).trim_start_matches("#/components/errors/").to_owned());
        }
    }
    assert_eq!(used, errors.keys().cloned().collect());
}

#[tokio::test]
async fn parameters_are_those_that_are_described() {
    let served = Fake::new().serve().await;
    for method in list(&document()["methods"]) {
        let name = text(&method["name"]);
        let params = sample(name);
        let described: BTreeSet<&str> = list(&method["params"]).iter().map(|param| text(&param["name"])).collect();
        let given: BTreeSet<&str> = params.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, given, "{name}: the sample has every parameter");
        assert!(ask(served.port, name, &params).await.get("error").is_none(), "{name} takes them all");
        for param in list(&method["params"]) {
            let mut without = params.clone();
            without.as_object_mut().unwrap().remove(text(&param["name"]));
            let answer = ask(served.port, name, &without).await;
            match param["required"].as_bool().unwrap() {
                true => assert_eq!(answer["error"]["data"]["field"], param["name"], "{name} needs it"),
                false => assert!(answer.get("error").is_none(), "{name} does without {}", param["name"]),
            }
            if let Some(max) = param["schema"]["maximum"].as_u64() {
                let mut beyond = params.clone();
                beyond[text(&param["name"])] = json!(max + 1);
                assert_eq!(ask(served.port, name, &beyond).await["error"]["data"]["field"], param["name"]);
            }
        }
        let unknown = ask(served.port, name, &json!({"surprise": 1})).await;
        assert_eq!(unknown["error"]["code"], -32602, "{name} refuses what is not described");
    }
}

/// Every answer fits its schema, and every field of every schema is in some answer.
#[tokio::test]
async fn results_are_what_is_described() {
    let served = Fake::new().serve().await;
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let mut seen = BTreeSet::new();
    for method in list(&document["methods"]) {
        let name = text(&method["name"]);
        let answer = ask(served.port, name, &sample(name)).await;
        fits(schemas, &method["result"]["schema"], &answer["result"], name, &mut seen);
    }
    let objects = schemas.iter().filter_map(|(name, schema)| Some((name, schema.get("properties")?.as_object()?)));
    let described: BTreeSet<String> =
        objects.flat_map(|(name, fields)| fields.keys().map(move |field| format!("{name}.{field}"))).collect();
    let missing: Vec<&String> = described.difference(&seen).collect();
    assert!(missing.is_empty(), "described, and never answered: {missing:?}");
}

/// Panics unless `value` fits `schema`; notes the fields that were there. Knows the keywords that the document uses.
fn fits(schemas: &Map<String, Value>, schema: &Value, value: &Value, at: &str, seen: &mut BTreeSet<String>) {
    let (schema, name) = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let name = reference.trim_start_matches("#/components/schemas/");
            (&schemas[name], name)
        }
        None => (schema, ""),
    };
    match schema["type"].as_str().unwrap_or_else(|| panic!("{at}: a schema without a type: {schema}")) {
        "object" => {
            let fields = value.as_object().unwrap_or_else(|| panic!("{at}: {value} is no object"));
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            for required in list(&schema["required"]) {
                assert!(fields.contains_key(text(required)), "{at} lacks {required}");
            }
            for (field, value) in fields {
                let property = properties.get(field).unwrap_or_else(|| panic!("{at}.{field} is not described"));
                seen.insert(format!("{name}.{field}"));
                fits(schemas, property, value, &format!("{at}.{field}"), seen);
            }
        }
        "array" => list(value).iter().for_each(|value| fits(schemas, &schema["items"], value, at, seen)),
        "string" => {
            let text = value.as_str().unwrap_or_else(|| panic!("{at}: {value} is no string"));
            if let Some(allowed) = schema.get("enum") {
                assert!(list(allowed).contains(value), "{at}: {text} is not described");
            }
            match schema.get("pattern").and_then(Value::as_str) {
                Some("^[0-9a-f]{64}$") => assert_eq!((text.len(), hex::decode(text).is_ok()), (64, true), "{at}"),
                Some("^([0-9a-f]{2})*$") => assert!(hex::decode(text).is_ok(), "{at}"),
                _ => {}
            }
        }
        "integer" => assert!(value.is_u64(), "{at}: {value} is no count"),
        "number" => assert!(value.is_number(), "{at}: {value} is no number"),
        "boolean" => assert!(value.is_boolean(), "{at}: {value} is neither true nor false"),
        other => panic!("{at}: the type {other} is not known to this test"),
    }
}

fn peer_document() -> Value {
    serde_json::from_str(include_str!("../../../../docs/formats/openrpc-peer.json")).unwrap()
}

/// The examples of the parameters that are needed, and of one more.
fn examples(method: &Value, more: Option<&str>) -> Value {
    let wanted = |param: &&Value| param["required"] == true || Some(text(&param["name"])) == more;
    let params = list(&method["params"]).iter().filter(wanted);
    params.map(|param| (text(&param["name"]).to_owned(), param["x-example"].clone())).collect::<Map<_, _>>().into()
}

#[test]
fn every_call_of_a_market_node_is_described() {
    let document = peer_document();
    let described: BTreeSet<&str> = list(&document["methods"]).iter().map(|method| text(&method["name"])).collect();
    let own: BTreeSet<&str> = dispatch::METHODS.iter().copied().chain(["sub_account_show"]).collect();
    assert_eq!(described, own);
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    for (word, error) in document["components"]["errors"].as_object().unwrap() {
        let kind = ErrorKind::ALL.iter().find(|kind| kind.word() == word).expect(word);
        assert_eq!(error["code"], kind.number(), "{word}");
    }
    for error in list(&document["methods"]).iter().flat_map(|method| list(&method["errors"])) {
        let word = text(&error["$ref"]).trim_start_matches("#/components/errors/");
        assert!(document["components"]["errors"].get(word).is_some(), "{word}");
    }
}

/// What an owner's token doesn't open; and what takes keys, proposals and entries that only other calls can make, and is
/// tested with those.
const NO_EXAMPLE: [&str; 8] = [
    "sub_account_show",
    "group_join",
    "group_show",
    "group_sign",
    "group_submit",
    "kernel_join",
    "kernel_rotate",
    // One of two is needed.
    "channel_message",
];

/// Each parameter is known, those that are needed are asked for, and no other is taken; answers fit their schemas.
#[tokio::test]
async fn calls_of_a_market_node_are_as_they_are_described() {
    let served = Fake::new().serve().await;
    let document = peer_document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let (mut answered, calls) = (0, std::cell::Cell::new(0));
    // Under the key of another call each would be a conflict.
    let fresh = |mut params: Value| {
        calls.set(calls.get() + 1);
        if let Some(key) = params.get_mut("idempotency_key") {
            *key = json!(format!("key-{}", calls.get()));
        }
        params
    };
    for method in list(&document["methods"]).iter().filter(|method| !NO_EXAMPLE.contains(&text(&method["name"]))) {
        let name = text(&method["name"]);
        let invalid = |answer: &Value| answer["error"]["code"] == -32602;
        let least = ask(served.port, name, &fresh(examples(method, None))).await;
        assert!(!invalid(&least), "{name}: {least}");
        if let Some(result) = least.get("result") {
            fits(schemas, &method["result"]["schema"], result, name, &mut BTreeSet::new());
            answered += 1;
        }
        for param in list(&method["params"]) {
            let field = text(&param["name"]);
            let with = ask(served.port, name, &fresh(examples(method, Some(field)))).await;
            assert!(!invalid(&with), "{name} takes {field}: {with}");
            let mut without = examples(method, None);
            if without.as_object_mut().unwrap().remove(field).is_some() {
                assert_eq!(ask(served.port, name, &fresh(without)).await["error"]["data"]["field"], field, "{name}");
            }
        }
        let mut more = examples(method, None);
        more["surprise"] = json!(1);
        assert!(invalid(&ask(served.port, name, &fresh(more)).await), "{name} takes what is not described");
    }
    assert!(answered > 30, "most calls are answered by the fake node, not {answered}");
}

#[tokio::test]
async fn a_sub_accounts_token_opens_little() {
    use byway_node::api::ACCOUNT_METHODS;
    // One node takes no more than a hundred calls at once.
    for methods in list(&peer_document()["methods"]).chunks(50) {
        let served = Fake::new().serve().await;
        for method in methods {
            let name = text(&method["name"]);
            let asked = json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": examples(method, None)});
            let answer = call_with(served.port, ACCOUNT_TOKEN, &asked.to_string()).await;
            let is_refused = answer["error"]["data"]["code"] == "not_allowed";
            // The session in use is not on its bill.
            let is_own = ACCOUNT_METHODS.contains(&name) && !matches!(name, "disconnect" | "service_close");
            assert_eq!(is_refused, !is_own, "{name}: {answer}");
        }
    }
    let served = Fake::new().serve().await;
    let connect = json!({"jsonrpc": "2.0", "id": 1, "method": "connect"}).to_string();
    let spent = call_with(served.port, ACCOUNT_TOKEN, &connect).await;
    assert_eq!(spent["error"]["data"]["code"], "account_spent");
    let kernel = json!({"jsonrpc": "2.0", "id": 1, "method": "kernel_send", "params": {"transaction": "00"}});
    let refused = call_with(served.port, ACCOUNT_TOKEN, &kernel.to_string()).await;
    assert_eq!(refused["error"]["data"]["code"], "not_allowed", "what is not listed is not opened");
}
