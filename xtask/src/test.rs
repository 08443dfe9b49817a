//! `cargo xtask test`: everything that must be green, in the order in which failures are cheapest to find.
//!
//! The run stops at the first step that fails and says how to repeat just that one. Its last line is always
//! `N passed, N failed`, so that a script need not understand anything else.

mod count;
mod tools;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};

use crate::workspace::Workspace;
use crate::{process, tidy, web};
use count::Count;

/// How many tests run at once, unless whoever runs them says so.
const TEST_THREADS: &str = "RUST_TEST_THREADS";
const TESTS_PER_CORE: usize = 3;

#[derive(Args)]
pub struct Options {
    /// Run the full seeds and models that are only sampled otherwise (sets BYWAY_TEST_LONG=1)
    #[arg(long)]
    long: bool,
    /// Run one step, and the web build if the step needs it
    #[arg(long, value_enum)]
    only: Option<Step>,
}

/// What must be green, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Check for what the other steps need, and install Chromium and network tools if run as root
    Tools,
    /// cargo fmt --check
    Fmt,
    /// cargo xtask tidy
    Tidy,
    /// cargo deny, built into the target folder if it is not installed
    Licences,
    /// cargo xtask web
    Web,
    /// cargo clippy, warnings are errors
    Clippy,
    /// cargo test --workspace
    Test,
    /// npm test in web/, then its browser tests
    WebTest,
    /// The TypeScript client, the examples and the page against real nodes
    ClientTest,
}

impl Step {
    fn name(self) -> String {
        let value = self.to_possible_value().expect("no step is hidden");
        value.get_name().to_owned()
    }

    /// The node embeds the page, so nothing that compiles the node can run before the page is built.
    fn needs_web(self) -> bool {
        matches!(self, Step::Clippy | Step::Test | Step::WebTest | Step::ClientTest)
    }
}

/// Runs the steps, prints a summary, and as the very last line how many tests passed and failed.
pub fn run(workspace: &Workspace, options: Options) -> Result<ExitCode> {
    let steps = chosen(options.only);
    let mut session = Session { workspace, long: options.long, count: Count::default() };
    let mut timings = Vec::new();
    let mut failure = None;
    for step in steps {
        println!("\n== {} ==", step.name());
        let start = Instant::now();
        let result = session.run(step);
        timings.push((step, start.elapsed(), result.is_ok()));
        if let Err(error) = result {
            failure = Some((step, error));
            break;
        }
    }
    print_summary(&timings);
    Ok(match failure {
        None => {
            println!("{}", session.count);
            ExitCode::SUCCESS
        }
        Some((step, error)) => {
            let name = step.name();
            let long = if options.long { " --long" } else { "" };
            println!("error: step `{name}` failed: {error:#}");
            println!("run just this step: cargo xtask test --only {name}{long}\n");
            // A step can fail without a failed test, such as code that doesn't compile; "0 failed" would then lie.
            session.count.failed = session.count.failed.max(1);
            println!("{}", session.count);
            ExitCode::FAILURE
        }
    })
}

fn chosen(only: Option<Step>) -> Vec<Step> {
    match only {
        None => Step::value_variants().to_vec(),
        Some(step) if step.needs_web() => vec![Step::Web, step],
        Some(step) => vec![step],
    }
}

fn print_summary(timings: &[(Step, Duration, bool)]) {
    println!("\n== summary ==");
    for (step, elapsed, passed) in timings {
        let verdict = if *passed { "ok" } else { "FAILED" };
        println!("{:<10} {:>8.1} s  {verdict}", step.name(), elapsed.as_secs_f64());
    }
    let total: Duration = timings.iter().map(|(_, elapsed, _)| *elapsed).sum();
    println!("{:<10} {:>8.1} s\n", "total", total.as_secs_f64());
}

/// One run: what it works on and what it has counted so far.
struct Session<'a> {
    workspace: &'a Workspace,
    long: bool,
    count: Count,
}

impl Session<'_> {
    fn run(&mut self, step: Step) -> Result<()> {
        match step {
            Step::Tools => tools::check(self.workspace),
            Step::Fmt => {
                let mut fmt = self.workspace.cargo();
                process::run(fmt.args(["fmt", "--all", "--check"]))
                    .context("the code is not formatted; run `cargo fmt --all`")
            }
            Step::Tidy => tidy::run(self.workspace),
            Step::Licences => self.licences(),
            Step::Web => web::run(self.workspace),
            Step::Clippy => {
                let mut clippy = self.workspace.cargo();
                clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
                process::run(&mut clippy)
            }
            Step::Test => self.cargo_test(),
            Step::WebTest => self.web_test(),
            Step::ClientTest => self.client_test(),
        }
    }

    fn licences(&self) -> Result<()> {
        let mut deny = tools::cargo_deny(self.workspace)?;
        // Advisories are left out: their database is fetched from the network on every run.
        process::run(deny.args(["--offline", "check", "licenses", "bans", "sources"]))
    }

    fn cargo_test(&mut self) -> Result<()> {
        let mut test = self.workspace.cargo();
        // All failures of a run are worth knowing, not only the first crate's. No example stands in a docstring, so none is
        // looked for.
        test.args(["test", "--workspace", "--lib", "--bins", "--tests", "--examples", "--no-fail-fast"]);
        // The tests of whole nodes wait for each other most of the time.
        if std::env::var_os(TEST_THREADS).is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            test.env(TEST_THREADS, (TESTS_PER_CORE * cores).to_string());
        }
        self.count_tests(&mut test)
    }

    fn web_test(&mut self) -> Result<()> {
        let Some(folder) = self.workspace.web() else {
            println!("nothing to test, there is no web/package.json");
            return Ok(());
        };
        // `e2e` is a script of its own because it needs a browser, which `npm test` at a desk should not.
        for arguments in [["run", "test"].as_slice(), &["run", "e2e", "--if-present"]] {
            let mut test = Command::new(web::NPM);
            // Colours would hide the lines that are counted.
            test.args(arguments).current_dir(&folder).env("NO_COLOR", "1").env_remove("FORCE_COLOR");
            self.count_tests(&mut test)?;
        }
        Ok(())
    }

    /// The client, the examples and the page, over networks of their own. The compiler is that of the page: the client itself depends on nothing.
    fn client_test(&mut self) -> Result<()> {
        let mut build = self.workspace.cargo();
        // The binary that the end-to-end tests run: a build without tests has other features of the libraries, and takes as long again.
        process::run(build.args(["test", "--workspace", "--test", "e2e", "--no-run"]))?;
        let root = self.workspace.root();
        let folder = root.join("clients/typescript");
        let compiler = root.join("web/node_modules/.bin/tsc");
        process::run(Command::new(compiler).args(["-p", "tsconfig.json"]).current_dir(&folder))?;
        let binary = self.workspace.metadata()?.target_directory.join("debug/byway");
        let mut test = Command::new("node");
        // One network at a time.
        test.args(["--test", "--test-concurrency=1", "dist/test/client.test.js", "dist/test/examples.test.js"]);
        test.current_dir(&folder).env("BYWAY_BINARY", &binary);
        self.count_tests(&mut test)?;
        let mut page = Command::new(web::NPM);
        page.args(["run", "real"]).current_dir(root.join("web")).env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        self.count_tests(page.env("BYWAY_BINARY", binary))
    }

    fn count_tests(&mut self, command: &mut Command) -> Result<()> {
        if self.long {
            command.env("BYWAY_TEST_LONG", "1");
        }
        if let Some(chromium) = tools::chromium() {
            command.env("BYWAY_CHROMIUM", chromium);
        }
        let failed_before = self.count.failed;
        let result = process::run_inspecting(command, |line| self.count.read(line));
        if self.count.failed > failed_before && result.is_ok() {
            bail!("tests failed although the test program reported success");
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_brings_what_it_needs() {
        assert_eq!(chosen(Some(Step::Fmt)), [Step::Fmt]);
        assert_eq!(chosen(Some(Step::Test)), [Step::Web, Step::Test]);
        assert_eq!(chosen(None).len(), Step::value_variants().len());
    }

    #[test]
    fn the_page_is_built_before_what_embeds_it() {
        let steps = chosen(None);
        let web = steps.iter().position(|step| *step == Step::Web).unwrap();
        for (position, step) in steps.iter().enumerate() {
            assert!(!step.needs_web() || position > web, "{step:?} runs before the web build");
        }
    }
}
