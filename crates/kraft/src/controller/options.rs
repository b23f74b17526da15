//! What a controller is configured with.

use wire::Str;
use wire::sasl::delegation::TokenSecret;

/// What a controller is configured with; the names of the keys in the comments.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// This node.
    pub node_id: i32,
    /// Brokers of another cluster are refused.
    pub cluster_id: Str,
    /// `default.replication.factor`
    pub default_replication_factor: i16,
    /// `num.partitions`
    pub default_num_partitions: i32,
    /// `broker.session.timeout.ms`
    pub session_timeout_ms: i64,
    /// `broker.stall.timeout.ms`: a broker that used to speak often is asked after two thirds of this in silence, and fenced at its end;
    /// 0 waits for the session, as Kafka does.
    pub stall_timeout_ms: i64,
    /// `metadata.max.idle.interval.ms`; 0 writes no NoOpRecords.
    pub max_idle_interval_ms: i64,
    /// `leader.imbalance.check.interval.seconds`, or `None` without `auto.leader.rebalance.enable`.
    pub leader_imbalance_check_interval_ms: Option<i64>,
    /// `unclean.leader.election.interval.ms`
    pub unclean_election_check_interval_ms: i64,
    /// `delegation.token.*`; `None` without `delegation.token.secret.key`.
    pub delegation_tokens: Option<TokenOptions>,
}

/// What delegation tokens are made by.
#[derive(Clone, Debug)]
pub struct TokenOptions {
    /// `delegation.token.secret.key`
    pub secret: TokenSecret,
    /// `delegation.token.max.lifetime.ms`
    pub max_lifetime_ms: i64,
    /// `delegation.token.expiry.time.ms`
    pub expiry_time_ms: i64,
    /// `delegation.token.expiry.check.interval.ms`
    pub expiry_check_interval_ms: i64,
}
