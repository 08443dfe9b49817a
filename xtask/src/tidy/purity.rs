//! Pure crates are machines: everything they do follows from `(now, input)`.
//!
//! That is what lets the simulator replay a run from its seed, and what makes kernel nodes agree. So a pure crate holds
//! no clock, entropy, thread, lock, socket, file or `async`, and no collection whose order differs between runs. Where a
//! rule makes code worse, a comment exempts the next line: `// tidy-allow: purity because REASON`.

use std::path::{Path as FilePath, PathBuf};

use super::imports::PURE;
use super::scan::{Token, scan};
use super::syntax::{Path, paths, production};
use super::{Manifest, SourceFile, Violation};

const RULE: &str = "purity";

const NO_CLOCK: &str = "take `now` as an argument";
const NO_ENTROPY: &str = "take random bytes or a seeded generator as an argument";
const NO_THREADS: &str = "leave threads to the driver; a machine runs on its caller's";
const NO_LOCKS: &str = "own the state and take `&mut self`; sharing is the driver's matter";
const NO_DISK: &str = "emit `Persist` and read through `Store`";
const NO_SOCKETS: &str = "emit `Send` and take what arrives as input; addresses are fine";
const NO_ASYNC: &str = "return outputs as data; the driver waits";
const NO_ENVIRONMENT: &str = "take a typed configuration as an argument";
const NO_CONSOLE: &str = "return what happened, or emit `Notify`";
const NO_HASHING: &str = "use BTreeMap or BTreeSet, whose order is the same in every run";

/// Modules of the standard library that no pure crate uses.
const MODULES: [(&str, &str); 6] = [
    ("env", NO_ENVIRONMENT),
    ("fs", NO_DISK),
    ("os", NO_DISK),
    ("process", NO_THREADS),
    ("task", NO_ASYNC),
    ("thread", NO_THREADS),
];

/// Modules of the standard library of which only these names are pure.
const PARTLY_PURE: [(&str, &[&str], &str); 2] = [
    ("time", &["Duration", "TryFromFloatSecsError"], NO_CLOCK),
    (
        "net",
        &[
            "AddrParseError",
            "IpAddr",
            "Ipv4Addr",
            "Ipv6Addr",
            "Ipv6MulticastScope",
            "SocketAddr",
            "SocketAddrV4",
            "SocketAddrV6",
        ],
        NO_SOCKETS,
    ),
];

/// Words that are impure wherever they come from.
const WORDS: [(&str, &str); 22] = [
    ("HashMap", NO_HASHING),
    ("HashSet", NO_HASHING),
    ("RandomState", NO_HASHING),
    ("hash_map", NO_HASHING),
    ("hash_set", NO_HASHING),
    ("Instant", NO_CLOCK),
    ("SystemTime", NO_CLOCK),
    ("UNIX_EPOCH", NO_CLOCK),
    ("Condvar", NO_LOCKS),
    ("Mutex", NO_LOCKS),
    ("RwLock", NO_LOCKS),
    ("mpsc", NO_THREADS),
    ("thread_local", NO_THREADS),
    ("OsRng", NO_ENTROPY),
    ("SysRng", NO_ENTROPY),
    ("ThreadRng", NO_ENTROPY),
    ("from_os_rng", NO_ENTROPY),
    ("thread_rng", NO_ENTROPY),
    ("try_from_os_rng", NO_ENTROPY),
    ("ToSocketAddrs", NO_SOCKETS),
    ("async", NO_ASYNC),
    ("await", NO_ASYNC),
];

const PRINTING: [&str; 5] = ["dbg", "eprint", "eprintln", "print", "println"];

/// Crates that would bring a clock, entropy, threads or the outside world along.
const CRATES: [(&str, &str); 38] = [
    ("anyhow", "give each operation its own error enum with `thiserror`"),
    ("async-trait", NO_ASYNC),
    ("axum", NO_SOCKETS),
    ("chrono", NO_CLOCK),
    ("clap", NO_ENVIRONMENT),
    ("crossbeam", NO_THREADS),
    ("dashmap", NO_LOCKS),
    ("fast-socks5", NO_SOCKETS),
    ("fastrand", NO_ENTROPY),
    ("fjall", NO_DISK),
    ("futures", NO_ASYNC),
    ("getrandom", NO_ENTROPY),
    ("hashbrown", NO_HASHING),
    ("hickory-resolver", NO_SOCKETS),
    ("hyper", NO_SOCKETS),
    ("indicatif", NO_CONSOLE),
    ("iroh", NO_SOCKETS),
    ("iroh-relay", NO_SOCKETS),
    ("jsonrpsee", NO_SOCKETS),
    ("mio", NO_SOCKETS),
    ("object_store", NO_DISK),
    ("parking_lot", NO_LOCKS),
    ("quinn", NO_SOCKETS),
    ("rand", NO_ENTROPY),
    ("rayon", NO_THREADS),
    ("redb", NO_DISK),
    ("reqwest", NO_SOCKETS),
    ("rusqlite", NO_DISK),
    ("smol", NO_ASYNC),
    ("socket2", NO_SOCKETS),
    ("sqlx", NO_DISK),
    ("tempfile", NO_DISK),
    ("tokio", NO_ASYNC),
    ("tokio-util", NO_ASYNC),
    ("tower", NO_ASYNC),
    ("tracing-subscriber", NO_CONSOLE),
    ("tun-rs", NO_SOCKETS),
    ("web-time", NO_CLOCK),
];

/// Checks what a pure package depends on directly, in its tests too.
///
/// What its dependencies depend on isn't checked: many crates carry a generator that is never called.
pub fn check_dependencies(manifest: &Manifest) -> Vec<Violation> {
    if !PURE.contains(&manifest.name.as_str()) {
        return Vec::new();
    }
    let banned = manifest.imports.iter().filter_map(|import| {
        let (name, remedy) = CRATES.iter().find(|(name, _)| *name == import.name)?;
        let message = format!("a pure crate must not depend on `{name}`; {remedy}");
        Some(manifest.violation(import, RULE, message))
    });
    banned.collect()
}

/// Checks the code of the pure crates, without their tests.
pub fn check_sources(sources: &[SourceFile]) -> Vec<Violation> {
    let pure: Vec<_> = sources.iter().filter(|source| is_pure_source(&source.name)).collect();
    let mut test_files = Vec::new();
    for source in &pure {
        for module in production(&scan(&source.text).tokens).test_modules {
            test_files.push(module_folder(&source.name).join(module));
        }
    }
    // `tests` stands for tests.rs and for everything in tests/.
    let is_test =
        |name: &FilePath| test_files.iter().any(|file| name.starts_with(file) || name.with_extension("") == *file);
    pure.iter().filter(|source| !is_test(&source.name)).flat_map(|source| check_source(source)).collect()
}

fn is_pure_source(name: &FilePath) -> bool {
    let mut parts = name.iter().map(|part| part.to_str().unwrap_or_default());
    parts.next() == Some("crates")
        && parts.next().is_some_and(|name| PURE.contains(&name))
        && parts.next() == Some("src")
        && name.extension().is_some_and(|extension| extension == "rs")
}

/// Where the compiler looks for the modules that `file` declares.
fn module_folder(file: &FilePath) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default();
    if ["lib", "main", "mod"].iter().any(|root| stem == *root) {
        return file.parent().unwrap_or(file).to_owned();
    }
    file.with_extension("")
}

fn check_source(source: &SourceFile) -> Vec<Violation> {
    let scan = scan(&source.text);
    let tokens = production(&scan.tokens).tokens;
    let mut found = signs(&tokens);
    found.extend(paths(&tokens).iter().filter_map(judge));
    found.retain(|(line, _)| !scan.is_waived(*line, RULE));
    let violation = |(line, message)| Violation { file: source.name.clone(), line, rule: RULE, message };
    found.into_iter().map(violation).collect()
}

/// What shows in the order of words rather than in a path: printing and mutable statics.
fn signs(tokens: &[Token<'_>]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for pair in tokens.windows(2) {
        let [first, second] = pair else { continue };
        if first.is("static") && second.is("mut") {
            found.push((first.line, format!("`static mut` in a pure crate; {NO_LOCKS}")));
        }
        if second.is("!") && PRINTING.iter().any(|name| first.is(name)) {
            found.push((first.line, format!("`{}!` in a pure crate; {NO_CONSOLE}", first.text)));
        }
    }
    found
}

/// The line and message if `path` names something impure.
fn judge(path: &Path<'_>) -> Option<(usize, String)> {
    let remedy = impure_crate(path).or_else(|| impure_std(path)).or_else(|| impure_word(path))?;
    Some((path.line, format!("`{}` in a pure crate; {remedy}", path.segments.join("::"))))
}

fn impure_crate(path: &Path<'_>) -> Option<&'static str> {
    // A lone word may be a variable.
    if path.segments.len() < 2 && !path.is_import {
        return None;
    }
    let root = path.segments.first()?;
    let (_, remedy) = CRATES.iter().find(|(name, _)| name.replace('-', "_") == *root)?;
    Some(remedy)
}

fn impure_std(path: &Path<'_>) -> Option<&'static str> {
    let (["std" | "core", module], names) = path.segments.split_at_checked(2)? else { return None };
    if let Some((_, remedy)) = MODULES.iter().find(|(name, _)| name == module) {
        return Some(remedy);
    }
    if *module == "io" && names.iter().any(|name| ["stderr", "stdin", "stdout"].contains(name)) {
        return Some(NO_CONSOLE);
    }
    let (_, pure, remedy) = PARTLY_PURE.iter().find(|(name, ..)| name == module)?;
    // The whole module, or `*`, could bring anything: then the names it is used for must be imported one by one.
    let is_pure = names.first().is_some_and(|name| pure.contains(name));
    (!is_pure).then_some(*remedy)
}

fn impure_word(path: &Path<'_>) -> Option<&'static str> {
    let remedy_of = |segment: &&str| WORDS.iter().find(|(word, _)| word == segment).map(|(_, remedy)| *remedy);
    path.segments.iter().find_map(remedy_of)
}

#[cfg(test)]
mod tests {
    use super::super::{Import, Use};
    use super::*;

    fn check(files: &[(&str, &str)]) -> Vec<Violation> {
        let sources: Vec<_> =
            files.iter().map(|(name, text)| SourceFile { name: name.into(), text: (*text).to_owned() }).collect();
        check_sources(&sources)
    }

    #[test]
    fn impure_code_is_found() {
        for source in [
            "use std::time::Instant;",
            "use std::time::{Duration, SystemTime};",
            "use std::time;",
            "use std::time as t;",
            "use std::time::*;",
            "let now = std::time::Instant::now();",
            "use std::thread;",
            "std::thread::spawn(f);",
            "use std::{fs, net::IpAddr};",
            "use std::net::TcpStream;",
            "use std::net::{IpAddr, UdpSocket};",
            "std::env::var(\"X\");",
            "async fn f() {}",
            "let x = async move { 1 };",
            "f().await;",
            "use tokio::sync::oneshot;",
            "#[tokio::main]",
            "getrandom::fill(&mut bytes);",
            "rand::random::<u8>();",
            "use rand;",
            "use rand_core::OsRng;",
            "let rng = ChaCha20Rng::from_os_rng();",
            "use std::collections::HashMap;",
            "use std::collections::{BTreeMap, HashSet};",
            "std::collections::hash_map::Entry::Vacant(e)",
            "println!(\"{x}\");",
            "eprint!(\"x\");",
            "static mut COUNT: u8 = 0;",
            "use std::sync::{Arc, Mutex};",
            "lock: parking_lot::RwLock<u8>,",
            "std::io::stdout().flush();",
        ] {
            assert_eq!(check(&[("crates/kernel/src/a.rs", source)]).len(), 1, "{source}");
        }
    }

    #[test]
    fn pure_code_is_left_alone() {
        for source in [
            "use std::time::Duration;",
            "let d = std::time::Duration::from_secs(1);",
            "use std::net::{IpAddr, Ipv4Addr, SocketAddr};",
            "use std::collections::{BTreeMap, BTreeSet, VecDeque};",
            "use std::sync::Arc;",
            "use rand_core::{CryptoRng, Rng};",
            "bip39::Mnemonic::from_entropy(&entropy)",
            "use rand_chacha::ChaCha20Rng;",
            "fn f(rand: u8) -> u8 { rand }",
            "fn f(s: &'static mut str) {}",
            "/// Like `std::fs::read`, but without HashMap.\nfn f() {}",
            "// println!(\"x\")",
            "const TEXT: &str = \"use tokio::spawn; x.await\";",
            "const VERSION: &str = env!(\"CARGO_PKG_VERSION\");",
            "use crate::time::Time;",
            "write!(f, \"{x}\")",
            "#[cfg(test)] mod tests { use std::collections::HashMap; }",
            "// tidy-allow: purity because it never iterates\nuse std::collections::HashMap;",
        ] {
            assert_eq!(check(&[("crates/kernel/src/a.rs", source)]), [], "{source}");
        }
    }

    #[test]
    fn only_the_sources_of_pure_crates_are_checked() {
        for (file, count) in [
            ("crates/kernel/src/lib.rs", 1),
            ("crates/kernel/src/deep/down/x.rs", 1),
            ("crates/kernel/tests/x.rs", 0),
            ("crates/kernel/src/vectors.txt", 0),
            ("crates/driver/src/lib.rs", 0),
            ("crates/sim/src/lib.rs", 0),
            ("xtask/src/main.rs", 0),
        ] {
            assert_eq!(check(&[(file, "use std::fs;")]).len(), count, "{file}");
        }
    }

    #[test]
    fn test_modules_in_files_of_their_own_are_tests() {
        for (declared_in, test_file, is_test) in [
            ("crates/kernel/src/lib.rs", "crates/kernel/src/tests.rs", true),
            ("crates/kernel/src/lib.rs", "crates/kernel/src/tests/mod.rs", true),
            ("crates/kernel/src/lib.rs", "crates/kernel/src/tests/pair.rs", true),
            ("crates/kernel/src/a/mod.rs", "crates/kernel/src/a/tests.rs", true),
            ("crates/kernel/src/a.rs", "crates/kernel/src/a/tests.rs", true),
            ("crates/kernel/src/a.rs", "crates/kernel/src/tests.rs", false),
            ("crates/ledger/src/lib.rs", "crates/kernel/src/tests.rs", false),
        ] {
            let violations = check(&[(declared_in, "#[cfg(test)]\nmod tests;"), (test_file, "use std::fs;")]);
            assert_eq!(violations.is_empty(), is_test, "{declared_in} declares {test_file}");
        }
    }

    #[test]
    fn a_violation_says_where_and_what_to_do() {
        let violations = check(&[("crates/kernel/src/a.rs", "\n\nuse std::time::{\n    Instant,\n};")]);
        assert_eq!(
            violations[0].to_string(),
            "crates/kernel/src/a.rs:4: [purity] `std::time::Instant` in a pure crate; take `now` as an argument"
        );
    }

    #[test]
    fn impure_dependencies_are_found() {
        for (name, dependency, usage, allowed) in [
            ("kernel", "tokio", Use::Normal, false),
            ("kernel", "getrandom", Use::Normal, false),
            ("kernel", "tokio", Use::Dev, false),
            ("kernel", "proptest", Use::Dev, true),
            ("kernel", "rand_core", Use::Normal, true),
            ("kernel", "rand_chacha", Use::Dev, true),
            ("driver", "tokio", Use::Normal, true),
            ("sim", "getrandom", Use::Normal, true),
        ] {
            let import = Import { name: dependency.to_owned(), usage, is_local: false, is_wildcard: false, line: 9 };
            let manifest = Manifest { name: name.into(), file: "Cargo.toml".into(), imports: vec![import] };
            let violations = check_dependencies(&manifest);
            assert_eq!(violations.is_empty(), allowed, "{name} depends on {dependency}: {violations:?}");
        }
    }
}
