//! The command line: what can be typed, and commands as processes against a fake node.

use std::path::Path;
use std::process::{Command, Output};

use byway_node::cli::Cli;
use byway_node::directory::{Directory, RunFile};
use clap::{CommandFactory, Parser};
use serde_json::Value;

use byway_node::api::{Session, SessionState};

use super::fake::{Fake, TOKEN, id, session};
use super::fetch;

pub fn byway(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_byway"));
    command.arg("--dir").arg(directory).args(arguments);
    command.env("BYWAY_PASSPHRASE", "correct horse").env_remove("BYWAY_DIR");
    command.output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Runs a command and expects JSON on standard output.
pub fn json(directory: &Path, arguments: &[&str]) -> Value {
    let output = byway(directory, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command and expects it to fail with a reason.
pub fn failure(directory: &Path, arguments: &[&str]) -> String {
    let output = byway(directory, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

/// A directory in which a fake node seems to run.
pub fn directory_of(port: u16) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let directory = Directory::new(folder.path());
    std::fs::write(directory.token_file(), TOKEN).unwrap();
    let run = RunFile {
        pid: std::process::id(),
        proxy: "127.0.0.1:1080".into(),
        web: "127.0.0.1:7070".into(),
        rpc: format!("127.0.0.1:{port}"),
        token_file: directory.token_file(),
    };
    directory.write_run_file(&run).unwrap();
    folder
}

#[test]
fn the_definition_is_sound_and_help_is_whole() {
    Cli::command().debug_assert();
    let help = Cli::command().render_long_help().to_string();
    for word in
        ["up", "status", "fetch", "wallet", "identity", "ledger", "genesis", "kernel", "relay", "bench", "--dir"]
    {
        assert!(help.contains(word), "{word}");
    }
}

/// What a command shows, which must succeed.
pub fn shown(directory: &Path, arguments: &[&str]) -> String {
    let output = byway(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// Command lines, and whether they can be typed.
pub fn check_typed(table: &[(&str, bool)]) {
    for (line, fits) in table {
        let arguments = std::iter::once("byway").chain(line.split_whitespace());
        let parsed = Cli::try_parse_from(arguments);
        assert_eq!(parsed.is_ok(), *fits, "{line}: {:?}", parsed.err().map(|error| error.to_string()));
    }
}

#[test]
fn what_can_be_typed() {
    let offer = "ab".repeat(32);
    check_typed(&[
        ("up", true),
        ("up --kernel-nodes 4 --providers 1 --exit-allow 127.0.0.0/8 --exit-allow ::1/128 --ports auto", true),
        ("up --kernel-nodes 3", false),
        ("up --exit-allow everything", false),
        ("up --ports maybe", false),
        ("status --link --json --dir /tmp/d", true),
        ("--dir /tmp/d status", true),
        ("fetch http://example.org/x -o file", true),
        ("fetch https://example.org/x --ca-file own.pem", true),
        ("fetch ftp://example.org/x", false),
        ("fetch", false),
        (&format!("connect --offer {offer}"), true),
        (&format!("connect --offer {offer} --country DE"), false),
        ("connect --country de --max-price 0.05", true),
        ("connect --per second --max-price 0.0001", true),
        ("connect --per hour", false),
        (&format!("connect --offer {offer} --per second"), true),
        ("connect --country Germany", false),
        ("offer list --service socks --country DE --max-price 1e3", false),
        ("offer publish --price 0.01 --bandwidth 1000", true),
        ("offer publish --price-per-second 0.0001", true),
        (&format!("offer withdraw {offer}"), true),
        ("identity restore --device 1", true),
        ("identity new work --purpose selling", true),
        ("identity new work --purpose fun", false),
        ("ledger audit", true),
        (&format!("ledger transaction {offer}"), true),
        ("ledger identity zz", false),
        ("kernel run --config f", true),
        ("kernel run", false),
        ("relay run --config f", true),
        ("relay address --config f --pin", true),
        ("run --config f", true),
        ("run", true),
        ("join network.json --device 1 --run --ports auto", true),
        ("join -", true),
        ("join", false),
        ("network link network.json --relay http://relay.example.org:7200", true),
        ("invite new --coins 20 --without-pledge --within 7d", true),
        ("invite new", false),
        ("invite new --coins 20 --within soon", false),
        ("invite take-back 1 --wait", true),
        ("invite show one", false),
        ("genesis new --name n --out f", false),
        ("bench kernel --nodes 7 --rate 3000 --seconds 10 --json", true),
        ("bench kernel --shape ghost --rate 5000 --json", true),
        ("bench kernel --shape 2-2", false),
        ("bench kernel --idle --seconds 30 --json", true),
        ("bench kernel --idle --rate 100", false),
        ("bench restart --outputs 10000000 --json", true),
        ("bench socks --json", true),
        ("bench discovery --offers 100 --json", true),
        ("bench scan --transactions 100 --json", true),
        ("bench scan --transactions 0", false),
        ("bench nothing", false),
        ("", false),
    ]);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(byway(folder.path(), &["wallet", "sned"]).status.code(), Some(2));
}

#[test]
fn what_can_be_typed_about_money() {
    let asset = "ab".repeat(32);
    check_typed(&[
        ("wallet send way00 1.5 --idempotency-key k", true),
        ("wallet send way00 -1", false),
        ("wallet send way00 2 --asset TEST", true),
        (&format!("wallet send way00 2 --asset {asset}"), true),
        ("wallet send way00 2 --asset test", false),
        ("wallet view-key", true),
        ("wallet watch --network network.json --view-key-file key --once", true),
        ("wallet watch", false),
        ("wallet group new --threshold 2 --out f way00 way01", true),
        ("wallet group new --threshold 2 --out f way00", false),
        ("wallet group new --threshold 0 --out f way00 way01", false),
        ("wallet group join f", true),
        ("wallet group propose way2of3 way00 5 --within 2d --out f", true),
        ("wallet group propose way2of3 way00 5", false),
        ("wallet group sign f --out g", true),
        ("wallet group submit", false),
        ("wallet group submit f g", true),
        ("wallet consolidate", true),
        ("wallet consolidate --mix --within 30m", true),
        ("wallet consolidate --within soon", false),
        ("wallet consolidate --within 9999999999999999999d", false),
        ("asset list", true),
        ("asset register ABC --name Bond --decimals 2", true),
        ("asset register WAY --name Way", false),
        ("asset register ABC --name Bond --decimals 19", false),
        ("asset issue ABC 5 --to way00", true),
        ("asset burn ABC", false),
        ("asset faucet", true),
        ("asset faucet 5", true),
        ("wallet deposit", false),
        ("promise settle", true),
        ("promise settle --no-wait", true),
        (&format!("promise settle {}", "12".repeat(20)), true),
        ("promise settle 12", false),
    ]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_for_a_running_node() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let sessions = json(directory, &["session", "list"]);
    for field in
        ["id", "offer_id", "provider", "service", "bytes_up", "bytes_down", "seconds", "price", "cost", "paid", "state"]
    {
        assert!(sessions[0].get(field).is_some(), "{field}");
    }
    let audit = json(directory, &["ledger", "audit"]);
    for field in ["supply", "outputs", "accounts", "reservations", "pledges", "channels", "pool"] {
        assert!(audit[field].is_string(), "{field}");
    }
    assert_eq!(audit["balanced"], true);
    assert_eq!(json(directory, &["wallet", "balance"])["wallet"], "99");
    assert_eq!(json(directory, &["wallet", "deposit", "5", "--idempotency-key", "k"])["stage"], "sent");
    assert_eq!(json(directory, &["wallet", "history"])[0]["amount"], "5");
    assert_eq!(json(directory, &["connect", "--country", "DE"])["state"], "active");
    assert_eq!(json(directory, &["offer", "list", "--country", "CH"]), serde_json::json!([]));
    assert_eq!(json(directory, &["promise", "settle"])[0]["asked"], true);
    let identities = json(directory, &["identity", "list"]);
    let shown =
        |index: usize| (&identities[index]["name"], &identities[index]["number"], &identities[index]["registered"]);
    assert_eq!(shown(0), (&"browsing".into(), &0.into(), &true.into()));
    assert_eq!(shown(1), (&"work".into(), &3.into(), &false.into()));
    assert_eq!(json(directory, &["ledger", "identity", &id(3).to_string()])["account"], "12");
    let link = format!("http://127.0.0.1:7070/#token={TOKEN}&rpc={}\n", served.port);
    assert_eq!(text(&byway(directory, &["status", "--link"]).stdout), link);
    let screen = text(&byway(directory, &["status"]).stdout);
    assert!(screen.contains("99 WAY") && screen.contains("up to date") && !screen.contains(TOKEN), "{screen}");
    for arguments in [&["offer", "list"][..], &["session", "list"], &["promise", "list"], &["wallet", "history"]] {
        let output = byway(directory, arguments);
        assert!(output.status.success() && text(&output.stdout).lines().count() >= 2, "{arguments:?}");
    }
}

/// A symbol that several issuers use means none of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn an_asset_is_named_by_what_can_mean_one_only() {
    let served = Fake::new().serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let (one, other) = (super::fake::asset(id(1)), super::fake::asset(id(2)));
    let error = failure(directory, &["wallet", "send", "way00", "5", "--asset", "ABC"]);
    assert!(error.contains(&one.asset.to_string()) && error.contains(&other.asset.to_string()), "{error}");
    assert!(failure(directory, &["asset", "burn", "NONE", "5"]).contains("asset list"));
    for name in ["XYZ".to_owned(), one.asset.to_string(), "WAY".to_owned()] {
        assert_eq!(json(directory, &["wallet", "send", "way00", "5", "--asset", &name])["amount"], "5", "{name}");
    }
    assert_eq!(json(directory, &["asset", "issue", "XYZ", "7"])["kind"], "issue");
    assert_eq!(json(directory, &["asset", "faucet"])["amount"], "100");
    let listed = text(&byway(directory, &["asset", "list"]).stdout);
    assert!(listed.contains("this node") && listed.contains("a bond"), "{listed}");
    let plan = json(directory, &["wallet", "consolidate", "--within", "2h"]);
    assert_eq!((&plan["transactions"], &plan["until_ms"]), (&2.into(), &7_200_000.into()));
}

/// A group is set up without a node, and its key is not written over.
#[test]
fn a_group_is_set_up_from_its_members_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let address = |seed: u8| byway_crypto::WalletSecret::from_seed(&[seed; 32]).address().to_string();
    let members = [1, 2, 3].map(address);
    let file = folder.path().join("group.key").to_str().unwrap().to_owned();
    let mut arguments = vec!["wallet", "group", "new", "--threshold", "2", "--out", &file];
    arguments.extend(members.iter().map(String::as_str));
    let made = json(folder.path(), &arguments);
    assert!(made["address"].as_str().unwrap().starts_with("way2of3-"), "{made}");
    let text = std::fs::read_to_string(&file).unwrap();
    let view = byway_crypto::GroupView::from_text(text.trim()).unwrap();
    assert_eq!(view.group().to_string(), made["address"]);
    assert!(failure(folder.path(), &arguments).contains("not overwritten"));
    let other = folder.path().join("other.key").to_str().unwrap().to_owned();
    for (threshold, members, reason) in [
        ("3", vec![members[0].as_str(), &members[1]], "no more than it has members"),
        ("1", vec![&members[0], &members[0]], "twice"),
        ("1", vec![&members[0], "way00"], "no member's address"),
    ] {
        let arguments = [vec!["wallet", "group", "new", "--threshold", threshold, "--out", &other], members].concat();
        assert!(failure(folder.path(), &arguments).contains(reason), "{reason}");
    }
}

/// The first fetch opens a session, which for a moment has cost nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_never_says_that_nothing_was_paid_before_it_is_known() {
    let at = |cost: &str| vec![Session { cost: cost.parse().unwrap(), ..session("a1", SessionState::Active, 0) }];
    let tiny = "0.000000000000000003";
    for (plan, cost) in [
        (vec![vec![], at("0"), at("0"), at(tiny)], Some(tiny)),
        (vec![at("0.5"), at("0.5"), at("0.50001")], Some("0.00001")),
        (vec![vec![], at("0")], None),
    ] {
        let (proxy, _) = fetch::proxy(0, |_, _| b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi".to_vec()).await;
        let served = Fake { sessions: plan.into(), ..Fake::new() }.serve().await;
        let folder = directory_of(served.port);
        let directory = Directory::new(folder.path());
        let mut run = directory.read_run_file().unwrap().unwrap();
        run.proxy = proxy;
        directory.write_run_file(&run).unwrap();
        let file = folder.path().join("fetched");
        let arguments = ["fetch", "http://example.test/", "-o", file.to_str().unwrap()];
        match cost {
            Some(cost) => assert_eq!(json(folder.path(), &arguments)["cost"], cost),
            None => {
                let receipt = text(&byway(folder.path(), &arguments).stderr);
                assert!(receipt.contains("not metered yet"), "{receipt}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_have_a_reason_a_remedy_and_their_exit_code() {
    let served = Fake { balanced: false, ..Fake::new() }.serve().await;
    let folder = directory_of(served.port);
    let directory = folder.path();
    let audit = byway(directory, &["ledger", "audit", "--json"]);
    assert_eq!(audit.status.code(), Some(1));
    assert_eq!(serde_json::from_slice::<Value>(&audit.stdout).unwrap()["balanced"], false);
    let error = failure(directory, &["wallet", "withdraw", "900"]);
    assert!(error.contains("12.5 WAY") && error.contains("deposit"), "{error}");
    let error: Value = serde_json::from_str(&failure(directory, &["wallet", "withdraw", "900", "--json"])).unwrap();
    assert_eq!(error["error"]["code"], "insufficient_account");

    std::fs::write(Directory::new(directory).token_file(), TOKEN.replace('0', "1")).unwrap();
    let error = failure(directory, &["status"]);
    assert!(error.contains("token"), "{error}");

    let empty = tempfile::tempdir().unwrap();
    let error = failure(empty.path(), &["status"]);
    assert!(error.contains("no node runs") && error.contains("byway up"), "{error}");

    // A port that nobody listens on any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = directory_of(port);
    let error = failure(gone.path(), &["status"]);
    assert!(error.contains("ended without a clean stop"), "{error}");
    let _lock = Directory::new(gone.path()).lock().unwrap();
    let error = failure(gone.path(), &["status"]);
    assert!(error.contains("doesn't answer"), "{error}");
}

#[test]
fn a_keystore_from_birth_to_another_device() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("new/one");
    let made = json(&directory, &["identity", "new"]);
    let phrase = made["phrase"].as_str().unwrap().to_owned();
    assert_eq!(phrase.split(' ').count(), 24);
    assert_eq!(made["identities"].as_array().unwrap().len(), 3);

    assert!(failure(&directory, &["identity", "new"]).contains("identity new NAME"));
    let work = json(&directory, &["identity", "new", "work", "--purpose", "selling"]);
    assert_eq!((&work["purpose"], &work["number"]), (&Value::from("selling"), &Value::from(3)));
    assert_eq!(json(&directory, &["identity", "list"]).as_array().unwrap().len(), 4);
    assert_eq!(json(&directory, &["identity", "export"])["phrase"], phrase);
    assert!(failure(&directory, &["identity", "show", "nobody"]).contains("identity list"));

    let words = folder.path().join("words");
    std::fs::write(&words, &phrase).unwrap();
    let words = words.to_str().unwrap();
    assert!(failure(&directory, &["identity", "restore", "--phrase-file", words]).contains("never overwritten"));
    let other = folder.path().join("two");
    json(&other, &["identity", "restore", "--phrase-file", words, "--device", "1"]);
    let (here, there) = (json(&directory, &["identity", "show"]), json(&other, &["identity", "show"]));
    assert_eq!(here["address"], there["address"]);
    assert_ne!(here["id"], there["id"]);

    std::fs::write(words, phrase.replacen(' ', " wrongword ", 1)).unwrap();
    let three = folder.path().join("three");
    assert!(failure(&three, &["identity", "restore", "--phrase-file", words]).contains("25"));

    let wrong = folder.path().join("wrong");
    std::fs::write(&wrong, "battery staple").unwrap();
    let error = failure(&directory, &["identity", "export", "--passphrase-file", wrong.to_str().unwrap()]);
    assert!(error.contains("wrong passphrase"), "{error}");

    let lock = Directory::new(&directory).lock().unwrap();
    assert!(failure(&directory, &["identity", "new", "more"]).contains("another node runs"));
    drop(lock);
}

#[test]
fn a_network_is_made_from_its_kernel_nodes() {
    let folder = tempfile::tempdir().unwrap();
    let mut arguments = vec!["genesis".to_owned(), "new".into(), "--name".into(), "trial".into(), "--test".into()];
    let (mut address, mut owner) = (String::new(), String::new());
    for number in 0..4 {
        let directory = folder.path().join(format!("k{number}"));
        let listen = format!("127.0.0.1:{}", 7100 + number);
        let (name, init) = (format!("k{number}"), ["kernel", "init", "--address", &listen, "--name"]);
        // The first makes its owner, who owns the others too.
        let named = if number == 0 { vec![] } else { vec!["--owner", &owner] };
        let made = json(&directory, &[&init[..], &[&name], &named].concat());
        assert_eq!(directory.join("owner/keystore.byway").exists(), number == 0);
        owner = made["member"]["owner"].as_str().unwrap().to_owned();
        address = made["address"].as_str().unwrap().to_owned();
        // Once by the line, once by the file.
        let line = made["line"].as_str().unwrap().to_owned();
        let file = directory.join("member.json").to_str().unwrap().to_owned();
        arguments.extend(["--kernel".into(), if number % 2 == 0 { line } else { file }]);
    }
    // Once the owner's keystore is elsewhere, as it should be, the node still knows whose it is.
    let first = folder.path().join("k0");
    std::fs::rename(first.join("owner"), folder.path().join("vault")).unwrap();
    let again = json(&first, &["kernel", "init", "--name", "k0", "--address", "127.0.0.1:7100"]);
    assert_eq!(again["member"]["owner"].as_str().unwrap(), owner);
    let out = folder.path().join("network.json");
    arguments.extend(["--out".into(), out.to_str().unwrap().into()]);
    let without: Vec<&str> = arguments.iter().map(String::as_str).collect();
    assert!(failure(folder.path(), &without).contains("=rest"));
    let fund = [format!("{address}=1000"), format!("{address}=rest")];
    let with = [&without[..], &["--fund", &fund[0], "--fund", &fund[1]]].concat();
    assert_eq!(json(folder.path(), &with)["kernel_nodes"], 4);
    let genesis = byway_node::genesis::load(&out).unwrap();
    assert_eq!(genesis.supply(), Some(byway_primitives::Amount::from_coins(1_000_000)));
    assert!(failure(folder.path(), &with).contains("exists already"));
}
