//! What one change of one topic costs on an image of 200,000 partitions, from the record to the broker's view of what changed:
//! the figures of docs/decisions/0007-image-publication.md. `cargo run --release -p ottla-kraft --example image_speed`

#![expect(clippy::disallowed_methods, reason = "it measures time")]

use kraft::image::MetadataImage;
use std::sync::Arc;
use std::time::Instant;
use wire::records::metadata::{
    FeatureLevelRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord, TopicRecord,
};
use wire::{Str, Uuid};

const TOPICS: u32 = 2_000;
const PARTITIONS: i32 = 100;
const ROUNDS: u32 = 200;

fn topic_id(number: u32) -> Uuid {
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_be_bytes());
    Uuid(bytes)
}

fn apply(image: &mut MetadataImage, record: impl Into<MetadataRecord>) {
    if let Err(contradiction) = image.apply(&record.into()) {
        panic!("{contradiction}");
    }
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let before = resident_bytes();
    let begun = Instant::now();
    let mut image = MetadataImage::default();
    apply(&mut image, FeatureLevelRecord { name: Str::from("metadata.version"), feature_level: 33 });
    for topic in 0..TOPICS {
        apply(
            &mut image,
            TopicRecord { name: Str::from(format!("topic-{topic}")), topic_id: topic_id(topic) },
        );
        for partition_id in 0..PARTITIONS {
            let replicas = vec![1, 2, 3];
            let directories = vec![topic_id(1), topic_id(2), topic_id(3)];
            apply(
                &mut image,
                PartitionRecord {
                    partition_id,
                    topic_id: topic_id(topic),
                    isr: replicas.clone(),
                    replicas,
                    leader: 1,
                    directories,
                    ..Default::default()
                },
            );
        }
    }
    println!("build: {:?}, {} MiB", begun.elapsed(), (resident_bytes() - before) >> 20);
    let mut pending = image.clone();
    let mut published = Arc::new(image.clone());
    let (mut applied, mut cloned, mut compared, mut listed) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        let change = PartitionChangeRecord {
            partition_id: (round % PARTITIONS as u32) as i32,
            topic_id: topic_id(round * 7 % TOPICS),
            isr: Some(vec![1, 2]),
            ..Default::default()
        };
        let at = Instant::now();
        apply(&mut pending, change.clone());
        apply(&mut image, change);
        applied += at.elapsed().as_nanos() / 2;
        let at = Instant::now();
        assert!(pending == image);
        compared += at.elapsed().as_nanos();
        image = pending.clone();
        let at = Instant::now();
        let next = Arc::new(image.clone());
        cloned += at.elapsed().as_nanos();
        let at = Instant::now();
        assert_eq!(next.topics.changes_since(&published.topics).len(), 1);
        listed += at.elapsed().as_nanos();
        published = next;
    }
    let mean = |total: u128| total / u128::from(ROUNDS) / 1000;
    println!(
        "one change: apply {} us, compare twins {} us, publish {} us, list changes {} us",
        mean(applied),
        mean(compared),
        mean(cloned),
        mean(listed)
    );
    let at = Instant::now();
    let records = image.to_records();
    println!("to_records: {} records in {:?}", records.len(), at.elapsed());
}
