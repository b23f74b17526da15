//! The checked-in lists of a suite, and what they make of its outcomes.
//!
//! `must_pass.txt` gates: a test on it that fails or is gone fails the stage; the list only grows. `not_applicable.txt` and
//! `slow.txt` give a reason per test (`NAME: reason`). A test that stands nowhere fails the stage until it is given a place.

use super::case::{Outcome, Ran};
use crate::tally::Tally;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::Path;

/// The lists of one suite.
pub struct Lists {
    /// Every test that must pass, in order.
    pub must_pass: Vec<String>,
    /// Tests of what is not built or of what this stage does not offer, each with its reason.
    pub not_applicable: BTreeMap<String, String>,
    /// Tests that must pass and take too long for every run, each with its reason; only with `--full`.
    pub slow: BTreeMap<String, String>,
}

/// Where a test stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// On `must_pass.txt`.
    MustPass,
    /// On `slow.txt`.
    Slow,
    /// On `not_applicable.txt`.
    NotApplicable,
    /// On no list.
    Nowhere,
}

impl Standing {
    /// True if the test is run without `--full`, too.
    pub fn runs_always(self) -> bool {
        matches!(self, Self::MustPass | Self::Nowhere)
    }
}

impl Lists {
    /// Reads `tests/suites/<suite>`.
    pub fn read(workspace: &Workspace, suite: &str) -> Result<Self> {
        let directory = workspace.root.join("tests/suites").join(suite);
        let must_pass = lines(&directory.join("must_pass.txt"))?;
        let lists = Self {
            must_pass,
            not_applicable: reasons(&directory.join("not_applicable.txt"))?,
            slow: reasons(&directory.join("slow.txt"))?,
        };
        for name in &lists.must_pass {
            let twice = lists.not_applicable.contains_key(name) || lists.slow.contains_key(name);
            ensure!(!twice, "{suite}: {name} stands in two lists");
        }
        ensure!(lists.must_pass.is_sorted(), "{suite}: must_pass.txt is not sorted");
        Ok(lists)
    }

    /// Where `name` stands.
    pub fn standing(&self, name: &str) -> Standing {
        if self.must_pass.binary_search_by(|known| known.as_str().cmp(name)).is_ok() {
            Standing::MustPass
        } else if self.slow.contains_key(name) {
            Standing::Slow
        } else if self.not_applicable.contains_key(name) {
            Standing::NotApplicable
        } else {
            Standing::Nowhere
        }
    }

    /// The tally of the lists against what was run, and the names that could be added to `must_pass.txt`. `present` is every
    /// test that the suite has.
    pub fn judge(&self, present: &[&str], ran: &BTreeMap<String, Ran>) -> (Tally, Vec<String>) {
        let (mut tally, mut could_be_added) = (Tally::default(), Vec::new());
        let named = self.must_pass.iter().chain(self.not_applicable.keys()).chain(self.slow.keys());
        for name in named.filter(|name| !present.contains(&name.as_str())) {
            tally.fail(format!("{name} is listed, and the suite has no such test"));
        }
        for name in present {
            let standing = self.standing(name);
            let Some(ran) = ran.get(*name) else {
                if standing.runs_always() {
                    tally.fail(format!("{name} was not run"));
                }
                continue;
            };
            match (standing, &ran.outcome) {
                (Standing::MustPass | Standing::Slow, Outcome::Passed) => tally.passed += 1,
                (Standing::MustPass | Standing::Slow, Outcome::Skipped) => {
                    tally.fail(format!("{name} must pass, and was left out by the suite"));
                }
                (Standing::MustPass | Standing::Slow, Outcome::Failed(words)) => {
                    tally.fail(format!("{name}: {words}"));
                }
                (Standing::NotApplicable | Standing::Nowhere, Outcome::Passed) => {
                    could_be_added.push((*name).to_owned());
                }
                (Standing::NotApplicable, Outcome::Skipped | Outcome::Failed(_)) => {}
                (Standing::Nowhere, Outcome::Skipped) => tally.fail(format!("{name}: skipped, on no list")),
                (Standing::Nowhere, Outcome::Failed(words)) => {
                    tally.fail(format!("{name}: on no list: {words}"));
                }
            }
        }
        (tally, could_be_added)
    }
}

/// The lines of a list, without comments; a list that is not there is empty.
fn lines(path: &Path) -> Result<Vec<String>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        other => other.with_context(|| path.display().to_string())?,
    };
    let kept = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(kept.map(str::to_owned).collect())
}

fn reasons(path: &Path) -> Result<BTreeMap<String, String>> {
    let split = |line: &String| {
        let (name, reason) = line.split_once(": ")?;
        Some((name.to_owned(), reason.to_owned()))
    };
    let read = |line| split(&line).with_context(|| format!("{}: `{line}` has no reason", path.display()));
    lines(path)?.into_iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(outcome: Outcome) -> Ran {
        Ran { outcome, seconds: 0.0 }
    }

    #[test]
    fn a_listed_test_that_fails_or_is_gone_fails_the_stage() {
        let lists = Lists {
            must_pass: vec!["fails".into(), "gone".into(), "holds".into()],
            not_applicable: BTreeMap::from([("later".into(), "transactions".into())]),
            slow: BTreeMap::new(),
        };
        let present = ["fails", "holds", "later", "new"];
        let ran = BTreeMap::from([
            ("fails".to_owned(), ended(Outcome::Failed("no".into()))),
            ("holds".to_owned(), ended(Outcome::Passed)),
            ("new".to_owned(), ended(Outcome::Passed)),
        ]);
        let (tally, could_be_added) = lists.judge(&present, &ran);
        assert_eq!((tally.passed, tally.failed.len()), (1, 2), "{:?}", tally.failed);
        assert_eq!(could_be_added, ["new"]);
        assert_eq!(lists.standing("later"), Standing::NotApplicable);
    }
}
