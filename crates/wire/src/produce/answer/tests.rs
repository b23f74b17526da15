//! The answer against the generated message.

use super::*;
use crate::frame::encode_response;
use crate::messages::produce::{BatchIndexAndErrorMessage, LeaderIdAndEpoch, TopicProduceResponse};
use crate::produce::PartitionView;
use crate::{Str, Uuid};

const VERSIONS: std::ops::RangeInclusive<i16> = ProduceResponse::MIN_VERSION..=ProduceResponse::MAX_VERSION;

fn produced(index: i32) -> Produced {
    let offset = i64::from(index) << 33;
    Produced {
        error: if index % 3 == 0 { ErrorCode::None } else { ErrorCode::RequestTimedOut },
        base_offset: offset - 1,
        log_append_time_ms: offset ^ 7,
        log_start_offset: offset / 3,
    }
}

fn blank(index: i32) -> PartitionProduceResponse {
    PartitionProduceResponse { index, base_offset: -1, ..PartitionProduceResponse::default() }
}

fn refused(index: i32) -> PartitionProduceResponse {
    let error =
        BatchIndexAndErrorMessage { batch_index: 4, batch_index_error_message: Some(Str::from("no key")) };
    PartitionProduceResponse {
        error_code: ErrorCode::InvalidRecord.code(),
        record_errors: vec![error],
        error_message: Some(Str::from("two € of them")),
        ..blank(index)
    }
}

fn filled(index: i32) -> PartitionProduceResponse {
    let Produced { error, base_offset, log_append_time_ms, log_start_offset } = produced(index);
    PartitionProduceResponse {
        error_code: error.code(),
        base_offset,
        log_append_time_ms,
        log_start_offset,
        ..blank(index)
    }
}

fn asked(name: &str, number: i32) -> TopicView<'_> {
    let partitions = (0..number).map(|index| PartitionView { index, records: None }).collect();
    TopicView { name, id: Uuid::from_halves(5, number as u64), partitions }
}

/// Topics of 0, 1, 2, … partitions, every fourth refused; written both ways.
fn both(version: i16, topics: i32) -> (ProduceAnswer, ProduceResponse) {
    let names: Vec<String> = (0..topics).map(|number| format!("topic-{number}")).collect();
    let asked: Vec<_> = names.iter().zip(0..topics).map(|(name, number)| asked(name, number)).collect();
    let mut answer = ProduceAnswer::new(version, 77, &asked);
    let mut response = ProduceResponse::default();
    let mut places = Vec::new();
    for (topic, number) in asked.iter().zip(0..topics) {
        answer.topic(topic);
        let mut lines = Vec::new();
        for index in 0..number {
            if index % 4 == 3 {
                answer.partition(&refused(index));
                lines.push(refused(index));
            } else {
                places.push((answer.numbers(index, ErrorCode::LeaderNotAvailable), index));
                lines.push(filled(index));
            }
        }
        answer.end_topic();
        response.responses.push(TopicProduceResponse {
            name: Str::from(topic.name),
            topic_id: topic.id,
            partition_responses: lines,
        });
    }
    answer.end();
    // Shards answer in any order.
    for (place, index) in places.into_iter().rev() {
        answer.fill(place, &produced(index));
    }
    (answer, response)
}

#[test]
fn writes_what_the_generated_message_writes_in_every_version() {
    for version in VERSIONS {
        for topics in [0, 1, 2, 9, 150] {
            let (answer, response) = both(version, topics);
            let expected = encode_response(ApiKey::Produce, version, 77, &response).concat();
            assert_eq!(answer.finish().concat(), expected, "version {version}, {topics} topics");
        }
    }
}

#[test]
fn leaders_can_be_named_afterwards() {
    for version in VERSIONS {
        let (answer, mut response) = both(version, 5);
        let name = |response: &mut ProduceResponse| {
            let leader = LeaderIdAndEpoch { leader_id: 3, leader_epoch: 9 };
            response.responses[4].partition_responses[1].current_leader = leader;
        };
        name(&mut response);
        let expected = encode_response(ApiKey::Produce, version, 77, &response).concat();
        assert_eq!(answer.amended(name).concat(), expected, "version {version}");
    }
}
