//! What a bot's program and the node say to each other: JSON-RPC 2.0, one object a line (`docs/guide/bots.md`).

use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::{May, Rules};
use crate::api::{ChatConversation, ChatItem};

/// Bytes of a line of a program.
pub const LINE_MAX: usize = 64 * 1024;
/// Characters of a request's id.
const ID_MAX: usize = 64;

/// Something that a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// As the program wrote it; without one there is no answer.
    pub id: Option<Value>,
    pub asked: Asked,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "snake_case")]
pub enum Asked {
    Send(Send),
    React(React),
    Read(Read),
    File(File),
    Invite(Invite),
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    pub to: String,
    /// Markdown.
    pub text: String,
    pub reply: Option<String>,
    pub thread: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct React {
    pub to: String,
    pub message: String,
    pub emoji: String,
    #[serde(default)]
    pub remove: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Read {
    pub to: String,
    pub before: Option<u64>,
    pub limit: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    pub to: String,
    pub message: String,
    #[serde(default)]
    pub number: usize,
    #[serde(default)]
    pub at: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invite {
    pub days: Option<u64>,
    pub note: Option<String>,
}

/// Why a program does not get what it asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("the line is no JSON")]
    NotJson,
    #[error("the line is no request: {0}")]
    NotARequest(&'static str),
    #[error("there is no such method, or its parameters are not as they should be: {0}")]
    NotUnderstood(String),
    #[error("this bot may not do that; `--may` says what it may")]
    MayNot,
    /// What is not there is refused alike, so that nobody learns what there is.
    #[error("no conversation that this bot was let into goes by that name")]
    NotIn,
    #[error("that is too much in a minute; again in {0} ms")]
    TooFast(u64),
    #[error("the node can't be asked now")]
    NodeAway,
    #[error("{message}")]
    Node { code: String, message: String },
}

impl Refusal {
    const fn code(&self) -> (i64, &str) {
        match self {
            Self::NotJson => (-32700, "not_json"),
            Self::NotARequest(_) => (-32600, "not_a_request"),
            Self::NotUnderstood(_) => (-32602, "not_understood"),
            Self::MayNot => (-32001, "may_not"),
            Self::NotIn => (-32002, "not_in"),
            Self::TooFast(_) => (-32003, "too_fast"),
            Self::NodeAway => (-32004, "node_away"),
            Self::Node { code, .. } => (-32005, code.as_str()),
        }
    }

    /// As the answer to a request.
    pub fn line(&self, id: &Value) -> String {
        let (number, code) = self.code();
        let mut data = json!({ "code": code });
        if let Self::TooFast(wait_ms) = self {
            data["retry_after_ms"] = json!(wait_ms);
        }
        let error = json!({ "code": number, "message": self.to_string(), "data": data });
        json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string()
    }
}

impl Asked {
    pub const fn needs(&self) -> May {
        match self {
            Self::Send(_) => May::Send,
            Self::React(_) => May::React,
            Self::Read(_) => May::Read,
            Self::File(_) => May::Files,
            Self::Invite(_) => May::Invite,
        }
    }

    /// Whether others see of it.
    pub const fn is_told(&self) -> bool {
        matches!(self, Self::Send(_) | Self::React(_) | Self::Invite(_))
    }

    pub fn to(&self) -> Option<&str> {
        match self {
            Self::Send(Send { to, .. })
            | Self::React(React { to, .. })
            | Self::Read(Read { to, .. })
            | Self::File(File { to, .. }) => Some(to),
            Self::Invite(_) => None,
        }
    }

    /// The conversation that is meant, where the rules let it; none where it is about none.
    ///
    /// # Errors
    /// The rules don't.
    pub fn permitted<'a>(
        &self,
        rules: &Rules,
        talks: &'a [ChatConversation],
    ) -> Result<Option<&'a ChatConversation>, Refusal> {
        // What was said is not only what addresses it.
        let reads_past_it = rules.mentions_only && matches!(self, Self::Read(_));
        if !rules.may(self.needs()) || reads_past_it {
            return Err(Refusal::MayNot);
        }
        self.to().map(|to| rules.find(to, talks).ok_or(Refusal::NotIn)).transpose()
    }
}

/// Reads a line of a program.
///
/// # Errors
/// What is wrong, and the id of what was to be a request, where it has one.
pub fn request(line: &[u8]) -> Result<Request, (Value, Refusal)> {
    let value: Value = serde_json::from_slice(line).map_err(|_| (Value::Null, Refusal::NotJson))?;
    let Value::Object(mut object) = value else {
        return Err((Value::Null, Refusal::NotARequest("it is no object")));
    };
    let id = object.remove("id");
    let is_id = |id: &Value| id.is_i64() || id.is_u64() || id.as_str().is_some_and(|id| id.chars().count() <= ID_MAX);
    if !id.as_ref().is_none_or(is_id) {
        return Err((Value::Null, Refusal::NotARequest("its id is neither an integer nor a short string")));
    }
    let refused = |refusal| (id.clone().unwrap_or_default(), refusal);
    if object.remove("jsonrpc") != Some(json!("2.0")) {
        return Err(refused(Refusal::NotARequest("`jsonrpc` is not \"2.0\"")));
    }
    object.entry("params").or_insert_with(|| json!({}));
    let asked = serde_json::from_value(Value::Object(object));
    let asked = asked.map_err(|error| refused(Refusal::NotUnderstood(error.to_string())))?;
    Ok(Request { id, asked })
}

pub fn result(id: &Value, result: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string()
}

/// The first line that a program gets: who it is, and where it may do what.
pub fn hello(rules: &Rules, talks: &[ChatConversation]) -> String {
    let may: Vec<String> = rules.may.iter().map(|may| format!("{may:?}").to_lowercase()).collect();
    let talks: Vec<Value> = talks.iter().filter(|talk| rules.is_within(talk)).map(shown).collect();
    let params = json!({ "name": rules.name, "identity": rules.me, "may": may, "conversations": talks });
    json!({ "jsonrpc": "2.0", "method": "hello", "params": params }).to_string()
}

/// A message that was said.
pub fn message(rules: &Rules, talk: &ChatConversation, author_name: &str, item: &ChatItem) -> String {
    let mut params = json!(item);
    if rules.is_hired() {
        params["paid"] = json!(true);
    }
    params["title"] = json!(talk.title);
    params["author_name"] = json!(author_name);
    json!({ "jsonrpc": "2.0", "method": "message", "params": params }).to_string()
}

fn shown(talk: &ChatConversation) -> Value {
    json!({ "conversation": talk.conversation, "title": talk.title, "peer": talk.peer })
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
