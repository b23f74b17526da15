use super::*;
use crate::testing::*;
use crate::view::ReadLimit;
use wire::record_batch::{BatchAttributes, EndTransactionMarker, RecordBatchBuilder, end_transaction_batch};

/// Batches of one record each, as a leader's log holds them from `from` on: (epoch, value).
fn led(from: i64, batches: &[(i32, &str)]) -> Vec<Bytes> {
    let one = |(at, &(epoch, value)): (usize, &(i32, &str))| {
        let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
        builder.append(7, None, Some(value.as_bytes()), &[]);
        let batch = RecordBatch::parse(builder.build()).unwrap();
        batch.with_position(from + at as i64, epoch)
    };
    batches.iter().enumerate().map(one).collect()
}

fn values(log: &Log) -> Vec<String> {
    read_from(&log.view(), 0, ReadLimit::LogEnd).into_iter().map(|(_, value)| value).collect()
}

#[test]
fn s33_the_batches_before_a_damaged_one_are_taken_and_none_behind_it() {
    let (_, mut log) = fresh(small());
    let mut batches = led(0, &[(3, "a"), (3, "b"), (3, "c")]);
    let mut damaged = batches[1].to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    batches[1] = Bytes::from(damaged);
    let refused = log.append_replicated(Bytes::from(batches.concat()), 3, 0).unwrap();
    assert!(matches!(refused, Some(AppendRefused::Invalid(_))), "{refused:?}");
    assert_eq!((log.log_end_offset(), values(&log)), (1, vec!["a".to_owned()]));
}

#[test]
fn s33_batches_of_a_later_epoch_than_the_leaders_are_not_taken() {
    let (_, mut log) = fresh(small());
    let batches = led(0, &[(3, "a"), (4, "b"), (5, "c"), (4, "d")]);
    let refused = log.append_replicated(Bytes::from(batches.concat()), 4, 0).unwrap();
    assert_eq!(refused, Some(AppendRefused::EpochOfAnother { current: 4, found: 5 }));
    assert_eq!(values(&log), ["a", "b"]);
    let entries = log.view().epochs().entries().to_vec();
    assert_eq!(
        entries.iter().map(|entry| (entry.epoch, entry.start_offset)).collect::<Vec<_>>(),
        [(3, 0), (4, 1)]
    );
}

#[test]
fn batches_that_do_not_follow_are_not_taken_and_gaps_are() {
    let (_, mut log) = fresh(small());
    let batches = [led(0, &[(1, "a")]), led(5, &[(1, "b")]), led(5, &[(1, "again")])].concat();
    let refused = log.append_replicated(Bytes::from(batches.concat()), 1, 0).unwrap();
    assert_eq!(refused, Some(AppendRefused::OffsetsOutOfOrder { expected: 6, found: 5 }));
    assert_eq!((log.log_end_offset(), values(&log)), (6, vec!["a".to_owned(), "b".to_owned()]));
}

#[test]
fn what_does_not_fit_one_segment_goes_to_several_and_a_torn_end_is_left_out() {
    let (_, mut log) = fresh(small());
    let large = "x".repeat(2_000);
    let texts: Vec<String> = (0..40).map(|at| format!("{at:0>50}")).chain([large]).collect();
    let all: Vec<(i32, &str)> = texts.iter().map(|text| (0, text.as_str())).collect();
    let mut bytes = led(0, &all).concat();
    bytes.extend_from_slice(&led(41, &[(0, "torn")])[0][..70]);
    assert_eq!(log.append_replicated(Bytes::from(bytes), 0, 0).unwrap(), None);
    assert!(log.segment_count() > 3);
    assert_eq!(values(&log), texts);
    assert_eq!(log.config().segment_bytes, small().segment_bytes);
}

#[test]
fn s05_an_epoch_without_records_goes_with_a_truncation_at_the_end() {
    let (_, mut log) = fresh(small());
    log.append_replicated(Bytes::from(led(0, &[(1, "a"), (1, "b")]).concat()), 1, 0).unwrap();
    log.start_leader_epoch(2).unwrap();
    assert_eq!(log.latest_epoch(), Some(2));
    log.truncate_to(3).unwrap();
    assert_eq!(log.latest_epoch(), Some(2));
    log.truncate_to(2).unwrap();
    assert_eq!((log.latest_epoch(), values(&log).len()), (Some(1), 2));
}

/// A transaction that is read with the one before it and ends in front of what others have begun: all came with one fetch.
#[test]
fn s17_a_reader_of_a_follower_hears_of_every_aborted_transaction() {
    let (_, mut log) = fresh(small());
    let data = |producer_id, epoch| {
        let attributes = BatchAttributes {
            producer_id,
            producer_epoch: epoch,
            base_sequence: 0,
            transactional: true,
            ..BatchAttributes::default()
        };
        records(attributes, 0, &["aborted"])
    };
    let abort = |producer_id, epoch| {
        end_transaction_batch(
            producer_id,
            epoch,
            0,
            EndTransactionMarker { commit: false, coordinator_epoch: 1 },
        )
    };
    let batches = [data(1, 0), abort(1, 1), data(1, 1), abort(1, 2), data(2, 0), abort(2, 1), data(3, 0)];
    let place = |(at, bytes): (usize, Bytes)| RecordBatch::parse(bytes).unwrap().with_position(at as i64, 0);
    let bytes: Vec<Bytes> = batches.into_iter().enumerate().map(place).collect();
    assert_eq!(log.append_replicated(Bytes::from(bytes.concat()), 0, 0).unwrap(), None);
    let view = log.view();
    for upto in 1..=7 {
        let found = view.aborted_transactions(0, upto).unwrap();
        let found: Vec<i64> = found.iter().map(|one| one.first_offset).collect();
        assert_eq!(found, [0, 2, 4].into_iter().filter(|first| *first < upto).collect::<Vec<_>>(), "{upto}");
    }
}
