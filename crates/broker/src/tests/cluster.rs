//! Several whole nodes in one thread, each on a disk of its own, and the carrier between them: what a node sends to another arrives there
//! at once, unless the two are cut off from each other or the other is dead.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};

use bytes::Bytes;
use log::directory::MetaProperties;
use log::sim_disk::Survival;
use log::{LogDirectory, SimDisk};
use wire::codec::Message;
use wire::random::SplitMix64;
use wire::wall::Wall;
use wire::{ApiKey, Uuid};

use super::{Begun, START_MS, frame};
use crate::config::{BrokerFile, StaticConfig, Values};
use crate::loggers::Loggers;
use crate::rim::{Bells, LinkId, Outward};
use crate::{Connection, Handling, Listener, Node, NodeOptions, Outcome, Peer, QuorumVoter, Rim, Roles};

pub(crate) const CLUSTER_ID: &str = "cluster-of-several";
pub(crate) const BOTH: Roles = Roles::COMBINED;
pub(crate) const BROKER: Roles = Roles { broker: true, controller: false };
pub(crate) const CONTROLLER: Roles = Roles { broker: false, controller: true };

pub(crate) const DIRECTORY: &str = "/data";
const CONTROLLER_PORT: u16 = 9093;
const BROKER_PORT: u16 = 9092;

/// One of the nodes, alive or dead.
pub(crate) struct Member {
    pub id: i32,
    pub roles: Roles,
    pub disk: SimDisk,
    /// `None`: killed, its disk is still there.
    pub node: Option<Node>,
    pub bells: Arc<Bells>,
    voters: Vec<QuorumVoter>,
    settings: Vec<(String, String)>,
    lives: u64,
}

/// A connection from one node to another, as the other sees it.
struct Cable {
    from: i32,
    link: LinkId,
    to: i32,
    connection: Connection,
    /// In the order of arrival; only the first is begun, as over a socket.
    waiting: VecDeque<Bytes>,
    handling: Option<Handling>,
}

/// All of them, one clock, and what is between them.
pub(crate) struct Cluster {
    pub members: BTreeMap<i32, Member>,
    pub now_ms: i64,
    cables: Vec<Cable>,
    /// Between these, in this direction, nothing arrives and nothing says so.
    cut: BTreeSet<(i32, i32)>,
    /// Frames that arrived, by API key: how much was said.
    pub carried: BTreeMap<i16, usize>,
    /// Answers between nodes come with bytes changed.
    pub spoil: Option<SplitMix64>,
    /// A node that may give up: its process ends.
    pub may_give_up: Option<i32>,
}

impl Cluster {
    /// Three nodes in both roles.
    pub fn of_three() -> Cluster {
        Cluster::new(&[(1, BOTH), (2, BOTH), (3, BOTH)], &[])
    }

    /// Nodes on fresh disks, opened, and with nothing done yet. The controllers among them vote.
    pub fn new(nodes: &[(i32, Roles)], settings: &[(&str, &str)]) -> Cluster {
        Cluster::new_each(nodes, settings, |_| Vec::new())
    }

    /// The same; each node has settings of its own as well.
    pub fn new_each(
        nodes: &[(i32, Roles)],
        settings: &[(&str, &str)],
        own: impl Fn(i32) -> Vec<(String, String)>,
    ) -> Cluster {
        let voter =
            |&(id, _): &(i32, Roles)| QuorumVoter { id, host: format!("node-{id}"), port: CONTROLLER_PORT };
        let voters: Vec<QuorumVoter> =
            nodes.iter().filter(|(_, roles)| roles.controller).map(voter).collect();
        let mut all = vec![
            ("offsets.topic.num.partitions".to_owned(), "2".to_owned()),
            ("group.initial.rebalance.delay.ms".to_owned(), "0".to_owned()),
        ];
        all.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut cluster = Cluster {
            members: BTreeMap::new(),
            now_ms: START_MS,
            cables: Vec::new(),
            cut: BTreeSet::new(),
            carried: BTreeMap::new(),
            spoil: None,
            may_give_up: None,
        };
        for &(id, roles) in nodes {
            let disk = SimDisk::new(u64::from(id.unsigned_abs()));
            format(&disk, id, 0);
            let (bells, mut settings, voters) = (Arc::default(), all.clone(), voters.clone());
            settings.extend(own(id));
            let member = Member { id, roles, disk, node: None, bells, voters, settings, lives: 0 };
            cluster.members.insert(id, member);
            cluster.start(id);
        }
        cluster
    }

    /// Opens a node on its disk; it begins to work when time goes on.
    pub fn start(&mut self, id: i32) {
        self.try_start(id).unwrap_or_else(|refused| panic!("node {id} does not open: {refused}"));
    }

    /// The same, or why it does not open.
    pub fn try_start(&mut self, id: i32) -> Result<(), String> {
        let now_ms = self.now_ms;
        let member = self.members.get_mut(&id).unwrap();
        assert!(member.node.is_none(), "node {id} is at work");
        member.lives += 1;
        member.bells = Arc::default();
        let mut values = Values::new();
        values.extend(member.settings.iter().cloned());
        let (file, _) = BrokerFile::new(values).unwrap();
        let listener = |name: &str, port| Listener {
            name: name.to_owned(),
            host: format!("node-{id}"),
            port,
            security_protocol: "PLAINTEXT".to_owned(),
        };
        let options = NodeOptions {
            node_id: id,
            roles: member.roles,
            inter_broker_listener: "PLAINTEXT".to_owned(),
            controller_listener_names: vec!["CONTROLLER".to_owned()],
            voters: member.voters.clone(),
            bootstrap_servers: Vec::new(),
            listeners: member.roles.broker.then(|| listener("PLAINTEXT", BROKER_PORT)).into_iter().collect(),
            controller_listeners: member
                .roles
                .controller
                .then(|| listener("CONTROLLER", CONTROLLER_PORT))
                .into_iter()
                .collect(),
            directories: vec![DIRECTORY.into()],
            metadata_directory: DIRECTORY.into(),
            config: StaticConfig { shards: 2, ..StaticConfig::from_file(file) },
            rim: Arc::clone(&member.bells) as Arc<dyn Rim>,
            wall: Wall::default(),
            loggers: Arc::new(Loggers::silent()),
            values_door: Arc::new(|_| ()),
        };
        let seed = u64::from(id.unsigned_abs()) * 1_000 + member.lives;
        let node = Node::open(options, Arc::new(member.disk.clone()), seed, now_ms);
        member.node = Some(node.map_err(|refused| refused.to_string())?);
        member.bells.call_quorum();
        member.bells.call_turn();
        Ok(())
    }

    /// The process dies at once; the machine goes on, so what was written is there.
    pub fn kill(&mut self, id: i32) {
        self.end(id, Survival::Everything);
    }

    /// The machine dies: what was not flushed may be there or not, sector by sector.
    pub fn lose_power(&mut self, id: i32) {
        self.end(id, Survival::Random);
    }

    fn end(&mut self, id: i32, survival: Survival) {
        let member = self.members.get_mut(&id).unwrap();
        drop(member.node.take());
        member.disk.restart(survival);
        let broken: Vec<(i32, LinkId)> =
            self.cables.iter().filter(|cable| cable.to == id).map(|cable| (cable.from, cable.link)).collect();
        self.cables.retain(|cable| cable.from != id && cable.to != id);
        for (from, link) in broken {
            if let Some(node) = self.members.get(&from).and_then(|member| member.node.clone()) {
                node.link_closed(self.now_ms, link);
            }
        }
    }

    /// Every connection between nodes ends, and both sides are told; new ones come about.
    pub fn break_connections(&mut self) {
        for Cable { from, link, .. } in std::mem::take(&mut self.cables) {
            self.node(from).link_closed(self.now_ms, link);
        }
    }

    /// A dead node's disk is replaced by an empty one, formatted for the same node.
    pub fn lose_disk(&mut self, id: i32) {
        let member = self.members.get_mut(&id).unwrap();
        assert!(member.node.is_none(), "node {id} is at work");
        member.disk = SimDisk::new(1_000 + member.lives);
        format(&member.disk, id, member.lives);
    }

    /// Nothing passes between the two any more, and neither is told.
    pub fn cut_off(&mut self, one: i32, other: i32) {
        self.cut.extend([(one, other), (other, one)]);
    }

    /// Cuts a node off from everybody.
    pub fn isolate(&mut self, id: i32) {
        let others: Vec<i32> = self.members.keys().copied().filter(|other| *other != id).collect();
        others.into_iter().for_each(|other| self.cut_off(id, other));
    }

    /// Everything passes again; what was sent meanwhile is lost.
    pub fn heal(&mut self) {
        self.cut.clear();
    }

    pub fn node(&self, id: i32) -> &Node {
        self.members[&id].node.as_ref().unwrap()
    }

    /// Nodes that are alive.
    pub fn alive(&self) -> Vec<i32> {
        self.members.values().filter(|member| member.node.is_some()).map(|member| member.id).collect()
    }

    /// Who believes to be the active controller.
    pub fn active(&self) -> Vec<i32> {
        let is_active = |id: &i32| self.node(*id).quorum_status().is_active;
        self.alive().into_iter().filter(is_active).collect()
    }

    /// A client's connection to a node.
    pub fn connect(&self, id: i32) -> Connection {
        self.node(id).connection(peer("PLAINTEXT", false, "/10.0.0.7"))
    }

    /// Another node's connection to a controller.
    pub fn connect_as_node(&self, id: i32) -> Connection {
        self.node(id).connection(peer("CONTROLLER", true, "/10.0.0.1"))
    }

    /// Hands over any bytes; what is answered at once.
    pub fn try_frame(&self, id: i32, connection: &Connection, frame: Bytes) -> Option<Outcome> {
        let mut handling = self.node(id).handle(connection, frame, self.now_ms);
        match std::future::Future::poll(
            std::pin::Pin::new(&mut handling),
            &mut Context::from_waker(Waker::noop()),
        ) {
            std::task::Poll::Ready(outcome) => Some(outcome),
            std::task::Poll::Pending => None,
        }
    }

    /// Runs everything that can run without time passing.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.step() {
                return;
            }
        }
        panic!("the cluster never comes to rest");
    }

    /// Every node does what it can, then all that was sent by then is handed over; false if there was nothing of either.
    pub fn step(&mut self) -> bool {
        let mut moved = false;
        for id in self.alive() {
            moved |= self.run(id);
        }
        moved | self.carry()
    }

    /// What one node's bells ask for.
    fn run(&mut self, id: i32) -> bool {
        if self.members[&id].bells.halted.load(Ordering::SeqCst) {
            assert_eq!(self.may_give_up, Some(id), "a node gave up");
            self.kill(id);
            return true;
        }
        let (now_ms, member) = (self.now_ms, &self.members[&id]);
        let (bells, Some(node)) = (&member.bells, &member.node) else { return false };
        let mut moved = false;
        if bells.quorum.swap(false, Ordering::SeqCst) {
            node.quorum_turn(now_ms);
            moved = true;
        }
        if bells.turn.swap(false, Ordering::SeqCst) {
            node.turn(now_ms);
            moved = true;
        }
        bells.workers.store(false, Ordering::SeqCst);
        while let Some(job) = node.work() {
            job.run(now_ms);
            moved = true;
        }
        moved
    }

    /// What nodes sent, and what they answered.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        for id in self.alive() {
            let wishes: Vec<Outward> = self.members[&id].bells.outward.lock().drain(..).collect();
            for wish in wishes {
                moved = true;
                self.wish(id, wish);
            }
        }
        for mut cable in std::mem::take(&mut self.cables) {
            moved |= self.work(&mut cable);
            self.cables.push(cable);
        }
        moved
    }

    fn wish(&mut self, from: i32, wish: Outward) {
        match wish {
            Outward::Connect(link, to) => {
                let named = to.host.strip_prefix("node-").and_then(|id| id.parse::<i32>().ok());
                let other = named.and_then(|id| self.members.get(&id)).filter(|member| member.node.is_some());
                let is_controller = to.port == CONTROLLER_PORT;
                let other = other.filter(|member| match is_controller {
                    true => member.roles.controller,
                    false => member.roles.broker,
                });
                let Some(other) = other.map(|member| member.id) else {
                    // Its machine goes on, and says that nobody listens.
                    self.node(from).link_refused(self.now_ms, link);
                    return;
                };
                let name = if is_controller { "CONTROLLER" } else { "PLAINTEXT" };
                let connection = self.node(other).connection(peer(name, is_controller, "/10.0.0.1"));
                let (waiting, handling) = (VecDeque::new(), None);
                self.cables.push(Cable { from, link, to: other, connection, waiting, handling });
                if !self.cut.contains(&(from, other)) {
                    self.node(from).link_opened(self.now_ms, link);
                }
            }
            Outward::Send(link, pieces) => {
                let is_cut = |cable: &Cable| self.cut.contains(&(from, cable.to));
                let cable = self.cables.iter_mut().find(|cable| cable.from == from && cable.link == link);
                if let Some(cable) = cable.filter(|cable| !is_cut(cable)) {
                    let bytes = Bytes::from(pieces.concat());
                    let key = i16::from_be_bytes([bytes[4], bytes[5]]);
                    *self.carried.entry(key).or_default() += 1;
                    cable.waiting.push_back(bytes.slice(4..));
                }
            }
            Outward::Disconnect(link) => {
                self.cables.retain(|cable| cable.from != from || cable.link != link);
            }
        }
    }

    /// One step of a connection: begins the next request, or goes on with the one that is begun.
    fn work(&mut self, cable: &mut Cable) -> bool {
        let mut moved = false;
        if cable.handling.is_none()
            && let Some(frame) = cable.waiting.pop_front()
        {
            cable.handling = Some(self.node(cable.to).handle(&cable.connection, frame, self.now_ms));
            moved = true;
        }
        let Some(handling) = &mut cable.handling else { return moved };
        let polled = std::pin::Pin::new(handling);
        let std::task::Poll::Ready(outcome) =
            std::future::Future::poll(polled, &mut Context::from_waker(Waker::noop()))
        else {
            return moved;
        };
        cable.handling = None;
        if self.cut.contains(&(cable.to, cable.from)) {
            return true;
        }
        let asker = self.node(cable.from).clone();
        match outcome {
            Outcome::Answer(pieces) | Outcome::Entered(pieces) => {
                let mut frame = pieces.concat().split_off(4);
                if let Some(random) = &mut self.spoil {
                    spoil(&mut frame, random);
                }
                asker.link_received(self.now_ms, cable.link, frame.into());
            }
            Outcome::NoAnswer => {}
            Outcome::Muted(_) => panic!("a node is held back"),
            Outcome::Close(_) | Outcome::Farewell(..) => asker.link_closed(self.now_ms, cable.link),
        }
        true
    }

    /// Lets time pass in small steps; timers fire at the end of each.
    pub fn advance(&mut self, ms: i64) {
        const STEP_MS: i64 = 10;
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            self.now_ms = (self.now_ms + STEP_MS).min(end_ms);
            for id in self.alive() {
                let node = self.node(id).clone();
                node.quorum_turn(self.now_ms);
                node.turn(self.now_ms);
            }
            self.settle();
        }
    }

    /// Lets time pass until something is so.
    pub fn until(&mut self, what: &str, is_so: impl Fn(&Cluster) -> bool) {
        const PATIENCE_MS: i64 = 60_000;
        let end_ms = self.now_ms + PATIENCE_MS;
        self.settle();
        while !is_so(self) {
            assert!(self.now_ms < end_ms, "it never comes about: {what}");
            self.advance(10);
        }
    }

    /// One active controller that everybody alive follows, and every broker alive unfenced; answers who that controller is.
    pub fn ready(&mut self) -> i32 {
        self.until("one controller, and everybody ready", |cluster| {
            let active = cluster.active();
            let follows = |id: i32| cluster.node(id).quorum_status().leader.leader == active.first().copied();
            active.len() == 1
                && cluster.alive().into_iter().all(|id| follows(id) && cluster.node(id).is_ready())
        });
        self.active()[0]
    }

    /// Hands a client's request to a node and polls it once.
    pub fn begin<Q: Message>(
        &self,
        id: i32,
        connection: &Connection,
        call: (ApiKey, i16),
        request: &Q,
    ) -> Begun {
        let (key, version) = call;
        let handling = self.node(id).handle(connection, frame(key, version, request), self.now_ms);
        Begun { handling, wakes: Arc::default(), key, version }
    }

    /// The answer, which needs no more time to pass.
    pub fn answer_of<A: Message>(&mut self, begun: &mut Begun) -> A {
        for _ in 0..10 {
            if let Some(answer) = begun.answer() {
                return answer;
            }
            self.settle();
        }
        panic!("it is not answered");
    }

    /// Asks a broker as a client does and gets the answer, however much time passes.
    pub fn ask<Q: Message, A: Message>(&mut self, id: i32, key: ApiKey, version: i16, request: &Q) -> A {
        let connection = self.connect(id);
        self.ask_over(id, &connection, (key, version), request)
    }

    /// Asks a controller as another node does.
    pub fn ask_controller<Q: Message, A: Message>(
        &mut self,
        id: i32,
        key: ApiKey,
        version: i16,
        request: &Q,
    ) -> A {
        let connection = self.connect_as_node(id);
        self.ask_over(id, &connection, (key, version), request)
    }

    fn ask_over<Q: Message, A: Message>(
        &mut self,
        id: i32,
        connection: &Connection,
        call: (ApiKey, i16),
        request: &Q,
    ) -> A {
        let mut begun = self.begin(id, connection, call, request);
        for _ in 0..6_000 {
            self.settle();
            if let Some(answer) = begun.answer() {
                return answer;
            }
            self.advance(10);
        }
        panic!("{:?} is not answered", call.0);
    }
}

/// A byte or two changed, or the end cut off; most answers stay whole, so that something goes on.
fn spoil(frame: &mut Vec<u8>, random: &mut SplitMix64) {
    if random.below(3) > 0 || frame.len() < 5 {
        return;
    }
    // The number stays: an answer to nothing is nobody's.
    let behind = frame.len() as u64 - 4;
    for _ in 0..=random.below(2) {
        let at = 4 + random.below(behind) as usize;
        frame[at] = random.next_u64() as u8;
    }
    if random.below(4) == 0 {
        frame.truncate(4 + random.below(behind) as usize);
    }
}

fn peer(listener: &str, controller: bool, host: &str) -> Peer {
    Peer {
        listener: listener.to_owned(),
        controller,
        host: host.to_owned(),
        port: 0,
        principal: crate::Principal::anonymous(),
    }
}

/// Gives a node's directory its identity.
/// Lays a node's identity down; the directory of a disk that replaces another is another one, too.
fn format(disk: &SimDisk, id: i32, lives: u64) {
    let directory = LogDirectory::new(Arc::new(disk.clone()), Path::new(DIRECTORY));
    log::Disk::create_directory(disk, Path::new(DIRECTORY)).unwrap();
    log::Disk::sync_directory(disk, Path::new("/")).unwrap();
    let meta = MetaProperties {
        cluster_id: Some(CLUSTER_ID.to_owned()),
        node_id: Some(id),
        directory_id: Uuid::from_random(
            0x1234_5678_9abc_def0_1234_5678_9abc_0000
                + (u128::from(lives) << 32)
                + u128::from(id.unsigned_abs()),
        ),
        ..MetaProperties::default()
    };
    directory.write_meta_properties(&meta).unwrap();
}
