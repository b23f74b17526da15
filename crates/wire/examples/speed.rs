//! Nanoseconds per decode and encode of the hot messages: `cargo run --release -p ottla-wire --example speed`.
//! The figures of other crates for the same messages are in docs/decisions/0003-wire-compile-time.md.
#![allow(clippy::disallowed_methods, reason = "a stopwatch reads the clock")]

use std::hint::black_box;
use std::time::Instant;

use bytes::Bytes;
use wire::Uuid;
use wire::codec::{Decoder, Encoder, Message};
use wire::messages::fetch::{
    FetchPartition, FetchRequest, FetchResponse, FetchTopic, FetchableTopicResponse, PartitionData,
};
use wire::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};

fn main() {
    for (topics, partitions) in [(1, 1), (10, 20)] {
        let shape = format!("{topics} x {partitions}");
        decoding::<FetchRequest>(&format!("decode Fetch v17 {shape}"), &fetch(topics, partitions), 17);
        decoding::<ProduceRequest>(
            &format!("decode Produce v11 {shape} x 1 KiB"),
            &produce(topics, partitions),
            11,
        );
        encoding(&format!("encode Fetch answer v17 {shape} x 1 KiB"), &fetched(topics, partitions), 17);
    }
}

fn decoding<M: Message>(name: &str, message: &M, version: i16) {
    let bytes = message.to_bytes(version);
    time(&format!("{name}, {} B", bytes.len()), || {
        let read = M::decode(&mut Decoder::of(bytes.clone()), version);
        black_box(&read).is_ok()
    });
}

fn encoding<M: Message>(name: &str, message: &M, version: i16) {
    time(name, || {
        let mut to = Encoder::new();
        message.encode(&mut to, version);
        !black_box(to.finish()).is_empty()
    });
}

/// The best of nine rounds of 20 ms or so; only what the first argument picks, if there is one.
fn time(name: &str, mut run: impl FnMut() -> bool) {
    if std::env::args().nth(1).is_some_and(|wanted| !name.contains(&wanted)) {
        return;
    }
    let mut rounds = 1000;
    let mut best = f64::INFINITY;
    for _ in 0..9 {
        let started = Instant::now();
        assert!((0..rounds).all(|_| run()));
        let taken = started.elapsed().as_nanos() as f64;
        best = best.min(taken / f64::from(rounds));
        rounds = (20_000_000.0 / best) as u32;
    }
    println!("{name}: {best:.0} ns");
}

fn fetch(topics: usize, partitions: i32) -> FetchRequest {
    let partition =
        |partition| FetchPartition { partition, fetch_offset: 1 << 40, ..FetchPartition::default() };
    let topic = |number| FetchTopic {
        topic_id: Uuid([number as u8; 16]),
        partitions: (0..partitions).map(partition).collect(),
        ..FetchTopic::default()
    };
    FetchRequest {
        topics: (0..topics).map(topic).collect(),
        rack_id: "rack".into(),
        ..FetchRequest::default()
    }
}

fn produce(topics: usize, partitions: i32) -> ProduceRequest {
    let records = Some(Bytes::from(vec![1; 1024]));
    let partition = |index| PartitionProduceData { index, records: records.clone() };
    let topic = |number| TopicProduceData {
        name: format!("topic-number-{number}").into(),
        partition_data: (0..partitions).map(partition).collect(),
        ..TopicProduceData::default()
    };
    ProduceRequest { acks: -1, topic_data: (0..topics).map(topic).collect(), ..ProduceRequest::default() }
}

fn fetched(topics: usize, partitions: i32) -> FetchResponse {
    let records = Some(Bytes::from(vec![1; 1024]));
    let partition = |partition_index| PartitionData {
        partition_index,
        records: records.clone(),
        ..PartitionData::default()
    };
    let topic = |number| FetchableTopicResponse {
        topic_id: Uuid([number as u8; 16]),
        partitions: (0..partitions).map(partition).collect(),
        ..FetchableTopicResponse::default()
    };
    FetchResponse { responses: (0..topics).map(topic).collect(), ..FetchResponse::default() }
}
