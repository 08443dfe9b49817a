//! `cargo xtask clients`: the types of the TypeScript client, out of the OpenRPC documents.
//!
//! **Problem.** A client that is written by hand says sooner or later something else than the node.
//!
//! **Idea.** The node's tests hold `docs/formats/openrpc.json` and `openrpc-peer.json` and the node together; what is made of
//! these documents by a rule can't differ either. `cargo xtask tidy` fails when the file in `clients/typescript` is not what the
//! documents give.
//!
//! **Algorithm.** Each schema becomes an interface or a type of its name, each method a line of the table `Methods`, each topic
//! one of `Events`, each error a line of `ERRORS`. A field that may be left out may also be null.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::Workspace;

/// What is read, the kernel's calls first.
const DOCUMENTS: [&str; 2] = ["docs/formats/openrpc.json", "docs/formats/openrpc-peer.json"];
/// What is written.
const CONTRACT: &str = "clients/typescript/src/contract.ts";
const HEAD: &str = "\
// Made of docs/formats/openrpc.json and openrpc-peer.json by `cargo xtask clients`. Changes go there.
//! Long because: it is made, and nobody reads it from one end to the other.

";
/// What the parameter is called by which a repeated call does nothing twice.
const KEY: &str = "idempotency_key";

/// Writes the client's types.
pub fn run(workspace: &Workspace) -> Result<()> {
    let path = contract_path(workspace);
    std::fs::write(&path, contract(workspace)?).with_context(|| format!("{} can't be written", path.display()))
}

/// Fails unless the client's types are what the documents give.
pub fn check(workspace: &Workspace) -> Result<()> {
    let path = contract_path(workspace);
    let there = std::fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
    if there != contract(workspace)? {
        bail!("{CONTRACT} is not what the OpenRPC documents give; run `cargo xtask clients`");
    }
    Ok(())
}

fn contract_path(workspace: &Workspace) -> PathBuf {
    workspace.root().join(CONTRACT)
}

fn contract(workspace: &Workspace) -> Result<String> {
    let documents: Result<Vec<Value>> = DOCUMENTS.iter().map(|name| document(workspace, name)).collect();
    of_documents(&documents?)
}

fn document(workspace: &Workspace, name: &str) -> Result<Value> {
    let text = std::fs::read_to_string(workspace.root().join(name)).with_context(|| format!("{name} can't be read"))?;
    serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))
}

fn of_documents(documents: &[Value]) -> Result<String> {
    let mut out = HEAD.to_owned();
    let mut seen: BTreeMap<&String, &Value> = BTreeMap::new();
    for (name, schema) in documents.iter().flat_map(|document| members(&document["components"]["schemas"])) {
        match seen.insert(name, schema) {
            None => declare(&mut out, name, schema)?,
            Some(before) if before == schema => {}
            Some(_) => bail!("the documents have two schemas {name} that differ; give one of them another name"),
        }
    }
    let methods: Vec<&Value> = documents.iter().flat_map(|document| list(&document["methods"])).collect();
    table(&mut out, &methods)?;
    keyed(&mut out, &methods);
    events(&mut out, documents)?;
    errors(&mut out, documents);
    Ok(out)
}

fn declare(out: &mut String, name: &str, schema: &Value) -> Result<()> {
    comment(out, "", schema);
    match schema["properties"].as_object() {
        Some(fields) if !fields.is_empty() => {
            put(out, &format!("export interface {name} {{"));
            let required: Vec<&str> = list(&schema["required"]).iter().filter_map(Value::as_str).collect();
            for (field, schema) in fields {
                comment(out, "  ", schema);
                let of_type = of_schema(schema)?;
                put(
                    out,
                    &match required.contains(&field.as_str()) {
                        true => format!("  {field}: {of_type};"),
                        false => format!("  {field}?: {of_type} | null;"),
                    },
                );
            }
            put(out, "}\n");
        }
        _ => put(out, &format!("export type {name} = {};\n", of_schema(schema)?)),
    }
    Ok(())
}

/// The table that types calls.
fn table(out: &mut String, methods: &[&Value]) -> Result<()> {
    put(
        out,
        "/** Every method, with what it takes and gives. A key against repetition is made where it is left out. */",
    );
    put(out, "export interface Methods {");
    for method in methods {
        comment(out, "  ", &method["summary"]);
        let mut fields = Vec::new();
        for param in list(&method["params"]) {
            let (name, of_type) = (text(&param["name"])?, of_schema(&param["schema"])?);
            let is_needed = param["required"] == true && name != KEY;
            fields.push(format!("{}: {of_type}", if is_needed { name.to_owned() } else { format!("{name}?") }));
        }
        let params = match fields.is_empty() {
            true => "Record<string, never>".to_owned(),
            false => format!("{{ {} }}", fields.join("; ")),
        };
        let result = of_schema(&method["result"]["schema"])?;
        put(out, &format!("  {:?}: {{ params: {params}; result: {result} }};", text(&method["name"])?));
    }
    put(out, "}\n\nexport type Method = keyof Methods;\n");
    Ok(())
}

fn keyed(out: &mut String, methods: &[&Value]) {
    let takes_key = |method: &&&Value| list(&method["params"]).iter().any(|param| param["name"] == KEY);
    put(out, "/** The methods that take a key, by which a repeated call does nothing twice. */");
    put(out, "export const KEYED: ReadonlySet<Method> = new Set<Method>([");
    for method in methods.iter().filter(takes_key) {
        put(out, &format!("  {},", method["name"]));
    }
    put(out, "]);\n");
}

fn events(out: &mut String, documents: &[Value]) -> Result<()> {
    put(out, "/** What the data of an event holds, by topic. */\nexport interface Events {");
    for (topic, schema) in documents.iter().flat_map(|document| members(&document["x-topics"])) {
        put(out, &format!("  {topic}: {};", of_schema(schema)?));
    }
    put(out, "}\n\nexport type Topic = keyof Events;\n");
    Ok(())
}

fn errors(out: &mut String, documents: &[Value]) {
    put(out, "/** The numbers of errors by their stable words. Others may come. */\nexport const ERRORS = {");
    let mut seen = BTreeSet::new();
    for (word, error) in documents.iter().flat_map(|document| members(&document["components"]["errors"])) {
        if seen.insert(word) {
            put(out, &format!("  {word}: {},", error["code"]));
        }
    }
    put(out, "} as const;\n\nexport type ErrorCode = keyof typeof ERRORS;");
}

/// A schema as a type. Knows the keywords that the documents use.
fn of_schema(schema: &Value) -> Result<String> {
    if let Some(reference) = schema["$ref"].as_str() {
        return Ok(reference.rsplit('/').next().unwrap_or_default().to_owned());
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values.iter().map(Value::to_string).collect();
        return Ok(values.join(" | "));
    }
    if let Some(kinds) = schema["type"].as_array() {
        let kinds: Result<Vec<String>> = kinds.iter().map(|kind| of_kind(text(kind)?, schema)).collect();
        return Ok(kinds?.join(" | "));
    }
    of_kind(text(&schema["type"])?, schema)
}

fn of_kind(kind: &str, schema: &Value) -> Result<String> {
    Ok(match kind {
        "string" => "string".to_owned(),
        "integer" | "number" => "number".to_owned(),
        "boolean" => "boolean".to_owned(),
        "null" => "null".to_owned(),
        "array" => {
            let items = of_schema(&schema["items"])?;
            if items.contains(' ') { format!("({items})[]") } else { format!("{items}[]") }
        }
        "object" => object(schema)?,
        other => bail!("the type {other} is not known to the generator"),
    })
}

/// An object within another.
fn object(schema: &Value) -> Result<String> {
    let required: Vec<&str> = list(&schema["required"]).iter().filter_map(Value::as_str).collect();
    let mut fields = Vec::new();
    for (field, schema) in members(&schema["properties"]) {
        let of_type = of_schema(schema)?;
        fields.push(match required.contains(&field.as_str()) {
            true => format!("{field}: {of_type}"),
            false => format!("{field}?: {of_type} | null"),
        });
    }
    Ok(if fields.is_empty() { "Record<string, unknown>".to_owned() } else { format!("{{ {} }}", fields.join("; ")) })
}

fn comment(out: &mut String, indent: &str, schema: &Value) {
    let said = schema.as_str().or_else(|| schema["description"].as_str());
    if let Some(said) = said {
        put(out, &format!("{indent}/** {} */", said.replace("*/", "* /")));
    }
}

fn put(out: &mut String, line: &str) {
    writeln!(out, "{line}").expect("a string takes everything");
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} should be a text"))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn schemas_become_types() {
        for (schema, expected) in [
            (json!({"$ref": "#/components/schemas/Entry"}), "Entry"),
            (json!({"type": "array", "items": {"type": "string"}}), "string[]"),
            (json!({"type": "array", "items": {"type": "string", "enum": ["a", "b"]}}), "(\"a\" | \"b\")[]"),
            (json!({"type": ["string", "null"]}), "string | null"),
            (
                json!({"type": "object", "properties": {"a": {"type": "integer"}}, "required": []}),
                "{ a?: number | null }",
            ),
        ] {
            assert_eq!(of_schema(&schema).unwrap(), expected);
        }
        assert!(of_schema(&json!({"oneOf": []})).is_err(), "what isn't known is no `any`");
    }

    #[test]
    fn the_client_is_made_of_the_documents() {
        check(&Workspace::find()).unwrap();
    }
}
