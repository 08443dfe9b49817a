//! Where things are: the root, cargo's metadata, and the list of our own files.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// Folders that hold nothing of ours, wherever they appear.
const FOREIGN_FOLDERS: [&str; 5] = [".git", ".jj", "dist", "node_modules", "target"];

/// The checked-out repository.
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The repository that cargo runs this program for. Two checkouts that share a target folder share the program, so
    /// where it was built from says nothing.
    pub fn find() -> Workspace {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let manifest_dir = manifest_dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest_dir.parent().expect("xtask lies in the workspace root");
        Workspace { root: root.to_owned() }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The folder of the web page, if this checkout has one.
    pub fn web(&self) -> Option<PathBuf> {
        let web = self.root.join("web");
        web.join("package.json").is_file().then_some(web)
    }

    /// The program to call for cargo: the one that runs us, so that toolchains are never mixed.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        command
    }

    /// What cargo knows of our crates and of everything they pull in on this platform.
    ///
    /// Only this platform, because cargo would otherwise fetch hundreds of crates that nothing here builds.
    pub fn metadata(&self) -> Result<Metadata> {
        MetadataCommand::new()
            .current_dir(&self.root)
            .other_options(["--filter-platform".into(), "host-tuple".into()])
            .exec()
            .context("cargo metadata failed; `cargo metadata` in the root shows why")
    }

    /// Our own files, relative to the root, sorted. Ignored files are left out.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = match self.files_from_git() {
            Some(files) => files,
            None => walk(&self.root, &self.root)?,
        };
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// `None` outside a git checkout, such as an unpacked archive.
    fn files_from_git(&self) -> Option<Vec<PathBuf>> {
        let output = Command::new("git")
            // A build machine often runs as another user than the one who cloned; we only read names.
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let names = String::from_utf8(output.stdout).ok()?;
        Some(names.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from).collect())
    }
}

/// Every file below `folder` but those in [`FOREIGN_FOLDERS`], relative to `root`.
pub fn walk(root: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = folder.read_dir().with_context(|| format!("can't list {}", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("can't list {}", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().with_context(|| format!("can't read {}", path.display()))?;
        if kind.is_dir() {
            if !FOREIGN_FOLDERS.iter().any(|name| entry.file_name() == *name) {
                files.extend(walk(root, &path)?);
            }
        } else if kind.is_file() {
            files.push(path.strip_prefix(root).unwrap_or(&path).to_owned());
        }
    }
    Ok(files)
}
