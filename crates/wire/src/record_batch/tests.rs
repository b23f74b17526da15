use super::*;
use crate::compress::{Compression, DecompressLimit};
use bytes::Bytes;

const CODECS: [Compression; 5] =
    [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
const NOW: i64 = 1_700_000_000_000;

fn header(key: &'static str, value: Option<&'static str>) -> RecordHeader {
    RecordHeader { key: Bytes::from(key), value: value.map(Bytes::from) }
}

fn batch(attributes: BatchAttributes, count: i32) -> Bytes {
    let mut builder = RecordBatchBuilder::new(attributes);
    for i in 0..count {
        let headers = [header("h", Some("1")), header("h", None), header("", Some(""))];
        let value = format!("value {i}");
        let key = (i % 3 != 0).then(|| format!("key {i}"));
        builder.append(
            NOW + i64::from(i * 7 % 5),
            key.as_deref().map(str::as_bytes),
            Some(value.as_bytes()),
            &headers,
        );
    }
    builder.build()
}

fn rules() -> ProduceRules {
    ProduceRules {
        max_message_bytes: 1 << 20,
        decompress_limit: DecompressLimit::default(),
        max_record_bytes: u32::MAX,
        compacted: false,
        timestamp_type: TimestampType::CreateTime,
        timestamp_before_max_ms: i64::MAX,
        timestamp_after_max_ms: 3_600_000,
        compression: None,
        level: None,
    }
}

fn refusal(bytes: Bytes, rules: &ProduceRules) -> Refusal {
    validate_produce(bytes, rules, NOW).unwrap_err().refusal
}

/// Puts the CRC right after a test tampered with a batch.
fn seal(mut bytes: Vec<u8>) -> Bytes {
    let crc = batch_crc(&bytes).to_be_bytes();
    bytes[17..21].copy_from_slice(&crc);
    Bytes::from(bytes)
}

#[test]
fn records_come_back_with_duplicate_headers_and_nulls() {
    for compression in CODECS {
        let bytes = batch(BatchAttributes { compression, ..BatchAttributes::default() }, 50);
        let parsed = RecordBatch::parse(bytes).unwrap();
        parsed.verify_crc().unwrap();
        assert_eq!(parsed.record_count, 50);
        assert_eq!(parsed.max_timestamp, NOW + 4);
        let records: Vec<Record> =
            parsed.records(DecompressLimit::default()).unwrap().map(Result::unwrap).collect();
        assert_eq!(records.len(), 50);
        assert_eq!(records[0].key, None);
        assert_eq!(records[1].key.as_deref(), Some(b"key 1".as_slice()));
        assert_eq!(records[49].offset, 49);
        let headers = [header("h", Some("1")), header("h", None), header("", Some(""))];
        assert!(records.iter().all(|record| record.headers == headers));
    }
}

#[test]
fn positions_are_patched_without_touching_the_crc() {
    let parsed = RecordBatch::parse(batch(BatchAttributes::default(), 3)).unwrap();
    let moved = RecordBatch::parse(parsed.with_position(1000, 7)).unwrap();
    moved.verify_crc().unwrap();
    assert_eq!((moved.base_offset, moved.last_offset(), moved.partition_leader_epoch), (1000, 1002, 7));
    let offsets: Vec<i64> =
        moved.records(DecompressLimit::default()).unwrap().map(|record| record.unwrap().offset).collect();
    assert_eq!(offsets, [1000, 1001, 1002]);
}

#[test]
fn a_set_splits_into_its_batches() {
    let mut set = batch(BatchAttributes::default(), 2).to_vec();
    set.extend_from_slice(&batch(
        BatchAttributes { compression: Compression::Zstd, ..BatchAttributes::default() },
        3,
    ));
    assert_eq!(RecordBatch::split(Bytes::from(set.clone())).unwrap().len(), 2);
    set.pop();
    assert!(matches!(RecordBatch::split(Bytes::from(set)), Err(BatchError::Truncated { .. })));
}

#[test]
fn a_good_batch_is_taken_as_it_is() {
    for compression in CODECS {
        let bytes = batch(BatchAttributes { compression, ..BatchAttributes::default() }, 20);
        let valid = validate_produce(bytes.clone(), &rules(), NOW).unwrap();
        assert_eq!(valid.batches()[0].to_batch().bytes(), &bytes, "{compression}");
        assert_eq!((valid.record_count(), valid.log_append_time()), (20, -1));
    }
}

#[test]
fn refusals_have_their_codes() {
    let good = batch(BatchAttributes::default(), 3);
    let tampered = |at: usize, with: &[u8]| {
        let mut bytes = good.to_vec();
        bytes[at..at + with.len()].copy_from_slice(with);
        seal(bytes)
    };
    let cases: [(&str, Bytes, Refusal); 13] = [
        ("nothing", Bytes::new(), Refusal::NotOneBatch),
        ("cut short", good.slice(..good.len() - 1), Refusal::NotOneBatch),
        ("legacy", tampered(16, &[1]), Refusal::NotOneBatch),
        ("future", tampered(16, &[3]), Refusal::Corrupt),
        ("negative length", tampered(8, &(-5i32).to_be_bytes()), Refusal::Corrupt),
        ("base offset", tampered(0, &9i64.to_be_bytes()), Refusal::InvalidRecord),
        ("last offset", tampered(23, &5i32.to_be_bytes()), Refusal::InvalidRecord),
        ("count too high", tampered(57, &4i32.to_be_bytes()), Refusal::InvalidRecord),
        ("count zero", tampered(57, &0i32.to_be_bytes()), Refusal::InvalidRecord),
        ("control", tampered(21, &0x20i16.to_be_bytes()), Refusal::InvalidRecord),
        ("codec", tampered(21, &5i16.to_be_bytes()), Refusal::InvalidRecord),
        ("two", [good.clone(), good.clone()].concat().into(), Refusal::NotOneBatch),
        ("garbage behind", [&good[..], &[0x7f; 17]].concat().into(), Refusal::Corrupt),
    ];
    for (name, bytes, expected) in cases {
        assert_eq!(refusal(bytes, &rules()), expected, "{name}");
    }
    let mut flipped = good.to_vec();
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(refusal(Bytes::from(flipped), &rules()), Refusal::Corrupt);
    let small = ProduceRules { max_message_bytes: 100, ..rules() };
    assert_eq!(refusal(good.clone(), &small), Refusal::TooLarge);
    let producer = BatchAttributes { producer_id: 5, producer_epoch: 0, ..BatchAttributes::default() };
    assert_eq!(refusal(batch(producer, 1), &rules()), Refusal::InvalidRecord);
}

#[test]
fn keyless_records_and_wild_timestamps_name_the_record() {
    let error = validate_produce(
        batch(BatchAttributes::default(), 5),
        &ProduceRules { compacted: true, ..rules() },
        NOW,
    )
    .unwrap_err();
    assert_eq!(error.refusal, Refusal::InvalidRecord);
    assert_eq!(error.record_errors.iter().map(|e| e.batch_index).collect::<Vec<_>>(), [0, 3]);

    let early =
        validate_produce(batch(BatchAttributes::default(), 5), &rules(), NOW - 3_600_001 - 4).unwrap_err();
    assert_eq!((early.refusal, early.record_errors.len()), (Refusal::InvalidTimestamp, 5));
    let old = ProduceRules { timestamp_before_max_ms: 10, ..rules() };
    assert_eq!(
        validate_produce(batch(BatchAttributes::default(), 1), &old, NOW + 11).unwrap_err().refusal,
        Refusal::InvalidTimestamp
    );
}

#[test]
fn a_record_of_a_compressed_batch_is_bounded_by_what_it_decompresses_to() {
    let of = |compression, sizes: &[usize]| {
        let mut builder =
            RecordBatchBuilder::new(BatchAttributes { compression, ..BatchAttributes::default() });
        for size in sizes {
            builder.append(NOW, Some(b"k"), Some(&vec![b'x'; *size]), &[]);
        }
        builder.build()
    };
    let rules = ProduceRules { max_record_bytes: 10_000, ..rules() };
    let refused = |bytes| validate_produce(bytes, &rules, NOW).err().map(|error| error.refusal);
    // Nine bytes of a record are not its value.
    assert_eq!(refused(of(Compression::Gzip, &[9_991, 100, 9_991])), None);
    assert_eq!(refused(of(Compression::Gzip, &[100, 9_992])), Some(Refusal::InvalidRecord));
    assert_eq!(refused(of(Compression::None, &[20_000])), None);
    // The length fields count, the one before the record does not: it grows to two bytes at 64.
    for (most, size) in [(62, 55), (63, 56), (64, 57), (65, 58)] {
        let rules = ProduceRules { max_record_bytes: most, ..rules.clone() };
        let refused = |size| validate_produce(of(Compression::Gzip, &[size, 10]), &rules, NOW).is_err();
        assert!(!refused(size) && refused(size + 1), "{most}");
    }
}

#[test]
fn refused_records_are_told_in_the_words_that_producers_know() {
    let error =
        |count, rules| validate_produce(batch(BatchAttributes::default(), count), &rules, NOW).unwrap_err();
    let keyless = error(5, ProduceRules { compacted: true, ..rules() });
    let answer = keyless.answer("t-0").unwrap();
    assert!(answer.contains("2 record errors in total") && answer.contains("batchIndex=3"), "{answer}");
    assert!(keyless.record_errors[0].answer("t-0").ends_with("without key in topic partition t-0"));
    let small = error(1, ProduceRules { max_message_bytes: 10, ..rules() });
    assert_eq!((small.refusal, small.answer("t-0")), (Refusal::TooLarge, None));
}

#[test]
fn a_log_append_time_topic_restamps_the_batch() {
    let rules =
        ProduceRules { timestamp_type: TimestampType::LogAppendTime, timestamp_before_max_ms: 0, ..rules() };
    for compression in CODECS {
        let bytes = batch(BatchAttributes { compression, ..BatchAttributes::default() }, 4);
        let valid = validate_produce(bytes, &rules, NOW + 1234).unwrap();
        assert_eq!(valid.log_append_time(), NOW + 1234);
        let stamped = valid.batches()[0].to_batch();
        stamped.verify_crc().unwrap();
        let stamps: Vec<i64> = stamped
            .records(DecompressLimit::default())
            .unwrap()
            .map(|record| record.unwrap().timestamp)
            .collect();
        assert_eq!(stamps, [NOW + 1234; 4]);
    }
    let stamped = BatchAttributes {
        timestamp_type: TimestampType::LogAppendTime,
        log_append_time: NOW,
        ..BatchAttributes::default()
    };
    assert_eq!(refusal(batch(stamped, 1), &rules), Refusal::InvalidTimestamp);
}

#[test]
fn a_lying_max_timestamp_is_put_right() {
    let mut bytes = batch(BatchAttributes::default(), 4).to_vec();
    bytes[35..43].copy_from_slice(&(NOW + 99).to_be_bytes());
    let valid = validate_produce(seal(bytes), &rules(), NOW).unwrap();
    let put_right = valid.batches()[0].to_batch();
    assert_eq!(put_right.max_timestamp, NOW + 4);
    put_right.verify_crc().unwrap();
}

#[test]
fn a_topic_with_its_own_codec_recompresses() {
    for source in CODECS {
        for target in CODECS {
            let attributes = BatchAttributes {
                compression: source,
                producer_id: 9,
                producer_epoch: 2,
                base_sequence: 40,
                ..Default::default()
            };
            let rules = ProduceRules { compression: Some(target), ..rules() };
            let valid = validate_produce(batch(attributes, 30), &rules, NOW).unwrap();
            let built = valid.batches()[0].to_batch();
            built.verify_crc().unwrap();
            assert_eq!(built.compression(), Ok(target));
            assert_eq!((built.producer_id, built.producer_epoch, built.base_sequence), (9, 2, 40));
            let records: Vec<Record> =
                built.records(DecompressLimit::default()).unwrap().map(Result::unwrap).collect();
            assert_eq!((records.len(), records[29].offset, records[0].headers.len()), (30, 29, 3));
        }
    }
}

/// Of two records whose offsets are these.
fn with_offsets(compression: Compression, offsets: [i32; 2]) -> Bytes {
    let mut builder = RecordBatchBuilder::new(BatchAttributes { compression, ..BatchAttributes::default() });
    for offset in offsets {
        builder.append_at(offset, NOW, None, Some(b"a"), &[]);
    }
    let mut bytes = builder.build().to_vec();
    bytes[23..27].copy_from_slice(&1i32.to_be_bytes());
    seal(bytes)
}

#[test]
fn offsets_of_a_compressed_batch_are_in_order_and_without_gaps() {
    for compression in CODECS.into_iter().skip(1) {
        assert!(validate_produce(with_offsets(compression, [0, 1]), &rules(), NOW).is_ok());
        for offsets in [[0, 2], [1, 2], [3, 9]] {
            let bytes = with_offsets(compression, offsets);
            assert_eq!(refusal(bytes, &rules()), Refusal::InvalidRecord, "{compression:?} {offsets:?}");
        }
    }
}

#[test]
fn a_batch_that_is_torn_behind_is_trimmed() {
    let good = batch(BatchAttributes::default(), 2);
    for rest in [&b"hello"[..], &good[..16], &good[..good.len() - 1]] {
        let valid = validate_produce([&good[..], rest].concat().into(), &rules(), NOW).unwrap();
        assert_eq!(valid.size_in_bytes(), good.len());
    }
}

#[test]
fn a_time_before_all_times_is_named() {
    let mut builder = RecordBatchBuilder::new(BatchAttributes::default());
    builder.append(i64::MIN, None, Some(b"a"), &[]);
    let error = validate_produce(builder.build(), &rules(), NOW).unwrap_err();
    assert_eq!(error.refusal, Refusal::InvalidTimestamp);
    let (timestamp, latest) = (i64::MIN, NOW + 3_600_000);
    let reason = RecordRefusal::Timestamp { timestamp, earliest: NOW - i64::MAX, latest };
    assert_eq!(error.record_errors, [RecordError { batch_index: 0, reason }]);
}

#[test]
fn gaps_between_offsets_are_closed() {
    let valid = validate_produce(with_offsets(Compression::None, [0, 2]), &rules(), NOW).unwrap();
    let offsets: Vec<i64> = valid.batches()[0]
        .to_batch()
        .records(DecompressLimit::default())
        .unwrap()
        .map(|record| record.unwrap().offset)
        .collect();
    assert_eq!(offsets, [0, 1]);
}

#[test]
fn markers_carry_their_coordinator_epoch() {
    let marker = EndTransactionMarker { commit: false, coordinator_epoch: 12 };
    let parsed = RecordBatch::parse(end_transaction_batch(77, 3, NOW, marker)).unwrap();
    parsed.verify_crc().unwrap();
    assert!(parsed.is_control() && parsed.is_transactional());
    let records = parsed.control_records().unwrap();
    assert_eq!(records[0].kind, ControlType::Abort);
    assert_eq!(records[0].end_transaction().unwrap(), Some(marker));
}

#[test]
fn sequences_wrap() {
    assert_eq!(increment_sequence(i32::MAX, 1), 0);
    assert_eq!(increment_sequence(i32::MAX - 2, 5), 2);
    assert_eq!(decrement_sequence(0, 1), i32::MAX);
    assert_eq!(decrement_sequence(2, 5), i32::MAX - 2);
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let mut seed = 3u64;
    for compression in CODECS {
        let good = batch(BatchAttributes { compression, ..BatchAttributes::default() }, 10);
        for _ in 0..2000 {
            let mut bytes = good.to_vec();
            for _ in 0..3 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let at = (seed >> 33) as usize % bytes.len();
                bytes[at] = (seed >> 20) as u8;
            }
            let sealed = seal(bytes);
            let _ = validate_produce(sealed.clone(), &rules(), NOW);
            if let Ok(parsed) = RecordBatch::parse(sealed) {
                let _ = parsed.control_records();
                if let Ok(records) = parsed.records(DecompressLimit::default()) {
                    records.for_each(drop);
                }
            }
        }
    }
}

/// Passing over all records and taking them say the same, or both refuse.
#[test]
fn to_pass_over_a_record_is_to_take_it() {
    let mut seed = 5u32;
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 8) as usize % end
    };
    let (mut good, mut bad, mut contiguous) = (0, 0, 0);
    for _ in 0..5000 {
        let mut payload = Vec::new();
        let stride = [1, 70][below(2)];
        for offset in 0..below(4) {
            let bytes = vec![7; [0, 1, 63, 64, 200, 9000][below(6)]];
            let (key, value) = ((below(2) == 0).then_some(&bytes[..]), (below(3) > 0).then_some(&bytes[..]));
            let header =
                RecordHeader { key: Bytes::from_static(b"h"), value: key.map(Bytes::copy_from_slice) };
            let delta = [0, -1, 64, 9000, 1 << 40][below(5)];
            let headers = vec![header; below(3)];
            record::write_record(&mut payload, delta, offset as i32 * stride, key, value, &headers);
        }
        for _ in 0..below(3) {
            let at = below(payload.len().clamp(1, 40));
            let byte = [0, 1, 2, 0x7f, 0x80, 0xff, below(256) as u8][below(7)];
            if let Some(place) = payload.get_mut(at) {
                *place = byte;
            }
        }
        payload.truncate(payload.len() - if below(4) == 0 { below(payload.len() + 1) } else { 0 });
        let (mut rest, mut taken, mut count) = (&payload[..], Vec::new(), 0);
        while !rest.is_empty() && taken.len() == count {
            count += 1;
            taken.extend(RecordRef::take(&mut rest).ok());
        }
        let skimmed = skim::skim(&payload, NOW, count as i32);
        if taken.len() < count || count == 0 {
            bad += count;
            assert!(skimmed.is_err() || count == 0, "{skimmed:?} of {payload:?}");
            continue;
        }
        good += 1;
        let timestamps = || taken.iter().map(|record| NOW.wrapping_add(record.timestamp_delta));
        let expected = skim::Skimmed {
            earliest: timestamps().min().unwrap(),
            latest: timestamps().max().unwrap(),
            keyed: taken.iter().all(|record| record.key.is_some()),
            contiguous: taken.iter().zip(0..).all(|(record, index)| record.offset_delta == index),
        };
        assert_eq!(skimmed.unwrap(), expected, "{payload:?}");
        contiguous += usize::from(expected.contiguous);
        assert!(skim::skim(&payload, NOW, count as i32 - 1).is_err(), "one more than it counts");
    }
    assert!(good > 1000 && bad > 500 && contiguous > 500, "{good} good, {bad} bad, {contiguous} contiguous");
}
