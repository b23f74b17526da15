//! Brokers that have gone silent are asked whether they are still there, by the controller itself and on the listener that others use:
//! a paused process or one that is cut off does not answer, one that is merely busy does. Says what to ask and what an outcome means;
//! who is silent, and what becomes of it, is the controller's (`Soft`).

use wire::messages::api_versions::ApiVersionsRequest;
use wire::{ApiKey, Str};

use crate::peers::{NoAnswer, PeerAnswer, PeerRequest};

/// What became of a question.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probed {
    pub broker_id: i32,
    pub broker_epoch: i64,
    /// When it was asked.
    pub since_ms: i64,
    /// When it should have answered.
    pub deadline_ms: i64,
    /// It did not: the time was over.
    pub is_silent: bool,
}

/// A controller that hears of the end so much later was held up itself, and has to listen first to what came meanwhile.
const LATE_MS: i64 = 200;

impl Probed {
    /// Nothing came, and this controller was there to hear it.
    pub fn proves_silence(&self, now_ms: i64) -> bool {
        self.is_silent && now_ms.saturating_sub(self.deadline_ms) <= LATE_MS
    }
}

/// The question, and where its outcome goes.
pub(crate) fn probe(
    (broker_id, broker_epoch): (i32, i64),
    since_ms: i64,
    deadline_ms: i64,
    heard: impl FnOnce(Probed) + Send + 'static,
) -> PeerRequest {
    let request = ApiVersionsRequest {
        client_software_name: Str::from("ottla"),
        client_software_version: Str::from(env!("CARGO_PKG_VERSION")),
        ..ApiVersionsRequest::default()
    };
    let done = move |_, outcome: Result<PeerAnswer, NoAnswer>| {
        // Whatever else came, a closed connection or a refusal, is something said, and is heard of elsewhere.
        let is_silent = matches!(outcome, Err(NoAnswer::TimedOut));
        heard(Probed { broker_id, broker_epoch, since_ms, deadline_ms, is_silent });
    };
    PeerRequest::new(ApiKey::ApiVersions, request, deadline_ms, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_that_was_listened_to_is_one() {
        let asked =
            Probed { broker_id: 1, broker_epoch: 7, since_ms: 1_000, deadline_ms: 1_600, is_silent: true };
        assert!(asked.proves_silence(1_600));
        assert!(asked.proves_silence(1_600 + LATE_MS));
        assert!(!asked.proves_silence(1_601 + LATE_MS), "the controller itself stood still");
        assert!(!Probed { is_silent: false, ..asked }.proves_silence(1_600));
    }
}
