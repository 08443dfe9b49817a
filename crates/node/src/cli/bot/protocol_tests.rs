use byway_primitives::IdentityId;

use super::super::pretend;
use super::super::rules::{In, spelled_out};
use super::*;

#[test]
fn lines_are_requests_or_refused_with_a_reason() {
    let send = |id: &str| format!(r#"{{"jsonrpc":"2.0"{id},"method":"send","params":{{"to":"Bob","text":"x"}}}}"#);
    for (line, expected) in [
        (send(r#","id":1"#), None),
        (send(""), None),
        (send(r#","id":"a""#), None),
        (send(r#","id":{}"#), Some("not_a_request")),
        (send(&format!(r#","id":"{}""#, "x".repeat(65))), Some("not_a_request")),
        ("garbage".to_owned(), Some("not_json")),
        ("[1]".to_owned(), Some("not_a_request")),
        ("[".repeat(10_000), Some("not_json")),
        (r#"{"id":1,"method":"send","params":{"to":"Bob","text":"x"}}"#.to_owned(), Some("not_a_request")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"pay"}"#.to_owned(), Some("not_understood")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"send","params":{"to":"Bob"}}"#.to_owned(), Some("not_understood")),
        (r#"{"jsonrpc":"2.0","id":1,"method":"invite"}"#.to_owned(), None),
        (r#"{"jsonrpc":"2.0","id":1,"method":"invite","params":{"all":1}}"#.to_owned(), Some("not_understood")),
    ] {
        let refused = request(line.as_bytes()).err().map(|(_, refusal)| refusal.code().1.to_owned());
        assert_eq!(refused.as_deref(), expected, "{:.90}", line);
    }
    let (id, refusal) = request(br#"{"jsonrpc":"2.0","id":5,"method":"pay"}"#).unwrap_err();
    let answer: Value = serde_json::from_str(&refusal.line(&id)).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["data"]["code"]), (&json!(5), &json!("not_understood")));
}

#[test]
fn nothing_is_permitted_that_was_not_said() {
    let talks = [pretend::conversation()];
    let (title, to) = (talks[0].title.clone(), talks[0].conversation.clone());
    let all = [May::Read, May::Send, May::React, May::Files];
    let asked = |method: &str| match method {
        "send" => json!({ "method": "send", "params": { "to": title, "text": "x" } }),
        "react" => json!({ "method": "react", "params": { "to": to, "message": "m", "emoji": "👍" } }),
        "file" => json!({ "method": "file", "params": { "to": to, "message": "m" } }),
        _ => json!({ "method": method, "params": { "to": to } }),
    };
    for (method, needs) in [("send", May::Send), ("react", May::React), ("read", May::Read), ("file", May::Files)] {
        let asked: Asked = serde_json::from_value(asked(method)).unwrap();
        for may in all {
            for (mentions_only, within) in [(false, In::All), (true, In::All), (false, In::These([].into()))] {
                let me = IdentityId([7; 20]);
                let is_in = within == In::All;
                let rules = Rules { within, may: spelled_out(&[may]), mentions_only, name: "b".to_owned(), me };
                let expected = match () {
                    () if may != needs || (mentions_only && method == "read") => Err(Refusal::MayNot),
                    () if !is_in => Err(Refusal::NotIn),
                    () => Ok(Some(&talks[0])),
                };
                assert_eq!(asked.permitted(&rules, &talks), expected, "{method} {may:?} {mentions_only}");
            }
        }
    }
}
