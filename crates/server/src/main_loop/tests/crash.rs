//! Power loss at every file operation of a first start and of the first topics: the next start succeeds, formats again what was
//! not finished, and has what was promised.

use super::super::*;
use log::SimDisk;
use log::sim_disk::{SimFault, Survival};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

const TOPICS: [&str; 2] = ["first", "second"];

/// What a life of the node told its clients.
#[derive(Default)]
struct Told {
    cluster_id: Option<String>,
    topics: Vec<&'static str>,
}

/// The test calls the turns; a node that has to stop is one whose power is gone.
struct Nobody;

impl broker::Rim for Nobody {
    fn call_turn(&self) {}
    fn call_quorum(&self) {}
    fn call_workers(&self) {}
    fn halt(&self, _: &str) {}
    fn connect(&self, _link: broker::LinkId, _to: &broker::PeerAddress) {}
    fn send(&self, _link: broker::LinkId, _frame: Vec<bytes::Bytes>) {}
    fn disconnect(&self, _link: broker::LinkId) {}
}

fn settings() -> Settings {
    Settings::embedded("127.0.0.1:0", "/a/data", crate::properties::Properties::default()).unwrap().0
}

/// CreateTopics version 2, one topic with three partitions.
fn create(topic: &str) -> bytes::Bytes {
    let text = |text: &str| [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat();
    let head = [0, 19, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 1];
    [&head[..], &text(topic), &3i32.to_be_bytes(), &[0, 1], &[0; 8], &60_000i32.to_be_bytes(), &[0]]
        .concat()
        .into()
}

/// Starts a node on the disk and creates topics until the power goes.
fn live(disk: &Arc<dyn Disk>, told: &mut Told, now_ms: i64) -> Result<Node, StartError> {
    let settings = settings();
    prepare_directories(&settings, disk, None, now_ms, &Journey::default())?;
    let bells = Bells::new(&WayOut::new(1).expect("a lane"));
    let mut options = node_options(&settings, &BTreeMap::new(), 2, &bells, &Clock::start(), Arc::new(|_| {}));
    options.rim = Arc::new(Nobody);
    let node = Node::open(options, disk.clone(), now_ms.unsigned_abs(), now_ms)
        .map_err(|error| refused_to_open(&settings, &error))?;
    node.quorum_turn(now_ms);
    if !node.is_ready() {
        return Err(StartError::new("not ready", "after one turn", ""));
    }
    told.cluster_id = Some(node.cluster_id().to_owned());
    let peer = broker::Peer {
        listener: "PLAINTEXT".to_owned(),
        controller: false,
        host: "/127.0.0.1".to_owned(),
        port: 0,
        principal: broker::Principal::anonymous(),
    };
    let connection = node.connection(peer);
    for topic in TOPICS {
        let mut handling = pin!(node.handle(&connection, create(topic), now_ms));
        let mut context = Context::from_waker(Waker::noop());
        let _ = handling.as_mut().poll(&mut context);
        node.quorum_turn(now_ms);
        if let Poll::Ready(broker::Outcome::Answer(_)) = handling.poll(&mut context) {
            told.topics.push(topic);
        }
    }
    Ok(node)
}

#[test]
fn power_loss_anywhere_in_a_first_start_leaves_a_directory_that_starts_and_keeps_what_was_told() {
    let mut tried = 0;
    for nth in 0.. {
        let sim = SimDisk::new(nth);
        let disk: Arc<dyn Disk> = Arc::new(sim.clone());
        disk.create_directory(Path::new("/a")).unwrap();
        disk.sync_directory(Path::new("/")).unwrap();
        sim.fail_at(nth, SimFault::Crash);
        let mut told = Told::default();
        let lived = live(&disk, &mut told, 1_000);
        let crashed = sim.is_crashed();
        assert!(crashed || lived.is_ok());
        drop(lived);
        for (seed, survival) in
            [Survival::Nothing, Survival::Everything].into_iter().chain([Survival::Random; 6]).enumerate()
        {
            let after = sim.fork(nth * 100 + seed as u64);
            after.restart(survival);
            let disk: Arc<dyn Disk> = Arc::new(after);
            let node = live(&disk, &mut Told::default(), 20_000)
                .unwrap_or_else(|error| panic!("operation {nth}, {survival:?}: {error}"));
            if !told.topics.is_empty() {
                assert_eq!(
                    told.cluster_id.as_deref(),
                    Some(node.cluster_id()),
                    "operation {nth}, {survival:?}"
                );
            }
            for topic in &told.topics {
                assert!(
                    node.views().by_name(topic).is_some(),
                    "operation {nth}, {survival:?}: {topic} is gone"
                );
            }
        }
        tried = nth;
        if !crashed {
            assert_eq!(told.topics, TOPICS);
            break;
        }
    }
    assert!(tried > 20, "{tried} operations are too few to be the whole start");
}
