//! Producing: what arrives is what was sent.

use crate::{fill, with_node};
use client::{
    Acks, Compression, ErrorCode, Header, OffsetReset, Partitioner, Record, TopicPartition, murmur2_partition,
};
use std::time::Duration;

#[test]
fn records_come_back_as_they_were_sent_with_every_codec() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..0).await;
        let codecs =
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        let header = Header { key: "h".into(), value: Some("1".into()) };
        let null_header = Header { key: "n".into(), value: None };
        for codec in codecs {
            let producer = client.producer().compression(codec).build().expect("valid");
            let full = Record {
                headers: vec![header.clone(), null_header.clone()],
                timestamp_ms: Some(12_345),
                ..Record::new("t").key(codec.name()).value("x".repeat(5000))
            };
            let empty = Record::new("t").value("");
            let tombstone = Record::new("t").key("");
            for record in [full, empty, tombstone] {
                producer.send(record).await.expect("stored");
            }
        }
        let mut reader = client
            .reader()
            .partitions([TopicPartition::new("t", 0)])
            .offset_reset(OffsetReset::Earliest)
            .build()
            .expect("valid");
        for (at, codec) in codecs.iter().enumerate() {
            let mut three = Vec::new();
            for _ in 0..3 {
                three.push(reader.next().await.expect("not stopped").expect("a record"));
            }
            let [full, empty, tombstone] = &three[..] else { unreachable!("three were read") };
            assert_eq!(full.offset, 3 * at as i64);
            assert_eq!(full.key.as_deref(), Some(codec.name().as_bytes()));
            assert_eq!(full.value.as_ref().map(|value| value.len()), Some(5000));
            assert_eq!(
                (full.timestamp_ms, &full.headers),
                (12_345, &vec![header.clone(), null_header.clone()])
            );
            assert_eq!((empty.key.as_deref(), empty.value.as_deref()), (None, Some(&b""[..])));
            assert_eq!((tombstone.key.as_deref(), tombstone.value.as_deref()), (Some(&b""[..]), None));
        }
    });
}

#[test]
fn keys_choose_partitions_and_offsets_are_dense() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 5, 0..0).await;
        let producer = client.producer().batch_bytes(500).linger_ms(0).build().expect("valid");
        let mut deliveries = Vec::new();
        for number in 0..2000 {
            let record = Record::new("t").key(format!("k{number}")).value("v");
            deliveries.push(producer.enqueue(record).await.expect("buffered"));
        }
        let mut next = [0i64; 5];
        for (number, delivery) in deliveries.into_iter().enumerate() {
            let stored = delivery.await.expect("stored");
            let home = murmur2_partition(format!("k{number}").as_bytes(), 5);
            assert_eq!((stored.partition, stored.offset), (home, next[home as usize]), "record {number}");
            next[home as usize] += 1;
        }
    });
}

#[test]
fn refusals_reach_the_record_they_concern() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..0).await;
        let producer = client.producer().build().expect("valid");
        let unknown = producer.send(Record::new("t").partition(7)).await.expect_err("no such partition");
        assert_eq!(unknown.code(), Some(ErrorCode::UnknownTopicOrPartition));
        let large = producer.send(Record::new("t").value(vec![0; 2_000_000])).await.expect_err("too large");
        assert_eq!(large.code(), Some(ErrorCode::RecordListTooLarge));
        let invalid = producer.send(Record::new("no such name!")).await.expect_err("an invalid name");
        assert_eq!(invalid.code(), Some(ErrorCode::InvalidTopicException));
        assert_eq!(producer.send(Record::new("t").value("fine")).await.expect("stored").offset, 0);
    });
}

#[test]
fn a_batch_that_the_topic_finds_too_large_is_split() {
    with_node(async |node| {
        let client = node.client().await;
        let small = client::admin::NewTopic::new("t").partitions(1).config("max.message.bytes", "1000");
        client.admin().create_topics(&[small], false).await.expect("an answer");
        let producer = client.producer().batch_bytes(10_000).linger_ms(1000).build().expect("valid");
        let mut deliveries = Vec::new();
        for _ in 0..30 {
            deliveries
                .push(producer.enqueue(Record::new("t").value(vec![b'x'; 200])).await.expect("buffered"));
        }
        producer.flush().await;
        for (number, delivery) in deliveries.into_iter().enumerate() {
            assert_eq!(delivery.await.expect("stored in a part").offset, number as i64);
        }
    });
}

#[test]
fn every_kind_of_acknowledgement_stores_records() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 2, 0..0).await;
        for acks in [Acks::None, Acks::Leader, Acks::All] {
            let producer =
                client.producer().acks(acks).partitioner(Partitioner::RoundRobin).build().expect("valid");
            for _ in 0..2 {
                producer.send(Record::new("t").value("v")).await.expect("sent");
            }
            producer.close().await;
        }
        let mut reader = client
            .reader()
            .partitions((0..2).map(|partition| TopicPartition::new("t", partition)))
            .offset_reset(OffsetReset::Earliest)
            .build()
            .expect("valid");
        let mut count = 0;
        while count < 6 {
            count += reader.poll(Duration::from_secs(10)).await.expect("records").len();
        }
        assert_eq!(count, 6);
    });
}
