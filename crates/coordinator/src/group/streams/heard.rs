//! What a heartbeat of a streams group comes to. Plain data.

use super::super::consumer::refusal::Refusal;
use wire::Str;
use wire::messages::create_topics::CreatableTopic;
use wire::messages::streams_group_heartbeat::{Status, StreamsGroupHeartbeatResponse};

/// What a heartbeat comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamsHeartbeatAnswer {
    /// For the member.
    pub response: StreamsGroupHeartbeatResponse,
    /// For whoever asked in its name: topics that are to be made with the member's rights.
    pub to_create: Vec<CreatableTopic>,
    /// How long it is remembered that one of them could not be made.
    pub remembered_ms: i64,
}

/// What a member is told besides its tasks, by Kafka's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusCode {
    /// It was built with an older topology than the group's.
    StaleTopology = 0,
    /// Topics that are read are not there.
    MissingSourceTopics = 1,
    /// Topics that are joined have different numbers of partitions.
    IncorrectlyPartitionedTopics = 2,
    /// Topics of the application's own are not there.
    MissingInternalTopics = 3,
    /// A member wants all of them to end.
    ShutdownApplication = 4,
    /// Tasks are divided later.
    AssignmentDelayed = 5,
    /// It does not say all of where it runs.
    MissingClientTags = 6,
}

impl StatusCode {
    /// With what it is about.
    pub fn with(self, detail: impl Into<String>) -> Status {
        Status { status_code: self as i8, status_detail: Str::from(detail.into()) }
    }
}

impl StreamsHeartbeatAnswer {
    pub(super) fn of(response: StreamsGroupHeartbeatResponse) -> StreamsHeartbeatAnswer {
        StreamsHeartbeatAnswer { response, to_create: Vec::new(), remembered_ms: 0 }
    }

    /// A heartbeat that is refused.
    pub fn refused(refusal: Refusal) -> StreamsHeartbeatAnswer {
        StreamsHeartbeatAnswer::of(StreamsGroupHeartbeatResponse {
            error_code: refusal.error.code(),
            error_message: refusal.message,
            ..StreamsGroupHeartbeatResponse::default()
        })
    }
}
