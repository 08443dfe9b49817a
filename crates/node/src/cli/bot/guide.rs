//! The guide of a local network: a bot that answers words, and the shortest example of one in Rust.

use std::io::{BufRead, Write};

use serde_json::{Value, json};

/// What is answered, by the words that ask for it.
const ANSWERS: [(&[&str], &str); 6] = [
    (
        &["help", "hello", "hi", "hey"],
        "I know something about *exits*, *money*, *messages*, *groups* and *bots*. Say one of these words.",
    ),
    (
        &["exit", "exits", "browse", "proxy", "provider"],
        "What you fetch through the proxy leaves through an exit that somebody else sells, by the megabyte. Here two pretend to be in \
         different countries: `byway offer list` shows them, and the page *Browse* counts what it costs while you browse.",
    ),
    (
        &["money", "pay", "wallet", "cost", "promise"],
        "You pay with promises that only you sign. An exit settles them on the ledger, which seven nodes keep here: `byway promise list`, \
         `byway ledger audit`. This network is yours alone, so its coins are worth nothing elsewhere.",
    ),
    (
        &["message", "messages", "chat", "talk", "robin"],
        "What you say goes from your node to the other one, sealed from end to end, and through no server. Answer this, react to it, drop a \
         picture here, or press `?` for the keys. Robin has a page of its own, so you can watch both ends.",
    ),
    (
        &["group", "groups", "poll", "list"],
        "Make a group of Robin and me with *New group*. In it try a poll, or a list that all of you tick off.",
    ),
    (
        &["bot", "bots", "program"],
        "I am one: `byway bot run` stands between a program and the conversations that it was let into, and the program reads and writes \
         lines. docs/guide/bots.md says how to write your own.",
    ),
];

const ELSE: &str = "I only know some words. Say *help*.";

/// Answers on standard output whatever comes on standard input, until that ends.
///
/// # Errors
/// Either can't be read or written.
pub fn guide() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        if let Some(answer) = serde_json::from_str(&line?).ok().as_ref().and_then(answer) {
            writeln!(out, "{answer}")?;
            out.flush()?;
        }
    }
    Ok(())
}

/// The request that a line leads to.
fn answer(line: &Value) -> Option<Value> {
    if line.get("method")? != "message" {
        return None;
    }
    let said = line.get("params")?;
    let text = about(said.get("text")?.as_str()?);
    let params = json!({ "to": said.get("conversation")?, "text": text });
    Some(json!({ "jsonrpc": "2.0", "method": "send", "params": params }))
}

fn about(text: &str) -> &'static str {
    let text = text.to_lowercase();
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    let known = |word: &str| ANSWERS.iter().find(|(words, _)| words.contains(&word));
    words.find_map(known).map_or(ELSE, |(_, answer)| answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_answers_words_where_they_were_said_and_nothing_else() {
        let line = |method: &str, text: &str| json!({ "jsonrpc": "2.0", "method": method, "params": { "conversation": "c", "text": text } });
        let told = answer(&line("message", "Tell me of MONEY, please")).unwrap();
        assert_eq!((&told["method"], &told["params"]["to"]), (&json!("send"), &json!("c")));
        assert!(told["params"]["text"].as_str().unwrap().contains("promise"));
        assert_eq!(answer(&line("message", "what?")).unwrap()["params"]["text"], ELSE);
        assert_eq!(answer(&line("hello", "help")), None);
        assert_eq!(answer(&json!({ "error": { "code": -1 } })), None);
    }
}
