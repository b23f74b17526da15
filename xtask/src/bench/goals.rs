//! The goals, row by row: which figure of which cell, beside what, and the bound. Judges rows; measures nothing.

use super::cell::Row;
use super::measure::Spread;

/// A figure's place in the table.
#[derive(Clone, Copy)]
struct Place(&'static str, &'static str, &'static str);

enum Value {
    /// As measured.
    Of(Place),
    /// Run by run the first to the second.
    Ratio(Place, Place),
}

enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

struct Goal {
    row: &'static str,
    text: &'static str,
    value: Value,
    bound: Bound,
}

const fn of(row: &'static str, text: &'static str, place: Place, bound: Bound) -> Goal {
    Goal { row, text, value: Value::Of(place), bound }
}

/// Ottla to the floor in the same cell and figure.
const fn to_floor(
    row: &'static str,
    text: &'static str,
    cell: &'static str,
    figure: &'static str,
    bound: Bound,
) -> Goal {
    let value = Value::Ratio(Place(cell, "ottla", figure), Place(cell, "floor", figure));
    Goal { row, text, value, bound }
}

/// Ottla to Apache Kafka, both as three nodes; the p99 of a rate from due to consumed. Not judged at a rate that one of them does not keep up.
const fn p99_to_kafka(text: &'static str, cell: &'static str, names: replicated::Names) -> Goal {
    let figure = names[replicated::P99];
    let value = Value::Ratio(Place(cell, "ottla", figure), Place(cell, "kafka", figure));
    Goal { row: "cluster", text, value, bound: AtMost(0.2) }
}

/// A rung of the ladder of rates.
const fn rung(at: usize, text: &'static str) -> Goal {
    p99_to_kafka(text, "replicated-highest", replicated::LADDER[at].1)
}

/// How long nobody is served, of three nodes.
const fn gap(text: &'static str, figure: &'static str, most_ms: f64) -> Goal {
    of("cluster", text, Place("failover", "ottla", figure), AtMost(most_ms))
}

use super::replicated::{LADDER, RATES};
use super::{calls, failover, flat, instructions as ir, replicated};
use Bound::{AtLeast, AtMost};

const GOALS: &[Goal] = &[
    to_floor(
        "1",
        "produce 1 KB records, 16 KiB batches, 16 partitions: MB/s to the floor",
        "produce-16",
        "MB/s",
        AtLeast(0.85),
    ),
    to_floor("2", "the same, 1 partition, 1 connection", "produce-1", "MB/s", AtLeast(0.90)),
    to_floor("3", "1 MB batches, 16 partitions", "produce-1m", "MB/s", AtLeast(0.95)),
    to_floor("4", "1 KiB batches over 1,000 partitions, 40 a request", "wide", "batches/s", AtLeast(0.75)),
    to_floor("5", "CPU-s/GB of row 1 to the floor", "produce-16", "CPU-s/GB", AtMost(1.25)),
    of(
        "6",
        "instructions of a 1 KiB produce",
        Place("instructions", "ottla", ir::PRODUCE_1K),
        AtMost(5000.0),
    ),
    of("7", "… of a 16 KiB produce", Place("instructions", "ottla", ir::PRODUCE_16K), AtMost(9000.0)),
    of(
        "7",
        "… of each partition's batch in a request of 16",
        Place("instructions", "ottla", ir::PRODUCE_PART),
        AtMost(1800.0),
    ),
    of("8", "… of a 64 KB fetch", Place("instructions", "ottla", ir::FETCH_64K), AtMost(6000.0)),
    of("8", "… of an ApiVersions", Place("instructions", "ottla", ir::API_VERSIONS), AtMost(2500.0)),
    of("9", "system calls of a 16 KiB produce", Place("calls", "ottla", calls::SYSTEM_CALLS), AtMost(2.0)),
    of("9", "context switches of a 16 KiB produce", Place("calls", "ottla", calls::SWITCHES), AtMost(0.5)),
    to_floor("10", "fetch, 1 connection: MB/s to the floor", "fetch-1", "MB/s", AtLeast(1.25)),
    of(
        "11",
        "CPU-s/GB of that fetch, broker and client",
        Place("fetch-1", "ottla", "CPU-s/GB with the client"),
        AtMost(0.42),
    ),
    to_floor(
        "12",
        "5,000 x 1 KB/s produced to consumed: p50 to the floor",
        "end-to-end",
        "p50 µs",
        AtMost(1.1),
    ),
    to_floor("12", "… p99 to the floor", "end-to-end", "p99 µs", AtMost(1.3)),
    of(
        "13",
        "CPU µs a record at 5,000/s, one a request",
        Place("end-to-end", "ottla", "CPU µs a record"),
        AtMost(42.0),
    ),
    of(
        "14",
        "fsync before ack: 16 KiB produce, 16 partitions, MB/s",
        Place("durable", "ottla, auto", "MB/s"),
        AtLeast(600.0),
    ),
    of("14", "… p50 µs at 1,000/s", Place("durable-rate", "ottla, auto", "p50 µs"), AtMost(400.0)),
    Goal {
        row: "15",
        text: "durable to not durable, MB/s of the same run",
        value: Value::Ratio(Place("durable", "ottla, auto", "MB/s"), Place("durable", "ottla", "MB/s")),
        bound: AtLeast(0.45),
    },
    of(
        "16",
        "exec to ApiVersions, empty directory, ms",
        Place("start", "ottla", "ms to ApiVersions"),
        AtMost(8.0),
    ),
    of(
        "17",
        "restart after kill -9, 5,000 partitions never written, ms",
        Place("restart-5k", "ottla", "ms to accepted produce"),
        AtMost(40.0),
    ),
    of("17", "… 100,000 partitions", Place("restart-100k", "ottla", "ms to accepted produce"), AtMost(500.0)),
    of("18", "MB resident idle", Place("start", "ottla", "MB resident idle"), AtMost(8.0)),
    of("18", "MB resident under row 1", Place("produce-16", "ottla", "MB resident"), AtMost(40.0)),
    of("19", "KB an idle connection", Place("idle", "ottla", "KB a connection"), AtMost(4.0)),
    of("19", "KB an idle partition", Place("restart-100k", "ottla", "KB a partition"), AtMost(0.5)),
    of(
        "19",
        "descriptors an idle partition",
        Place("restart-100k", "ottla", "descriptors a partition"),
        AtMost(0.0),
    ),
    of(
        "20",
        "1,000 partitions created, all led, ms",
        Place("thousand", "ottla", "ms to create, all led"),
        AtMost(10.0),
    ),
    of("20", "… beside 50,000", Place("thousand-50k", "ottla", "ms to create, all led"), AtMost(10.0)),
    of(
        "20",
        "first write on all 1,000, ms",
        Place("thousand", "ottla", "ms to first write on all"),
        AtMost(60.0),
    ),
    of("20", "… beside 50,000", Place("thousand-50k", "ottla", "ms to first write on all"), AtMost(60.0)),
    of(
        "21",
        "idle CPU %, 10,000 partitions, 1,000 connections",
        Place("idle", "ottla", "CPU %"),
        AtMost(0.2),
    ),
    of("22", "lz4 produce: CPU a wire GB to plain", Place("lz4", "ottla", "lz4 to plain"), AtMost(1.05)),
    of(
        "flat",
        "CPU of a produce beside 100,000 partitions to beside none",
        Place("flat-partitions", "ottla", flat::BESIDE_MANY[0]),
        AtMost(1.1),
    ),
    of("flat", "… of a fetch", Place("flat-partitions", "ottla", flat::BESIDE_MANY[1]), AtMost(1.1)),
    of("flat", "… of a Metadata", Place("flat-partitions", "ottla", flat::BESIDE_MANY[2]), AtMost(1.1)),
    of(
        "flat",
        "CPU of a produce from 10,000 connections to from 64",
        Place("flat-connections", "ottla", flat::MORE_CONNECTIONS),
        AtMost(1.25),
    ),
    of(
        "log",
        "start after kill -9, 10,000 segments, ms",
        Place("segments", "ottla", "ms to accepted produce"),
        AtMost(10_000.0),
    ),
    of(
        "log",
        "100,000 partitions idle, MB resident",
        Place("restart-100k", "ottla", "MB resident idle"),
        AtMost(1024.0),
    ),
    of(
        "log",
        "restart with 100,000 partitions, ms",
        Place("restart-100k", "ottla", "ms to accepted produce"),
        AtMost(30_000.0),
    ),
    of(
        "cluster",
        "CPU of three copies to one produce, two fetches and two appends",
        Place("replicated-produce", "ottla", replicated::CPU_TO_PARTS),
        AtMost(1.2),
    ),
    p99_to_kafka("1,000 records a second, due to consumed: p99 to Kafka's", "replicated-latency", RATES[0].1),
    p99_to_kafka("… 20,000 a second", "replicated-latency", RATES[1].1),
    rung(0, "… 5,000 a second, if both keep it up"),
    rung(1, "… 10,000 a second"),
    rung(2, "… 20,000 a second"),
    rung(3, "… 30,000 a second"),
    rung(4, "… 40,000 a second"),
    rung(5, "… 50,000 a second"),
    rung(6, "… 60,000 a second"),
    rung(7, "… 80,000 a second"),
    rung(8, "… 100,000 a second"),
    rung(9, "… 150,000 a second"),
    gap("leader killed, nobody served: median ms", failover::KILLED[0], 500.0),
    gap("… p99 ms", failover::KILLED[1], 1_000.0),
    gap("leader killed that is the active controller, too: median ms", failover::BOTH_KILLED[0], 500.0),
    gap("… p99 ms", failover::BOTH_KILLED[1], 1_000.0),
    gap("leader stalled for 10 s: p99 ms", failover::STALLED[1], 3_000.0),
];

/// Every rate of the ladder has its row above.
const _: () = assert!(LADDER.len() == 10 && RATES.len() == 2);

/// A goal and what came of it.
pub struct Verdict {
    pub row: &'static str,
    pub text: &'static str,
    pub goal: String,
    pub value: Spread,
    pub met: bool,
}

/// Every goal whose figures were measured.
pub fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    GOALS.iter().filter_map(|goal| verdict(goal, rows)).collect()
}

fn verdict(goal: &Goal, rows: &[Row]) -> Option<Verdict> {
    let values = match &goal.value {
        Value::Of(place) => values(rows, *place)?.to_vec(),
        Value::Ratio(above, below) => ratios(values(rows, *above)?, values(rows, *below)?),
    };
    let value = Spread::of(&values);
    let (text, met) = match goal.bound {
        AtLeast(bound) => (format!("≥ {bound}"), value.median >= bound),
        AtMost(bound) => (format!("≤ {bound}"), value.median <= bound),
    };
    Some(Verdict { row: goal.row, text: goal.text, goal: text, value, met })
}

fn values(rows: &[Row], Place(cell, contender, figure): Place) -> Option<&[f64]> {
    let same = |row: &&Row| row.cell == cell && row.contender == contender && row.figure == figure;
    rows.iter().find(same).map(|row| row.values.as_slice())
}

/// Run by run: what disturbed one of them disturbed the other.
pub fn ratios(above: &[f64], below: &[f64]) -> Vec<f64> {
    above.iter().zip(below).map(|(above, below)| above / below).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(contender: &'static str, values: &[f64]) -> Row {
        Row { cell: "produce-16", contender, figure: "MB/s", values: values.to_vec() }
    }

    #[test]
    fn a_ratio_is_the_median_of_the_runs_own_ratios() {
        // The second run was disturbed and hit both: its ratio is as good as the others.
        let rows = [row("ottla", &[90.0, 45.0, 88.0]), row("floor", &[100.0, 50.0, 100.0])];
        let verdicts = verdicts(&rows);
        let [only] = verdicts.as_slice() else { panic!("{} verdicts", verdicts.len()) };
        assert_eq!((only.row, only.met, only.value.median, only.value.least), ("1", true, 0.9, 0.88));
    }

    #[test]
    fn a_rate_is_judged_where_both_keep_it_up() {
        let figure = LADDER[4].1[replicated::P99];
        let of =
            |contender, value| Row { cell: "replicated-highest", contender, figure, values: vec![value] };
        assert!(verdicts(&[of("ottla", 900.0)]).is_empty());
        let verdicts = verdicts(&[of("ottla", 900.0), of("kafka", 10_000.0)]);
        assert_eq!((verdicts.len(), verdicts[0].text, verdicts[0].met), (1, "… 40,000 a second", true));
    }

    #[test]
    fn what_was_not_measured_is_not_judged_and_nan_never_meets() {
        assert!(verdicts(&[row("ottla", &[1.0])]).is_empty());
        let rows = [row("ottla", &[f64::NAN]), row("floor", &[100.0])];
        assert!(!verdicts(&rows)[0].met);
    }
}
