//! Rules about files as such: their length, what stands at their top, and what they must not name.

use std::path::Path;

use super::{SourceFile, Violation};

const LENGTH: &str = "length";
const CRATE_DOC: &str = "crate-doc";
const LINTS: &str = "lints";
const REGISTRY: &str = "registry-host";

/// Above this a source file is probably two ideas; a file that isn't says so.
const LINES_MAX: usize = 500;
/// Tests are tables and rigs, of which more is read at a glance.
const TEST_LINES_MAX: usize = 600;

const LONG_BECAUSE: &str = "//! Long because: ";

/// Hosts of package registries. Which mirror to use is the builder's business, and a name in the repository would pin
/// it. Written in two halves, so that this file passes its own rule.
const REGISTRY_HOSTS: [&str; 13] = [
    concat!("crates", ".io"),
    concat!("npmjs", ".com"),
    concat!("npmjs", ".org"),
    concat!("npmmirror", ".com"),
    concat!("registry.yarnpkg", ".com"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("archive.ubuntu", ".com"),
    concat!("proxy.golang", ".org"),
    concat!("registry-1.docker", ".io"),
    concat!("static.rust-lang", ".org"),
];

/// Checks every file rule.
pub fn check(sources: &[SourceFile]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for source in sources {
        violations.extend(check_length(source));
        violations.extend(check_lints(source));
        violations.extend(check_registry(source));
    }
    for folder in crate_folders(sources) {
        violations.extend(check_crate_doc(folder, sources));
    }
    violations
}

fn check_length(source: &SourceFile) -> Option<Violation> {
    let extension = source.name.extension().and_then(|extension| extension.to_str());
    if !matches!(extension, Some("rs" | "ts" | "svelte")) {
        return None;
    }
    let is_test = source.name.iter().any(|part| part == "tests" || part == "tests.rs");
    let most = if is_test { TEST_LINES_MAX } else { LINES_MAX };
    let lines = source.text.lines().count();
    if lines <= most || source.text.lines().any(|line| line.starts_with(LONG_BECAUSE)) {
        return None;
    }
    let message = format!("{lines} lines; split it by idea, or say in its doc why it stays whole: `{LONG_BECAUSE}…`");
    Some(violation(&source.name, most + 1, LENGTH, message))
}

fn check_lints(source: &SourceFile) -> Option<Violation> {
    if !is_crate_manifest(&source.name) {
        return None;
    }
    let table = source.text.parse::<toml::Table>().ok();
    let inherited = table.as_ref().and_then(|table| table.get("lints")?.get("workspace")?.as_bool());
    if inherited == Some(true) {
        return None;
    }
    let message = "the shared lints don't apply; add `[lints]` with `workspace = true`".to_owned();
    Some(violation(&source.name, 1, LINTS, message))
}

/// Cargo.lock has no choice: cargo writes the name of its default registry into it.
fn check_registry(source: &SourceFile) -> Vec<Violation> {
    if source.name.file_name().is_some_and(|name| name == "Cargo.lock") {
        return Vec::new();
    }
    let is_npm_lock = source.name.file_name().is_some_and(|name| name == "package-lock.json");
    let remedy = match is_npm_lock {
        true => "put `omit-lockfile-registry-resolved=true` into .npmrc and lock again",
        false => "say \"the registry\", or link to the project's repository",
    };
    let mut violations = Vec::new();
    for (index, line) in source.text.lines().enumerate() {
        // A mirror may have any name, so in npm's lock file every address of an archive counts.
        let resolved = is_npm_lock && line.trim_start().starts_with("\"resolved\": \"http");
        let host = REGISTRY_HOSTS.iter().find(|host| line.contains(*host)).copied();
        if let Some(host) = host.or(resolved.then_some("\"resolved\"")) {
            let message = format!("names a package registry ({host}); {remedy}");
            violations.push(violation(&source.name, index + 1, REGISTRY, message));
        }
    }
    violations
}

fn check_crate_doc(folder: &Path, sources: &[SourceFile]) -> Option<Violation> {
    let root = ["src/lib.rs", "src/main.rs"]
        .into_iter()
        .find_map(|name| sources.iter().find(|source| source.name == folder.join(name)))?;
    let has_doc = root.text.starts_with("//! ");
    let message = "begins without a `//!` doc; say first what the crate is, why, and what it is not";
    (!has_doc).then(|| violation(&root.name, 1, CRATE_DOC, message.to_owned()))
}

fn crate_folders(sources: &[SourceFile]) -> impl Iterator<Item = &Path> {
    sources.iter().filter(|source| is_crate_manifest(&source.name)).filter_map(|source| source.name.parent())
}

/// `crates/NAME/Cargo.toml`, or that of xtask.
fn is_crate_manifest(name: &Path) -> bool {
    let parts: Vec<_> = name.iter().map(|part| part.to_str().unwrap_or_default()).collect();
    matches!(parts[..], ["crates", _, "Cargo.toml"] | ["xtask", "Cargo.toml"])
}

fn violation(name: &Path, line: usize, rule: &'static str, message: String) -> Violation {
    Violation { file: name.to_owned(), line, rule, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that a file of this name and text breaks, with the lines.
    fn broken(name: &str, text: &str) -> Vec<(&'static str, usize)> {
        let sources = [SourceFile { name: name.into(), text: text.to_owned() }];
        check(&sources).into_iter().map(|violation| (violation.rule, violation.line)).collect()
    }

    #[test]
    fn long_files_say_why() {
        let lines = |count: usize| "x\n".repeat(count);
        for (name, text, broken_at) in [
            ("a.rs", lines(500), None),
            ("a.rs", lines(501), Some(501)),
            ("a.svelte", lines(501), Some(501)),
            ("a.ts", lines(501), Some(501)),
            ("a.rs", format!("{LONG_BECAUSE}a table\n{}", lines(501)), None),
            ("a.rs", format!("// Long because: not a doc\n{}", lines(501)), Some(501)),
            ("tests/a.rs", lines(600), None),
            ("src/a/tests.rs", lines(601), Some(601)),
            ("a.md", lines(801), None),
        ] {
            let expected: Vec<_> = broken_at.map(|line| (LENGTH, line)).into_iter().collect();
            assert_eq!(broken(name, &text), expected, "{name}, {} lines", text.lines().count());
        }
    }

    #[test]
    fn crates_inherit_the_shared_lints() {
        for (name, text, is_broken) in [
            ("crates/a/Cargo.toml", "[lints]\nworkspace = true", false),
            ("crates/a/Cargo.toml", "lints.workspace = true", false),
            ("crates/a/Cargo.toml", "[lints]\nworkspace = false", true),
            ("crates/a/Cargo.toml", "[lints.rust]\nunsafe_code = \"warn\"", true),
            ("crates/a/Cargo.toml", "[package]", true),
            ("xtask/Cargo.toml", "[package]", true),
            ("Cargo.toml", "[workspace]", false),
        ] {
            let expected = if is_broken { vec![(LINTS, 1)] } else { vec![] };
            assert_eq!(broken(name, text), expected, "{name}: {text}");
        }
    }

    #[test]
    fn crates_begin_with_a_doc() {
        for (root, text, is_broken) in [
            ("crates/a/src/lib.rs", "//! What it is.\n", false),
            ("crates/a/src/lib.rs", "use std::fmt;\n", true),
            ("crates/a/src/lib.rs", "// Not a doc.\n", true),
            ("crates/a/src/main.rs", "fn main() {}\n", true),
            ("crates/a/src/other.rs", "use std::fmt;\n", false),
        ] {
            let manifest = "lints.workspace = true".to_owned();
            let sources = [
                SourceFile { name: "crates/a/Cargo.toml".into(), text: manifest },
                SourceFile { name: root.into(), text: text.to_owned() },
            ];
            assert_eq!(check(&sources).len(), usize::from(is_broken), "{root}: {text:?}");
        }
    }

    #[test]
    fn no_registry_is_named() {
        let host = REGISTRY_HOSTS[0];
        let resolved = "{\n  \"resolved\": \"https://mirror.example/a.tgz\"\n}";
        for (name, text, lines) in [
            ("README.md", format!("see\nhttps://{host}/x"), vec![2]),
            ("web/.npmrc", format!("registry=https://registry.{}/", REGISTRY_HOSTS[2]), vec![1]),
            ("Cargo.lock", format!("source = \"registry+https://{host}\""), vec![]),
            ("fuzz/Cargo.lock", format!("source = \"registry+https://{host}\""), vec![]),
            ("web/package-lock.json", resolved.to_owned(), vec![2]),
            ("web/other.json", resolved.to_owned(), vec![]),
            ("README.md", "https://github.com/rust-lang/cargo".to_owned(), vec![]),
        ] {
            let expected: Vec<_> = lines.into_iter().map(|line| (REGISTRY, line)).collect();
            assert_eq!(broken(name, &text), expected, "{name}: {text}");
        }
    }
}
