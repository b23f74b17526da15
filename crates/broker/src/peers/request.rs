//! A request to another node, what comes back, and why nothing does.

use std::ops::RangeInclusive;

use bytes::Bytes;
use wire::ApiKey;
use wire::codec::{DecodeError, Decoder, Message};
use wire::frame::{RequestHeader, encode_request};

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No connection came about, or the last attempt failed a moment ago: it was never sent.
    Unreachable,
    /// Nobody listens there, though the machine answers, now or a moment ago: it was never sent.
    Refused,
    /// The connection ended meanwhile: it may have been carried out.
    Lost,
    /// The deadline passed: it may have been carried out.
    TimedOut,
    /// The peer knows no version of the request that this node may send: it was never sent.
    Unsupported,
    /// What came cannot be read: it may have been carried out.
    Malformed,
}

/// An answer's body where it lies.
#[derive(Debug)]
pub(crate) struct PeerAnswer {
    pub api_version: i16,
    pub body: Bytes,
}

impl PeerAnswer {
    /// Reads it as the answer that it should be.
    pub fn read<A: Message>(self) -> Result<A, DecodeError> {
        A::decode(&mut Decoder::of(self.body), self.api_version)
    }
}

/// Who is told. `i64`: the time.
pub(super) type Done = Box<dyn FnOnce(i64, Result<PeerAnswer, NoAnswer>) + Send>;

/// A request to be sent once.
pub(crate) struct PeerRequest {
    pub(super) api_key: ApiKey,
    pub(super) versions: RangeInclusive<i16>,
    pub(super) body: Box<dyn Body>,
    /// When it is given up.
    pub(super) deadline_ms: i64,
    pub(super) done: Done,
}

/// What can be written in any version.
pub(super) trait Body: Send {
    fn frame(&self, header: &RequestHeader) -> Vec<Bytes>;
}

impl<M: Message + Send> Body for M {
    fn frame(&self, header: &RequestHeader) -> Vec<Bytes> {
        encode_request(header, self)
    }
}

impl PeerRequest {
    /// A request in any version that this node knows.
    pub fn new(
        api_key: ApiKey,
        body: impl Message + Send + 'static,
        deadline_ms: i64,
        done: impl FnOnce(i64, Result<PeerAnswer, NoAnswer>) + Send + 'static,
    ) -> PeerRequest {
        let versions = api_key.versions();
        PeerRequest { api_key, versions, body: Box::new(body), deadline_ms, done: Box::new(done) }
    }

    /// The same in these versions only.
    pub fn in_versions(self, versions: RangeInclusive<i16>) -> PeerRequest {
        PeerRequest { versions, ..self }
    }
}
