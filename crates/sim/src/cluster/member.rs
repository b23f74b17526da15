//! A member of a group in a cluster: asks anybody for its coordinator, joins there, reads what it is given from whoever leads, commits;
//! leaves or dies without a word.

use std::collections::BTreeMap;
use std::rc::Rc;

use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::topic::TopicPartition;
use wire::{ApiKey, Str};

use super::reader::Reader;
use super::router::Router;
use crate::clients::consumer::{commit_offsets, fetch_offsets, fetch_positions};
use crate::clients::membership::{Fallen, Membership};
use crate::invariants;
use crate::socket::Socket;
use crate::world::{Phase, World};

/// Members are processes of the history from here on; each life is another one.
const FIRST_PROCESS: u32 = 10_000;

/// One life of one member.
struct Member {
    world: World,
    name: String,
    router: Router,
    membership: Membership,
    reader: Reader,
    committed: BTreeMap<TopicPartition, i64>,
    next_heartbeat_ms: i64,
}

/// The groups' names.
pub fn group_names(world: &World) -> Vec<Str> {
    (0..world.shape.groups).map(|index| Str::from(format!("group{index}"))).collect()
}

/// Keeps a group at its number of members until the world closes.
pub async fn member_after_member(world: World, group: Str, index: usize) {
    let mut life = 0;
    while world.phase.get() < Phase::Closing {
        life += 1;
        let name = format!("{group}-{index}-{life}");
        let process = FIRST_PROCESS + world.requests.get() as u32;
        let member = Member {
            world: world.clone(),
            router: Router::new(&world, &name),
            membership: Membership::new(&group),
            reader: Reader::of_a_group(&world, &name, process),
            committed: BTreeMap::new(),
            next_heartbeat_ms: 0,
            name,
        };
        member.live().await;
    }
}

/// Who coordinates a group, as anybody says; `None` if nobody does now.
pub async fn coordinator(world: &World, router: &mut Router, group: &Str) -> Option<Rc<Socket>> {
    let request =
        FindCoordinatorRequest { key: group.clone(), key_type: 0, ..FindCoordinatorRequest::default() };
    let asked = router.any().await;
    let answer: Result<FindCoordinatorResponse, _> = asked.ask(ApiKey::FindCoordinator, 3, &request).await;
    let found = answer.ok().filter(|answer| answer.error_code == 0);
    let socket = found.and_then(|found| router.node(found.node_id));
    if socket.is_none() {
        world.sleep(30).await;
    }
    socket
}

impl Member {
    async fn live(mut self) {
        let span_ms = self.world.draw(|random| random.between(500, 8_000));
        let dies_at_ms = self.world.now_ms() + span_ms;
        let is_over = |world: &World| world.phase.get() >= Phase::Closing;
        while !is_over(&self.world) {
            let group = self.membership.group.clone();
            let Some(socket) = coordinator(&self.world, &mut self.router, &group).await else { continue };
            match self.hold(&socket, dies_at_ms).await {
                Ok(()) => {
                    let silent = self.world.draw(|random| random.per_mille(400)) && !self.world.has_healed();
                    self.world.tell(&format!("{} {}", self.name, if silent { "dies" } else { "leaves" }));
                    if !silent {
                        self.membership.leave(&socket).await;
                    }
                    return;
                }
                Err(Fallen::Lost | Fallen::Rejoin) => {}
                Err(Fallen::Passing | Fallen::Unknown) => self.world.sleep(25).await,
            }
        }
    }

    /// Joins, then works until it falls (an error) or its life ends.
    async fn hold(&mut self, socket: &Socket, dies_at_ms: i64) -> Result<(), Fallen> {
        let owned = self.membership.join(&self.world, socket).await?;
        self.begin_at_committed(socket, &owned).await?;
        loop {
            let over = !self.world.has_healed() && self.world.now_ms() >= dies_at_ms;
            if over || self.world.phase.get() >= Phase::Closing {
                return Ok(());
            }
            if self.world.now_ms() >= self.next_heartbeat_ms {
                self.membership.heartbeat(&self.world, socket).await?;
                self.next_heartbeat_ms =
                    self.world.now_ms() + i64::from(self.world.shape.session_timeout_ms) / 4;
            }
            if self.reader.positions.is_empty() {
                self.world.sleep(50).await;
                continue;
            }
            self.reader.poll().await;
            if self.world.draw(|random| random.per_mille(300)) || self.world.has_healed() {
                let Member { world, membership, reader, committed, .. } = self;
                let positions = (&reader.positions, &reader.epochs);
                commit_offsets(world, socket, membership, positions, committed).await?;
            }
            let pause_ms = self.world.draw(|random| random.between(1, 20));
            self.world.sleep(pause_ms).await;
        }
    }

    async fn begin_at_committed(&mut self, socket: &Socket, owned: &[TopicPartition]) -> Result<(), Fallen> {
        self.committed.clear();
        let (mut positions, mut epochs) = (BTreeMap::new(), BTreeMap::new());
        if !owned.is_empty() {
            let told = fetch_positions(socket, &self.membership.group, owned).await?;
            for (partition, (offset, leader_epoch), error) in told {
                self.membership.heard(&self.world, "OffsetFetch", error)?;
                check(&self.world, &self.membership.group, &partition, offset);
                positions.insert(partition.clone(), offset.max(0));
                epochs.insert(partition, leader_epoch);
            }
        }
        self.reader.subscribe(positions, epochs);
        Ok(())
    }
}

fn check(world: &World, group: &Str, partition: &TopicPartition, told: i64) {
    let key = (group.clone(), partition.clone());
    let model = world.model.borrow();
    let known = model.committed.get(&key);
    world.check(invariants::committed_offsets_are_never_lost(group, partition, known, told));
}

/// At the end every group hears from its coordinator what it has committed.
pub async fn committed_offsets(world: &World, partitions: &[TopicPartition], until_ms: i64) {
    let mut router = Router::new(world, "audit");
    for group in group_names(world) {
        loop {
            if world.now_ms() > until_ms {
                return world.check(invariants::everything_ends_well("nobody tells the committed offsets"));
            }
            let Some(socket) = coordinator(world, &mut router, &group).await else { continue };
            let told = fetch_offsets(&socket, &group, partitions).await;
            let Some(told) = told.ok().filter(|told| told.iter().all(|(.., error)| error.code() == 0)) else {
                world.sleep(50).await;
                continue;
            };
            told.iter().for_each(|(partition, offset, _)| check(world, &group, partition, *offset));
            break;
        }
    }
}

/// What a group has not read and committed yet, in words.
pub fn unfinished(world: &World, ends: &BTreeMap<TopicPartition, i64>) -> Option<String> {
    let model = world.model.borrow();
    for group in group_names(world) {
        for (partition, end) in ends.iter().filter(|(_, end)| **end > 0) {
            let known = model.committed.get(&(group.clone(), partition.clone()));
            let acked = known.and_then(|committed| committed.acked);
            if acked != Some(*end) {
                return Some(format!("{group} has committed {acked:?} of {end} in {partition:?}"));
            }
        }
    }
    None
}
