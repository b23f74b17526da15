//! How a client of a cluster finds its way: Metadata from whoever answers, a connection to each leader, and a new look whenever a leader
//! is none any more. Believes what it is told, as Kafka's clients do.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::messages::metadata::{MetadataRequest, MetadataResponse};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode};

use crate::clients;
use crate::socket::{Lost, Socket};
use crate::world::World;

/// A client's pause before it looks again.
const LOOK_AGAIN_MS: i64 = 30;

/// The way of one client.
pub struct Router {
    world: World,
    name: String,
    sockets: BTreeMap<usize, Rc<Socket>>,
    leaders: BTreeMap<TopicPartition, usize>,
    /// The newest leader epoch of each that anybody told (KIP-320): who tells an older one is behind.
    epochs: BTreeMap<TopicPartition, i32>,
}

/// What a client hears while leaders and replicas come and go: it tries again.
pub fn is_passing(error: ErrorCode) -> bool {
    clients::is_passing(error)
        || matches!(
            error,
            ErrorCode::NotEnoughReplicas
                | ErrorCode::NotEnoughReplicasAfterAppend
                | ErrorCode::FencedLeaderEpoch
                | ErrorCode::UnknownLeaderEpoch
                | ErrorCode::OffsetNotAvailable
                | ErrorCode::ReplicaNotAvailable
        )
}

impl Router {
    pub fn new(world: &World, name: &str) -> Router {
        let (sockets, leaders, epochs) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Router { world: world.clone(), name: name.to_owned(), sockets, leaders, epochs }
    }

    /// A connection to this machine, if it takes one.
    pub fn to(&mut self, machine: usize) -> Option<Rc<Socket>> {
        if let Some(socket) = self.sockets.get(&machine).filter(|socket| socket.is_open()) {
            return Some(Rc::clone(socket));
        }
        self.sockets.remove(&machine);
        let socket = Rc::new(Socket::to(&self.world, machine, &self.name)?);
        self.sockets.insert(machine, Rc::clone(&socket));
        Some(socket)
    }

    /// A connection to the machine of a node, if it takes one.
    pub fn node(&mut self, node_id: i32) -> Option<Rc<Socket>> {
        self.to(usize::try_from(node_id).ok()?.checked_sub(1)?)
    }

    /// A connection to any broker, however long none takes one.
    pub async fn any(&mut self) -> Rc<Socket> {
        loop {
            let machine = self.world.draw(|random| random.index(self.world.machines.len()));
            if let Some(socket) = self.to(machine) {
                return socket;
            }
            self.world.sleep(LOOK_AGAIN_MS).await;
        }
    }

    /// A connection to the leader, as far as it is known and can be reached.
    pub fn leader_of(&mut self, partition: &TopicPartition) -> Option<(usize, Rc<Socket>)> {
        let machine = *self.leaders.get(partition)?;
        let socket = self.to(machine);
        if socket.is_none() {
            self.leaders.remove(partition);
        }
        socket.map(|socket| (machine, socket))
    }

    /// The epoch in which it is led, as far as it is known: a leader of an older one does not answer who names it.
    pub fn epoch_of(&self, partition: &TopicPartition) -> i32 {
        self.epochs.get(partition).copied().unwrap_or(-1)
    }

    /// It was led in that epoch, a committed offset says: who tells of an older leader is behind.
    pub fn has_heard_of(&mut self, partition: &TopicPartition, leader_epoch: i32) {
        if leader_epoch > self.epoch_of(partition) {
            self.epochs.insert(partition.clone(), leader_epoch);
            self.leaders.remove(partition);
        }
    }

    /// The client's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its leader is not who it was thought to be.
    pub fn is_wrong_about(&mut self, partition: &TopicPartition) {
        self.leaders.remove(partition);
    }

    /// Asks somebody for everything, if something is not known.
    pub async fn look(&mut self, wanted: &[TopicPartition]) {
        if wanted.iter().all(|partition| self.leaders.contains_key(partition)) {
            return;
        }
        let socket = self.any().await;
        let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
        let answer: Result<MetadataResponse, Lost> = socket.ask(ApiKey::Metadata, 9, &request).await;
        let Ok(answer) = answer else { return };
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            for found in &topic.partitions {
                let partition = TopicPartition { topic: name.detached(), partition: found.partition_index };
                if found.leader_epoch < self.epoch_of(&partition) {
                    continue;
                }
                self.epochs.insert(partition.clone(), found.leader_epoch);
                match usize::try_from(found.leader_id).ok().and_then(|id| id.checked_sub(1)) {
                    Some(machine) if machine < self.world.machines.len() => {
                        self.leaders.insert(partition, machine);
                    }
                    Some(_) | None => drop(self.leaders.remove(&partition)),
                }
            }
        }
        if !wanted.iter().all(|partition| self.leaders.contains_key(partition)) {
            self.world.sleep(LOOK_AGAIN_MS).await;
        }
    }
}
