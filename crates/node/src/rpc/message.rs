//! JSON-RPC 2.0 messages, read strictly: one object per message, no batches, no notifications.

use serde_json::{Map, Value, json};

use crate::api::{ApiError, ErrorKind};

/// A request that is well-formed; whether its method exists is not decided here.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub id: Value,
    pub method: String,
    pub params: Option<Value>,
}

/// What was sent is no request. `id` is the request's where it could be read, else null.
#[derive(Debug, Clone, PartialEq)]
pub struct Malformed {
    pub id: Value,
    pub error: ApiError,
}

impl Call {
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let value = serde_json::from_slice(bytes).map_err(|error| Malformed {
            id: Value::Null,
            error: ApiError::new(
                ErrorKind::ParseError,
                format!("That is not JSON: {error}."),
                "Send one JSON-RPC 2.0 request.",
            ),
        })?;
        match value {
            Value::Object(members) => Self::from_members(members),
            Value::Array(_) => Err(invalid(Value::Null, "Batches are not supported", "Send one request at a time.")),
            _ => Err(invalid(Value::Null, "A request is an object", "Send one JSON-RPC 2.0 request.")),
        }
    }

    fn from_members(mut members: Map<String, Value>) -> Result<Self, Malformed> {
        let id = members.remove("id");
        let id = match id {
            Some(id @ (Value::String(_) | Value::Number(_))) => id,
            _ => return Err(invalid(Value::Null, "`id` must be a string or a number", "Add one.")),
        };
        if members.remove("jsonrpc") != Some("2.0".into()) {
            return Err(invalid(id, "`jsonrpc` must be \"2.0\"", "Send a JSON-RPC 2.0 request."));
        }
        let Some(Value::String(method)) = members.remove("method") else {
            return Err(invalid(id, "`method` must be a string", "Name the method to call."));
        };
        let params = members.remove("params");
        match members.keys().next() {
            None => Ok(Self { id, method, params }),
            Some(_) => {
                Err(invalid(id, "A request has no other members than jsonrpc, id, method, params", "Remove it."))
            }
        }
    }
}

impl Malformed {
    pub fn response(&self) -> Value {
        response(&self.id, Err(&self.error))
    }
}

/// The answer to a call.
pub fn response(id: &Value, outcome: Result<&Value, &ApiError>) -> Value {
    match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error.to_json() }),
    }
}

/// An event for a subscriber.
pub fn event(subscription: &str, topic: &str, data: &impl serde::Serialize) -> Value {
    let params = json!({ "subscription": subscription, "topic": topic, "data": data });
    json!({ "jsonrpc": "2.0", "method": "event", "params": params })
}

fn invalid(id: Value, what: &str, remedy: &str) -> Malformed {
    Malformed { id, error: ApiError::new(ErrorKind::InvalidRequest, format!("{what}."), remedy) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_what_is_none() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, Ok(())),
            (r#"{"jsonrpc":"2.0","id":"x","method":"m","params":{}}"#, Ok(())),
            ("{", Err((Value::Null, ErrorKind::ParseError))),
            ("", Err((Value::Null, ErrorKind::ParseError))),
            ("[]", Err((Value::Null, ErrorKind::InvalidRequest))),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"m"}]"#, Err((Value::Null, ErrorKind::InvalidRequest))),
            ("7", Err((Value::Null, ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","method":"m"}"#, Err((Value::Null, ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, Err((Value::Null, ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#, Err((Value::Null, ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, Err((json!(1), ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","id":1}"#, Err((json!(1), ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","id":1,"method":2}"#, Err((json!(1), ErrorKind::InvalidRequest))),
            (r#"{"jsonrpc":"2.0","id":1,"method":"m","x":1}"#, Err((json!(1), ErrorKind::InvalidRequest))),
        ] {
            let parsed = Call::parse(text.as_bytes());
            assert_eq!(parsed.map(|_| ()).map_err(|bad| (bad.id, bad.error.kind)), expected, "{text}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(Call::parse(deep.as_bytes()).unwrap_err().error.kind, ErrorKind::ParseError);
    }
}
