//! Embeds the built page: writes a table of `web/dist` with `include_bytes!`, which `src/page.rs` includes.
//!
//! Where the page was not built, a small page that says how to build it takes its place, so that the crate compiles
//! without Node.js. The folder is made then, because cargo re-runs a script at every build while a path it watches is
//! missing.

use std::path::{Path, PathBuf};
use std::{env, fmt::Write as _, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../web/dist");
    // A source tree that can't be written to still builds; it is only looked at again each time.
    fs::create_dir_all(&root).ok();
    println!("cargo::rerun-if-changed={}", root.display());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/page_missing.html");
    let mut files = Vec::new();
    if root.join("index.html").is_file() {
        collect(&root, &root, &mut files)?;
        files.sort();
    } else {
        let missing = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("src/page_missing.html");
        files.push(("/index.html".to_owned(), missing));
    }
    let mut table = String::from("/// Path on the server and content, sorted by path.\n");
    table.push_str("pub(super) const FILES: &[(&str, &[u8])] = &[\n");
    for (path, file) in files {
        writeln!(table, "    ({path:?}, include_bytes!({file:?})),").map_err(io::Error::other)?;
    }
    table.push_str("];\n");
    fs::write(PathBuf::from(variable("OUT_DIR")?).join("page_files.rs"), table)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, files)?;
        } else if let Ok(relative) = path.strip_prefix(root) {
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            files.push((format!("/{}", parts.join("/")), path.canonicalize()?));
        }
    }
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}
