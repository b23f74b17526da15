//! Random clusters under random commands, from a seed: whichever way the image is come by, it is the same.

use super::{START_MS, Stage};
use crate::image::MetadataImage;
use crate::raft::{MemoryLog, SharedLog};
use crate::testing::{One, quorum_options};
use wire::random::SplitMix64;
use wire::testing::Command;

const SEEDS: u64 = 12;
const STEPS: usize = 150;

/// One command of the scripts' language.
fn line(rng: &mut SplitMix64) -> String {
    let broker = 1 + rng.below(4);
    let (second, third) = (1 + broker % 4, 1 + (broker + 1) % 4);
    let topic = ["a", "b", "c", "d.e", "f"][rng.below(5) as usize];
    let partition = rng.below(4);
    match rng.below(22) {
        0 | 1 => format!("register {broker} incarnation={} dirs={broker},{}", 1 + rng.below(3), broker + 10),
        2..=4 => format!("heartbeat {broker}"),
        5 => format!("heartbeat {broker} fence"),
        6 => format!("heartbeat {broker} leave"),
        7 => format!("heartbeat {broker} offline={} cordoned=", broker + 10),
        8 | 9 => format!("create {topic} partitions={} rf={}", 1 + rng.below(5), 1 + rng.below(3)),
        10 => {
            format!(
                "create {topic} assign=0:{broker},{second},{third}/1:{second},{third},{broker} set:min.insync.replicas=2"
            )
        }
        11 => format!("delete {topic}"),
        12 => format!("partitions {topic} count={}", 1 + rng.below(8)),
        13 => format!("config topic:{topic} set:retention.ms={} delete:min.insync.replicas=", rng.below(9)),
        14 => format!("config broker:{broker} group:g client-metrics:m set:x={}", rng.below(9)),
        15 => format!("isr {topic}-{partition} isr={broker},{second}"),
        16 => format!("elect unclean {topic}-{partition}"),
        17 => format!("time +{}", rng.below(8000)),
        18 => format!("producer-ids {broker}"),
        19 => format!("reassign {topic}-{partition} to={broker},{second}"),
        20 => format!("reassign {topic}-{partition}"),
        _ => format!("assign {topic}-{partition} broker={broker} dir={}", broker + 10),
    }
}

/// The image without the place in the log that it was read up to: a restart adds a leader change.
fn content(image: &MetadataImage) -> MetadataImage {
    MetadataImage { provenance: Default::default(), ..image.clone() }
}

fn image_from(log: MemoryLog, now_ms: i64) -> MetadataImage {
    let one = One::open_with(SharedLog::new(log), now_ms, quorum_options(100, &[100], 9));
    content(&one.unwrap_or_else(|error| panic!("{error}")).image())
}

fn check(seed: u64) {
    let mut rng = SplitMix64::new(seed);
    let mut options = quorum_options(100, &[100], seed);
    options.snapshots.max_bytes_between = 2000;
    let mut stage = Stage::with(options);
    for step in 0..STEPS {
        let line = line(&mut rng);
        stage.execute(&Command::parse(&line));
        if step % 10 != 9 {
            continue;
        }
        let live = content(&stage.one.image());
        let at = format!("seed {seed}, after step {step}: {line}");
        live.check();
        live.check_partitions();
        let disk = stage.one.log.get().after_power_cut();
        let whole_log = MemoryLog::new().with_batches(disk.content());
        let whole_log = whole_log.unwrap_or_else(|fault| panic!("{fault}"));
        assert!(image_from(whole_log, stage.one.now_ms) == live, "from the log: {at}");
        assert!(image_from(disk, stage.one.now_ms) == live, "from the latest snapshot and the log: {at}");
        let mut again = MetadataImage::default();
        for record in live.to_records() {
            again.apply(&record.record).unwrap_or_else(|contradiction| panic!("{contradiction}, {at}"));
        }
        assert!(again == live, "from its own records: {at}");
    }
    assert!(stage.one.now_ms > START_MS && stage.one.quorum.status().latest_snapshot_offset > 0);
}

#[test]
fn the_same_image_from_the_log_from_a_snapshot_and_from_its_records() {
    (0..SEEDS).for_each(check);
}
