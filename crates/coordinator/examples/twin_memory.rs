//! Loads committed offsets into both twins and stops: run under `/usr/bin/time -f "%M KiB"` for decision 0004.
//!
//! `cargo run --release -p ottla-coordinator --example twin_memory -- GROUPS TOPICS PARTITIONS`

use coordinator::group::{GroupConfig, GroupMachine, GroupRecord, GroupSoft, records};
use coordinator::{Hosted, HostedOptions};
use wire::record_batch::{BatchAttributes, RecordBatchBuilder};
use wire::records::group::OffsetCommitValue;
use wire::{Str, Uuid};

const RECORDS_PER_BATCH: i64 = 1_000;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).map(|text| text.parse().expect("a number")).collect();
    let [groups, topics, partitions] = numbers[..] else { panic!("GROUPS TOPICS PARTITIONS") };
    let soft = GroupSoft::new(GroupConfig::default(), 0);
    let mut hosted = Hosted::loading(GroupMachine::new(), soft, HostedOptions::default(), 0);
    let mut builder = batch_at(0);
    let mut offset: i64 = 0;
    for partition in 0..partitions {
        for group in 0..groups {
            for topic in 0..topics {
                let encoded = records::encode(&commit(group, topic, partition, offset));
                builder.append(0, Some(&encoded.key), encoded.value.as_deref(), &[]);
                offset += 1;
                if offset % RECORDS_PER_BATCH == 0 {
                    assert!(hosted.load(builder.build(), offset).is_empty(), "just written");
                    builder = batch_at(offset);
                }
            }
        }
    }
    if !builder.is_empty() {
        assert!(hosted.load(builder.build(), offset).is_empty(), "just written");
    }
    let (pending, committed) = hosted.twins();
    println!("{} and {} offsets", pending.offsets().count(), committed.offsets().count());
}

fn batch_at(base_offset: i64) -> RecordBatchBuilder {
    RecordBatchBuilder::new(BatchAttributes { base_offset, ..BatchAttributes::default() })
}

fn commit(group: usize, topic: usize, partition: usize, offset: i64) -> GroupRecord {
    GroupRecord::OffsetCommit {
        group: Str::from(format!("consumer-group-{group:07}")),
        topic: Str::from(format!("some.topic.of.ours-{topic:04}")),
        partition: i32::try_from(partition).expect("few partitions"),
        value: Some(OffsetCommitValue {
            offset,
            commit_timestamp: 1_700_000_000_000 + offset,
            topic_id: Uuid([7; 16]),
            ..OffsetCommitValue::default()
        }),
    }
}
