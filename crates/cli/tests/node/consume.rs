//! Consuming chosen partitions: positions, seeks, pauses, resets.

use crate::{fill, send_all, with_node};
use client::{Consumer, ErrorCode, OffsetReset, OffsetSpec, TopicPartition};
use std::time::Duration;

fn target(partition: i32) -> TopicPartition {
    TopicPartition::new("t", partition)
}

async fn read(consumer: &mut Consumer, count: usize) -> Vec<i64> {
    let mut offsets = Vec::new();
    while offsets.len() < count {
        offsets.push(consumer.next().await.expect("not stopped").expect("a record").offset);
    }
    offsets
}

#[test]
fn seeks_move_the_position_and_drop_what_was_fetched() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..1000).await;
        let mut reader = client
            .reader()
            .partitions([target(0)])
            .offset_reset(OffsetReset::Earliest)
            .build()
            .expect("valid");
        assert_eq!(read(&mut reader, 3).await, [0, 1, 2]);
        assert_eq!(reader.position(&target(0)), Some(3));
        reader.seek(&target(0), 900).expect("assigned");
        assert_eq!(read(&mut reader, 2).await, [900, 901]);
        reader.seek_to(&target(0), OffsetSpec::Earliest).expect("assigned");
        assert_eq!(read(&mut reader, 1).await, [0]);
        assert!(reader.seek(&target(1), 0).is_err());
    });
}

#[test]
fn paused_partitions_deliver_nothing_and_lose_nothing() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 2, 0..200).await;
        let mut reader = client
            .reader()
            .partitions([target(0), target(1)])
            .offset_reset(OffsetReset::Earliest)
            .build()
            .expect("valid");
        reader.pause(&[target(0)]).expect("assigned");
        for _ in 0..100 {
            let record = reader.next().await.expect("not stopped").expect("a record");
            assert_eq!(record.partition, 1);
        }
        assert!(reader.poll(Duration::from_millis(50)).await.expect("no error").is_empty());
        reader.resume(&[target(0)]).expect("assigned");
        assert_eq!(read(&mut reader, 100).await, (0..100).collect::<Vec<i64>>());
    });
}

#[test]
fn resets_follow_their_policy() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..10).await;
        let mut latest = client.reader().partitions([target(0)]).build().expect("valid");
        assert!(latest.poll(Duration::from_millis(300)).await.expect("no error").is_empty());
        let producer = client.producer().build().expect("valid");
        send_all(&producer, "t", 1, 0..1).await;
        assert_eq!(read(&mut latest, 1).await, [10]);
        let none = client.reader().partitions([target(0)]).offset_reset(OffsetReset::None);
        let error = none.build().expect("valid").next().await.expect("not stopped").expect_err("no position");
        assert_eq!(error.code(), Some(ErrorCode::OffsetOutOfRange));
        // Out of range: back to the policy.
        let mut earliest = client
            .reader()
            .partitions([target(0)])
            .offset_reset(OffsetReset::Earliest)
            .build()
            .expect("valid");
        earliest.seek(&target(0), 5000).expect("assigned");
        assert_eq!(read(&mut earliest, 1).await, [0]);
    });
}

#[test]
fn stop_ends_a_waiting_next_from_another_task() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..0).await;
        let mut reader = client.reader().partitions([target(0)]).build().expect("valid");
        let handle = reader.handle();
        let (ended, ()) = tokio::join!(reader.next(), async move { handle.stop() });
        assert!(ended.is_none());
    });
}
