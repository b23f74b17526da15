//! The "consumer" embedded protocol: what members and their leader say to each other inside JoinGroup and SyncGroup.
//! Pure: bytes to values and back. Reads every version, writes the newest that all clients of today read.

use super::assignor::{Assignment, Assignor, Member, NO_GENERATION, PartitionCounts};
use crate::error::{Error, Result};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::{BTreeMap, BTreeSet};
use wire::codec::{DecodeError, Decoder, Message};
use wire::messages::join_group::JoinGroupResponseMember;
use wire::messages::sync_group::SyncGroupRequestAssignment;
use wire::records::client::{self, ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use wire::topic::TopicPartition;
use wire::{ErrorCode, Str};

/// JoinGroup's protocol type of consumer groups.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

const SUBSCRIPTION_VERSION: i16 = 3;
const ASSIGNMENT_VERSION: i16 = 3;

/// What a member says of itself for one assignor.
pub(crate) fn encode_subscription(
    assignor: Assignor,
    topics: &[Str],
    owned: &[TopicPartition],
    generation: i32,
    rack: Option<&str>,
) -> Bytes {
    let subscription = ConsumerProtocolSubscription {
        topics: topics.to_vec(),
        user_data: assignor.user_data(generation),
        owned_partitions: group_by_topic(owned),
        generation_id: generation,
        rack_id: rack.map(Str::from),
    };
    versioned(SUBSCRIPTION_VERSION, &subscription)
}

/// The members as the leader's assignor wants them.
pub(crate) fn decode_members(
    assignor: Assignor,
    members: Vec<JoinGroupResponseMember>,
) -> Result<Vec<Member>> {
    members.into_iter().map(|member| decode_member(assignor, member)).collect()
}

fn decode_member(assignor: Assignor, member: JoinGroupResponseMember) -> Result<Member> {
    let subscription: ConsumerProtocolSubscription = read_versioned(member.metadata)
        .map_err(|error| malformed(format!("the subscription of member {:?}", member.member_id), error))?;
    // Version 2 says the generation itself; older members may say it in their user data.
    let told = assignor.generation_in(subscription.user_data.as_ref());
    let generation = if subscription.generation_id >= 0 { Some(subscription.generation_id) } else { told };
    Ok(Member {
        id: member.member_id.detached(),
        instance_id: member.group_instance_id.map(|id| id.detached()),
        topics: subscription.topics.iter().map(Str::detached).collect(),
        owned: ungroup(subscription.owned_partitions),
        generation: generation.unwrap_or(NO_GENERATION),
    })
}

/// Every member's part of the leader's decision.
pub(crate) fn encode_assignments(assignment: &Assignment) -> Vec<SyncGroupRequestAssignment> {
    let one = |(member_id, partitions): (&Str, &Vec<TopicPartition>)| {
        let told =
            ConsumerProtocolAssignment { assigned_partitions: group_by_topic(partitions), user_data: None };
        SyncGroupRequestAssignment {
            member_id: member_id.clone(),
            assignment: versioned(ASSIGNMENT_VERSION, &told),
        }
    };
    assignment.iter().map(one).collect()
}

/// What the leader gave to one member. Empty bytes are an empty assignment.
pub(crate) fn decode_assignment(bytes: Bytes) -> Result<BTreeSet<TopicPartition>> {
    if bytes.is_empty() {
        return Ok(BTreeSet::new());
    }
    let told: ConsumerProtocolAssignment = read_versioned(bytes)
        .map_err(|error| malformed("the assignment of the group's leader".to_owned(), error))?;
    Ok(ungroup(told.assigned_partitions).into_iter().collect())
}

/// The topics that a DescribeGroups member subscribes to.
pub(crate) fn decode_topics(bytes: Bytes) -> Vec<Str> {
    let read = read_versioned::<ConsumerProtocolSubscription>(bytes);
    read.map_or_else(|_| Vec::new(), |subscription| subscription.topics.iter().map(Str::detached).collect())
}

/// Topic counts for the assignor: only topics that exist.
pub(crate) fn partition_counts(
    members: &[Member],
    count_of: impl Fn(&str) -> Option<i32>,
) -> PartitionCounts {
    let topics: BTreeSet<&Str> = members.iter().flat_map(|member| &member.topics).collect();
    topics.into_iter().filter_map(|topic| Some((topic.clone(), count_of(topic)?))).collect()
}

fn versioned<M: Message>(version: i16, message: &M) -> Bytes {
    let body = message.to_bytes(version);
    let mut bytes = BytesMut::with_capacity(2 + body.len());
    bytes.put_i16(version);
    bytes.extend_from_slice(&body);
    bytes.freeze()
}

/// A newer version than ours begins with ours: its additions stand at the end.
fn read_versioned<M: Message>(bytes: Bytes) -> std::result::Result<M, DecodeError> {
    let mut decoder = Decoder::of(bytes);
    let version = decoder.i16()?;
    if version < 0 {
        return Err(DecodeError::UnsupportedVersion);
    }
    M::decode(&mut decoder, version.min(M::MAX_VERSION))
}

fn malformed(what: String, error: DecodeError) -> Error {
    Error::Refused {
        code: ErrorCode::InconsistentGroupProtocol,
        doing: format!("read {what}"),
        message: Some(error.to_string()),
    }
}

fn group_by_topic(partitions: &[TopicPartition]) -> Vec<client::TopicPartition> {
    let mut by_topic: BTreeMap<Str, Vec<i32>> = BTreeMap::new();
    for one in partitions {
        by_topic.entry(one.topic.clone()).or_default().push(one.partition);
    }
    by_topic.into_iter().map(|(topic, partitions)| client::TopicPartition { topic, partitions }).collect()
}

fn ungroup(topics: Vec<client::TopicPartition>) -> Vec<TopicPartition> {
    let one = |topic: client::TopicPartition| {
        let name = topic.topic.detached();
        topic.partitions.into_iter().map(move |partition| TopicPartition::new(name.clone(), partition))
    };
    topics.into_iter().flat_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that ConsumerProtocol of kafka-clients 4.4.0 writes for topics [a, b], owned a-0 and a-1,
    /// generation 7, rack r.
    const JAVA_SUBSCRIPTION: &str =
        "00030000000200016100016200000004000000070000000100016100000002000000000000000100000007000172";

    fn hex(text: &str) -> Bytes {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ascii"), 16).expect("hex");
        digits.chunks(2).map(byte).collect()
    }

    fn member(metadata: Bytes) -> JoinGroupResponseMember {
        JoinGroupResponseMember { member_id: "m".into(), metadata, ..JoinGroupResponseMember::default() }
    }

    fn owned() -> Vec<TopicPartition> {
        vec![TopicPartition::new("a", 0), TopicPartition::new("a", 1)]
    }

    #[test]
    fn subscriptions_are_byte_equal_to_javas() {
        let ours = encode_subscription(
            Assignor::CooperativeSticky,
            &["a".into(), "b".into()],
            &owned(),
            7,
            Some("r"),
        );
        assert_eq!(ours, hex(JAVA_SUBSCRIPTION));
    }

    #[test]
    fn subscriptions_of_every_version_are_read() {
        let whole = hex(JAVA_SUBSCRIPTION);
        let read = decode_member(Assignor::CooperativeSticky, member(whole)).expect("valid");
        assert_eq!((read.generation, read.owned), (7, owned()));
        // Version 0 with the generation in the user data only.
        let old = hex("0000 00000001 000161 00000004 00000005");
        let read = decode_member(Assignor::CooperativeSticky, member(old.clone())).expect("valid");
        assert_eq!((read.generation, read.owned.len()), (5, 0));
        assert_eq!(decode_topics(old), [Str::from("a")]);
    }

    #[test]
    fn a_future_version_is_read_as_far_as_it_is_known() {
        let mut future = hex(JAVA_SUBSCRIPTION).to_vec();
        future[1] = 9;
        future.extend_from_slice(&[1, 2, 3]);
        assert!(decode_member(Assignor::Range, member(Bytes::from(future))).is_ok());
    }

    #[test]
    fn assignments_come_back() {
        let assignment = Assignment::from([(Str::from("m"), owned())]);
        let encoded = encode_assignments(&assignment);
        let read = decode_assignment(encoded[0].assignment.clone()).expect("valid");
        assert_eq!(read.into_iter().collect::<Vec<_>>(), owned());
        assert!(decode_assignment(Bytes::new()).expect("valid").is_empty());
    }
}
