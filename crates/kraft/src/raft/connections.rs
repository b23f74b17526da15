//! Which peer may be asked now: one request in flight per peer, a pause after a failure, a timeout where no answer comes.
//! Owns no messages.

use std::collections::BTreeMap;

/// All peers that were asked since the last change of role. A peer that is not here is ready.
#[derive(Debug)]
pub(super) struct Connections {
    peers: BTreeMap<i32, Peer>,
    retry_backoff_ms: i64,
    request_timeout_ms: i64,
    next_correlation_id: u64,
}

#[derive(Clone, Copy, Debug)]
enum Peer {
    Awaiting { correlation_id: u64, until_ms: i64 },
    BackingOff { until_ms: i64 },
}

impl Connections {
    pub(super) fn new(retry_backoff_ms: i64, request_timeout_ms: i64) -> Self {
        Connections { peers: BTreeMap::new(), retry_backoff_ms, request_timeout_ms, next_correlation_id: 0 }
    }

    /// True if a request may be sent to the peer now.
    pub(super) fn is_ready(&self, peer: i32, now_ms: i64) -> bool {
        self.ready_at(peer) <= now_ms
    }

    /// When the peer may be asked again: its answer is overdue or its pause is over.
    pub(super) fn ready_at(&self, peer: i32) -> i64 {
        match self.peers.get(&peer) {
            Some(Peer::Awaiting { until_ms, .. } | Peer::BackingOff { until_ms }) => *until_ms,
            None => i64::MIN,
        }
    }

    /// The last request to the peer got no answer in time.
    pub(super) fn has_timed_out(&self, peer: i32, now_ms: i64) -> bool {
        matches!(self.peers.get(&peer), Some(Peer::Awaiting { until_ms, .. }) if *until_ms <= now_ms)
    }

    /// The last request to the peer failed and the pause is not over.
    pub(super) fn is_backing_off(&self, peer: i32, now_ms: i64) -> bool {
        matches!(self.peers.get(&peer), Some(Peer::BackingOff { until_ms }) if *until_ms > now_ms)
    }

    /// Some request is in flight and not overdue.
    pub(super) fn is_busy(&self, now_ms: i64) -> bool {
        self.busy_until() > now_ms
    }

    /// Until when the latest request in flight is awaited; long ago if none is.
    pub(super) fn busy_until(&self) -> i64 {
        let awaited = |peer: &Peer| match peer {
            Peer::Awaiting { until_ms, .. } => Some(*until_ms),
            Peer::BackingOff { .. } => None,
        };
        self.peers.values().filter_map(awaited).max().unwrap_or(i64::MIN)
    }

    /// A request goes out; returns its correlation id.
    pub(super) fn sent(&mut self, peer: i32, now_ms: i64) -> u64 {
        assert!(self.is_ready(peer, now_ms), "one request at a time goes to a peer");
        let correlation_id = self.next_correlation_id;
        self.next_correlation_id += 1;
        self.peers
            .insert(peer, Peer::Awaiting { correlation_id, until_ms: now_ms + self.request_timeout_ms });
        correlation_id
    }

    /// The answer is to the request that is in flight; others come too late and are dropped.
    pub(super) fn is_expected(&self, peer: i32, correlation_id: u64) -> bool {
        matches!(self.peers.get(&peer), Some(Peer::Awaiting { correlation_id: id, .. }) if *id == correlation_id)
    }

    /// The expected answer was dealt with, well or badly; unless the role changed meanwhile.
    pub(super) fn answered(&mut self, peer: i32, correlation_id: u64, well: bool, now_ms: i64) {
        if !self.is_expected(peer, correlation_id) {
            return;
        }
        if well {
            self.peers.remove(&peer);
        } else {
            self.peers.insert(peer, Peer::BackingOff { until_ms: now_ms + self.retry_backoff_ms });
        }
    }

    /// The peer may be asked at once.
    pub(super) fn reset(&mut self, peer: i32) {
        self.peers.remove(&peer);
    }

    /// All peers may be asked at once, and nothing in flight is expected any more.
    pub(super) fn reset_all(&mut self) {
        self.peers.clear();
    }
}
