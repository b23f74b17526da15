//! One member's place in its group by the consumer protocol (KIP-848): it says what it wants and has, and is told what it shall have. What it
//! is told goes to the model as an owner of its epoch.

use std::collections::BTreeSet;

use wire::messages::consumer_group_heartbeat::{
    ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse, TopicPartitions,
};
use wire::topic::TopicPartition;
use wire::{ApiKey, ErrorCode, Str, Uuid};

use super::admin::all_partitions;
use super::code;
use super::membership::{Fallen, Membership};
use crate::invariants;
use crate::socket::{Lost, Socket};
use crate::world::World;

/// The epoch of who leaves for good.
const LEAVES: i32 = -1;

impl Membership {
    /// Comes as somebody new, or under its id with nothing.
    pub async fn join_modern(
        &mut self,
        world: &World,
        socket: &Socket,
    ) -> Result<Vec<TopicPartition>, Fallen> {
        self.find(world, socket).await?;
        if self.member_id.is_empty() {
            let number = world.draw(|random| random.between(0, 1 << 40));
            self.member_id = Str::from(format!("{}-{number:010x}", self.group));
        }
        self.generation = 0;
        let names: BTreeSet<Str> =
            all_partitions(world).into_iter().map(|partition| partition.topic).collect();
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            rebalance_timeout_ms: 2 * world.shape.session_timeout_ms,
            subscribed_topic_names: Some(names.into_iter().collect()),
            topic_partitions: Some(Vec::new()),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        let told = self.beat(world, socket, &request, &BTreeSet::new()).await?;
        Ok(told.unwrap_or_default())
    }

    /// Says what it has; answers what it shall have, where that is something else.
    pub async fn heartbeat_modern(
        &mut self,
        world: &World,
        socket: &Socket,
        owned: &BTreeSet<TopicPartition>,
    ) -> Result<Option<Vec<TopicPartition>>, Fallen> {
        let mut topics: Vec<TopicPartitions> = Vec::new();
        for partition in owned {
            let topic_id = id_of(world, &partition.topic).ok_or(Fallen::Passing)?;
            match topics.iter_mut().find(|topic| topic.topic_id == topic_id) {
                Some(topic) => topic.partitions.push(partition.partition),
                None => topics.push(TopicPartitions { topic_id, partitions: vec![partition.partition] }),
            }
        }
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: self.generation,
            topic_partitions: Some(topics),
            ..ConsumerGroupHeartbeatRequest::default()
        };
        self.beat(world, socket, &request, owned).await
    }

    async fn beat(
        &mut self,
        world: &World,
        socket: &Socket,
        request: &ConsumerGroupHeartbeatRequest,
        owned: &BTreeSet<TopicPartition>,
    ) -> Result<Option<Vec<TopicPartition>>, Fallen> {
        let answer: ConsumerGroupHeartbeatResponse =
            socket.ask(ApiKey::ConsumerGroupHeartbeat, 1, request).await?;
        self.heard(world, "ConsumerGroupHeartbeat", code(answer.error_code))?;
        self.generation = answer.member_epoch;
        let mut told = None;
        if let Some(assignment) = answer.assignment {
            let mut partitions = Vec::new();
            for topic in assignment.topic_partitions {
                let name = name_of(world, topic.topic_id).ok_or(Fallen::Passing)?;
                let one = |partition| TopicPartition { topic: name.clone(), partition };
                partitions.extend(topic.partitions.into_iter().map(one));
            }
            world.tell(&format!(
                "{} {} shall have {} partitions in epoch {}",
                self.group,
                self.member_id,
                partitions.len(),
                self.generation
            ));
            told = Some(partitions);
        }
        let claimed: Vec<TopicPartition> = told.clone().unwrap_or_else(|| owned.iter().cloned().collect());
        for partition in claimed {
            let key = (self.group.clone(), self.generation, partition);
            let mut model = world.model.borrow_mut();
            let before = model.owners.get(&key);
            world.check(invariants::a_generation_has_one_owner_per_partition(&key, before, &self.member_id));
            model.owners.insert(key, self.member_id.clone());
        }
        Ok(told)
    }

    /// Leaves; whether the answer comes does not matter.
    pub async fn leave_modern(&mut self, socket: &Socket) {
        let request = ConsumerGroupHeartbeatRequest {
            group_id: self.group.clone(),
            member_id: self.member_id.clone(),
            member_epoch: LEAVES,
            ..ConsumerGroupHeartbeatRequest::default()
        };
        let _: Result<ConsumerGroupHeartbeatResponse, Lost> =
            socket.ask(ApiKey::ConsumerGroupHeartbeat, 1, &request).await;
    }

    /// What the errors of the consumer protocol mean; `None` of those that others have, too.
    pub(super) fn heard_modern(&mut self, error: ErrorCode) -> Option<Result<(), Fallen>> {
        match error {
            // It comes again with nothing.
            ErrorCode::FencedMemberEpoch => Some(Err(Fallen::Rejoin)),
            // The epoch has moved on since; the next heartbeat tells.
            ErrorCode::StaleMemberEpoch => Some(Ok(())),
            ErrorCode::GroupIdNotFound => {
                self.member_id = Str::new();
                Some(Err(Fallen::Unknown))
            }
            _ => None,
        }
    }
}

fn id_of(world: &World, topic: &str) -> Option<Uuid> {
    let node = world.machine().borrow().node()?;
    node.views().by_name(topic).map(|topic| topic.id)
}

fn name_of(world: &World, id: Uuid) -> Option<Str> {
    let node = world.machine().borrow().node()?;
    node.views().by_id(id).map(|topic| topic.name.clone())
}
