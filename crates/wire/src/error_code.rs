//! Kafka's error codes: number, name, whether a client may retry, and a sentence in our own words.
//! The sentence is only for logs and error-message fields; clients decide by the number.

use std::fmt;

/// Declares the codes once; everything about one code stands on its line.
macro_rules! error_codes {
    ($($code:literal $name:ident $kafka:literal $retriable:literal $message:literal;)*) => {
        /// An error code of the protocol. Message fields carry the number: `error_code: code.code()`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(i16)]
        pub enum ErrorCode {
            $(#[doc = $message] $name = $code,)*
        }

        impl ErrorCode {
            /// Every code, in the order of the numbers.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name,)*];

            /// The code of this number; an unknown number is read as [`ErrorCode::UnknownServerError`], as Kafka does.
            pub const fn from_code(code: i16) -> ErrorCode {
                match code {
                    $($code => ErrorCode::$name,)*
                    _ => ErrorCode::UnknownServerError,
                }
            }

            /// Kafka's name, as tools print it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $kafka,)*
                }
            }

            /// One sentence about what is wrong.
            pub const fn message(self) -> &'static str {
                match self {
                    $(ErrorCode::$name => $message,)*
                }
            }

            /// True when the same request may succeed a little later, perhaps elsewhere.
            pub const fn is_retriable(self) -> bool {
                match self {
                    $(ErrorCode::$name => $retriable,)*
                }
            }
        }
    };
}

error_codes! {
    -1 UnknownServerError "UNKNOWN_SERVER_ERROR" false "the server met an unexpected error";
    0 None "NONE" false "no error";
    1 OffsetOutOfRange "OFFSET_OUT_OF_RANGE" false "the offset is outside of the partition's range";
    2 CorruptMessage "CORRUPT_MESSAGE" true "the record batch is corrupt";
    3 UnknownTopicOrPartition "UNKNOWN_TOPIC_OR_PARTITION" true "this server does not host the partition";
    4 InvalidFetchSize "INVALID_FETCH_SIZE" false "the fetch size is invalid";
    5 LeaderNotAvailable "LEADER_NOT_AVAILABLE" true "the partition has no leader at the moment";
    6 NotLeaderOrFollower "NOT_LEADER_OR_FOLLOWER" true "this broker is not the leader, or not a replica, of the partition";
    7 RequestTimedOut "REQUEST_TIMED_OUT" true "the request timed out";
    8 BrokerNotAvailable "BROKER_NOT_AVAILABLE" false "the broker is not available";
    9 ReplicaNotAvailable "REPLICA_NOT_AVAILABLE" true "the replica is not available";
    10 MessageTooLarge "MESSAGE_TOO_LARGE" false "the message is larger than the server accepts";
    11 StaleControllerEpoch "STALE_CONTROLLER_EPOCH" false "the controller has moved";
    12 OffsetMetadataTooLarge "OFFSET_METADATA_TOO_LARGE" false "the offset's metadata is too large";
    13 NetworkException "NETWORK_EXCEPTION" true "the connection was lost before an answer came";
    14 CoordinatorLoadInProgress "COORDINATOR_LOAD_IN_PROGRESS" true "the coordinator is still loading";
    15 CoordinatorNotAvailable "COORDINATOR_NOT_AVAILABLE" true "the coordinator is not available";
    16 NotCoordinator "NOT_COORDINATOR" true "this broker is not the coordinator";
    17 InvalidTopicException "INVALID_TOPIC_EXCEPTION" false "the topic name or the operation on it is invalid";
    18 RecordListTooLarge "RECORD_LIST_TOO_LARGE" false "the record batch is larger than a segment may be";
    19 NotEnoughReplicas "NOT_ENOUGH_REPLICAS" true "fewer replicas are in sync than required";
    20 NotEnoughReplicasAfterAppend "NOT_ENOUGH_REPLICAS_AFTER_APPEND" true "the records are written, but to fewer in-sync replicas than required";
    21 InvalidRequiredAcks "INVALID_REQUIRED_ACKS" false "the value of acks is invalid";
    22 IllegalGeneration "ILLEGAL_GENERATION" false "the group generation is not the current one";
    23 InconsistentGroupProtocol "INCONSISTENT_GROUP_PROTOCOL" false "the member's protocols do not fit the group's";
    24 InvalidGroupId "INVALID_GROUP_ID" false "the group id is invalid";
    25 UnknownMemberId "UNKNOWN_MEMBER_ID" false "the coordinator does not know this member";
    26 InvalidSessionTimeout "INVALID_SESSION_TIMEOUT" false "the session timeout is outside of the allowed range";
    27 RebalanceInProgress "REBALANCE_IN_PROGRESS" false "the group is rebalancing; rejoin";
    28 InvalidCommitOffsetSize "INVALID_COMMIT_OFFSET_SIZE" false "the committed offset data is too large";
    29 TopicAuthorizationFailed "TOPIC_AUTHORIZATION_FAILED" false "not authorized for the topic";
    30 GroupAuthorizationFailed "GROUP_AUTHORIZATION_FAILED" false "not authorized for the group";
    31 ClusterAuthorizationFailed "CLUSTER_AUTHORIZATION_FAILED" false "not authorized for the cluster";
    32 InvalidTimestamp "INVALID_TIMESTAMP" false "the timestamp is out of the accepted range";
    33 UnsupportedSaslMechanism "UNSUPPORTED_SASL_MECHANISM" false "the SASL mechanism is not supported";
    34 IllegalSaslState "ILLEGAL_SASL_STATE" false "the request does not fit the SASL state";
    35 UnsupportedVersion "UNSUPPORTED_VERSION" false "the version of the API is not supported";
    36 TopicAlreadyExists "TOPIC_ALREADY_EXISTS" false "a topic of this name exists already";
    37 InvalidPartitions "INVALID_PARTITIONS" false "the number of partitions is invalid";
    38 InvalidReplicationFactor "INVALID_REPLICATION_FACTOR" false "the replication factor is invalid";
    39 InvalidReplicaAssignment "INVALID_REPLICA_ASSIGNMENT" false "the replica assignment is invalid";
    40 InvalidConfig "INVALID_CONFIG" false "the configuration is invalid";
    41 NotController "NOT_CONTROLLER" true "this node is not the active controller";
    42 InvalidRequest "INVALID_REQUEST" false "the request is malformed";
    43 UnsupportedForMessageFormat "UNSUPPORTED_FOR_MESSAGE_FORMAT" false "the message format does not support the request";
    44 PolicyViolation "POLICY_VIOLATION" false "a policy forbids the request";
    45 OutOfOrderSequenceNumber "OUT_OF_ORDER_SEQUENCE_NUMBER" false "the sequence number is out of order";
    46 DuplicateSequenceNumber "DUPLICATE_SEQUENCE_NUMBER" false "the sequence number was seen before";
    47 InvalidProducerEpoch "INVALID_PRODUCER_EPOCH" false "the producer epoch is old";
    48 InvalidTxnState "INVALID_TXN_STATE" false "the operation does not fit the transaction's state";
    49 InvalidProducerIdMapping "INVALID_PRODUCER_ID_MAPPING" false "the producer id is not the one assigned to the transactional id";
    50 InvalidTransactionTimeout "INVALID_TRANSACTION_TIMEOUT" false "the transaction timeout is too large";
    51 ConcurrentTransactions "CONCURRENT_TRANSACTIONS" true "another operation on the same transaction is under way";
    52 TransactionCoordinatorFenced "TRANSACTION_COORDINATOR_FENCED" false "the transaction coordinator is not the current one";
    53 TransactionalIdAuthorizationFailed "TRANSACTIONAL_ID_AUTHORIZATION_FAILED" false "not authorized for the transactional id";
    54 SecurityDisabled "SECURITY_DISABLED" false "security features are disabled";
    55 OperationNotAttempted "OPERATION_NOT_ATTEMPTED" false "the operation was not attempted";
    56 KafkaStorageError "KAFKA_STORAGE_ERROR" true "a disk error in the log directory";
    57 LogDirNotFound "LOG_DIR_NOT_FOUND" false "the log directory is not configured";
    58 SaslAuthenticationFailed "SASL_AUTHENTICATION_FAILED" false "SASL authentication failed";
    59 UnknownProducerId "UNKNOWN_PRODUCER_ID" false "the broker has no state for this producer id";
    60 ReassignmentInProgress "REASSIGNMENT_IN_PROGRESS" false "a reassignment of the partition is in progress";
    61 DelegationTokenAuthDisabled "DELEGATION_TOKEN_AUTH_DISABLED" false "delegation tokens are disabled";
    62 DelegationTokenNotFound "DELEGATION_TOKEN_NOT_FOUND" false "the delegation token is unknown";
    63 DelegationTokenOwnerMismatch "DELEGATION_TOKEN_OWNER_MISMATCH" false "the principal is neither owner nor renewer of the token";
    64 DelegationTokenRequestNotAllowed "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED" false "delegation token requests are not allowed on this channel";
    65 DelegationTokenAuthorizationFailed "DELEGATION_TOKEN_AUTHORIZATION_FAILED" false "not authorized for the delegation token";
    66 DelegationTokenExpired "DELEGATION_TOKEN_EXPIRED" false "the delegation token has expired";
    67 InvalidPrincipalType "INVALID_PRINCIPAL_TYPE" false "the principal type is not supported";
    68 NonEmptyGroup "NON_EMPTY_GROUP" false "the group is not empty";
    69 GroupIdNotFound "GROUP_ID_NOT_FOUND" false "the group does not exist";
    70 FetchSessionIdNotFound "FETCH_SESSION_ID_NOT_FOUND" true "the fetch session does not exist";
    71 InvalidFetchSessionEpoch "INVALID_FETCH_SESSION_EPOCH" true "the epoch of the fetch session is invalid";
    72 ListenerNotFound "LISTENER_NOT_FOUND" true "the leader has no such listener";
    73 TopicDeletionDisabled "TOPIC_DELETION_DISABLED" false "topic deletion is disabled";
    74 FencedLeaderEpoch "FENCED_LEADER_EPOCH" true "the leader epoch is older than the broker's";
    75 UnknownLeaderEpoch "UNKNOWN_LEADER_EPOCH" true "the leader epoch is newer than the broker's";
    76 UnsupportedCompressionType "UNSUPPORTED_COMPRESSION_TYPE" false "the client does not support the partition's compression";
    77 StaleBrokerEpoch "STALE_BROKER_EPOCH" false "the broker epoch has changed";
    78 OffsetNotAvailable "OFFSET_NOT_AVAILABLE" true "the new leader does not know the high watermark yet";
    79 MemberIdRequired "MEMBER_ID_REQUIRED" false "join again with the member id given";
    80 PreferredLeaderNotAvailable "PREFERRED_LEADER_NOT_AVAILABLE" true "the preferred leader is not available";
    81 GroupMaxSizeReached "GROUP_MAX_SIZE_REACHED" false "the group is full";
    82 FencedInstanceId "FENCED_INSTANCE_ID" false "another member took over the group instance id";
    83 EligibleLeadersNotAvailable "ELIGIBLE_LEADERS_NOT_AVAILABLE" true "no eligible leader is available";
    84 ElectionNotNeeded "ELECTION_NOT_NEEDED" true "no election is needed";
    85 NoReassignmentInProgress "NO_REASSIGNMENT_IN_PROGRESS" false "no reassignment is in progress";
    86 GroupSubscribedToTopic "GROUP_SUBSCRIBED_TO_TOPIC" false "the group is subscribed to the topic";
    87 InvalidRecord "INVALID_RECORD" false "the record is invalid";
    88 UnstableOffsetCommit "UNSTABLE_OFFSET_COMMIT" true "offsets of an open transaction are pending";
    89 ThrottlingQuotaExceeded "THROTTLING_QUOTA_EXCEEDED" true "a quota is exceeded";
    90 ProducerFenced "PRODUCER_FENCED" false "a newer producer with the same transactional id exists";
    91 ResourceNotFound "RESOURCE_NOT_FOUND" false "the resource does not exist";
    92 DuplicateResource "DUPLICATE_RESOURCE" false "the resource is named twice";
    93 UnacceptableCredential "UNACCEPTABLE_CREDENTIAL" false "the credential is not acceptable";
    94 InconsistentVoterSet "INCONSISTENT_VOTER_SET" false "the voter set is inconsistent";
    95 InvalidUpdateVersion "INVALID_UPDATE_VERSION" false "the version to update to is invalid";
    96 FeatureUpdateFailed "FEATURE_UPDATE_FAILED" false "the features could not be updated";
    97 PrincipalDeserializationFailure "PRINCIPAL_DESERIALIZATION_FAILURE" false "the forwarded principal could not be read";
    98 SnapshotNotFound "SNAPSHOT_NOT_FOUND" false "the snapshot does not exist";
    99 PositionOutOfRange "POSITION_OUT_OF_RANGE" false "the position is outside of the snapshot";
    100 UnknownTopicId "UNKNOWN_TOPIC_ID" true "this server does not host the topic id";
    101 DuplicateBrokerRegistration "DUPLICATE_BROKER_REGISTRATION" false "the broker id is in use";
    102 BrokerIdNotRegistered "BROKER_ID_NOT_REGISTERED" false "the broker is not registered";
    103 InconsistentTopicId "INCONSISTENT_TOPIC_ID" true "the log has another topic id";
    104 InconsistentClusterId "INCONSISTENT_CLUSTER_ID" false "the cluster id does not match";
    105 TransactionalIdNotFound "TRANSACTIONAL_ID_NOT_FOUND" false "the transactional id does not exist";
    106 FetchSessionTopicIdError "FETCH_SESSION_TOPIC_ID_ERROR" true "the fetch session mixes topic names and ids";
    107 IneligibleReplica "INELIGIBLE_REPLICA" false "a replica in the new in-sync set is not eligible";
    108 NewLeaderElected "NEW_LEADER_ELECTED" false "the partition was updated and another leader elected";
    109 OffsetMovedToTieredStorage "OFFSET_MOVED_TO_TIERED_STORAGE" false "the offset is in tiered storage";
    110 FencedMemberEpoch "FENCED_MEMBER_EPOCH" false "the member epoch is fenced; give up all partitions and rejoin";
    111 UnreleasedInstanceId "UNRELEASED_INSTANCE_ID" false "the group instance id is still held by another member";
    112 UnsupportedAssignor "UNSUPPORTED_ASSIGNOR" false "the assignor is not supported";
    113 StaleMemberEpoch "STALE_MEMBER_EPOCH" false "the member epoch is old; heartbeat first";
    114 MismatchedEndpointType "MISMATCHED_ENDPOINT_TYPE" false "the request went to an endpoint of the wrong type";
    115 UnsupportedEndpointType "UNSUPPORTED_ENDPOINT_TYPE" false "the endpoint type is not supported";
    116 UnknownControllerId "UNKNOWN_CONTROLLER_ID" false "the controller id is unknown";
    117 UnknownSubscriptionId "UNKNOWN_SUBSCRIPTION_ID" false "the telemetry subscription is unknown";
    118 TelemetryTooLarge "TELEMETRY_TOO_LARGE" false "the telemetry data is too large";
    119 InvalidRegistration "INVALID_REGISTRATION" false "the registration is invalid";
    120 TransactionAbortable "TRANSACTION_ABORTABLE" false "the transaction must be aborted";
    121 InvalidRecordState "INVALID_RECORD_STATE" false "the record is not in a state that can be acknowledged so";
    122 ShareSessionNotFound "SHARE_SESSION_NOT_FOUND" true "the share session does not exist";
    123 InvalidShareSessionEpoch "INVALID_SHARE_SESSION_EPOCH" true "the epoch of the share session is invalid";
    124 FencedStateEpoch "FENCED_STATE_EPOCH" false "the state epoch does not match";
    125 InvalidVoterKey "INVALID_VOTER_KEY" false "the voter key does not match the receiving replica's";
    126 DuplicateVoter "DUPLICATE_VOTER" false "the voter is in the set already";
    127 VoterNotFound "VOTER_NOT_FOUND" false "the voter is not in the set";
    128 InvalidRegularExpression "INVALID_REGULAR_EXPRESSION" false "the regular expression is invalid";
    129 RebootstrapRequired "REBOOTSTRAP_REQUIRED" false "the client must bootstrap again";
    130 StreamsInvalidTopology "STREAMS_INVALID_TOPOLOGY" false "the topology is invalid";
    131 StreamsInvalidTopologyEpoch "STREAMS_INVALID_TOPOLOGY_EPOCH" false "the topology epoch is invalid";
    132 StreamsTopologyFenced "STREAMS_TOPOLOGY_FENCED" false "the topology epoch is old";
    133 ShareSessionLimitReached "SHARE_SESSION_LIMIT_REACHED" true "no more share sessions can be opened";
    134 GroupDeletionFailed "GROUP_DELETION_FAILED" false "a group could not be deleted; see its own message";
    135 StreamsTopologyDescriptionUpdateFailed "STREAMS_TOPOLOGY_DESCRIPTION_UPDATE_FAILED" false "the topology description could not be processed; see the message";
    136 ControllerIdNotRegistered "CONTROLLER_ID_NOT_REGISTERED" false "the controller is not registered";
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// True for [`ErrorCode::None`].
    pub const fn is_none(self) -> bool {
        matches!(self, ErrorCode::None)
    }
}

impl From<ErrorCode> for i16 {
    fn from(code: ErrorCode) -> i16 {
        code.code()
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.code(), self.message())
    }
}

impl std::error::Error for ErrorCode {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_leads_back_to_its_code() {
        for &code in ErrorCode::ALL {
            assert_eq!(ErrorCode::from_code(code.code()), code);
        }
        assert_eq!(ErrorCode::ALL.len(), 138);
        assert_eq!(ErrorCode::from_code(9999), ErrorCode::UnknownServerError);
    }

    #[test]
    fn retriable_codes_are_kafkas() {
        assert!(ErrorCode::NotLeaderOrFollower.is_retriable());
        assert!(!ErrorCode::UnknownServerError.is_retriable());
        assert_eq!(ErrorCode::ALL.iter().filter(|code| code.is_retriable()).count(), RETRIABLE);
    }

    const RETRIABLE: usize = 32;
}
