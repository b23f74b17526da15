//! The answer against the generated message.

use super::*;
use crate::Str;
use crate::frame::encode_response;
use crate::messages::fetch::{AbortedTransaction, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch};
use bytes::Bytes;

fn line(index: i32) -> PartitionData {
    let size = [0, 1, 1023, 1024, 70_000][index as usize % 5];
    let mut line = PartitionData {
        partition_index: index,
        high_watermark: i64::from(index) << 33,
        last_stable_offset: 4,
        log_start_offset: 3,
        records: Some(Bytes::from(vec![index as u8; size])),
        ..PartitionData::default()
    };
    if index % 3 == 1 {
        line.aborted_transactions = Some(vec![AbortedTransaction { producer_id: 8, first_offset: 2 }]);
        line.diverging_epoch = EpochEndOffset { epoch: 2, end_offset: 9 };
    }
    if index % 4 == 2 {
        line.error_code = ErrorCode::NotLeaderOrFollower.code();
        line.current_leader = LeaderIdAndEpoch { leader_id: 3, leader_epoch: 9 };
        line.aborted_transactions = None;
    }
    line
}

#[test]
fn writes_what_the_generated_message_writes_in_every_version() {
    let endpoint = |id| NodeEndpoint { node_id: id, host: Str::from("h"), port: 9, rack: None };
    for version in FetchResponse::MIN_VERSION..=FetchResponse::MAX_VERSION {
        for (topics, endpoints) in [(0, 0), (1, 0), (2, 1), (9, 2), (150, 0)] {
            let mut response = FetchResponse { session_id: 12, ..FetchResponse::default() };
            response.node_endpoints = (0..endpoints).map(endpoint).collect();
            let mut answer = FetchAnswer::new(version, 77, ErrorCode::None, 12, topics as usize);
            for number in 0..topics {
                let (name, id) = (format!("topic-{number}"), Uuid::from_halves(5, number as u64));
                let partitions: Vec<_> = (0..number).map(line).collect();
                answer.topic(&name, id, partitions.len());
                partitions.iter().for_each(|line| answer.partition(line));
                answer.end_topic();
                response.responses.push(FetchableTopicResponse {
                    topic: Str::from(name),
                    topic_id: id,
                    partitions,
                });
            }
            let expected = encode_response(ApiKey::Fetch, version, 77, &response).concat();
            let written = answer.finish(response.node_endpoints).concat();
            assert!(written == expected, "version {version}, {topics} topics");
        }
    }
}

#[test]
fn a_refusal_is_written_as_the_generated_message_writes_it() {
    let error = ErrorCode::FetchSessionIdNotFound;
    for version in FetchResponse::MIN_VERSION..=FetchResponse::MAX_VERSION {
        let response = FetchResponse { error_code: error.code(), ..FetchResponse::default() };
        let expected = encode_response(ApiKey::Fetch, version, 5, &response).concat();
        assert_eq!(FetchAnswer::new(version, 5, error, 0, 0).finish(Vec::new()).concat(), expected);
    }
}
