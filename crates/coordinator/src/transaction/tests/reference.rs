//! What Apache Kafka 4.4.0 wrote into a partition of `__transaction_state` is read, and written again byte for byte.
//!
//! The two logs come from the same requests while `transaction.version` was 2 and while it was 0: a transaction of two partitions
//! committed, an abort without one (by protocol 2 only), a new epoch, a transaction with a group's offsets aborted by protocol 1, one
//! that is fenced, and one with three partitions that is left open.

use super::script;
use super::words::{self, Names};
use crate::hosted::{Hosted, HostedOptions, encode_batches};
use crate::machine::Decision;
use crate::transaction::{
    TransactionConfig, TransactionMachine, TransactionRecord, TransactionSoft, TransactionState, records,
};
use bytes::Bytes;
use wire::compress::DecompressLimit;
use wire::record_batch::RecordBatch;
use wire::records::transaction::{TransactionLogValue, TransactionValue};

const VERSION_1: &[u8] = include_bytes!("../testdata/transaction_state_v1.kafka-4.4.0.log");
/// Batches with at most one partition, whose order is nobody's.
const SAME: usize = 20;
const VERSION_0: &[u8] = include_bytes!("../testdata/transaction_state_v0.kafka-4.4.0.log");

fn records_of(batch: &RecordBatch) -> Vec<TransactionRecord> {
    let records = batch.records(DecompressLimit::default()).unwrap();
    let known = records.map(|record| {
        let record = record.unwrap();
        records::decode(record.key, record.value).unwrap().expect("a type that we know")
    });
    known.collect()
}

/// Kafka's partitions stand in the order of a hash map; ours are sorted.
fn sorted(mut value: TransactionLogValue) -> TransactionLogValue {
    for topic in value.transaction_partitions.iter_mut().flatten() {
        topic.partition_ids.sort_unstable();
    }
    value.transaction_partitions.iter_mut().for_each(|topics| topics.sort_by(|a, b| a.topic.cmp(&b.topic)));
    value
}

#[test]
fn keys_and_values_are_those_of_kafka() {
    for (log, version, count) in [(VERSION_1, 1, 16), (VERSION_0, 0, 14)] {
        let batches = RecordBatch::split(Bytes::from_static(log)).unwrap();
        assert_eq!(batches.len(), count);
        for record in batches.iter().flat_map(|batch| batch.records(DecompressLimit::default()).unwrap()) {
            let record = record.unwrap();
            let (key, value) = (record.key.unwrap(), record.value.unwrap());
            let known = records::decode(Some(key.clone()), Some(value.clone())).unwrap().unwrap();
            assert_eq!(known.version, version);
            let written = records::encode(&known);
            assert_eq!(written.key, key);
            let TransactionValue::TransactionLog(theirs) =
                TransactionValue::decode(0, value.clone()).unwrap();
            assert_eq!(TransactionValue::from(theirs.clone()).encode(version), value);
            assert_eq!(written.value, Some(TransactionValue::from(sorted(theirs)).encode(version)));
        }
    }
}

#[test]
fn batches_are_those_of_kafka() {
    let mut same = 0;
    for log in [VERSION_1, VERSION_0] {
        for batch in RecordBatch::split(Bytes::from_static(log)).unwrap() {
            let decision =
                Decision::<TransactionMachine> { records: records_of(&batch), ..Decision::default() };
            let written = encode_batches(batch.base_timestamp, &decision, &HostedOptions::default());
            let [(written, 1)] = &written[..] else { panic!("one batch of one record") };
            assert_eq!(written.len(), batch.bytes().len());
            // Base offset and leader epoch are the log's to fill in.
            let mut written = written.to_vec();
            written[..8].copy_from_slice(&batch.bytes()[..8]);
            written[12..16].copy_from_slice(&batch.bytes()[12..16]);
            let partitions = decision.records[0].value.as_ref().unwrap().partitions.len();
            if partitions < 2 {
                assert_eq!(written, batch.bytes().to_vec(), "batch at offset {}", batch.base_offset);
                same += 1;
            }
        }
    }
    assert_eq!(same, SAME);
}

/// What was said to Kafka; protocol 2 is spoken from version 5 of EndTxn on, and of AddPartitionsToTxn.
const SAID_IN_VERSION_1: &[&str] = &[
    "init tx timeout=60000",
    "add tx x-0 x-1 v=5",
    "end tx commit",
    "settle",
    "end tx abort",
    "settle",
    "init tx",
    "add tx x-2 v=3",
    "add-offsets tx group=g",
    "end tx abort v=4",
    "settle",
    "add tx y-1 v=3",
    "init tx",
    "settle",
    "init ünï",
    "add ünï y-0 y-1 y-2 v=5",
];
const SAID_IN_VERSION_0: &[&str] = &[
    "config version=0",
    "init tx timeout=60000",
    "add tx x-0 x-1 v=3",
    "end tx commit v=4",
    "settle",
    "init tx",
    "add tx x-2 v=3",
    "add-offsets tx group=g",
    "end tx abort v=4",
    "settle",
    "add tx y-1 v=3",
    "init tx",
    "settle",
    "init ünï",
    "add ünï y-0 y-1 y-2 v=3",
];

/// Without what cannot be the same: times, and which producer ids there were.
fn shown(records: Vec<TransactionRecord>) -> Vec<String> {
    let mut names = Names::default();
    let show = |record: TransactionRecord| {
        let began = record.value.as_ref().map_or(0, |known| known.start_ms.signum());
        let line = words::record(&mut names, 0, &record);
        let words =
            line.split(' ').filter(|word| !word.starts_with("began=") && !word.starts_with("changed="));
        format!("{} {began}", words.collect::<Vec<_>>().join(" "))
    };
    records.into_iter().map(show).collect()
}

#[test]
fn the_same_requests_write_what_kafka_writes() {
    for (log, said) in [(VERSION_1, SAID_IN_VERSION_1), (VERSION_0, SAID_IN_VERSION_0)] {
        let batches = RecordBatch::split(Bytes::from_static(log)).unwrap();
        let theirs: Vec<_> = batches.iter().flat_map(records_of).collect();
        assert_eq!(shown(script::records_of(said)), shown(theirs));
    }
}

#[test]
fn the_log_of_kafka_is_loaded() {
    for (log, previous_is_known) in [(VERSION_1, true), (VERSION_0, false)] {
        let soft = TransactionSoft::new(TransactionConfig::default(), 0);
        let mut hosted = Hosted::loading(TransactionMachine::new(), soft, HostedOptions::default(), 0);
        assert_eq!(hosted.load(Bytes::from_static(log), i64::MAX), []);
        let (pending, committed) = hosted.twins();
        assert_eq!(pending, committed);
        assert_eq!(committed.len(), 2);
        let fenced = committed.get("tx").unwrap();
        assert_eq!((fenced.state, fenced.timeout_ms), (TransactionState::CompleteAbort, 60_000));
        assert!(fenced.partitions.is_empty() && fenced.start_ms > 0);
        let open = committed.get("ünï").unwrap();
        assert_eq!(
            (open.state, open.producer_epoch, open.partitions.len()),
            (TransactionState::Ongoing, 0, 3)
        );
        assert_eq!(open.previous_producer_id == open.producer_id, previous_is_known);
        assert_eq!(open.client_version, if previous_is_known { 2 } else { 0 });
    }
}
