use super::*;
use crate::consumer::positions::{Assigned, Position, Positions};
use bytes::Bytes;
use wire::compress::Compression;
use wire::record_batch::{BatchAttributes, EndTransactionMarker, RecordBatchBuilder, end_transaction_batch};

fn batch(base_offset: i64, producer_id: i64, values: &[&str]) -> Bytes {
    let attributes = BatchAttributes {
        base_offset,
        leader_epoch: 2,
        compression: Compression::Lz4,
        producer_id,
        producer_epoch: if producer_id < 0 { -1 } else { 0 },
        base_sequence: if producer_id < 0 { -1 } else { 0 },
        transactional: producer_id >= 0,
        ..BatchAttributes::default()
    };
    let mut builder = RecordBatchBuilder::new(attributes);
    for value in values {
        builder.append(1000, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

fn marker(offset: i64, producer_id: i64, commit: bool) -> Bytes {
    let marker =
        end_transaction_batch(producer_id, 0, 1000, EndTransactionMarker { commit, coordinator_epoch: 0 });
    RecordBatch::parse(marker).expect("a batch").with_position(offset, 2)
}

/// Reads everything from `start`: "offset:value" per record, `!` for an error, and the position at the end.
fn read(start: i64, isolation: IsolationLevel, aborted: &[(i64, i64)], batches: Vec<Bytes>) -> String {
    let target = TopicPartition::new("t", 0);
    let mut positions = Positions::default();
    positions.add([target.clone()], &Position::Committed);
    positions.get_mut(&target).expect("assigned").found(start, -1);
    let cursor = positions.get(&target).and_then(Assigned::cursor).expect("known").clone();
    let batches = batches.into_iter().map(|bytes| RecordBatch::parse(bytes).expect("a batch")).collect();
    let fetched =
        Fetched { target, cursor: cursor.clone(), batches, aborted: aborted.iter().copied().collect() };
    let mut reader = Reader::new(fetched, ReadRules { check_crcs: true, isolation });
    let mut seen: Vec<String> = std::iter::from_fn(|| reader.next_record()).map(show).collect();
    seen.push(format!("@{}", cursor.offset()));
    seen.join(" ")
}

fn show(record: Result<ConsumerRecord>) -> String {
    match record {
        Ok(record) => {
            let value = record.value.expect("a value");
            format!("{}:{}", record.offset, String::from_utf8_lossy(&value))
        }
        Err(_) => "!".to_owned(),
    }
}

#[test]
fn reading_begins_in_the_middle_of_a_batch() {
    let batches = vec![batch(10, -1, &["a", "b", "c"]), batch(13, -1, &["d"])];
    assert_eq!(read(11, IsolationLevel::ReadUncommitted, &[], batches), "11:b 12:c 13:d @14");
}

#[test]
fn control_records_are_never_seen_but_passed() {
    let batches = || vec![batch(0, 5, &["a"]), marker(1, 5, true), batch(2, -1, &["b"]), marker(3, 5, true)];
    assert_eq!(read(0, IsolationLevel::ReadUncommitted, &[], batches()), "0:a 2:b @4");
    assert_eq!(read(0, IsolationLevel::ReadCommitted, &[], batches()), "0:a 2:b @4");
}

#[test]
fn aborted_transactions_are_hidden_from_those_who_ask_for_committed() {
    let batches = || {
        vec![
            batch(0, 5, &["a"]),
            batch(1, 6, &["x"]),
            batch(2, -1, &["b"]),
            marker(3, 5, false),
            marker(4, 6, true),
            batch(5, 5, &["c"]),
            marker(6, 5, true),
        ]
    };
    assert_eq!(read(0, IsolationLevel::ReadCommitted, &[(5, 0)], batches()), "1:x 2:b 5:c @7");
    assert_eq!(read(0, IsolationLevel::ReadUncommitted, &[], batches()), "0:a 1:x 2:b 5:c @7");
}

#[test]
fn a_broken_batch_is_an_error_and_the_position_stays() {
    let mut broken = batch(1, -1, &["b"]).to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let batches = vec![batch(0, -1, &["a"]), Bytes::from(broken), batch(2, -1, &["c"])];
    assert_eq!(read(0, IsolationLevel::ReadUncommitted, &[], batches), "0:a ! @1");
}
