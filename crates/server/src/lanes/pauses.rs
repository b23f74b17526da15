//! Pauses on a lane: whoever failed to authenticate hears of it, and is closed, only after a while. Owns who waits until when.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::post::{Paused, Post};

/// Is ready when the lane says that the time has come.
pub struct Pause {
    post: Arc<Post>,
    until_ms: i64,
    is_over: Arc<AtomicBool>,
    has_begun: bool,
}

impl Pause {
    /// A pause on the lane of this letter box.
    pub fn new(post: Arc<Post>, until_ms: i64) -> Pause {
        Pause { post, until_ms, is_over: Arc::default(), has_begun: false }
    }
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over.load(Ordering::Acquire) {
            return Poll::Ready(());
        }
        if !std::mem::replace(&mut self.has_begun, true) {
            let (until_ms, is_over) = (self.until_ms, self.is_over.clone());
            let paused = Paused { until_ms, is_over, waker: cx.waker().clone() };
            self.post.deliver(|mail| mail.pauses.push(paused));
        }
        Poll::Pending
    }
}

/// The pauses of a lane.
pub struct Pauses {
    all: Vec<Paused>,
    /// When the first is over; `i64::MAX` where there is none.
    first_ms: i64,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses { all: Vec::new(), first_ms: i64::MAX }
    }
}

impl Pauses {
    /// When [`Pauses::look`] has something to do.
    pub fn first_ms(&self) -> i64 {
        self.first_ms
    }

    /// One more.
    pub fn take(&mut self, paused: Paused) {
        self.first_ms = self.first_ms.min(paused.until_ms);
        self.all.push(paused);
    }

    /// Ends those whose time has come.
    pub fn look(&mut self, now_ms: i64) {
        for over in self.all.extract_if(.., |paused| paused.until_ms <= now_ms) {
            over.is_over.store(true, Ordering::Release);
            over.waker.wake();
        }
        self.first_ms = self.all.iter().map(|paused| paused.until_ms).min().unwrap_or(i64::MAX);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::lanes::post::Mail;

    #[test]
    fn a_pause_ends_in_its_time_and_not_before() {
        let post = Post::new().unwrap();
        let mut pause = Box::pin(Pause::new(post.clone(), 1_100));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pause.as_mut().poll(&mut cx).is_pending() && pause.as_mut().poll(&mut cx).is_pending());
        let (mut mail, mut pauses) = (Mail::default(), Pauses::default());
        post.collect(&mut mail);
        assert_eq!((mail.pauses.len(), pauses.first_ms()), (1, i64::MAX));
        mail.pauses.drain(..).for_each(|paused| pauses.take(paused));
        pauses.look(1_099);
        assert_eq!(pauses.first_ms(), 1_100);
        assert!(pause.as_mut().poll(&mut cx).is_pending());
        pauses.look(1_100);
        assert!(pause.as_mut().poll(&mut cx).is_ready());
        assert_eq!(pauses.first_ms(), i64::MAX);
    }
}
