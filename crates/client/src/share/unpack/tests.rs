use super::*;
use wire::compress::Compression;
use wire::record_batch::{BatchAttributes, RecordBatchBuilder};

fn batch(base_offset: i64, values: &[&str]) -> Bytes {
    let attributes =
        BatchAttributes { base_offset, compression: Compression::Lz4, ..BatchAttributes::default() };
    let mut builder = RecordBatchBuilder::new(attributes);
    for value in values {
        builder.append(1000, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}

fn acquired(first_offset: i64, last_offset: i64, delivery_count: i16) -> AcquiredRecords {
    AcquiredRecords { first_offset, last_offset, delivery_count }
}

/// `offset:value*deliveries` for each record, then what is said of the rest, then `!` where something did not decode.
fn check(batches: &[Bytes], acquired: &[AcquiredRecords], expected: &str) {
    let target = TopicPartition::new("t", 0);
    let unpacked = unpack(&target, Bytes::from(batches.concat()), acquired, true);
    let mut seen: Vec<String> = Vec::new();
    for one in &unpacked.records {
        let value = one.record.value.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
        seen.push(format!("{}:{value}*{}", one.record.offset, one.delivery_count));
    }
    let word = |span: &Span| match *span {
        span if span == Span::gap(span.first, span.last) => "gap",
        span if span == Span::of(span.first, span.last, Acknowledgement::Reject) => "reject",
        span if span == Span::of(span.first, span.last, Acknowledgement::Release) => "release",
        _ => "?",
    };
    seen.extend(unpacked.unseen.iter().map(|span| format!("{}({}-{})", word(span), span.first, span.last)));
    seen.extend(unpacked.trouble.map(|_| "!".to_owned()));
    assert_eq!(seen.join(" "), expected);
}

#[test]
fn only_what_was_acquired_is_handed_out() {
    let batches = [batch(10, &["a", "b", "c", "d"])];
    check(&batches, &[acquired(11, 11, 1), acquired(13, 13, 3)], "11:b*1 13:d*3");
    check(&batches, &[], "");
}

#[test]
fn where_there_is_no_record_is_a_gap() {
    let batches = [batch(10, &["a"]), batch(13, &["b"])];
    check(&batches, &[acquired(8, 13, 1)], "10:a*1 13:b*1 gap(8-9) gap(11-12)");
}

#[test]
fn what_was_not_sent_is_given_back() {
    let batches = [batch(10, &["a"])];
    check(&batches, &[acquired(10, 14, 1)], "10:a*1 release(11-14)");
    check(&[], &[acquired(10, 14, 1)], "release(10-14)");
}

#[test]
fn a_batch_that_does_not_decode_is_rejected_and_the_others_are_read() {
    let mut broken = batch(11, &["b", "c"]).to_vec();
    let last = broken.len() - 1;
    broken[last] ^= 0x55;
    let batches = [batch(10, &["a"]), Bytes::from(broken), batch(13, &["d"])];
    check(&batches, &[acquired(10, 14, 1)], "10:a*1 13:d*1 reject(11-12) release(14-14) !");
}

#[test]
fn an_answer_may_say_what_it_likes() {
    let batches = [batch(10, &["a"])];
    check(&batches, &[acquired(-5, 3, 1), acquired(12, 11, 1)], "");
    check(&batches, &[acquired(10, 10, 1), acquired(10, 10, 2)], "10:a*1");
    check(&batches, &[acquired(0, i64::MAX, 1)], "10:a*1 gap(0-9)");
    check(
        &[Bytes::from_static(b"no batch at all, but long enough to be one, as it seems at first sight....")],
        &[acquired(0, 3, 1)],
        "release(0-3) !",
    );
}
