//! One test of a suite, and how it ended.

use crate::process::Finished;
use std::path::PathBuf;

/// Stands for the broker's address in a case's arguments and environment.
pub const BROKER: &str = "{broker}";

/// How a test ended.
pub enum Outcome {
    Passed,
    /// The suite itself left it out.
    Skipped,
    /// With its last words.
    Failed(String),
}

/// One test of a suite: a program to run, and how to read its end.
pub struct Case {
    pub name: String,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: PathBuf,
    pub verdict: fn(&Finished) -> Outcome,
}

/// One case that was run.
pub struct Ran {
    pub outcome: Outcome,
    pub seconds: f64,
}
