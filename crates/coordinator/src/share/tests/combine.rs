//! The same batches, the same list as Kafka's: a table of questions asked of its own combiner.

use crate::share::{StateBatch, combine};

const TABLE: &str = include_str!("../testdata/combiner.kafka-4.4.0.txt");

fn batches(text: &str) -> Vec<StateBatch> {
    let batch = |text: &str| {
        let (offsets, state) = text.split_once(':')?;
        let ((first, last), (state, count)) = (offsets.split_once('-')?, state.split_once('x')?);
        Some(StateBatch {
            first_offset: first.parse().ok()?,
            last_offset: last.parse().ok()?,
            delivery_state: state.parse().ok()?,
            delivery_count: count.parse().ok()?,
        })
    };
    let texts = text.split_whitespace().filter(|text| *text != "-");
    texts.map(|text| batch(text).expect("first-last:state x count")).collect()
}

#[test]
fn batches_are_combined_as_kafka_combines_them() {
    let mut asked = 0;
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let (question, answer) = line.split_once(" => ").unwrap();
        let parts: Vec<&str> = question.split(" | ").collect();
        let combined = combine(&batches(parts[1]), batches(parts[2]), parts[0].parse().unwrap());
        assert_eq!(combined, batches(answer), "{line}");
        asked += 1;
    }
    assert_eq!(asked, 400);
}

#[test]
fn batches_at_the_ends_of_the_numbers_break_nothing() {
    let batch = |first_offset, last_offset| StateBatch {
        first_offset,
        last_offset,
        delivery_state: 0,
        delivery_count: 1,
    };
    let all = [batch(i64::MIN, i64::MAX), batch(i64::MAX, i64::MAX), batch(5, 3), batch(7, 8)];
    let combined = combine(&all, all, -1);
    assert!(combined.windows(2).all(|pair| pair[0].last_offset < pair[1].first_offset), "{combined:?}");
}
