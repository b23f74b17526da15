//! The answer against the generated message.

use super::*;
use crate::Str;
use crate::frame::encode_response;
use crate::messages::metadata::MetadataResponseTopic;

fn line(index: i32) -> MetadataResponsePartition {
    let nodes = |count: i32| (0..count).map(|node| node * 1000).collect();
    MetadataResponsePartition {
        error_code: (index % 3) as i16,
        partition_index: index,
        leader_id: index % 5 - 1,
        leader_epoch: index << 20,
        replica_nodes: nodes(index % 5),
        isr_nodes: nodes(index % 4),
        offline_replicas: nodes(index % 3),
    }
}

fn topic(number: i32) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: if number % 4 == 3 { ErrorCode::UnknownTopicId.code() } else { 0 },
        name: (number % 4 != 3).then(|| Str::from("n".repeat(number as usize * 2))),
        topic_id: Uuid::from_halves(5, number as u64),
        is_internal: number % 5 == 1,
        partitions: (0..number % 7).map(line).collect(),
        topic_authorized_operations: if number % 2 == 0 { 7 } else { i32::MIN },
    }
}

#[test]
fn writes_what_the_generated_message_writes_in_every_version() {
    let broker = |node_id| MetadataResponseBroker {
        node_id,
        host: Str::from("h"),
        port: 9,
        rack: (node_id % 2 == 1).then(|| Str::from("r")),
    };
    for version in MetadataResponse::MIN_VERSION..=MetadataResponse::MAX_VERSION {
        for (topics, brokers) in [(0, 0), (1, 0), (2, 1), (9, 2), (150, 3)] {
            let response = MetadataResponse {
                brokers: (0..brokers).map(broker).collect(),
                cluster_id: (topics != 1).then(|| Str::from("cluster")),
                controller_id: brokers - 1,
                topics: (0..topics).map(topic).collect(),
                cluster_authorized_operations: 5 - topics,
                ..MetadataResponse::default()
            };
            let mut answer = MetadataAnswer::new(version, 77, response.brokers.len(), response.topics.len());
            response.brokers.iter().for_each(|broker| answer.broker(broker));
            let cluster_id = response.cluster_id.as_deref();
            answer.cluster(cluster_id, response.controller_id, response.topics.len());
            for topic in &response.topics {
                let head = TopicHead {
                    error: ErrorCode::from_code(topic.error_code),
                    name: topic.name.as_deref(),
                    id: topic.topic_id,
                    is_internal: topic.is_internal,
                };
                answer.topic(&head, topic.partitions.len());
                topic.partitions.iter().for_each(|line| answer.partition(line));
                answer.end_topic(topic.topic_authorized_operations);
            }
            let written = answer.finish(response.cluster_authorized_operations).concat();
            let expected = encode_response(ApiKey::Metadata, version, 77, &response).concat();
            assert!(written == expected, "version {version}, {topics} topics");
        }
    }
}
