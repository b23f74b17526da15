//! ListPartitionReassignments (KIP-455): which partitions are being moved, from the image of the
//! active controller.

use kraft::image::{MetadataImage, PartitionImage};
use wire::messages::list_partition_reassignments::{
    ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, OngoingPartitionReassignment,
    OngoingTopicReassignment,
};
use wire::{ErrorCode, Str};

use crate::call::Call;

pub(super) fn handle(
    call: &Call,
    request: ListPartitionReassignmentsRequest,
) -> ListPartitionReassignmentsResponse {
    let is_active = call.node.quorum_status().is_active;
    let no_controller = (!is_active).then_some(ErrorCode::NotController);
    if let Some(error) = call.refusal().or(no_controller) {
        call.has_moved();
        return ListPartitionReassignmentsResponse {
            error_code: error.code(),
            error_message: Some(Str::from(error.message())),
            ..ListPartitionReassignmentsResponse::default()
        };
    }
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
