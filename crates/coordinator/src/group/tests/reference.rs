//! What Apache Kafka 4.4.0 wrote into a partition of `__consumer_offsets` is read, and written again byte for byte.
//!
//! The log comes from a dialogue with the reference: simple commits, one with metadata and epoch, one with its own
//! retention, a static and a dynamic member through a generation, the static one replaced, both gone, an offset and a
//! group deleted.

use crate::group::{GroupConfig, GroupMachine, GroupRecord, GroupSoft, records};
use crate::hosted::{Hosted, HostedOptions, encode_batches};
use crate::machine::Decision;
use bytes::Bytes;
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;

const LOG: &[u8] = include_bytes!("../testdata/consumer_offsets.kafka-4.4.0.log");

fn records_of(batch: &RecordBatch) -> Vec<GroupRecord> {
    let records = batch.records(DecompressLimit::default()).unwrap();
    let known = records.map(|record| {
        let record = record.unwrap();
        records::decode(record.key, record.value).unwrap().expect("a type that we know")
    });
    known.collect()
}

#[test]
fn batches_are_those_of_kafka() {
    let batches = RecordBatch::split(Bytes::from_static(LOG)).unwrap();
    assert_eq!(batches.len(), 11);
    for batch in batches {
        let decision = Decision::<GroupMachine> { records: records_of(&batch), ..Decision::default() };
        let written = encode_batches(batch.base_timestamp, &decision, &HostedOptions::default());
        let [(written, count)] = &written[..] else { panic!("one batch") };
        assert_eq!(*count, decision.records.len());
        // Base offset and leader epoch are the log's to fill in.
        let mut written = written.to_vec();
        written[..8].copy_from_slice(&batch.bytes()[..8]);
        written[12..16].copy_from_slice(&batch.bytes()[12..16]);
        assert_eq!(written, batch.bytes().to_vec(), "batch at offset {}", batch.base_offset);
    }
}

#[test]
fn the_log_of_kafka_is_loaded() {
    let soft = GroupSoft::new(GroupConfig::default(), 0);
    let mut hosted = Hosted::loading(GroupMachine::new(), soft, HostedOptions::default(), 0);
    assert_eq!(hosted.load(Bytes::from_static(LOG), 13), []);
    assert_eq!(hosted.next_offset(), 13);
    let (pending, committed) = hosted.twins();
    assert_eq!(pending, committed);
    let offsets = committed.offsets();
    assert_eq!(committed.group_count(), 3);
    assert_eq!(offsets.count(), 4);
    let simple = offsets.get("simple", "x", 0).unwrap();
    assert_eq!((simple.offset, simple.leader_epoch, simple.metadata().as_str()), (5, 3, "text"));
    assert!(!simple.topic_id.is_zero());
    assert_eq!(offsets.get("simple", "x", 1), None);
    assert_eq!(offsets.get("own", "x", 0), None);
    assert_eq!(offsets.get("g", "y", 12).unwrap().offset, 123_456_789_012);
    assert_eq!(offsets.get("ünï", "x", 3).unwrap().metadata(), "schön");
}
