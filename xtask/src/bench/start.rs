//! Exec to the first answer on an empty directory, formatting included, and memory when nothing happens.

use super::cell::{Cell, Run};
use super::load;
use super::measure::resident_mb;
use crate::process::pause;
use anyhow::Result;
use std::time::{Duration, Instant};

pub fn cold<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        let mut broker = cell.prepare(&[])?;
        let since = Instant::now();
        broker.launch(cell.workspace)?;
        let (answered, produced) = load::first_produce(&broker.address(), since)?;
        pause(Duration::from_secs(2));
        Ok(vec![
            ("ms to ApiVersions", answered.as_secs_f64() * 1e3),
            ("ms to first produce", produced.as_secs_f64() * 1e3),
            ("MB resident idle", resident_mb(broker.id())),
        ])
    }))
}
