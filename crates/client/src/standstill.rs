//! Whether a producer or a consumer gets anywhere: the newest failure since the last success. For programs that must say
//! why nothing happens; retries go on whether anybody looks or not. Never decides anything.

use crate::error::Error;
use net::PeerError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Nothing has worked for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Standstill {
    /// The newest failure.
    pub error: Error,
    /// Since the first of the failures that nothing has worked after.
    pub lasting: Duration,
}

/// Successes and failures, as they come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// `first_failure` is there: so that a success costs one load where nothing is wrong.
    failing: AtomicBool,
    trouble: Mutex<Option<(Instant, Error)>>,
}

impl Progress {
    /// Something went through.
    pub(crate) fn succeeded(&self) {
        if self.failing.load(Ordering::Acquire) {
            *self.trouble.lock() = None;
            self.failing.store(false, Ordering::Release);
        }
    }

    /// Something did not, and will be tried again.
    pub(crate) fn failed(&self, error: Error) {
        let mut trouble = self.trouble.lock();
        let first = trouble.take().map_or_else(|| began(&error), |(first, _)| first);
        *trouble = Some((first, error));
        self.failing.store(true, Ordering::Release);
    }

    /// The trouble there is now, if any.
    pub(crate) fn standstill(&self) -> Option<Standstill> {
        let trouble = self.trouble.lock();
        trouble.as_ref().map(|(first, error)| Standstill { error: error.clone(), lasting: first.elapsed() })
    }
}

/// Who waited for an answer in vain knows of it only at the end of the waiting.
fn began(error: &Error) -> Instant {
    let now = Instant::now();
    match error {
        Error::Network { cause: PeerError::TimedOut { after }, .. } | Error::Timeout { after, .. } => {
            now.checked_sub(*after).unwrap_or(now)
        }
        _known_at_once => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::ErrorCode;

    #[test]
    fn a_standstill_begins_with_the_first_failure_and_ends_with_a_success() {
        let progress = Progress::default();
        assert_eq!(progress.standstill(), None);
        let silence = PeerError::TimedOut { after: Duration::from_secs(5) };
        progress.failed(Error::Network { address: "a:1".into(), cause: silence });
        progress.failed(Error::refused(ErrorCode::NotEnoughReplicas, "produce"));
        let standstill = progress.standstill().expect("two failures");
        assert_eq!(standstill.error.code(), Some(ErrorCode::NotEnoughReplicas));
        assert!(standstill.lasting >= Duration::from_secs(5), "{:?}", standstill.lasting);
        progress.succeeded();
        assert_eq!(progress.standstill(), None);
    }
}
