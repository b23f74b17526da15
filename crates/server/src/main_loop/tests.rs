mod crash;
mod race;

use super::*;
use crate::properties::Properties;
use bytes::Bytes;
use net::{Peer, PeerOptions, PeerRequest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("ottla-server-{}", random::uuid().unwrap()));
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings(scratch: &Scratch, changes: &[(&str, &str)]) -> Settings {
    let mut overrides = Properties::default();
    changes.iter().for_each(|(key, value)| overrides.set(*key, *value));
    Settings::embedded("127.0.0.1:0", scratch.0.to_str().unwrap(), overrides).unwrap().0
}

/// A node of its own on this disk, whose turns nobody calls.
pub(crate) fn node_on(disk: &Arc<dyn Disk>) -> Node {
    let settings = Settings::embedded("127.0.0.1:0", "/a/data", Properties::default()).unwrap().0;
    prepare_directories(&settings, disk, None, 1, &Journey::default()).unwrap();
    let bells = Bells::new(&WayOut::new(1).unwrap());
    let options = node_options(&settings, &BTreeMap::new(), 1, &bells, &Clock::start(), Arc::new(|_| {}));
    Node::open(options, disk.clone(), 1, 1).unwrap()
}

fn run(scratch: &Scratch, changes: &[(&str, &str)]) -> Running {
    let running = start(&settings(scratch, changes), None).unwrap();
    assert!(running.wait_ready(Duration::from_secs(30)));
    running
}

fn address(running: &Running) -> SocketAddr {
    running.bound("PLAINTEXT").unwrap()
}

/// ApiVersions v0: the error code and how many APIs there are.
fn api_versions(address: SocketAddr) -> (i16, i32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let peer = Peer::connect(&address.to_string(), PeerOptions::default()).await.unwrap();
        let request = PeerRequest {
            api_key: 18,
            api_version: 0,
            request_header_version: 1,
            response_header_version: 0,
            body: Vec::new(),
            timeout: Duration::from_secs(10),
        };
        let answer: Bytes = peer.call(request).await.unwrap();
        let (code, rest) = answer.split_first_chunk::<2>().unwrap();
        (i16::from_be_bytes(*code), i32::from_be_bytes(*rest.first_chunk::<4>().unwrap()))
    })
}

#[test]
fn an_empty_directory_becomes_a_node_that_answers_stops_and_comes_back() {
    let scratch = Scratch::new();
    let running = run(&scratch, &[]);
    let (code, count) = api_versions(address(&running));
    assert!(code == 0 && count > 20, "{code} {count}");
    let cluster_id = running.node().cluster_id().to_owned();
    running.stop();
    assert!(scratch.0.join(".kafka_cleanshutdown").exists());
    let again = run(&scratch, &[]);
    assert_eq!(again.node().cluster_id(), cluster_id);
    assert_eq!(api_versions(address(&again)).0, 0);
    again.stop();
}

#[test]
fn a_taken_port_is_found_before_a_directory_is_touched() {
    let (scratch, taken) = (Scratch::new(), std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    let listen = taken.local_addr().unwrap().to_string();
    let settings = Settings::embedded(&listen, scratch.0.to_str().unwrap(), Properties::default()).unwrap().0;
    let error = start(&settings, None).err().unwrap();
    assert_eq!(error.what, format!("cannot listen on {listen} for PLAINTEXT"));
    assert!(!scratch.0.exists());
}

#[test]
fn another_nodes_directory_is_refused() {
    let scratch = Scratch::new();
    run(&scratch, &[]).stop();
    let error =
        start(&settings(&scratch, &[("node.id", "2"), ("controller.quorum.voters", "2@localhost:1")]), None);
    let error = error.err().unwrap();
    assert!(error.why.starts_with("Stored node id 1 doesn't match previous node id 2 in "), "{}", error.why);
}

#[test]
fn a_new_directory_beside_formatted_ones_must_be_formatted_by_hand() {
    let scratch = Scratch::new();
    run(&scratch, &[]).stop();
    let both = format!("{},{}", scratch.0.display(), scratch.0.join("second").display());
    let error = start(&settings(&scratch, &[("log.dirs", &both)]), None).err().unwrap();
    assert!(error.why.starts_with("No `meta.properties` found in "), "{}", error.why);
}

#[test]
fn partitions_without_their_metadata_log_are_refused_and_left_alone() {
    let scratch = Scratch::new();
    run(&scratch, &[]).stop();
    let settings = settings(&scratch, &[]);
    let metadata = settings.metadata_directory.join("__cluster_metadata-0");
    let aside = scratch.0.join("aside");
    std::fs::rename(&metadata, &aside).unwrap();
    // Without any partition there is nothing to lose: Kafka, too, begins such a log anew.
    let partition = settings.metadata_directory.join("orders-0");
    std::fs::create_dir(&partition).unwrap();
    let before = contents(&settings.metadata_directory);
    let error = start(&settings, None).err().expect("it must not start");
    assert!(error.what.ends_with("has no metadata log") && error.why.contains("orders-0"), "{error}");
    assert_eq!(contents(&settings.metadata_directory), before);
    std::fs::remove_dir(&partition).unwrap();
    std::fs::rename(&aside, &metadata).unwrap();
    run(&scratch, &[]).stop();
}

#[test]
fn strangers_who_hold_half_frames_or_send_nonsense_harm_nobody() {
    let scratch = Scratch::new();
    let running = run(&scratch, &[]);
    let at = address(&running);
    let mut held = Vec::new();
    for n in 0..300i32 {
        let mut stream = TcpStream::connect(at).unwrap();
        // A frame of 90 MB is announced, and a few bytes of it sent.
        stream.write_all(&(90i32 << 20).to_be_bytes()).unwrap();
        stream.write_all(&n.to_be_bytes()).unwrap();
        held.push(stream);
    }
    for nonsense in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 64], &[0, 0, 0, 0], &[0, 0, 0, 1, 9], &[0x7f; 1000]]
    {
        let mut stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(nonsense);
        let mut rest = Vec::new();
        // A close, clean or reset; never an answer, never a wait.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{nonsense:?}");
        }
        assert!(rest.is_empty(), "{nonsense:?}");
    }
    assert_eq!(api_versions(at).0, 0);
    drop(held);
    running.stop();
}

#[test]
fn idle_connections_are_closed_and_caps_refuse_the_one_too_many() {
    let scratch = Scratch::new();
    let changes = [
        ("connections.max.idle.ms", "200"),
        ("connection.failed.authentication.delay.ms", "100"),
        ("max.connections.per.ip", "2"),
    ];
    let running = run(&scratch, &changes);
    let connect = || {
        let stream = TcpStream::connect(address(&running)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    };
    let (mut first, _second, mut third) = (connect(), connect(), connect());
    assert_eq!(third.read(&mut [0]).unwrap_or(0), 0, "one more than max.connections.per.ip");
    assert_eq!(first.read(&mut [0]).unwrap_or(0), 0, "idle for longer than connections.max.idle.ms");
    running.stop();
}

/// Every file below a directory with its bytes.
fn contents(directory: &std::path::Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// A record of a newer release: refused with its number, and the clean-shutdown marker, the torn tail, everything is as before.
#[test]
fn an_unknown_metadata_record_refuses_the_start_and_touches_nothing() {
    use wire::record_batch::{BatchAttributes, RecordBatch, RecordBatchBuilder};
    let scratch = Scratch::new();
    run(&scratch, &[]).stop();
    let segment = scratch.0.join("__cluster_metadata-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&segment).unwrap();
    let batches = RecordBatch::split(Bytes::from(bytes.clone())).unwrap();
    let base_offset = batches.last().unwrap().next_offset();
    let at = BatchAttributes { base_offset, leader_epoch: 9, ..BatchAttributes::default() };
    let mut builder = RecordBatchBuilder::new(at);
    builder.append(7, None, Some(&[1, 0x8f, 0x4e, 0]), &[]);
    bytes.extend_from_slice(&builder.build());
    // And half a batch behind it, which a start would cut.
    bytes.extend_from_within(..40);
    std::fs::write(&segment, bytes).unwrap();
    let before = contents(&scratch.0);
    let error = start(&settings(&scratch, &[]), None).err().unwrap();
    assert!(error.why.contains("record type 9999"), "{error}");
    let after = contents(&scratch.0);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&after), names(&before));
    assert!(after == before, "a file was changed");
}
