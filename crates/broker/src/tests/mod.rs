//! A whole node on a simulated disk, driven by encoded requests: what the sim crate does with many, here with one and by
//! hand. Each file tells of one API or one journey; `check` style: ask, compare the answer.

mod basics;
mod cleaning;
mod clock;
pub(crate) mod cluster;
mod consumer_groups;
mod controllers;
mod dead_letters;
mod fetch;
mod flushing;
mod found;
mod full_disk;
mod groups;
mod hostile;
mod intervals;
mod jbod;
mod jbod_power;
mod metrics;
mod model;
mod near_replicas;
mod offsets;
pub(crate) mod planted;
mod power;
mod produce;
mod quotas;
mod reassignment;
mod replication;
mod restart;
mod rot;
mod scenarios;
mod sessions;
mod shares;
mod tallies;
mod telemetry;
mod throttles;
mod transactions;
mod twice;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use log::directory::MetaProperties;
use log::sim_disk::Survival;
use log::{LogDirectory, SimDisk};
use parking_lot::Mutex;
use wire::codec::Message;
use wire::frame::{RequestHeader, decode_response, encode_request};
use wire::messages::create_topics::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest, CreateTopicsResponse,
};
use wire::record_batch::RecordBatchBuilder;
use wire::wall::Wall;
use wire::{ApiKey, ErrorCode, Str, Uuid};

use crate::config::connection_caps::ConnectionCaps;
use crate::config::{BrokerFile, StaticConfig, Values};
use crate::loggers::Loggers;
use crate::rim::Bells;
use crate::{Connection, Handling, Listener, Node, NodeOptions, Outcome, Peer, Rim, Roles};

pub(crate) const DIRECTORY: &str = "/data";

/// Counts the wake-ups of one waiting request.
#[derive(Default)]
pub(crate) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A request on its way.
pub(crate) struct Begun {
    handling: Handling,
    wakes: Arc<Wakes>,
    key: ApiKey,
    version: i16,
}

impl Begun {
    /// How often the connection's task was woken for it.
    pub fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::SeqCst)
    }

    pub fn poll(&mut self) -> Option<Outcome> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        match Pin::new(&mut self.handling).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => Some(outcome),
            Poll::Pending => None,
        }
    }

    /// The answer, if it is there.
    pub fn answer<A: Message>(&mut self) -> Option<A> {
        self.poll().map(|outcome| decode(outcome, self.key, self.version))
    }
}

pub(crate) fn decode<A: Message>(outcome: Outcome, key: ApiKey, version: i16) -> A {
    let Outcome::Answer(pieces) = outcome else { panic!("no answer: {outcome:?}") };
    let bytes = Bytes::from(pieces.concat());
    let length = i32::from_be_bytes(bytes[..4].try_into().unwrap());
    assert_eq!(length as usize, bytes.len() - 4, "the length prefix");
    let (correlation_id, answer) = decode_response::<A>(bytes.slice(4..), key, version).unwrap();
    assert_eq!(correlation_id, 7);
    answer
}

/// A node, its disk, its clock, and one connection to it.
pub(crate) struct Harness {
    pub node: Node,
    pub disk: SimDisk,
    pub bells: Arc<Bells>,
    pub connection: Connection,
    pub now_ms: i64,
    /// The machine's clock beside it.
    pub wall: Wall,
    settings: Vec<(String, String)>,
    /// What the rim heard last of the broker's own values.
    told: Arc<Mutex<Option<ConnectionCaps>>>,
}

/// `log.dirs` of a node, [`DIRECTORY`] unless its settings say otherwise. The first holds the metadata.
fn directories_of(settings: &[(String, String)]) -> Vec<PathBuf> {
    let named = settings.iter().find(|(name, _)| name == "log.dirs").map(|(_, value)| value.as_str());
    named.unwrap_or(DIRECTORY).split(',').map(PathBuf::from).collect()
}

pub(crate) const START_MS: i64 = 1_800_000_000_000;

impl Harness {
    /// A fresh node, registered and unfenced.
    pub fn start() -> Harness {
        Harness::with(&[])
    }

    /// A fresh node under these lines of server.properties.
    pub fn with(settings: &[(&str, &str)]) -> Harness {
        let disk = SimDisk::new(1);
        let settings: Vec<(String, String)> =
            settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Harness::format_all(&disk, &settings);
        Harness::open(disk, settings, START_MS)
    }

    /// Gives every log directory its identity.
    pub fn format_all(disk: &SimDisk, settings: &[(String, String)]) {
        for (number, directory) in directories_of(settings).iter().enumerate() {
            Harness::format_one(disk, directory, number as u128);
        }
    }

    /// Gives the only log directory its identity.
    pub fn format(disk: &SimDisk) {
        Harness::format_one(disk, Path::new(DIRECTORY), 0);
    }

    fn format_one(disk: &SimDisk, path: &Path, number: u128) {
        let directory = LogDirectory::new(Arc::new(disk.clone()), path);
        log::Disk::create_directory(disk, path).unwrap();
        log::Disk::sync_directory(disk, Path::new("/")).unwrap();
        let meta = MetaProperties {
            cluster_id: Some("cluster-of-one".to_owned()),
            node_id: Some(1),
            directory_id: Uuid::from_random(0x1234_5678_9abc_def0_1234_5678_9abc_def0 + number),
            ..MetaProperties::default()
        };
        directory.write_meta_properties(&meta).unwrap();
    }

    fn open(disk: SimDisk, settings: Vec<(String, String)>, now_ms: i64) -> Harness {
        Harness::try_open(disk, settings, now_ms).expect("the node becomes ready")
    }

    /// `None` if the node cannot be opened, gives up, or never becomes ready.
    pub fn try_open(disk: SimDisk, settings: Vec<(String, String)>, now_ms: i64) -> Option<Harness> {
        let mut values: Values = [
            ("offsets.topic.replication.factor", "1"),
            ("offsets.topic.num.partitions", "2"),
            ("group.initial.rebalance.delay.ms", "0"),
            ("group.min.session.timeout.ms", "1000"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        values.extend(settings.iter().cloned());
        let (file, _) = BrokerFile::new(values).unwrap();
        let config = StaticConfig { shards: 2, ..StaticConfig::from_file(file) };
        let (bells, wall) = (Arc::new(Bells::default()), Wall::default());
        let told = Arc::new(Mutex::new(None));
        let ear = Arc::clone(&told);
        let options = NodeOptions {
            node_id: 1,
            roles: Roles::COMBINED,
            inter_broker_listener: "PLAINTEXT".to_owned(),
            controller_listener_names: vec!["CONTROLLER".to_owned()],
            voters: Vec::new(),
            bootstrap_servers: Vec::new(),
            listeners: vec![Listener {
                name: "PLAINTEXT".to_owned(),
                host: "broker.test".to_owned(),
                port: 9092,
                security_protocol: "PLAINTEXT".to_owned(),
            }],
            controller_listeners: Vec::new(),
            metadata_directory: directories_of(&settings).swap_remove(0),
            directories: directories_of(&settings),
            config,
            rim: Arc::clone(&bells) as Arc<dyn Rim>,
            wall: wall.clone(),
            loggers: Arc::new(Loggers::silent()),
            values_door: Arc::new(move |layers| *ear.lock() = Some(ConnectionCaps::resolve(layers))),
        };
        // Every start is another incarnation.
        let seed = disk.operations() + 7;
        let node = Node::open(options, Arc::new(disk.clone()), seed, now_ms);
        let node = node.inspect_err(|error| eprintln!("the node does not open: {error}")).ok()?;
        let connection = Harness::connect(&node);
        let mut harness = Harness { node, disk, bells, connection, now_ms, wall, settings, told };
        harness.bells.call_quorum();
        for _ in 0..1_000 {
            harness.settle();
            if harness.bells.halted.load(Ordering::SeqCst) {
                return None;
            }
            if harness.node.is_ready() {
                return Some(harness);
            }
            harness.advance(10);
        }
        None
    }

    fn connect(node: &Node) -> Connection {
        node.connection(Peer {
            listener: "PLAINTEXT".to_owned(),
            controller: false,
            host: "/127.0.0.1".to_owned(),
            port: 0,
            principal: crate::Principal::anonymous(),
        })
    }

    /// Another connection in place of the first.
    pub fn reconnect(&mut self) {
        self.connection = Harness::connect(&self.node);
    }

    /// Stops in order and starts again.
    pub fn restart(self) -> Harness {
        let (disk, settings, now_ms) = (self.disk.clone(), self.settings.clone(), self.now_ms + 1_000);
        self.stop();
        Harness::open(disk, settings, now_ms)
    }

    /// Stops in order.
    pub fn stop(mut self) {
        self.node.begin_shutdown(self.now_ms);
        for _ in 0..100 {
            self.settle();
            if self.node.may_stop() {
                break;
            }
            self.advance(10);
        }
        assert!(self.node.may_stop(), "the controller lets the broker go");
        self.node.close(self.now_ms, &|_| ());
    }

    /// Loses power: what was not synced is gone.
    pub fn crash(self, survival: Survival) -> Harness {
        drop(self.connection);
        drop(self.node);
        self.disk.restart(survival);
        Harness::open(self.disk, self.settings, self.now_ms)
    }

    /// The first steps of what can run without time passing; true if there are no more.
    pub fn steps(&mut self, most: usize) -> bool {
        for _ in 0..most {
            if self.bells.quorum.swap(false, Ordering::SeqCst) {
                self.node.quorum_turn(self.now_ms);
            } else if self.bells.turn.swap(false, Ordering::SeqCst) {
                self.node.turn(self.now_ms);
            } else if let Some(job) = self.node.work() {
                job.run(self.now_ms);
            } else {
                return true;
            }
        }
        false
    }

    /// Runs everything that can run without time passing.
    pub fn settle(&mut self) {
        for _ in 0..1_000 {
            let mut moved = false;
            if self.bells.quorum.swap(false, Ordering::SeqCst) {
                self.node.quorum_turn(self.now_ms);
                moved = true;
            }
            if self.bells.turn.swap(false, Ordering::SeqCst) {
                self.node.turn(self.now_ms);
                moved = true;
            }
            self.bells.workers.store(false, Ordering::SeqCst);
            while let Some(job) = self.node.work() {
                job.run(self.now_ms);
                moved = true;
            }
            if !moved {
                return;
            }
        }
        panic!("the node never comes to rest");
    }

    /// Lets time pass; timers fire at its end.
    pub fn advance(&mut self, ms: i64) {
        self.now_ms += ms;
        self.node.quorum_turn(self.now_ms);
        self.node.turn(self.now_ms);
        self.settle();
    }

    /// Hands a request to the node and polls it once.
    pub fn begin<Q: Message>(&mut self, key: ApiKey, version: i16, request: &Q) -> Begun {
        let frame = frame(key, version, request);
        let handling = self.node.handle(&self.connection, frame, self.now_ms);
        Begun { handling, wakes: Arc::default(), key, version }
    }

    /// Asks and gets the answer, however long the node takes without time passing.
    pub fn ask<Q: Message, A: Message>(&mut self, key: ApiKey, version: i16, request: &Q) -> A {
        let mut begun = self.begin(key, version, request);
        for _ in 0..10 {
            if let Some(outcome) = begun.poll() {
                return decode(outcome, key, version);
            }
            self.settle();
        }
        panic!("{key:?} is not answered");
    }

    /// Creates a topic with so many partitions.
    pub fn create(&mut self, name: &str, partitions: i32) -> Uuid {
        self.create_with(name, partitions, &[])
    }

    /// Creates a topic under these configurations.
    pub fn create_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Uuid {
        let config = |&(name, value): &(&str, &str)| CreatableTopicConfig {
            name: Str::from(name),
            value: Some(Str::from(value)),
        };
        let topic = CreatableTopic {
            name: Str::from(name),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.iter().map(config).collect(),
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, validate_only: false };
        let response: CreateTopicsResponse = self.ask(ApiKey::CreateTopics, 7, &request);
        assert_eq!(response.topics[0].error_code, ErrorCode::None.code(), "{:?}", response.topics[0]);
        response.topics[0].topic_id
    }

    /// Creates a topic of one partition, or answers why not.
    pub fn try_create(&mut self, name: &str) -> i16 {
        let topic = CreatableTopic {
            name: Str::from(name),
            num_partitions: 1,
            replication_factor: 1,
            ..CreatableTopic::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 1_000, validate_only: false };
        let response: CreateTopicsResponse = self.ask(ApiKey::CreateTopics, 7, &request);
        response.topics[0].error_code
    }
}

pub(crate) fn frame<Q: Message>(key: ApiKey, version: i16, request: &Q) -> Bytes {
    let header = RequestHeader {
        api_key: key,
        api_version: version,
        correlation_id: 7,
        client_id: Some(Str::from_static("test")),
    };
    Bytes::from(encode_request(&header, request).concat()).slice(4..)
}

/// A batch of these values, keyless.
pub(crate) fn batch(values: &[&str]) -> Bytes {
    let mut builder = RecordBatchBuilder::with_compression(wire::compress::Compression::None);
    for value in values {
        builder.append(START_MS, None, Some(value.as_bytes()), &[]);
    }
    builder.build()
}
