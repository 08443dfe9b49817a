//! Bots: programs between conversations and a node, as processes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use byway_node::api::*;
use byway_node::rpc::{self, Settings, Token};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::watch;

use super::chat::{acquainted, person, send, texts};
use super::cli::{byway, check_typed, directory_of, failure, text};
use super::fake::{Fake, TOKEN};
use super::network::{Mortal, Network, SOON};

pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/bots").join(name)
}

/// `byway bot run`, with what it says to the person at the keyboard.
pub struct Bot {
    process: Child,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Bot {
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
        command.arg("--dir").arg(directory).args(["bot", "run"]).args(arguments);
        command.env("BYWAY_PASSPHRASE", "correct horse").env_remove("BYWAY_DIR");
        let mut process = command.stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let errors = BufReader::new(process.stderr.take().unwrap()).lines();
        Self { process, errors }
    }

    /// Waits for a line that says this.
    async fn says(&mut self, expected: &str) -> String {
        let mut said = Vec::new();
        let reading = async {
            while let Some(line) = self.errors.next_line().await.unwrap() {
                if line.contains(expected) {
                    return line;
                }
                said.push(line);
            }
            panic!("it ended before it said `{expected}`: {said:?}");
        };
        tokio::time::timeout(SOON, reading).await.unwrap_or_else(|_| panic!("it did not say `{expected}`"))
    }
}

/// The local API of a real node, as processes find it.
pub struct Desk {
    pub folder: TempDir,
    _stop: watch::Sender<bool>,
}

pub async fn desk(who: &Mortal) -> Desk {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, (stop, stopping)) = (listener.local_addr().unwrap().port(), watch::channel(false));
    let settings = Settings { token: Token::parse(TOKEN).unwrap(), page_port: 1 };
    tokio::spawn(rpc::serve(listener, settings, Arc::new(who.node.api.clone()), stopping));
    Desk { folder: directory_of(port), _stop: stop }
}

pub async fn hears(who: &Mortal, from: &str, expected: &[&str]) {
    let what = format!("{expected:?}");
    who.node.until(&what, async |api| (texts(api, from).await == expected).then_some(())).await;
}

#[test]
fn what_can_be_typed_about_bots() {
    check_typed(&[
        ("bot run --in Bob --may answer ./bot.py", true),
        (
            "bot run --in Bob --in Carol --may read,send,react --name b-1 --mentions-only --once python3 bot.py --fast",
            true,
        ),
        ("bot run --in-all --may read ./bot.py", true),
        ("bot run --may answer ./bot.py", false),
        ("bot run --in Bob ./bot.py", false),
        ("bot run --in Bob --in-all --may answer ./bot.py", false),
        ("bot run --in Bob --may pay ./bot.py", false),
        ("bot run --in Bob --may answer", false),
        ("bot run --in Bob --may answer --name ../bot ./bot.py", false),
        ("bot run --in Bob --may answer --per-minute 0 ./bot.py", false),
        ("bot check --text help ./bot.py", true),
        ("bot check", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_answers_and_sees_each_message_once_however_often_it_is_killed() {
    let network = Network::start(&["one", "other"], &[]).await;
    let [alice, bob] = acquainted(&network).await;
    let desk = desk(&alice).await;
    let alices = alice.node.api.identity().to_string();
    bob.node.api.chat_send(send(&alices, "help, before it was there")).await.unwrap();
    hears(&alice, "Bob", &["help, before it was there"]).await;

    let program = example("keyword.py");
    let arguments = ["--in", "Bob", "--may", "answer", program.to_str().unwrap()];
    let mut bot = Bot::start(desk.folder.path(), &arguments);
    bot.says("keyword runs; conversations that it is in: 1").await;
    let twice = failure(desk.folder.path(), &[&["bot", "run"], &arguments[..]].concat());
    assert!(twice.contains("a bot `keyword` runs already"), "{twice}");
    bob.node.api.chat_send(send(&alices, "what are your HOURS?")).await.unwrap();
    let hours = "Open from nine to five, Monday to Friday.";
    let mut all = vec!["help, before it was there", "what are your HOURS?", hours];
    hears(&bob, &alices, &all).await;
    // What our person says herself is not for it.
    alice.node.api.chat_send(send("Bob", "ask me for help")).await.unwrap();
    all.push("ask me for help");
    hears(&bob, &alices, &all).await;

    bot.process.kill().await.unwrap();
    bob.node.api.chat_send(send(&alices, "which hours, I said?")).await.unwrap();
    all.push("which hours, I said?");
    hears(&alice, "Bob", &all).await;
    let _bot = Bot::start(desk.folder.path(), &arguments);
    all.push(hours);
    hears(&bob, &alices, &all).await;
    bob.node.api.chat_send(send(&alices, "thanks for your help")).await.unwrap();
    all.extend(["thanks for your help", "I answer the words *help* and *hours*; a person reads the rest."]);
    hears(&bob, &alices, &all).await;
    person(&alice.node, "Bob is a contact", |person| person.name == "Bob").await;
}

/// Says what it likes in its first life, and is well-behaved in its second one.
const HOSTILE: &str = r#"
import json, os, sys
if os.path.exists("lived"):
    print("second life \x1b[31m", file=sys.stderr, flush=True)
    sys.stdin.read()
    sys.exit()
open("lived", "w").close()
sys.stdin.readline()
def ask(id, method, **params):
    line = json.dumps({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
    print(line, flush=True)
    return json.loads(sys.stdin.readline())
answers = [
    ask(1, "send", to="Carol", text="hello"),
    ask(2, "react", to="Bob", message="m", emoji="x"),
    ask(3, "pay", to="Bob"),
    ask(4, "send", to="Bob", text="one"),
    ask(5, "send", to="Bob", text="two"),
    ask(6, "send", to="Bob", text="three"),
]
print("garbage", flush=True)
answers.append(json.loads(sys.stdin.readline()))
answers.append({"environment": [name for name in os.environ if name.startswith("BYWAY_")]})
with open("answers", "w") as file:
    json.dump(answers, file)
while True:
    sys.stdout.write("x" * 10000)
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_bot_is_refused_what_it_may_not_and_started_again_when_it_is_over() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let program = folder.path().join("hostile.py");
    let began = format!("import os\nos.chdir({:?})\n{HOSTILE}", folder.path().to_str().unwrap());
    std::fs::write(&program, began).unwrap();
    let program = program.to_str().unwrap();
    let arguments = ["--in", "Bob", "--may", "answer", "--per-minute", "2", "--name", "hostile", "python3", program];
    let mut bot = Bot::start(folder.path(), &arguments);
    bot.says("it has done all that it may in a minute").await;
    bot.says("a line is longer than 65536 bytes; it is started again in 1 s").await;
    let said = bot.says("hostile: ").await;
    assert!(said.contains("second life") && !said.contains('\x1b'), "{said:?}");

    let answers: Vec<Value> = serde_json::from_slice(&std::fs::read(folder.path().join("answers")).unwrap()).unwrap();
    let codes: Vec<&str> =
        answers.iter().map(|answer| answer["error"]["data"]["code"].as_str().unwrap_or("")).collect();
    assert_eq!(codes, ["not_in", "may_not", "not_understood", "", "", "too_fast", "not_json", ""]);
    assert!(answers[3]["result"]["message"].is_string(), "{}", answers[3]);
    assert!(answers[5]["error"]["data"]["retry_after_ms"].as_u64().unwrap() <= 60_000);
    assert_eq!(answers[7]["environment"], serde_json::json!([]), "no passphrase for programs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_is_let_into_nothing_by_a_name_that_nobody_has() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let refused = failure(folder.path(), &["bot", "run", "--in", "Carol", "--may", "answer", "true"]);
    assert!(refused.contains("no conversation is called `Carol`"), "{refused}");
    let ended = failure(folder.path(), &["bot", "run", "--in", "Bob", "--may", "answer", "--once", "false"]);
    assert!(ended.contains("the bot's program is over: it ended: exit status: 1"), "{ended}");
    let ended = byway(folder.path(), &["bot", "run", "--in", "Bob", "--may", "answer", "--once", "true"]);
    assert!(ended.status.success(), "{}", text(&ended.stderr));
}

#[test]
fn a_dry_run_shows_what_a_bot_would_do() {
    let folder = tempfile::tempdir().unwrap();
    let check = |said: &str, requests: &str, program: &[&str]| {
        let arguments = ["bot", "check", "--seconds", "90", "--requests", requests, "--text", said];
        byway(folder.path(), &[&arguments, program].concat())
    };
    let (keyword, reminder) = (example("keyword.py"), example("reminder.py"));
    let kept = folder.path().join("reminders.json");
    let answered = check("help", "1", &[keyword.to_str().unwrap()]);
    assert!(answered.status.success(), "{}", text(&answered.stderr));
    assert!(text(&answered.stdout).contains("a person reads the rest"), "{}", text(&answered.stdout));
    let program = [reminder.to_str().unwrap(), kept.to_str().unwrap()];
    let reminded = check("Remind me in 0 seconds to rest", "2", &program);
    assert!(reminded.status.success(), "{}", text(&reminded.stderr));
    assert!(text(&reminded.stdout).contains("You wanted to be reminded to rest."), "{}", text(&reminded.stdout));
    let refused = check("help", "1", &["echo", "garbage"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stdout));
}
