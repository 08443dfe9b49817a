//! The OpenRPC document and the code say the same.

use std::collections::BTreeSet;

use byway_node::api::ErrorKind;
use byway_node::rpc::kernel::{self, METHODS};
use serde_json::{Map, Value, json};

use super::fake::Fake;
use super::fake_kernel::{KNOWN, output};
use super::wire::call;

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
