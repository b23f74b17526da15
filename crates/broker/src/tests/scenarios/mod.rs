//! Lives of whole clusters, each called as what it has to survive (`s02` and so on), the blows at exact moments. Others of that list stand
//! where their carrier is: `cargo test s07` finds a scenario wherever it is.

mod eligible;
mod epochs;
mod in_sync;
mod producers;
mod quorum;
mod topics;

use wire::messages::fetch::{FetchPartition, FetchRequest, FetchResponse, FetchTopic};
use wire::{ApiKey, ErrorCode};

use super::cluster::Cluster;
use super::replication::log;

/// The committed part of a node's log, batch for batch.
fn committed(cluster: &Cluster, id: i32, name: &str) -> Vec<u8> {
    let views = cluster.node(id).views().by_name(name).unwrap();
    let view = views.partition(0).unwrap().view().unwrap();
    let (mut bytes, mut from) = (Vec::new(), view.log_start_offset);
    while from < view.high_watermark {
        let fetched = view.read(from, 1 << 20, ::log::ReadLimit::HighWatermark, true).unwrap();
        bytes.extend_from_slice(&fetched.records);
        from = fetched.next_offset;
    }
    bytes
}

/// A node's log holds this value.
fn holds(cluster: &Cluster, id: i32, name: &str, value: &str) -> bool {
    log(cluster, id, name).1.windows(value.len()).any(|window| window == value.as_bytes())
}

/// The other two of the three brokers.
fn others(leader: i32) -> [i32; 2] {
    match leader {
        11 => [12, 13],
        12 => [11, 13],
        13 => [11, 12],
        other => panic!("{other} is none of the brokers"),
    }
}

/// What a consumer is told that reads a replica from this offset on, and asks for so many bytes.
fn consume(cluster: &mut Cluster, id: i32, offset: i64, max_bytes: i32) -> (ErrorCode, Vec<u8>) {
    let partition =
        FetchPartition { fetch_offset: offset, partition_max_bytes: max_bytes, ..FetchPartition::default() };
    let topic = FetchTopic { topic: "t".into(), partitions: vec![partition], ..FetchTopic::default() };
    let request = FetchRequest { min_bytes: 1, max_bytes, topics: vec![topic], ..FetchRequest::default() };
    let answer: FetchResponse = cluster.ask(id, ApiKey::Fetch, 12, &request);
    let line = &answer.responses[0].partitions[0];
    (ErrorCode::from_code(line.error_code), line.records.clone().unwrap_or_default().to_vec())
}
