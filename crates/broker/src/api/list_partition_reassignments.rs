//! ListPartitionReassignments (KIP-455): which partitions are being moved, from the image.

use kraft::image::{MetadataImage, PartitionImage};
use wire::Str;
use wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};

use crate::call::Call;

pub(super) fn handle(
    call: &Call,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let image = call.node.image();
    let everything = || {
        let all = |topic: &std::sync::Arc<kraft::image::TopicImage>| {
            (topic.name.clone(), topic.partitions.iter().map(|(index, _)| *index).collect())
        };
        image.topics.iter_by_name().map(all).collect()
    };
    let wanted: Vec<(Str, Vec<i32>)> = match request.topics {
        None => everything(),
        Some(topics) => topics.into_iter().map(|topic| (topic.name, topic.partition_indexes)).collect(),
    };
    let topics = wanted.into_iter().filter_map(|(name, indexes)| {
        let partitions: Vec<_> = indexes.iter().filter_map(|index| ongoing(&image, &name, *index)).collect();
        (!partitions.is_empty()).then_some(OngoingTopicReassignment { name, partitions })
    });
    ListPartitionReassignmentsResponse {
        error_message: None,
        topics: topics.collect(),
        ..ListPartitionReassignmentsResponse::default()
    }
}

fn ongoing(image: &MetadataImage, name: &str, index: i32) -> Option<OngoingPartitionReassignment> {
    let partition: &PartitionImage = image.topics.by_name(name)?.partition(index)?;
    partition.is_reassigning().then(|| OngoingPartitionReassignment {
        partition_index: index,
        replicas: partition.replicas.clone(),
        adding_replicas: partition.adding_replicas.clone(),
        removing_replicas: partition.removing_replicas.clone(),
    })
}
