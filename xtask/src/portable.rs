//! `cargo xtask portable`: whether the code compiles for the systems that it is not tested on.
//!
//! It says what compilers and lints say and no more: nothing is linked and nothing is run. Where something is missing that a
//! target needs, its check is left out and said to be; nothing is installed. No part of `cargo xtask test`, since what this
//! needs is much and on no build machine by itself.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// The systems that Byway is written for beside Linux.
const TARGETS: [Target; 3] = [
    Target { triple: "x86_64-pc-windows-gnu", system: "windows", tools: &[MINGW, NASM], by: By::Cargo },
    Target { triple: "aarch64-apple-darwin", system: "macos", tools: &[ZIGBUILD], by: By::Zigbuild },
    Target { triple: "x86_64-apple-darwin", system: "macos", tools: &[ZIGBUILD], by: By::Zigbuild },
];

/// The C compiler for Windows.
const MINGW: Tool =
    Tool { program: "x86_64-w64-mingw32-gcc", remedy: "on Debian: `apt-get install gcc-mingw-w64-x86-64`" };
/// The assembler for Windows, of a library that compiles its own assembler code.
const NASM: Tool = Tool { program: "nasm", remedy: "on Debian: `apt-get install nasm`" };
/// A C compiler for macOS which has that system's headers with it; Apple's own kit runs on Macs only.
const ZIGBUILD: Tool =
    Tool { program: "cargo-zigbuild", remedy: "in a Python environment: `pip install cargo-zigbuild ziglang`" };

struct Target {
    triple: &'static str,
    /// As [`std::env::consts::OS`] has it.
    system: &'static str,
    /// What its C compiler needs on another system.
    tools: &'static [Tool],
    by: By,
}

#[derive(Clone, Copy)]
struct Tool {
    program: &'static str,
    remedy: &'static str,
}

/// What gives cargo a C compiler for a target, on another system.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    /// None is needed: it finds one by name.
    Cargo,
    Zigbuild,
}

enum Verdict {
    Compiles,
    Fails,
    NotChecked(Vec<String>),
}

/// Checks what can be checked here. It fails where a check does, and where none could be made.
pub fn run(workspace: &Workspace) -> Result<ExitCode> {
    let mut verdicts = Vec::new();
    for target in &TARGETS {
        println!("\n== {} ==", target.triple);
        let has_program = |program: &str| process::find(program).is_some();
        let missing = target.missing(has_library(target.triple), has_program);
        let verdict = match missing.is_empty() {
            false => Verdict::NotChecked(missing),
            true => match process::run(&mut target.check(workspace)) {
                Ok(()) => Verdict::Compiles,
                Err(error) => {
                    println!("error: {error:#}");
                    Verdict::Fails
                }
            },
        };
        verdicts.push((target.triple, verdict));
    }
    print!("{}", summary(&verdicts));
    let has_failed = verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Fails));
    let is_checked = verdicts.iter().any(|(_, verdict)| matches!(verdict, Verdict::Compiles));
    Ok(if has_failed || !is_checked { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl Target {
    fn is_native(&self) -> bool {
        self.system == std::env::consts::OS
    }

    /// What has to be installed before it can be checked, and how.
    fn missing(&self, has_library: bool, has_program: impl Fn(&str) -> bool) -> Vec<String> {
        let library = format!("Rust's library for it is missing: `rustup target add {}`", self.triple);
        let tools = self.tools.iter().filter(|tool| !self.is_native() && !has_program(tool.program));
        let tools = tools.map(|tool| format!("{} is missing, {}", tool.program, tool.remedy));
        (!has_library).then_some(library).into_iter().chain(tools).collect()
    }

    fn check(&self, workspace: &Workspace) -> Command {
        let mut command = match self.by {
            By::Zigbuild if !self.is_native() => {
                let mut zigbuild = Command::new("cargo-zigbuild");
                zigbuild.current_dir(workspace.root());
                zigbuild
            }
            _ => workspace.cargo(),
        };
        command.args(["clippy", "--workspace", "--all-targets", "--target", self.triple, "--", "-D", "warnings"]);
        command
    }
}

/// Whether the compiler that cargo would use has a library for a target.
fn has_library(triple: &str) -> bool {
    let folder = process::output(Command::new("rustc").args(["--print", "target-libdir", "--target", triple]));
    folder.is_some_and(|folder| std::path::Path::new(folder.trim()).is_dir())
}

fn summary(verdicts: &[(&str, Verdict)]) -> String {
    let mut text = "\n== summary ==\n".to_owned();
    for (triple, verdict) in verdicts {
        let said = match verdict {
            Verdict::Compiles => "compiles without warnings; nothing of it was run".to_owned(),
            Verdict::Fails => "FAILED".to_owned(),
            Verdict::NotChecked(missing) => format!("NOT CHECKED: {}", missing.join("; ")),
        };
        text.push_str(&format!("{triple:<22} {said}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let target = Target { triple: "a-b-c", system: "elsewhere", tools: &[MINGW, NASM], by: By::Cargo };
        for (has_library, programs, expected) in [
            (true, vec!["nasm", "x86_64-w64-mingw32-gcc"], vec![]),
            (false, vec!["nasm", "x86_64-w64-mingw32-gcc"], vec!["`rustup target add a-b-c`"]),
            (true, vec!["nasm"], vec!["`apt-get install gcc-mingw-w64-x86-64`"]),
            (false, vec![], vec!["rustup", "gcc-mingw", "nasm"]),
        ] {
            let missing = target.missing(has_library, |program| programs.contains(&program));
            assert_eq!(missing.len(), expected.len(), "{missing:?}");
            assert!(missing.iter().zip(&expected).all(|(said, part)| said.contains(part)), "{missing:?}");
        }
        let native = Target { system: std::env::consts::OS, ..target };
        assert!(native.missing(true, |_| false).is_empty(), "a system has its own compiler");
    }

    #[test]
    fn what_was_not_checked_is_not_said_to_compile() {
        let verdicts = [
            ("one", Verdict::Compiles),
            ("two", Verdict::Fails),
            ("three", Verdict::NotChecked(vec!["x is missing".into(), "y is missing".into()])),
        ];
        let text = summary(&verdicts);
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        assert!(line("one").contains("compiles") && line("two").contains("FAILED"), "{text}");
        assert!(line("three").ends_with("NOT CHECKED: x is missing; y is missing"), "{text}");
    }
}
