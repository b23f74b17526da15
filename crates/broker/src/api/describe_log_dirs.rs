//! DescribeLogDirs (KIP-113, KIP-827, KIP-1066): what lies in each log directory and how much room is left. Sizes come from the
//! views; only the free space asks the disk.

use std::collections::BTreeMap;

use wire::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use wire::{ErrorCode, Str, Uuid};

use super::Call;
use crate::directories::Directory;

pub(super) fn handle(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted: Option<BTreeMap<Str, Vec<i32>>> = request
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect());
    let results = call.node.directories().iter().map(|directory| describe(call, directory, wanted.as_ref()));
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}

fn describe(
    call: &Call,
    directory: &Directory,
    wanted: Option<&BTreeMap<Str, Vec<i32>>>,
) -> DescribeLogDirsResult {
    let log_dir = Str::from(directory.log.path().display().to_string());
    let failed = |error: ErrorCode| DescribeLogDirsResult {
        error_code: error.code(),
        log_dir: log_dir.clone(),
        total_bytes: -1,
        usable_bytes: -1,
        ..DescribeLogDirsResult::default()
    };
    if directory.is_failed() {
        return failed(ErrorCode::KafkaStorageError);
    }
    let Ok(space) = directory.log.space() else { return failed(ErrorCode::KafkaStorageError) };
    DescribeLogDirsResult {
        log_dir,
        topics: topics_in(call, directory.id, wanted),
        total_bytes: i64::try_from(space.total_bytes).unwrap_or(i64::MAX),
        usable_bytes: i64::try_from(space.available_bytes).unwrap_or(i64::MAX),
        ..DescribeLogDirsResult::default()
    }
}

fn topics_in(
    call: &Call,
    directory: Uuid,
    wanted: Option<&BTreeMap<Str, Vec<i32>>>,
) -> Vec<DescribeLogDirsTopic> {
    let (image, own) = (call.node.image(), call.node.node_id());
    let mut found = Vec::new();
    for topic in image.topics.iter_by_name() {
        let asked = wanted.map(|wanted| wanted.get(topic.name.as_str()));
        let Some(views) = call.node.views().by_id(topic.id).filter(|_| asked != Some(None)) else { continue };
        let mut partitions = Vec::new();
        for (index, partition) in topic.partitions.iter() {
            // With a single directory there is no question where an unassigned replica lies.
            let here = partition.directory(own).is_some_and(|id| {
                id == directory || id == Uuid::UNASSIGNED_DIRECTORY || id == Uuid::MIGRATING_DIRECTORY
            });
            let is_asked = asked.flatten().is_none_or(|indexes| indexes.contains(index));
            let Some(cell) = views.partition(*index).filter(|_| here && is_asked) else { continue };
            call.node.open_log(call.now_ms, cell);
            if let Some(view) = cell.view() {
                partitions.push(DescribeLogDirsPartition {
                    partition_index: *index,
                    partition_size: i64::try_from(view.size_bytes()).unwrap_or(i64::MAX),
                    offset_lag: (view.high_watermark - view.log_end_offset).max(0),
                    is_future_key: false,
                });
            }
        }
        if !partitions.is_empty() {
            found.push(DescribeLogDirsTopic { name: topic.name.clone(), partitions });
        }
    }
    found
}
