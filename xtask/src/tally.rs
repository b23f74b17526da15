//! Counts of checks: passed, failed (by name), skipped (by name and reason).
//!
//! Owns the one line format that the foreign test scripts print: `ok - NAME`, `not ok - NAME: REASON`,
//! `skip - NAME: REASON`. Never decides what is run.

/// What a stage found.
#[derive(Debug, Default, Clone)]
pub struct Tally {
    /// Number of checks that held.
    pub passed: usize,
    /// One line per check that did not hold.
    pub failed: Vec<String>,
    /// One line per check that was not made, with the reason.
    pub skipped: Vec<String>,
}

impl Tally {
    /// A tally of one check.
    pub fn one(name: &str, held: bool) -> Self {
        let mut tally = Self::default();
        tally.check(name, held);
        tally
    }

    /// Adds one check.
    pub fn check(&mut self, name: &str, held: bool) {
        if held {
            self.passed += 1;
        } else {
            self.failed.push(name.to_owned());
        }
    }

    /// Adds one check that failed.
    pub fn fail(&mut self, line: impl Into<String>) {
        self.failed.push(line.into());
    }

    /// Adds one check that was not made.
    pub fn skip(&mut self, line: impl Into<String>) {
        self.skipped.push(line.into());
    }

    /// Adds another tally, its lines prefixed by `prefix`.
    pub fn absorb(&mut self, prefix: &str, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed.into_iter().map(|line| format!("{prefix}: {line}")));
        self.skipped.extend(other.skipped.into_iter().map(|line| format!("{prefix}: {line}")));
    }

    /// Reads the lines that the scripts under `tests/` print.
    pub fn from_lines(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines() {
            if line.starts_with("ok - ") {
                tally.passed += 1;
            } else if let Some(rest) = line.strip_prefix("not ok - ") {
                tally.fail(rest);
            } else if let Some(rest) = line.strip_prefix("skip - ") {
                tally.skip(rest);
            }
        }
        tally
    }

    /// Reads what `cargo test` prints: one `test NAME ... ok` line per test.
    pub fn from_cargo_test(output: &str) -> Self {
        let mut tally = Self::default();
        for line in output.lines() {
            let Some((name, result)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
            else {
                continue;
            };
            match result {
                "ok" => tally.passed += 1,
                "FAILED" => tally.fail(name),
                ignored if ignored.starts_with("ignored") => tally.skip(format!("{name}: {ignored}")),
                _ => {}
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn script_lines_are_counted() {
        let tally = Tally::from_lines("noise\nok - a\nnot ok - b: timed out\nskip - c: no lz4\nok - d\n");
        assert_eq!(tally.passed, 2);
        assert_eq!(tally.failed, ["b: timed out"]);
        assert_eq!(tally.skipped, ["c: no lz4"]);
    }

    #[test]
    fn cargo_lines_are_counted() {
        let tally = Tally::from_cargo_test("test a::b ... ok\ntest c ... FAILED\ntest d ... ignored, slow\n");
        assert_eq!((tally.passed, tally.failed.len(), tally.skipped.len()), (1, 1, 1));
    }
}
