//! `ApiKey`: every API of Kafka 4.4 with its versions, and which header goes before them (KIP-482, KIP-511).
//! The rows are generated from the schemas into `api_key/table.rs`.

mod row;
mod table;

use std::fmt;
use std::ops::RangeInclusive;

pub use row::Throttle;
use row::{BROKER, CONTROLLER};
pub use table::ApiKey;

impl ApiKey {
    /// The number on the wire.
    pub const fn key(self) -> i16 {
        self as i16
    }

    /// Kafka's name, e.g. `OffsetForLeaderEpoch`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The stable versions that Kafka 4.4 serves.
    pub const fn versions(self) -> RangeInclusive<i16> {
        let (first, last) = self.row().versions;
        first..=last
    }

    /// The versions with a schema, also those that Kafka 4.4 serves only with `unstable.api.versions.enable`.
    pub fn versions_with_unstable(self) -> RangeInclusive<i16> {
        let row = self.row();
        row.versions.0..=row.latest
    }

    /// The versions that an ApiVersions answer tells. Produce claims to begin at 0 although 0 to 2 are refused: old
    /// librdkafka takes a broker without Produce v0 for one without compression (KAFKA-18659).
    pub fn advertised_versions(self) -> RangeInclusive<i16> {
        match self {
            ApiKey::Produce => 0..=*self.versions().end(),
            _ => self.versions(),
        }
    }

    /// True when requests of this version are flexible: compact strings, tagged fields.
    pub const fn is_flexible(self, version: i16) -> bool {
        version >= self.row().flexible_from
    }

    /// The version of the header before a request of this version: 2 for flexible ones, else 1.
    pub const fn request_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) { 2 } else { 1 }
    }

    /// The version of the header before a response of this version: 1 for flexible ones, else 0. ApiVersions is always
    /// answered with 0, so that a client can read it before it knows what the broker speaks (KIP-511).
    pub const fn response_header_version(self, version: i16) -> i16 {
        if self.is_flexible(version) && !matches!(self, ApiKey::ApiVersions) { 1 } else { 0 }
    }

    /// Served on a broker's listeners.
    pub const fn is_on_broker(self) -> bool {
        self.row().listeners & BROKER != 0
    }

    /// Served on a controller's listeners.
    pub const fn is_on_controller(self) -> bool {
        self.row().listeners & CONTROLLER != 0
    }

    /// A broker passes it on to the controller in an Envelope (KIP-590).
    pub const fn is_forwardable(self) -> bool {
        self.row().forwardable
    }

    /// Where an answer of this version says how long its client is throttled, in milliseconds; nowhere before it could.
    pub const fn throttle(self, version: i16) -> Throttle {
        match self.row().throttle {
            Throttle::At(_, since) | Throttle::Behind(since) if version < since => Throttle::Nowhere,
            throttle => throttle,
        }
    }

    /// Only nodes of the cluster may send it: needs CLUSTER_ACTION on the cluster.
    pub const fn is_cluster_action(self) -> bool {
        self.row().cluster_action
    }
}

impl fmt::Display for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lead_back_to_their_api() {
        for &api in ApiKey::ALL {
            assert_eq!(ApiKey::from_i16(api.key()), Some(api));
        }
        assert_eq!(ApiKey::from_i16(4), None, "LeaderAndIsr went with ZooKeeper");
        assert_eq!(ApiKey::ALL.len(), 91);
    }

    #[test]
    fn headers_follow_the_rules() {
        assert_eq!(ApiKey::Fetch.request_header_version(11), 1);
        assert_eq!(ApiKey::Fetch.request_header_version(12), 2);
        assert_eq!(ApiKey::Fetch.response_header_version(12), 1);
        assert_eq!(ApiKey::ApiVersions.request_header_version(3), 2);
        assert_eq!(ApiKey::ApiVersions.response_header_version(5), 0);
        assert_eq!(ApiKey::SaslHandshake.request_header_version(1), 1);
    }

    #[test]
    fn answers_say_in_their_place_how_long_somebody_is_throttled() {
        assert_eq!(ApiKey::Fetch.throttle(4), Throttle::At(0, 0));
        assert_eq!(ApiKey::OffsetDelete.throttle(0), Throttle::At(2, 0));
        assert_eq!(ApiKey::RenewDelegationToken.throttle(2), Throttle::At(10, 0));
        assert_eq!(ApiKey::Metadata.throttle(2), Throttle::Nowhere, "it could not yet");
        assert_eq!(ApiKey::Metadata.throttle(3), Throttle::At(0, 3));
        assert_eq!(ApiKey::Produce.throttle(3), Throttle::Behind(0));
        assert_eq!(ApiKey::ApiVersions.throttle(0), Throttle::Nowhere);
        assert_eq!(ApiKey::SaslHandshake.throttle(1), Throttle::Nowhere);
    }

    #[test]
    fn versions_are_those_of_the_reference() {
        assert_eq!(ApiKey::Fetch.versions(), 4..=18);
        assert_eq!(ApiKey::Produce.versions(), 3..=13);
        assert_eq!(ApiKey::Produce.advertised_versions(), 0..=13);
        assert_eq!(ApiKey::InitProducerId.versions(), 0..=5);
        assert_eq!(ApiKey::InitProducerId.versions_with_unstable(), 0..=6);
        assert!(!ApiKey::Vote.is_on_broker() && ApiKey::Vote.is_on_controller());
    }
}
