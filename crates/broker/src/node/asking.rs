//! Questions to other brokers: where they are, and an answer that is read or a reason why there is none. Knows nothing of what is asked.

use wire::ApiKey;
use wire::codec::Message;

use super::Node;
use crate::mailbox::{Answer, Reply, reply};
use crate::peers::{NoAnswer, PeerAnswer, PeerRequest, Purpose};
use crate::rim::PeerAddress;

/// How long another broker may take (`request.timeout.ms` of Kafka's brokers).
pub(super) const PATIENCE_MS: i64 = 30_000;

impl Node {
    /// Where other brokers speak to that one.
    pub(super) fn broker_address(&self, broker: i32) -> Option<PeerAddress> {
        let (image, listener) = (self.image(), &self.0.inter_broker_listener);
        let endpoint = image.cluster.broker(broker)?.endpoint(listener)?;
        Some(PeerAddress {
            node_id: broker,
            host: endpoint.host.clone(),
            port: endpoint.port,
            listener: listener.clone(),
        })
    }

    /// Asks another broker, in the newest version that both know.
    pub(crate) fn ask_broker<A: Message + Send + 'static>(
        &self,
        now_ms: i64,
        broker: i32,
        purpose: Purpose,
        api_key: ApiKey,
        request: impl Message + Send + 'static,
        reply: Reply<Result<A, NoAnswer>>,
    ) {
        let Some(to) = self.broker_address(broker) else {
            return reply.send(Err(NoAnswer::Unreachable));
        };
        let done = move |_, answer: Result<PeerAnswer, NoAnswer>| {
            let read = answer.and_then(|answer| {
                answer.read::<A>().map_err(|malformed| {
                    tracing::warn!(broker, ?api_key, %malformed, "a broker's answer cannot be read");
                    NoAnswer::Malformed
                })
            });
            reply.send(read);
        };
        let deadline_ms = now_ms.saturating_add(PATIENCE_MS);
        let request = PeerRequest::new(api_key, request, deadline_ms, done);
        self.ask_peer(now_ms, &to, purpose, request);
    }

    /// The same, to be waited for.
    pub(crate) fn question_broker<A: Message + Send + 'static>(
        &self,
        now_ms: i64,
        broker: i32,
        purpose: Purpose,
        api_key: ApiKey,
        request: impl Message + Send + 'static,
    ) -> Answer<Result<A, NoAnswer>> {
        let (reply, answer) = reply();
        self.ask_broker(now_ms, broker, purpose, api_key, request, reply);
        answer
    }
}
