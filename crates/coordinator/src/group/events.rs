//! What happens to groups, for whoever tells people: the coordinator's node writes the lines. No part of the state, and nothing that
//! happens with every heartbeat or commit.

use wire::Str;

/// Something that happened to a group, as it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GroupEvent {
    /// A join phase is over.
    GenerationBegun {
        /// Whose.
        group: Str,
        /// Its number.
        generation: i32,
        /// How many members it has.
        members: usize,
        /// The assignor that was chosen.
        protocol: Str,
        /// The member that makes the assignment.
        leader: Str,
        /// Why it was needed.
        reason: Reason,
    },
    /// Nobody is a member any more.
    Emptied {
        /// Which group.
        group: Str,
        /// The number of the generation without members.
        generation: i32,
    },
    /// A member of the consumer protocol comes.
    ConsumerJoined {
        /// To which group.
        group: Str,
        /// Which member.
        member_id: Str,
        /// The epoch of the group from now on.
        epoch: i32,
    },
    /// It was computed anew who shall have what.
    TargetComputed {
        /// Of which group.
        group: Str,
        /// Its epoch.
        epoch: i32,
        /// Among how many.
        members: usize,
        /// By which assignor.
        assignor: &'static str,
    },
    /// It goes on with the other protocol, its members running.
    Migrated {
        /// Which group.
        group: Str,
        /// To the consumer protocol, or back.
        to_consumer: bool,
    },
    /// A member is gone.
    Departed {
        /// Of which group.
        group: Str,
        /// Which member.
        member_id: Str,
        /// How it went.
        how: Departure,
    },
    /// An administrator deleted it.
    Deleted {
        /// Which group.
        group: Str,
    },
    /// It was empty, and its last offsets grew too old.
    Expired {
        /// Which group.
        group: Str,
    },
}

/// Why a group rebalances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A new member.
    Joined,
    /// A member came again: with other topics or protocols, or as the leader that wants a new assignment.
    Rejoined,
    /// A static member came back under a new member id.
    StaticMemberReplaced,
    /// A member went.
    Departed(Departure),
    /// It has more members than `group.max.size` allows.
    TooLarge,
    /// The assignment does not fit into a batch.
    AssignmentTooLarge,
    /// The last member of the consumer protocol went.
    Downgraded,
}

/// How a member goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// LeaveGroup.
    Left,
    /// It was not heard of for its session timeout.
    SessionEnded,
    /// It did not come back within the rebalance timeout.
    NotRejoined,
    /// It did not ask for its assignment within the rebalance timeout.
    NeverSynced,
    /// The group has more members than `group.max.size` allows.
    GroupFull,
    /// It did not give back within its rebalance timeout what it had to.
    NeverRevoked,
}

impl Reason {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Reason::Joined => "a member joined",
            Reason::Rejoined => "a member came again",
            Reason::StaticMemberReplaced => "a static member came back",
            Reason::Departed(how) => how.text(),
            Reason::TooLarge => "it is larger than group.max.size",
            Reason::Downgraded => "its last member of the consumer protocol went",
            Reason::AssignmentTooLarge => "the assignment does not fit into a batch",
        }
    }
}

impl Departure {
    /// For people.
    pub fn text(self) -> &'static str {
        match self {
            Departure::Left => "a member left",
            Departure::SessionEnded => "a member's session timed out",
            Departure::NotRejoined => "a member did not rejoin within the rebalance timeout",
            Departure::NeverSynced => "a member did not ask for its assignment within the rebalance timeout",
            Departure::NeverRevoked => {
                "a member did not give back its partitions within the rebalance timeout"
            }
            Departure::GroupFull => "a member found the group full (group.max.size)",
        }
    }
}
