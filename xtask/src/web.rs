//! `cargo xtask web`: build the page in `web/` that the node embeds.
//!
//! npm takes seconds even when there is nothing to do, and every build of the node needs the page first. So two stamps
//! remember a hash of what went in: one for the installed packages, one for the built page. They live in
//! `node_modules/`, so that deleting that folder also forgets them, and outside `dist/`, which is embedded whole.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};

use crate::process;
use crate::workspace::{Workspace, walk};

/// Major and minor version, from Vite's own requirement.
const NODE_MIN: (u32, u32) = (20, 19);

/// What `npm ci` depends on.
const INSTALL_INPUTS: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Folders in `web/` that tests live in or write to; a test run must not make the page look stale.
const TEST_FOLDERS: [&str; 5] = ["tests", "coverage", "playwright-report", "screenshots", "test-results"];

/// Installs packages and builds the page, each only if its inputs changed.
pub fn run(workspace: &Workspace) -> Result<()> {
    let Some(web) = workspace.web() else {
        println!("web: nothing to build, there is no web/package.json");
        return Ok(());
    };
    let install = Stamp::new(&web, "install", hash_of(&web, INSTALL_INPUTS.map(PathBuf::from))?);
    let build = Stamp::new(&web, "build", hash_of(&web, inputs(&web)?)?);
    let built = web.join("dist/index.html").is_file();
    if install.is_current() && build.is_current() && built {
        println!("web: up to date");
        return Ok(());
    }
    check_node()?;
    if !install.is_current() {
        npm(&web, &["ci", "--no-audit", "--no-fund"])?;
        install.write()?;
    }
    npm(&web, &["run", "build"])?;
    if !web.join("dist/index.html").is_file() {
        bail!("`npm run build` made no web/dist/index.html; check `build.outDir` in the Vite configuration");
    }
    build.write()
}

/// What npm is called. On Windows it is a script, which must be named in full.
pub const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Runs npm in `web`.
pub fn npm(web: &Path, args: &[&str]) -> Result<()> {
    process::run(Command::new(NPM).args(args).current_dir(web))
}

/// An error that says what to install unless Node and npm are there and new enough.
pub fn check_node() -> Result<()> {
    let (major, minor) = NODE_MIN;
    let remedy = format!("install Node.js {major}.{minor} or newer");
    let version = process::output(Command::new("node").arg("--version"))
        .ok_or_else(|| anyhow!("Node.js is missing; {remedy}"))?;
    let version = version.trim();
    let found =
        node_version(version).ok_or_else(|| anyhow!("`node --version` printed {version:?}, which is no version"))?;
    if found < NODE_MIN {
        bail!("Node.js {version} is too old; {remedy}");
    }
    process::output(Command::new(NPM).arg("--version"))
        .map(drop)
        .ok_or_else(|| anyhow!("npm is missing; it comes with Node.js, on Debian as package `npm`"))
}

/// Major and minor version.
fn node_version(printed: &str) -> Option<(u32, u32)> {
    let mut parts = printed.strip_prefix('v')?.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??))
}

/// Everything in `web` that can change the page.
fn inputs(web: &Path) -> Result<Vec<PathBuf>> {
    let mut files = walk(web, web)?;
    files.retain(|file| !TEST_FOLDERS.iter().any(|folder| file.starts_with(folder)));
    Ok(files)
}

/// A hash over names and contents. Not cryptographic: it only tells one build of one checkout from the next.
fn hash_of(web: &Path, files: impl IntoIterator<Item = PathBuf>) -> Result<u64> {
    let mut files: Vec<_> = files.into_iter().filter(|file| web.join(file).is_file()).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        let path = web.join(&file);
        let bytes = std::fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
        file.hash(&mut hasher);
        bytes.hash(&mut hasher);
    }
    Ok(hasher.finish())
}

/// Remembers the hash of the inputs that something was made from.
struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    fn new(web: &Path, name: &str, hash: u64) -> Stamp {
        let file = web.join("node_modules/.byway-stamps").join(name);
        Stamp { file, hash: format!("{hash:016x}\n") }
    }

    fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|hash| hash == self.hash)
    }

    fn write(&self) -> Result<()> {
        let folder = self.file.parent().expect("a stamp lies in a folder");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&self.file, &self.hash))
            .with_context(|| format!("can't write {}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_version() {
        for (printed, version) in [
            ("v20.20.2", Some((20, 20))),
            ("v8.0.0", Some((8, 0))),
            ("v20", None),
            ("20.1.0", None),
            ("vnext.1", None),
            ("", None),
        ] {
            assert_eq!(node_version(printed), version, "{printed:?}");
        }
    }

    /// The hash of a small page after `change` was made to it.
    fn hash_after(change: impl FnOnce(&Path)) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let web = folder.path();
        std::fs::create_dir_all(web.join("src")).unwrap();
        std::fs::write(web.join("package.json"), "{}").unwrap();
        std::fs::write(web.join("src/main.ts"), "start()").unwrap();
        change(web);
        hash_of(web, inputs(web).unwrap()).unwrap()
    }

    #[test]
    fn only_inputs_make_the_page_stale() {
        let before = hash_after(|_| {});
        let write = |name: &'static str| {
            move |web: &Path| {
                let path = web.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, "changed").unwrap();
            }
        };
        for (file, stale) in [
            ("src/main.ts", true),
            ("src/new.ts", true),
            ("package.json", true),
            (".npmrc", true),
            ("dist/index.html", false),
            ("node_modules/svelte/index.js", false),
            ("test-results/trace.zip", false),
            ("tests/unit/main.test.ts", false),
        ] {
            assert_eq!(hash_after(write(file)) != before, stale, "{file}");
        }
    }

    #[test]
    fn a_stamp_is_current_only_for_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let stamp = Stamp::new(folder.path(), "build", 7);
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(stamp.is_current());
        assert!(!Stamp::new(folder.path(), "build", 8).is_current());
        assert!(!Stamp::new(folder.path(), "install", 7).is_current());
    }
}
