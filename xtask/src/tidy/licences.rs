//! Licences and origins of everything we build, against the list in `deny.toml`.
//!
//! `cargo deny`, which `cargo xtask test` runs, does the same and more, but has to be built first. This check is at hand
//! while one edits `Cargo.toml`. Both read one list.

use std::path::PathBuf;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};

use super::spdx::Expression;
use super::{Manifest, Violation, short};

const LICENCE: &str = "licence";
const ORIGIN: &str = "origin";
const VERSION: &str = "version";

/// The `[licenses]` table of `deny.toml`.
struct Policy {
    allowed: Vec<String>,
    /// Crates that may use further licences.
    exceptions: Vec<(String, Vec<String>)>,
}

/// Checks every package that is built on this platform.
pub fn check(metadata: &Metadata, deny_toml: &str) -> Result<Vec<Violation>> {
    let policy = Policy::parse(deny_toml)?;
    let mut violations = Vec::new();
    for package in &metadata.packages {
        violations.extend(check_origin(package, metadata));
        let name: &str = package.name.as_ref();
        if let Some(message) = policy.refusal(name, package.license.as_deref()) {
            violations.push(violation(package, LICENCE, message));
        }
    }
    Ok(violations)
}

/// Checks that no version is `*`, which would let any release in.
pub fn check_versions(manifest: &Manifest) -> Vec<Violation> {
    let wild = manifest.imports.iter().filter(|import| import.is_wildcard && !import.is_local);
    let report = |import: &super::Import| {
        let message = format!("`{}` accepts any version; name one in the workspace's Cargo.toml", import.name);
        manifest.violation(import, VERSION, message)
    };
    wild.map(report).collect()
}

fn check_origin(package: &Package, metadata: &Metadata) -> Option<Violation> {
    let is_ours = package.manifest_path.starts_with(&metadata.workspace_root);
    let origin = match &package.source {
        None if is_ours => return None,
        None => package.manifest_path.as_str(),
        Some(source) if source.is_crates_io() => return None,
        Some(source) => source.repr.as_str(),
    };
    let message = format!(
        "`{}` comes from {origin}; take a release from cargo's default registry, or vendor it in the repository",
        package.name
    );
    Some(violation(package, ORIGIN, message))
}

/// Cargo.lock is where a package that isn't ours enters, so that is the file to look at.
fn violation(package: &Package, rule: &'static str, message: String) -> Violation {
    let file = match package.source {
        None => PathBuf::from("crates").join(short(package.name.as_ref())).join("Cargo.toml"),
        Some(_) => PathBuf::from("Cargo.lock"),
    };
    Violation { file, line: 1, rule, message }
}

impl Policy {
    fn parse(deny_toml: &str) -> Result<Policy> {
        let table: toml::Table = deny_toml.parse().context("deny.toml is no valid TOML")?;
        let licences = table.get("licenses").context("deny.toml has no [licenses]")?;
        let allowed = strings(licences.get("allow")).context("deny.toml: [licenses] has no `allow` list")?;
        let mut exceptions = Vec::new();
        for exception in licences.get("exceptions").and_then(toml::Value::as_array).into_iter().flatten() {
            let name = exception.get("crate").or_else(|| exception.get("name")).and_then(toml::Value::as_str);
            let name = name.context("deny.toml: an exception names no `crate`")?.to_owned();
            let allowed = strings(exception.get("allow"))
                .with_context(|| format!("deny.toml: the exception for `{name}` has no `allow` list"))?;
            exceptions.push((name, allowed));
        }
        Ok(Policy { allowed, exceptions })
    }

    /// Why `package` may not be used, if so.
    fn refusal(&self, package: &str, licence: Option<&str>) -> Option<String> {
        let Some(licence) = licence else {
            return Some(format!("`{package}` names no licence; use another crate, or ask its authors for one"));
        };
        let expression = match Expression::parse(licence) {
            Ok(expression) => expression,
            Err(error) => return Some(format!("`{package}` has the licence {licence:?}: {error}")),
        };
        let exceptions = self.exceptions.iter().filter(|(name, _)| name == package);
        let further: Vec<_> = exceptions.flat_map(|(_, allowed)| allowed).collect();
        let is_allowed = |name: &str| self.allowed.iter().chain(further.iter().copied()).any(|allowed| allowed == name);
        let refused = !expression.is_satisfied(&is_allowed);
        refused.then(|| format!("`{package}` is under {licence}, which deny.toml doesn't allow; use another crate"))
    }
}

fn strings(value: Option<&toml::Value>) -> Option<Vec<String>> {
    let values = value?.as_array()?.iter();
    values.map(|value| value.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Import, Use};
    use super::*;

    const DENY_TOML: &str = r#"
        [licenses]
        allow = ["MIT", "ISC"]
        exceptions = [{ crate = "roots", allow = ["CDLA-Permissive-2.0"] }]
    "#;

    #[test]
    fn licences_are_judged_by_the_list() {
        let policy = Policy::parse(DENY_TOML).unwrap();
        for (package, licence, refusal) in [
            ("a", Some("MIT OR Apache-2.0"), None),
            ("a", Some("MIT AND ISC"), None),
            ("a", Some("GPL-3.0-only"), Some("doesn't allow")),
            ("a", Some("MIT AND"), Some("ends too early")),
            ("a", None, Some("names no licence")),
            ("roots", Some("CDLA-Permissive-2.0"), None),
            ("a", Some("CDLA-Permissive-2.0"), Some("doesn't allow")),
        ] {
            let message = policy.refusal(package, licence);
            let matches = match (&message, refusal) {
                (None, None) => true,
                (Some(message), Some(part)) => message.contains(part),
                _ => false,
            };
            assert!(matches, "{package} under {licence:?}: {message:?}");
        }
    }

    #[test]
    fn a_broken_list_is_an_error_and_not_an_empty_list() {
        for (text, expected) in [
            ("licenses = ", "no valid TOML"),
            ("[bans]", "no [licenses]"),
            ("[licenses]", "no `allow` list"),
            ("[licenses]\nallow = [1]", "no `allow` list"),
            ("[licenses]\nallow = []\nexceptions = [{ allow = [] }]", "names no `crate`"),
            ("[licenses]\nallow = []\nexceptions = [{ crate = \"a\" }]", "for `a` has no `allow` list"),
        ] {
            let error = Policy::parse(text).map(drop).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn wildcards_are_found() {
        for (is_wildcard, is_local, count) in [(true, false, 1), (true, true, 0), (false, false, 0)] {
            let import = Import { name: "a".into(), usage: Use::Normal, is_local, is_wildcard, line: 1 };
            let manifest = Manifest { name: "node".into(), file: "Cargo.toml".into(), imports: vec![import] };
            assert_eq!(check_versions(&manifest).len(), count, "wildcard {is_wildcard}, local {is_local}");
        }
    }
}
