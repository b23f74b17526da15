use super::*;
use crate::properties::Properties;
use log::SimDisk;

fn settings(lines: &str) -> Settings {
    let text = format!(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
         listeners=PLAINTEXT://127.0.0.1:9392,CONTROLLER://127.0.0.1:9393\n{lines}"
    );
    Settings::new(Properties::parse(text.as_bytes()).unwrap()).unwrap().0
}

fn fixed(dirs: &str) -> Settings {
    settings(&format!("controller.quorum.voters=1@127.0.0.1:9393\nlog.dirs={dirs}"))
}

fn dynamic(dirs: &str) -> Settings {
    settings(&format!("controller.quorum.bootstrap.servers=127.0.0.1:9393\nlog.dirs={dirs}"))
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(SimDisk::new(1))
}

fn options() -> FormatOptions {
    FormatOptions { cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".into(), ..FormatOptions::default() }
}

fn run(settings: &Settings, options: &FormatOptions, disk: &Arc<dyn Disk>) -> Result<String, String> {
    let mut out = Vec::new();
    format(settings, options, disk, 7, &mut out).map(|()| String::from_utf8(out).unwrap())
}

fn shown_info(settings: &Settings, disk: &Arc<dyn Disk>) -> (String, bool) {
    let mut out = Vec::new();
    let fine = info(settings, &**disk, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), fine)
}

const LEVELS: &str = "Bootstrap metadata: BootstrapMetadata(records=[\
    ApiMessageAndVersion(FeatureLevelRecord(name='metadata.version', featureLevel=33) at version 0), \
    ApiMessageAndVersion(FeatureLevelRecord(name='eligible.leader.replicas.version', featureLevel=1) at version 0), \
    ApiMessageAndVersion(FeatureLevelRecord(name='group.version', featureLevel=1) at version 0), \
    ApiMessageAndVersion(FeatureLevelRecord(name='share.version', featureLevel=2) at version 0), \
    ApiMessageAndVersion(FeatureLevelRecord(name='streams.version', featureLevel=1) at version 0), \
    ApiMessageAndVersion(FeatureLevelRecord(name='transaction.version', featureLevel=2) at version 0)], \
    metadataVersionLevel=33, source=format command)\n";

#[test]
fn formatting_says_what_kafka_says() {
    let (one, disk) = (fixed("/a"), disk());
    let formatted = run(&one, &options(), &disk).unwrap();
    assert_eq!(
        formatted,
        format!("{LEVELS}Formatting metadata directory /a with metadata.version 4.4-IV2.\n")
    );
    assert_eq!(
        run(&one, &options(), &disk).unwrap_err(),
        "Log directory /a is already formatted. Use --ignore-formatted to ignore this directory and format the others."
    );
    let again = FormatOptions { ignore_formatted: true, ..options() };
    assert_eq!(run(&one, &again, &disk).unwrap(), "All of the log directories are already formatted.\n");
    let stranger = FormatOptions { cluster_id: "other".into(), ..again };
    assert!(
        run(&one, &stranger, &disk).unwrap_err().starts_with("Invalid cluster.id in: /a/meta.properties.")
    );
}

#[test]
fn several_directories_and_dynamic_quorums() {
    let two = dynamic("/c1,/c2");
    let standalone = FormatOptions { quorum: QuorumChoice::Standalone, ..options() };
    assert_eq!(
        run(&two, &standalone, &disk()).unwrap(),
        format!(
            "{LEVELS}Formatting dynamic metadata voter directory /c1 with metadata.version 4.4-IV2.\n\
             Formatting data directory /c2 with metadata.version 4.4-IV2.\n"
        )
    );
    let none = FormatOptions { quorum: QuorumChoice::NoInitialControllers, ..options() };
    assert!(run(&two, &none, &disk()).unwrap().contains("Formatting metadata directory /c1 "));
    let initial =
        |text: &str| FormatOptions { quorum: QuorumChoice::InitialControllers(text.into()), ..options() };
    let other = initial("3@127.0.0.1:9393:JEXY6aqzQY-32P5TStzaFg");
    assert!(run(&two, &other, &disk()).unwrap().contains("Formatting dynamic metadata directory /c1 "));
    let both = initial("1@127.0.0.1:9393:JEXY6aqzQY-32P5TStzaFg,2@h2:9393:MvDxzVmcRsaTz33bUuRU6A");
    let there = disk();
    run(&two, &both, &there).unwrap();
    let (shown, fine) = shown_info(&two, &there);
    assert!(fine && shown.contains("directory.id=JEXY6aqzQY-32P5TStzaFg"), "{shown}");
    assert_eq!(run(&two, &initial("bad"), &disk()).unwrap_err(), "No @ found in dynamic voter string.");
    assert_eq!(
        run(&two, &options(), &disk()).unwrap_err(),
        "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
         --standalone, --initial-controllers, or --no-initial-controllers."
    );
    assert!(
        run(&fixed("/a"), &standalone, &disk())
            .unwrap_err()
            .starts_with("You cannot specify controller.quorum.voters")
    );
}

#[test]
fn feature_arguments_are_checked_as_kafka_checks_them() {
    let with = |release: Option<&str>, features: &[&str]| FormatOptions {
        release_version: release.map(str::to_owned),
        features: features.iter().map(|f| (*f).to_owned()).collect(),
        ..options()
    };
    let fails =
        |release, features: &[&str]| run(&fixed("/a"), &with(release, features), &disk()).unwrap_err();
    assert!(
        fails(Some("3.2"), &[])
            .starts_with("Unknown metadata.version '3.2'. Supported metadata.version are: 3.3-IV3, 3.4-IV0,")
    );
    assert!(fails(Some("4.5-IV0"), &[]).ends_with("4.4-IV1, 4.4-IV2"));
    assert_eq!(
        fails(Some("3.9"), &["metadata.version=20"]),
        "Use --release-version instead of --feature metadata.version=X to avoid ambiguity."
    );
    assert_eq!(
        fails(None, &["metadata.version=99"]),
        "No MetadataVersion with feature level 99. Valid feature levels are from 7 to 34."
    );
    assert_eq!(fails(None, &["metadata.version=34"]), "metadata.version 4.5-IV0 is not yet stable.");
    assert_eq!(
        fails(None, &["nope=1"]),
        "Unsupported feature: nope. Supported features are: eligible.leader.replicas.version, group.version, kraft.version, share.version, streams.version, transaction.version"
    );
    assert_eq!(fails(None, &["group.version=9"]), "No feature:group.version with feature level 9");
    assert_eq!(
        fails(None, &["group.version"]),
        "Can't parse feature=level string group.version: equals sign not found."
    );
    assert_eq!(
        fails(None, &["group.version=x"]),
        "Can't parse feature=level string group.version=x: unable to parse x as a short."
    );
    assert_eq!(
        fails(Some("3.9"), &["eligible.leader.replicas.version=1"]),
        "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23"
    );
    assert!(
        fails(None, &["kraft.version=1"])
            .starts_with("Cannot set kraft.version to 1 unless controller.quorum.voters is empty")
    );
    let old = run(&fixed("/a"), &with(Some("4.0-IV1"), &[]), &disk()).unwrap();
    assert!(old.contains("metadata.version', featureLevel=23) at version 0), ApiMessageAndVersion(FeatureLevelRecord(name='group.version', featureLevel=1) at version 0)], metadataVersionLevel=23"));
    assert!(old.ends_with("Formatting metadata directory /a with metadata.version 4.0-IV1.\n"));
    let credential =
        FormatOptions { scram: vec!["SCRAM-SHA-256=[name=a,password=b]".into()], ..with(Some("3.4"), &[]) };
    assert_eq!(
        run(&fixed("/a"), &credential, &disk()).unwrap_err(),
        "SCRAM is only supported in metadata.version 3.5-IV2 or later."
    );
}

#[test]
fn info_lists_directories_metadata_and_problems() {
    let (two, disk) = (dynamic("/c1,/c2"), disk());
    assert_eq!(
        shown_info(&two, &disk),
        ("Found problems:\n  /c1 does not exist\n  /c2 does not exist\n\n".into(), false)
    );
    run(&two, &FormatOptions { quorum: QuorumChoice::NoInitialControllers, ..options() }, &disk).unwrap();
    let (shown, fine) = shown_info(&two, &disk);
    assert!(fine);
    assert!(shown.starts_with("Found log directories:\n  /c1\n  /c2\n\nFound metadata: {cluster.id=MkU3OEVBNTcwNTJENDM2Qg, directory.id="));
    assert!(shown.ends_with(", node.id=1, version=1}\n\n"));
}

#[test]
fn mappings_and_dependencies_print_as_kafka_prints_them() {
    assert_eq!(
        version_mapping(None).unwrap(),
        "metadata.version=33 (4.4-IV2)\nkraft.version=1\ntransaction.version=2\ngroup.version=1\n\
         eligible.leader.replicas.version=1\nshare.version=2\nstreams.version=1\n"
    );
    assert!(version_mapping(Some("3.3")).unwrap().starts_with("metadata.version=7 (3.3)\nkraft.version=0\n"));
    assert!(version_mapping(Some("1.0")).unwrap_err().ends_with("4.4-IV2, 4.5-IV0"));
    let dependencies =
        |all: &[&str]| feature_dependencies(&all.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    assert_eq!(
        dependencies(&["metadata.version=20", "share.version=2", "eligible.leader.replicas.version=1"])
            .unwrap(),
        "metadata.version=20 (3.8-IV0) has no dependencies.\nshare.version=2 has no dependencies.\n\
         eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
    );
    assert_eq!(dependencies(&["nope=2"]).unwrap_err(), "Unknown feature: nope");
}
