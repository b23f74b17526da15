//! One cell of the table: what is measured of each of its contenders, run by run. The contenders of a cell take turns within each
//! run, in the other order every second time, so that a noisy minute hits all of them; the first run is thrown away.

use super::contender::{Contender, Running};
use super::measure::Spread;
use super::options::Options;
use crate::workspace::Workspace;
use anyhow::{Context, Result};

/// What one run found.
pub type Figures = Vec<(&'static str, f64)>;

/// Called once per run; owns the contender's process.
pub type Run<'a> = Box<dyn FnMut(usize) -> Result<Figures> + 'a>;

/// A row of the list of cells.
pub struct Kind {
    /// What picks it on the command line.
    pub name: &'static str,
    pub about: &'static str,
    pub contenders: &'static [Contender],
    pub turns: Turns,
    pub open: for<'a> fn(&Cell<'a>) -> Result<Run<'a>>,
}

/// How often a cell is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// As often as the options say, after one that is thrown away, contenders in turn.
    Paired,
    /// As `Paired`, but each contender alone with its runs: two of them at a time would not fit or disturb each other.
    Alone,
    /// Once, alone: it makes its own first run, or what it counts does not vary.
    Once,
}

/// Everything that opening a cell needs to know.
#[derive(Clone, Copy)]
pub struct Cell<'a> {
    pub name: &'static str,
    pub workspace: &'a Workspace,
    pub options: &'a Options,
    pub contender: Contender,
}

/// One figure of one contender of one cell.
pub struct Row {
    pub cell: &'static str,
    pub contender: &'static str,
    pub figure: &'static str,
    /// In the order of the runs: the ratio of two contenders is taken run by run.
    pub values: Vec<f64>,
}

impl Row {
    pub fn spread(&self) -> Spread {
        Spread::of(&self.values)
    }
}

impl Cell<'_> {
    /// The contender's process, up.
    pub fn start(&self) -> Result<Running> {
        self.start_with(&[])
    }

    /// The same with more settings.
    pub fn start_with(&self, settings: &[(&str, &str)]) -> Result<Running> {
        let mut running = self.prepare(settings)?;
        running.start(self.workspace)?;
        Ok(running)
    }

    /// The contender on an empty directory, not started.
    pub fn prepare(&self, settings: &[(&str, &str)]) -> Result<Running> {
        let stranger = self.options.stranger.as_deref();
        Running::prepare(self.workspace, &self.contender, self.name, stranger, settings)
    }

    /// A name for a topic that is not there yet, even on a broker that lived before us.
    pub fn topic(&self, what: &str, run: usize) -> String {
        format!("bench-{}-{what}-{run}", std::process::id())
    }
}

/// Runs one cell for all its contenders.
pub fn measure(kind: &Kind, workspace: &Workspace, options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    let cell = |contender: Contender| Cell { name: kind.name, workspace, options, contender };
    let told = |contender: &Contender| format!("{}: {}", kind.name, contender.name);
    let contenders = options.present(kind.contenders);
    match kind.turns {
        Turns::Paired => {
            let open =
                |contender: &Contender| (kind.open)(&cell(*contender)).with_context(|| told(contender));
            let mut all: Vec<Run<'_>> = contenders.iter().map(open).collect::<Result<_>>()?;
            for run in 0..=options.runs {
                let mut order: Vec<usize> = (0..all.len()).collect();
                if run % 2 == 0 {
                    order.reverse();
                }
                for at in order {
                    let found = all[at](run).with_context(|| told(&contenders[at]))?;
                    keep(rows, kind.name, &contenders[at], if run == 0 { Vec::new() } else { found });
                }
            }
        }
        Turns::Alone | Turns::Once => {
            for contender in &contenders {
                let mut one = (kind.open)(&cell(*contender)).with_context(|| told(contender))?;
                let first = usize::from(kind.turns == Turns::Alone);
                let last = if kind.turns == Turns::Alone { options.runs } else { 0 };
                for run in 0..=last {
                    let found = one(run).with_context(|| told(contender))?;
                    keep(rows, kind.name, contender, if run < first { Vec::new() } else { found });
                }
            }
        }
    }
    Ok(())
}

fn keep(rows: &mut Vec<Row>, cell: &'static str, contender: &Contender, found: Figures) {
    for (figure, value) in found {
        let same =
            |row: &&mut Row| row.cell == cell && row.figure == figure && row.contender == contender.name;
        match rows.iter_mut().find(same) {
            Some(row) => row.values.push(value),
            None => rows.push(Row { cell, contender: contender.name, figure, values: vec![value] }),
        }
    }
}
