//! A fixed rate: what an answer and a delivery take when nothing is overloaded, what a record costs alone, and what those who wait
//! pay while others fill the disk.

use super::cell::{Cell, Run};
use super::load::{self, Shape};
use super::measure::{cpu_seconds, percentile};
use super::paced::{self, Pace};
use anyhow::Result;

/// 5,000 records of 1 KB a second, one a request, from due to consumed.
pub fn end_to_end<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let pace = Pace { record_bytes: 1024, per_second: 5000, seconds: 4 };
    Ok(Box::new(move |run| {
        let topic = cell.topic("end", run);
        load::create(&broker.address(), &topic, 1, &[])?;
        let before = cpu_seconds(broker.id());
        let seen = paced::end_to_end(&broker.address(), &topic, pace)?;
        let cpu = cpu_seconds(broker.id()) - before;
        Ok(vec![
            ("p50 µs", percentile(&seen.consumed, 0.5)),
            ("p99 µs", percentile(&seen.consumed, 0.99)),
            ("p50 µs to the answer", percentile(&seen.answered, 0.5)),
            ("p99 µs to the answer", percentile(&seen.answered, 0.99)),
            ("CPU µs a record", cpu * 1e6 / seen.answered.len() as f64),
        ])
    }))
}

/// 1,000 records a second, each waiting for the one before.
pub fn one_by_one<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let topic = cell.topic("rate", 0);
    load::create(&broker.address(), &topic, 1, &[])?;
    Ok(Box::new(move |_| {
        let pace = Pace { record_bytes: 1024, per_second: 1000, seconds: 3 };
        let before = cpu_seconds(broker.id());
        let times = paced::answers(&broker.address(), &topic, pace)?;
        let cpu = cpu_seconds(broker.id()) - before;
        Ok(vec![
            ("p50 µs", percentile(&times, 0.5)),
            ("p99 µs", percentile(&times, 0.99)),
            ("CPU µs a record", cpu * 1e6 / times.len() as f64),
        ])
    }))
}

/// The same beside four connections that fill another topic as fast as they can.
pub fn beside_bulk<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    let broker = cell.start()?;
    let quiet = cell.topic("quiet", 0);
    load::create(&broker.address(), &quiet, 1, &[])?;
    Ok(Box::new(move |run| {
        let bulk = cell.topic("bulk", run);
        load::create(&broker.address(), &bulk, 16, &[])?;
        let address = broker.address();
        let (times, filled) = std::thread::scope(|scope| {
            let filler =
                scope.spawn(|| load::produce(&address, &bulk, Shape::sixteen(cell.options.megabytes * 4)));
            let pace = Pace { record_bytes: 1024, per_second: 1000, seconds: 3 };
            let times = paced::answers(&address, &quiet, pace);
            (times, filler.join().unwrap_or_else(|_| anyhow::bail!("the filler panicked")))
        });
        let times = times?;
        Ok(vec![
            ("p50 µs", percentile(&times, 0.5)),
            ("p99 µs", percentile(&times, 0.99)),
            ("worst µs", percentile(&times, 1.0)),
            ("bulk MB/s", filled?.mb_per_second()),
        ])
    }))
}
