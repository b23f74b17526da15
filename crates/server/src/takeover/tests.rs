use super::*;
use crate::format::{FormatOptions, format};
use crate::properties::Properties;
use broker::metadata_files::METADATA_LOG;
use bytes::Bytes;
use kraft::image::VersionedRecord;
use log::{FileHandle, SimDisk};
use std::io::IoSlice;
use std::path::Path;
use wire::Uuid;
use wire::record_batch::{BatchAttributes, RecordBatchBuilder};
use wire::records::metadata::{
    AccessControlEntryRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord, TopicRecord,
};

fn settings(lines: &str) -> Settings {
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:9392,CONTROLLER://127.0.0.1:9393\nlog.dirs=/data\n{lines}"
    );
    Settings::new(Properties::parse(text.as_bytes()).unwrap()).unwrap().0
}

fn alone() -> Settings {
    settings("controller.quorum.voters=1@127.0.0.1:9393")
}

/// A formatted directory whose metadata log holds these values.
fn with_metadata(values: &[Bytes]) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let options = FormatOptions { cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".into(), ..FormatOptions::default() };
    format(&alone(), &options, &disk, 7, &mut Vec::new()).unwrap();
    let mut builder = RecordBatchBuilder::new(BatchAttributes { leader_epoch: 1, ..Default::default() });
    for value in values {
        builder.append(7, None, Some(value), &[]);
    }
    let segment = FileHandle::new(format!("/data/{METADATA_LOG}/00000000000000000000.log"));
    disk.create(&segment).unwrap();
    disk.write_at(&segment, 0, &mut [IoSlice::new(&builder.build())]).unwrap();
    disk
}

fn record(record: impl Into<MetadataRecord>) -> Bytes {
    VersionedRecord::v0(record.into()).encode()
}

fn level(name: &str, level: i16) -> Bytes {
    record(FeatureLevelRecord { name: name.into(), feature_level: level })
}

fn checked(settings: &Settings, disk: &Arc<dyn Disk>) -> Report {
    check(settings, disk).unwrap()
}

/// The first reason not to start.
fn obstacle(disk: &Arc<dyn Disk>) -> Option<String> {
    checked(&alone(), disk).obstacles().next().map(str::to_owned)
}

/// The one obstacle.
fn obstacle_of(values: &[Bytes]) -> String {
    let disk = with_metadata(values);
    let report = checked(&alone(), &disk);
    let obstacles: Vec<&str> = report.obstacles().collect();
    assert_eq!(obstacles.len(), 1, "{report:?}");
    obstacles[0].to_owned()
}

#[test]
fn what_this_release_does_not_know_is_an_obstacle_with_its_reason() {
    let fine = level("metadata.version", 33);
    let unknown = Bytes::from_static(&[1, 0x8f, 0x4e, 0]);
    let cases = [
        (vec![fine.clone(), unknown], "at offset 1: record type 9999 version 0 is unknown to this release"),
        (
            vec![level("metadata.version", 99)],
            "metadata.version 99 is not supported: this node knows 7 to 34",
        ),
        (vec![fine.clone(), level("group.version", 9)], "the feature group.version is at level 9"),
        (vec![fine, level("cloudy.version", 1)], "the feature cloudy.version (level 1) is unknown"),
    ];
    for (values, expected) in cases {
        let found = obstacle_of(&values);
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn several_voters_are_fine_and_strangers_are_obstacles() {
    let disk = with_metadata(&[level("metadata.version", 33)]);
    let three = settings("controller.quorum.voters=1@h:9393,2@h:9394,3@h:9395");
    assert_eq!(check(&three, &disk).unwrap().obstacles().count(), 0);
    let stranger = settings("controller.quorum.voters=1@127.0.0.1:9393\nlog.dirs=/data,/other");
    let refused = check(&stranger, &disk).unwrap_err();
    assert!(refused.what.contains("/other is not formatted"), "{refused}");
}

#[test]
fn what_a_start_refuses_is_refused_and_what_it_formats_is_told() {
    let nothing: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let report = checked(&alone(), &nothing);
    assert!(report.obstacles().next().is_none() && format!("{report:?}").contains("blank"), "{report:?}");
    assert!(!nothing.exists(Path::new("/data")));
    // Not alone: it is not for one of several to begin a cluster of its own.
    let three = settings("controller.quorum.voters=1@h:9393,2@h:9394,3@h:9395");
    let refused = check(&three, &nothing).unwrap_err();
    assert_eq!(refused.what, "the log directories are not formatted");
    assert!(refused.hint.contains("one CLUSTER_ID for all nodes"), "{refused}");
    let lost: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    lost.create_directory(Path::new("/data/orders-0")).unwrap();
    let refused = check(&alone(), &lost).unwrap_err();
    assert_eq!(refused.what, "/data is not empty and has no meta.properties");
    lost.replace_file(Path::new("/data/meta.properties"), b"version=9").unwrap();
    assert_eq!(check(&alone(), &lost).unwrap_err().what, "cannot read /data");
}

#[test]
fn an_identity_of_version_0_is_no_obstacle_as_it_is_none_for_a_start() {
    let disk = with_metadata(&[level("metadata.version", 33)]);
    let cluster_id = Ensemble::load(&*disk, &all_directories(&alone())).cluster_id().unwrap().to_owned();
    let identity = format!("version=0\nbroker.id=1\ncluster.id={cluster_id}\n");
    disk.replace_file(Path::new("/data/meta.properties"), identity.as_bytes()).unwrap();
    let report = checked(&alone(), &disk);
    assert_eq!(report.obstacles().count(), 0, "{report:?}");
}

#[test]
fn a_good_directory_is_described_and_left_as_it_is() {
    let topic = TopicRecord { name: "t".into(), topic_id: Uuid([3; 16]) };
    let acl = AccessControlEntryRecord {
        id: Uuid([4; 16]),
        resource_type: 2,
        resource_name: "t".into(),
        pattern_type: 3,
        principal: "User:a".into(),
        host: "*".into(),
        operation: 3,
        permission_type: 3,
    };
    let reporter = ConfigRecord {
        resource_type: ResourceType::Broker.id(),
        resource_name: "".into(),
        name: "metric.reporters".into(),
        value: Some("com.example.Reporter".into()),
    };
    let disk = with_metadata(&[level("metadata.version", 33), record(topic), record(acl), record(reporter)]);
    let stray = "/data/old-0/partition.metadata";
    disk.create_directory(Path::new("/data/old-0")).unwrap();
    disk.replace_file(Path::new(stray), b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ").unwrap();
    let report = checked(&alone(), &disk);
    assert_eq!(report.obstacles().count(), 0, "{report:?}");
    let text: String = report.0.iter().map(|finding| format!("{finding}\n")).collect();
    for expected in [
        "1 topic with 0 partitions",
        "1 ACLs are kept and protect nothing",
        "kept and not in force: metric.reporters=com.example.Reporter",
        "was not left cleanly",
        "/data/old-0 belongs to no topic",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// A metadata log as a node leaves it: one batch per turn, each of its own time.
fn with_turns(turns: i64) -> Arc<dyn Disk> {
    let disk = with_metadata(&[level("metadata.version", 33)]);
    let segment = FileHandle::new(segment_path());
    for turn in 0..turns {
        let at = BatchAttributes { base_offset: turn + 1, leader_epoch: 1, ..Default::default() };
        let mut builder = RecordBatchBuilder::new(at);
        let topic =
            TopicRecord { name: format!("topic-{turn}").into(), topic_id: Uuid([turn as u8 + 3; 16]) };
        builder.append(1_000 + turn, None, Some(&record(topic)), &[]);
        let end = disk.length(&segment).unwrap();
        disk.write_at(&segment, end, &mut [IoSlice::new(&builder.build())]).unwrap();
    }
    disk
}

fn segment_path() -> std::path::PathBuf {
    Path::new("/data").join(METADATA_LOG).join("00000000000000000000.log")
}

/// Kafka cuts the log at the first bad batch, and with it all that was agreed upon since.
#[test]
fn a_flipped_bit_in_acknowledged_metadata_refuses_the_start() {
    let path = segment_path();
    let length_of = |turns| with_turns(turns).read_file(&path).unwrap().len();
    let starts: Vec<usize> = [0].into_iter().chain((0..5).map(length_of)).collect();
    // The last two batches may be what a crash tore.
    let (length, last) = (length_of(5), length_of(3));
    let sound = with_turns(5).read_file(&path).unwrap();
    let mut refused = 0;
    for at in 0..length {
        let disk = with_turns(0);
        let mut bytes = sound.to_vec();
        bytes[at] ^= 1 << (at % 8);
        disk.replace_file(&path, &bytes).unwrap();
        let refusal = obstacle(&disk);
        // Of a batch's bytes only the leader epoch's are not under its checksum, and offsets are checked by their order.
        let epoch = starts.iter().any(|start| (start + 12..start + 16).contains(&at));
        assert!(refusal.is_some() || epoch || at >= last, "byte {at} of {length}");
        refused += usize::from(refusal.is_some());
    }
    assert!(refused * 2 > length, "{refused} of {length}");
}

#[test]
fn flipped_bits_of_snapshot_and_quorum_state_are_named_or_harmless() {
    let values = [level("metadata.version", 33), level("group.version", 1)];
    let metadata = Path::new("/data").join(METADATA_LOG);
    let state = "{\"leaderId\":1,\"leaderEpoch\":3,\"votedId\":-1,\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\"data_version\":1}";
    for name in ["00000000000000000000-0000000000.checkpoint", "quorum-state"] {
        let path = metadata.join(name);
        let damaged = |at: Option<usize>| {
            let disk = with_metadata(&values);
            disk.replace_file(&metadata.join("quorum-state"), state.as_bytes()).unwrap();
            let mut bytes = disk.read_file(&path).unwrap().to_vec();
            if let Some(at) = at {
                bytes[at] ^= 1 << (at % 8);
                disk.replace_file(&path, &bytes).unwrap();
            }
            (obstacle(&disk), bytes.len())
        };
        let (sound, length) = damaged(None);
        assert_eq!(sound, None);
        for at in 0..length {
            assert!(
                damaged(Some(at)).0.is_none_or(|why| why.contains("__cluster_metadata")),
                "{name} byte {at}"
            );
        }
    }
}
