//! Simulated clients: linear `async fn`s over real encoded frames. They do what Kafka's own clients do, tell the model what
//! they were promised, and hand what they read to the invariants.

pub mod admin;
pub mod consumer;
pub mod membership;
mod modern;
pub mod producer;

use wire::ErrorCode;

/// The code of an answer.
pub fn code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code)
}

/// What a client hears in the ordinary course of a node that comes, goes and loads: it tries again.
pub fn is_passing(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::UnknownTopicId
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::RequestTimedOut
            | ErrorCode::CoordinatorLoadInProgress
            | ErrorCode::CoordinatorNotAvailable
            | ErrorCode::NotCoordinator
            | ErrorCode::KafkaStorageError
            | ErrorCode::NotController
            | ErrorCode::InvalidReplicationFactor
            | ErrorCode::BrokerNotAvailable
    )
}
