//! One member's place in its group, by the classic protocol: find the coordinator, join, sync, hold. The leader deals
//! partitions round; what a member is given goes to the model as an owner of its generation.

use std::collections::BTreeMap;

use bytes::Bytes;
use wire::messages::find_coordinator::{FindCoordinatorRequest, FindCoordinatorResponse};
use wire::messages::heartbeat::{HeartbeatRequest, HeartbeatResponse};
use wire::messages::join_group::{
    JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse, JoinGroupResponseMember,
};
use wire::messages::leave_group::{LeaveGroupRequest, LeaveGroupResponse, MemberIdentity};
use wire::messages::sync_group::{SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str};

use super::admin::all_partitions;
use super::{code, is_passing};
use crate::invariants;
use crate::shape::Plant;
use crate::socket::{Lost, Socket};
use crate::world::World;

const PROTOCOL: &str = "round";

/// A member's standing.
pub struct Membership {
    pub group: Str,
    pub member_id: Str,
    pub generation: i32,
}

/// Why a member has no (or no longer a) standing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fallen {
    /// The connection is gone.
    Lost,
    /// Ask again in a while.
    Passing,
    /// Join again, under the same id.
    Rejoin,
    /// Join again as somebody new.
    Unknown,
}

impl From<Lost> for Fallen {
    fn from(_: Lost) -> Fallen {
        Fallen::Lost
    }
}

impl Membership {
    pub fn new(group: &Str) -> Membership {
        Membership { group: group.clone(), member_id: Str::new(), generation: -1 }
    }

    /// What an error of the group APIs means for the member.
    pub fn heard(&mut self, world: &World, api: &str, error: ErrorCode) -> Result<(), Fallen> {
        if error != ErrorCode::None {
            world.tell(&format!("{} {}: {api} says {error:?}", self.group, self.member_id));
        }
        if let Some(heard) = self.heard_modern(error).filter(|_| world.shape.modern_groups) {
            return heard;
        }
        match error {
            ErrorCode::None => Ok(()),
            ErrorCode::RebalanceInProgress | ErrorCode::IllegalGeneration => Err(Fallen::Rejoin),
            ErrorCode::UnknownMemberId | ErrorCode::FencedInstanceId => {
                self.member_id = Str::new();
                Err(Fallen::Unknown)
            }
            passing if is_passing(passing) => Err(Fallen::Passing),
            other => {
                world.check(invariants::no_unexplained_error(&self.group, &format!("{api}: {other:?}")));
                Err(Fallen::Passing)
            }
        }
    }

    /// Joins and syncs; answers what the member owns.
    pub async fn join(&mut self, world: &World, socket: &Socket) -> Result<Vec<TopicPartition>, Fallen> {
        self.find(world, socket).await?;
        let joined = self.join_group(world, socket).await?;
        self.generation = joined.generation_id;
        let assignments =
            if joined.leader == joined.member_id { deal(world, &joined.members) } else { Vec::new() };
        let request = SyncGroupRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            protocol_type: Some(Str::from_static("consumer")),
            protocol_name: joined.protocol_name,
            assignments,
            ..SyncGroupRequest::default()
        };
        let answer: SyncGroupResponse = socket.ask(ApiKey::SyncGroup, 5, &request).await?;
        self.heard(world, "SyncGroup", code(answer.error_code))?;
        let owned = decode(&answer.assignment);
        world.tell(&format!(
            "{} {} owns {} partitions in generation {}",
            self.group,
            self.member_id,
            owned.len(),
            self.generation
        ));
        for partition in &owned {
            let key = (self.group.clone(), self.generation, partition.clone());
            let mut model = world.model.borrow_mut();
            let before = model.owners.get(&key);
            world.check(invariants::a_generation_has_one_owner_per_partition(&key, before, &self.member_id));
            model.owners.insert(key, self.member_id.clone());
        }
        Ok(owned)
    }

    pub(super) async fn find(&mut self, world: &World, socket: &Socket) -> Result<(), Fallen> {
        let request = FindCoordinatorRequest {
            key: self.group.clone(),
            key_type: 0,
            ..FindCoordinatorRequest::default()
        };
        let answer: FindCoordinatorResponse = socket.ask(ApiKey::FindCoordinator, 3, &request).await?;
        self.heard(world, "FindCoordinator", code(answer.error_code))
    }

    async fn join_group(&mut self, world: &World, socket: &Socket) -> Result<JoinGroupResponse, Fallen> {
        loop {
            let protocol = JoinGroupRequestProtocol {
                name: Str::from_static(PROTOCOL),
                metadata: Bytes::from_static(b"all"),
            };
            let request = JoinGroupRequest {
                group_id: self.group.clone(),
                session_timeout_ms: world.shape.session_timeout_ms,
                rebalance_timeout_ms: 2 * world.shape.session_timeout_ms,
                member_id: self.member_id.clone(),
                protocol_type: Str::from_static("consumer"),
                protocols: vec![protocol],
                ..JoinGroupRequest::default()
            };
            let answer: JoinGroupResponse = socket.ask(ApiKey::JoinGroup, 9, &request).await?;
            match code(answer.error_code) {
                ErrorCode::MemberIdRequired => self.member_id = answer.member_id,
                error => {
                    self.heard(world, "JoinGroup", error)?;
                    self.member_id = answer.member_id.clone();
                    return Ok(answer);
                }
            }
        }
    }

    pub async fn heartbeat(&mut self, world: &World, socket: &Socket) -> Result<(), Fallen> {
        let request = HeartbeatRequest {
            group_id: self.group.clone(),
            generation_id: self.generation,
            member_id: self.member_id.clone(),
            ..HeartbeatRequest::default()
        };
        let answer: HeartbeatResponse = socket.ask(ApiKey::Heartbeat, 4, &request).await?;
        self.heard(world, "Heartbeat", code(answer.error_code))
    }

    /// Leaves; whether the answer comes does not matter.
    pub async fn leave(&mut self, socket: &Socket) {
        let member = MemberIdentity { member_id: self.member_id.clone(), ..MemberIdentity::default() };
        let request = LeaveGroupRequest {
            group_id: self.group.clone(),
            members: vec![member],
            ..LeaveGroupRequest::default()
        };
        let _: Result<LeaveGroupResponse, Lost> = socket.ask(ApiKey::LeaveGroup, 5, &request).await;
    }
}

/// The leader's decision: partitions go round among the members.
fn deal(world: &World, members: &[JoinGroupResponseMember]) -> Vec<SyncGroupRequestAssignment> {
    let mut hands: BTreeMap<Str, Vec<TopicPartition>> =
        members.iter().map(|member| (member.member_id.clone(), Vec::new())).collect();
    let many = hands.len().max(1);
    for (index, partition) in all_partitions(world).into_iter().enumerate() {
        let generous = world.shape.lies(Plant::GenerousLeader) && index == 0;
        for (place, hand) in hands.values_mut().enumerate() {
            if generous || place == index % many {
                hand.push(partition.clone());
            }
        }
    }
    let assignment = |(member_id, hand): (Str, Vec<TopicPartition>)| {
        let lines: Vec<String> =
            hand.iter().map(|partition| format!("{} {}", partition.topic, partition.partition)).collect();
        SyncGroupRequestAssignment { member_id, assignment: Bytes::from(lines.join("\n")) }
    };
    hands.into_iter().map(assignment).collect()
}

fn decode(assignment: &Bytes) -> Vec<TopicPartition> {
    let text = String::from_utf8_lossy(assignment);
    let line = |line: &str| {
        let (topic, partition) = line.split_once(' ')?;
        Some(TopicPartition { topic: Str::from(topic), partition: partition.parse().ok()? })
    };
    text.lines().filter_map(line).collect()
}
