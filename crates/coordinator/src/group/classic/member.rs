//! One member of a classic group, and the request of its that waits.

use super::super::command::Caller;
use crate::machine::ReplyToken;
use bytes::Bytes;
use wire::Str;
use wire::messages::join_group::{JoinGroupRequest, JoinGroupRequestProtocol};
use wire::records::group::{GroupMetadataValue, MemberMetadata};

/// A way of assigning that a member knows, with what it has to say under it.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// The assignor's name, e.g. `range`.
    pub name: Str,
    /// What the member subscribes to, in the protocol's own form; opaque here but for the consumer protocol.
    pub metadata: Bytes,
}

/// A request that is answered later, in the form of its version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    /// Who asked.
    pub token: ReplyToken,
    /// The version of the request, in whose form the answer must be.
    pub api_version: i16,
}

/// A member of a classic group.
#[derive(Debug, Clone)]
pub struct Member {
    /// Given by the coordinator: the client's id or the instance id, and a UUID.
    pub id: Str,
    /// Set for static members (KIP-345).
    pub instance_id: Option<Str>,
    /// The `client.id` of the connection that joined.
    pub client_id: Str,
    /// The address it joined from, with Java's slash before it.
    pub client_host: Str,
    /// How long a rebalance may wait for it to come back.
    pub rebalance_timeout_ms: i32,
    /// How long it may be silent.
    pub session_timeout_ms: i32,
    /// `consumer` for Kafka's own consumers.
    pub protocol_type: Str,
    /// In the member's order of preference; names are distinct.
    pub protocols: Vec<Protocol>,
    /// What the leader of the last generation gave it; empty before.
    pub assignment: Bytes,
    /// Its JoinGroup, until the join phase ends.
    pub awaiting_join: Option<Waiting>,
    /// Its SyncGroup, until the assignment is committed.
    pub awaiting_sync: Option<Waiting>,
    /// Has not been through a join phase yet: its session is not kept by waiting.
    pub is_new: bool,
}

impl Member {
    /// A member that asks to join; all of it off the request's buffer.
    pub fn from_request(id: Str, caller: &Caller, request: &JoinGroupRequest) -> Self {
        Member {
            id,
            instance_id: request.group_instance_id.as_ref().map(|id| id.detached()),
            client_id: caller.client_id.detached(),
            client_host: caller.client_host.detached(),
            rebalance_timeout_ms: request.rebalance_timeout_ms,
            session_timeout_ms: request.session_timeout_ms,
            protocol_type: request.protocol_type.detached(),
            protocols: protocols_of(&request.protocols),
            assignment: Bytes::new(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: true,
        }
    }

    /// A member as the group's record names it: with the one protocol that was chosen.
    pub fn from_record(persisted: &MemberMetadata, group: &GroupMetadataValue) -> Self {
        let rebalance_timeout_ms = match persisted.rebalance_timeout {
            -1 => persisted.session_timeout,
            given => given,
        };
        let name = group.protocol.clone().unwrap_or_default();
        Member {
            id: persisted.member_id.clone(),
            instance_id: persisted.group_instance_id.clone(),
            client_id: persisted.client_id.clone(),
            client_host: persisted.client_host.clone(),
            rebalance_timeout_ms,
            session_timeout_ms: persisted.session_timeout,
            protocol_type: group.protocol_type.clone(),
            protocols: vec![Protocol { name, metadata: persisted.subscription.clone() }],
            assignment: persisted.assignment.clone(),
            awaiting_join: None,
            awaiting_sync: None,
            is_new: false,
        }
    }

    /// What the member says under this protocol; nothing if it does not know it.
    pub fn metadata_of(&self, protocol: Option<&Str>) -> Bytes {
        let found = self.protocols.iter().find(|own| Some(&own.name) == protocol);
        found.map(|own| own.metadata.clone()).unwrap_or_default()
    }

    /// Waiting for an answer of ours keeps the session of everybody but newcomers.
    pub fn is_kept_by_waiting(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }
}

/// The protocols of a request, off its buffer, each name once.
pub fn protocols_of(protocols: &[JoinGroupRequestProtocol]) -> Vec<Protocol> {
    let mut own: Vec<Protocol> = Vec::with_capacity(protocols.len().min(16));
    for protocol in protocols {
        if own.iter().all(|known| known.name != protocol.name) {
            let metadata = Bytes::copy_from_slice(&protocol.metadata);
            own.push(Protocol { name: protocol.name.detached(), metadata });
        }
    }
    own
}
