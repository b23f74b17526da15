//! DescribeLogDirs (KIP-113, KIP-827, KIP-1066): what lies in each log directory and how much room is left. Sizes come from the
//! views; only the free space asks the disk.

use std::collections::BTreeMap;

use wire::messages::describe_log_dirs::{
    DescribeLogDirsPartition, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeLogDirsResult,
    DescribeLogDirsTopic,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::disks::directories::Directory;

pub(super) fn handle(call: &Call, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
    let wanted: Option<BTreeMap<Str, Vec<i32>>> = request
        .topics
        .map(|topics| topics.into_iter().map(|topic| (topic.topic, topic.partitions)).collect());
    let directories = call.node.directories();
    let mut topics = topics_by_directory(call, wanted.as_ref());
    let results = directories.iter().enumerate().map(|(index, directory)| {
        let topics = topics.remove(&index).unwrap_or_default();
        describe(call, directory, topics)
    });
    DescribeLogDirsResponse { results: results.collect(), ..DescribeLogDirsResponse::default() }
}

fn describe(
    call: &Call,
    directory: &Directory,
    topics: BTreeMap<Str, Vec<DescribeLogDirsPartition>>,
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
    let topic = |(name, partitions)| DescribeLogDirsTopic { name, partitions };
    DescribeLogDirsResult {
        log_dir,
        topics: topics.into_iter().map(topic).collect(),
        total_bytes: i64::try_from(space.total_bytes).unwrap_or(i64::MAX),
        usable_bytes: i64::try_from(space.available_bytes).unwrap_or(i64::MAX),
        is_cordoned: directory.is_cordoned() && cordons_are_known(call),
        ..DescribeLogDirsResult::default()
    }
}

/// Whether the cluster's metadata has cordoned directories (KIP-1066).
fn cordons_are_known(call: &Call) -> bool {
    call.node.image().features.metadata_version().is_some_and(|version| version.has_cordoned_directories())
}

type Topics = BTreeMap<Str, Vec<DescribeLogDirsPartition>>;

/// Replicas, and those on their way, by the index of their directory.
fn topics_by_directory(call: &Call, wanted: Option<&BTreeMap<Str, Vec<i32>>>) -> BTreeMap<usize, Topics> {
    let mut found: BTreeMap<usize, Topics> = BTreeMap::new();
    let futures: Vec<_> = call.node.directories().iter().map(Directory::futures).collect();
    for topic in call.node.image().topics.iter_by_name() {
        let asked = wanted.map(|wanted| wanted.get(topic.name.as_str()));
        let Some(views) = call.node.views().by_id(topic.id).filter(|_| asked != Some(None)) else { continue };
        for cell in &views.partitions {
            let index = cell.key.partition;
            if asked.flatten().is_some_and(|indexes| !indexes.contains(&index)) {
                continue;
            }
            call.node.open_log(call.now_ms, cell);
            let (Some(directory), Some(view)) = (cell.directory(), cell.view()) else { continue };
            let mut add = |directory: usize, partition| {
                found.entry(directory).or_default().entry(topic.name.clone()).or_default().push(partition);
            };
            add(
                directory,
                DescribeLogDirsPartition {
                    partition_index: index,
                    partition_size: i64::try_from(view.size_bytes()).unwrap_or(i64::MAX),
                    offset_lag: (view.high_watermark - view.log_end_offset).max(0),
                    is_future_key: false,
                },
            );
            for (directory, futures) in futures.iter().enumerate() {
                let Some(future) = futures.get(&cell.key) else { continue };
                let partition = DescribeLogDirsPartition {
                    partition_index: index,
                    partition_size: i64::try_from(future.size_bytes).unwrap_or(i64::MAX),
                    offset_lag: view.log_end_offset - future.log_end_offset,
                    is_future_key: true,
                };
                add(directory, partition);
            }
        }
    }
    found
}
