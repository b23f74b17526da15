//! A row of the table of stages: a name, what it needs of the machine, the function that runs it.

use super::workbench::Workbench;
use crate::tally::Tally;
use anyhow::Result;

/// What a stage needs of the machine while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Cargo or the tree itself: these run first, one after another, because all others need what they make.
    Tree,
    /// A core at most times; the rest is waiting for timers and for other programs. Two of these run side by side.
    Core,
    /// A quiet machine: what it finds would be another thing beside others.
    Quiet,
}

/// One stage of the test command.
pub struct Stage {
    /// What picks it on the command line.
    pub name: &'static str,
    /// What it proves, for `--list`.
    pub about: &'static str,
    /// When it may run.
    pub needs: Needs,
    /// Runs it.
    pub run: fn(&Workbench) -> Result<Tally>,
}
