//! `cargo xtask tidy`: the rules of this project that no compiler checks.
//!
//! - [`imports`]: which crate may import which
//! - [`purity`]: protocol crates hold no clock, entropy, thread, lock, socket, file or `async`
//! - [`licences`]: every licence and source is allowed by `deny.toml`, and no version is a wildcard
//! - [`files`]: length of files, doc at the top of a crate, shared lints, no registry hosts
//!
//! Each violation says where, which rule, and what to do instead. [`scan`] is the small tokenizer that keeps comments
//! and strings from looking like code, [`syntax`] finds tests and paths in it, [`spdx`] reads licence expressions.

mod files;
mod imports;
mod licences;
mod purity;
mod scan;
mod spdx;
mod syntax;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::typescript;
use crate::workspace::Workspace;

/// One broken rule. Shown as `file:line: [rule] what is wrong; what to do`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    pub file: PathBuf,
    /// From 1.
    pub line: usize,
    pub rule: &'static str,
    /// What is wrong and what to do instead.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.file.display(), self.line, self.rule, self.message)
    }
}

/// A text file of ours, its name relative to the root.
pub struct SourceFile {
    pub name: PathBuf,
    pub text: String,
}

/// Checks every rule; prints each violation and fails if there is any.
pub fn run(workspace: &Workspace) -> Result<()> {
    typescript::check(workspace)?;
    let sources = read_sources(workspace)?;
    let metadata = workspace.metadata()?;
    let root = workspace.root();
    let mut violations = Vec::new();
    violations.extend(files::check(&sources));
    violations.extend(purity::check_sources(&sources));
    for package in metadata.workspace_packages() {
        let manifest = Manifest::of(package, root, &sources)?;
        violations.extend(imports::check(&manifest));
        violations.extend(purity::check_dependencies(&manifest));
        violations.extend(licences::check_versions(&manifest));
    }
    violations.extend(licences::check(&metadata, &read_deny_toml(root)?)?);
    violations.sort();
    violations.dedup();
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => println!("tidy: {} files, {} packages, no violation", sources.len(), metadata.packages.len()),
        1 => bail!("1 rule violation, see above"),
        count => bail!("{count} rule violations, see above"),
    }
    Ok(())
}

/// Our text files; pictures and other binary files are skipped.
fn read_sources(workspace: &Workspace) -> Result<Vec<SourceFile>> {
    let mut sources = Vec::new();
    for name in workspace.files()? {
        let path = workspace.root().join(&name);
        let bytes = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        if let Ok(text) = String::from_utf8(bytes) {
            sources.push(SourceFile { name, text });
        }
    }
    Ok(sources)
}

fn read_deny_toml(root: &Path) -> Result<String> {
    let path = root.join("deny.toml");
    std::fs::read_to_string(&path)
        .with_context(|| format!("can't read {}, which lists the allowed licences", path.display()))
}

/// How a dependency is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Normal,
    Dev,
}

/// A direct dependency as written in a `Cargo.toml`.
#[derive(Clone, Debug)]
pub struct Import {
    pub name: String,
    pub usage: Use,
    /// In this repository rather than from a registry.
    pub is_local: bool,
    pub is_wildcard: bool,
    /// Where in the `Cargo.toml`, from 1.
    pub line: usize,
}

/// What the rules need to know of one of our packages.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Without the prefix `byway-`.
    pub name: String,
    pub file: PathBuf,
    pub imports: Vec<Import>,
}

impl Manifest {
    fn of(package: &cargo_metadata::Package, root: &Path, sources: &[SourceFile]) -> Result<Manifest> {
        let path = package.manifest_path.as_std_path();
        let file = path.strip_prefix(root).unwrap_or(path).to_owned();
        let text = sources
            .iter()
            .find(|source| source.name == file)
            .map(|source| source.text.as_str())
            .with_context(|| format!("{} is ignored by git; add it", file.display()))?;
        let imports = package.dependencies.iter().map(|dependency| Import {
            name: short(&dependency.name).to_owned(),
            usage: match dependency.kind {
                cargo_metadata::DependencyKind::Development => Use::Dev,
                _ => Use::Normal,
            },
            is_local: dependency.path.is_some(),
            is_wildcard: dependency.req.comparators.is_empty(),
            line: line_of(text, &dependency.name),
        });
        let name = short(package.name.as_ref()).to_owned();
        Ok(Manifest { name, file, imports: imports.collect() })
    }

    /// A violation in the line of `import`.
    pub fn violation(&self, import: &Import, rule: &'static str, message: String) -> Violation {
        Violation { file: self.file.clone(), line: import.line, rule, message }
    }
}

fn short(package: &str) -> &str {
    package.strip_prefix("byway-").unwrap_or(package)
}

/// The line that declares `dependency`, or the first one if it is spelled in some other way.
fn line_of(manifest: &str, dependency: &str) -> usize {
    let declares = |line: &str| line.strip_prefix(dependency).is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
    manifest.lines().position(declares).map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_line_of_a_dependency() {
        let manifest = "[package]\nname = \"a\"\n[dependencies]\nrand_core.workspace = true\nrand = \"1\"\n";
        for (dependency, line) in [("rand_core", 4), ("rand", 5), ("tokio", 1)] {
            assert_eq!(line_of(manifest, dependency), line, "{dependency}");
        }
    }

    #[test]
    fn a_violation_names_file_line_rule_and_remedy() {
        let violation = Violation {
            file: "crates/kernel/src/lib.rs".into(),
            line: 7,
            rule: "purity",
            message: "a clock; take `now`".into(),
        };
        assert_eq!(violation.to_string(), "crates/kernel/src/lib.rs:7: [purity] a clock; take `now`");
    }
}
