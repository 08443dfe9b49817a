//! How many tests passed and failed, read from what the test programs print.
//!
//! libtest has a machine-readable format only on nightly, so the summary lines made for people are read instead.

use std::fmt;

/// A running total. Shown as `N passed, N failed`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: u64,
    pub failed: u64,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Count {
    /// Adds what `line` reports, if it is the summary line of a test program.
    pub fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ") {
            self.read_words(rest);
        } else if let Some(rest) = line.strip_prefix("Tests ") {
            // Vitest. It also prints "Test Files  1 passed", which counts files.
            self.read_words(rest);
        } else if let Some(rest) = line.strip_prefix("ℹ ").or_else(|| line.strip_prefix("# ")) {
            self.read_node_test(rest);
        } else if is_playwright(line) {
            self.read_words(line);
        }
    }

    /// Adds every `N passed` and `N failed`, however they are separated.
    fn read_words(&mut self, line: &str) {
        let words: Vec<_> = line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<u64>() else { continue };
            match pair[1] {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                _ => {}
            }
        }
    }

    /// Node's own runner: `ℹ pass 5` or, in TAP, `# pass 5`.
    fn read_node_test(&mut self, line: &str) {
        let Some((word, number)) = line.split_once(' ') else { return };
        let Ok(number) = number.trim().parse::<u64>() else { return };
        match word {
            "pass" => self.passed += number,
            "fail" => self.failed += number,
            _ => {}
        }
    }
}

/// Playwright ends with `5 passed (3.1s)`, and above it `1 failed` when something did.
fn is_playwright(line: &str) -> bool {
    let words: Vec<_> = line.split(' ').collect();
    match words[..] {
        [number, "failed"] => number.parse::<u64>().is_ok(),
        [number, "passed", time] => number.parse::<u64>().is_ok() && time.starts_with('('),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_summary_lines_of_each_runner() {
        let libtest = "0 ignored; 0 measured; 0 filtered out; finished in 0.05s";
        for (line, passed, failed) in [
            (format!("test result: ok. 12 passed; 0 failed; {libtest}").as_str(), 12, 0),
            (format!("test result: FAILED. 3 passed; 2 failed; {libtest}").as_str(), 3, 2),
            ("      Tests  12 passed (12)", 12, 0),
            ("      Tests  1 failed | 11 passed (12)", 11, 1),
            (" Test Files  2 passed (2)", 0, 0),
            ("ℹ pass 5", 5, 0),
            ("ℹ fail 2", 0, 2),
            ("# pass 4", 4, 0),
            ("ℹ duration_ms 120.5", 0, 0),
            ("  5 passed (3.1s)", 5, 0),
            ("  1 failed", 0, 1),
            ("test pays_after_restart ... ok", 0, 0),
            ("running 12 tests", 0, 0),
            ("the provider says 3 passed", 0, 0),
            ("", 0, 0),
        ] {
            let mut count = Count::default();
            count.read(line);
            assert_eq!(count, Count { passed, failed }, "{line:?}");
        }
    }

    #[test]
    fn adds_up_and_prints_one_plain_line() {
        let mut count = Count::default();
        count.read("test result: ok. 310 passed; 0 failed; 0 ignored");
        count.read("test result: FAILED. 2 passed; 1 failed; 0 ignored");
        assert_eq!(count.to_string(), "312 passed, 1 failed");
    }
}
