//! A queue into a cell and the slot an answer comes back through: the same types in production and simulation. Neither
//! knows who runs the cell; a waiting handler is woken through its `std::task::Waker`.
//!
//! A mailbox has no bound of its own: a connection has at most `limits::REQUESTS_IN_FLIGHT` handlings, each of
//! which waits for what it sent, so the queue is bounded by the connections, and the bytes in it by the rim's lease.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Commands in order of arrival: none is lost, none comes twice, none overtakes another. Whoever drains it has carried out what he
/// took before he takes more (`shard/cell.rs` asserts it).
pub struct Mailbox<C> {
    queue: Mutex<VecDeque<C>>,
}

impl<C> Default for Mailbox<C> {
    fn default() -> Self {
        Mailbox { queue: Mutex::new(VecDeque::new()) }
    }
}

impl<C> Mailbox<C> {
    /// Puts a command at the end.
    pub fn push(&self, command: C) {
        self.queue.lock().push_back(command);
    }

    /// Takes the first command.
    pub fn pop(&self) -> Option<C> {
        self.queue.lock().pop_front()
    }

    /// Moves up to `most` commands into `batch`.
    pub fn drain(&self, batch: &mut VecDeque<C>, most: usize) {
        let mut queue = self.queue.lock();
        if batch.is_empty() && queue.len() <= most {
            // The common case moves no command at all: the two buffers change places.
            std::mem::swap(&mut *queue, batch);
        } else {
            let many = queue.len().min(most);
            batch.extend(queue.drain(..many));
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.queue.lock().len()
    }

    /// True if nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.lock().is_empty()
    }
}

/// The owner of the other end went away without an answer: the shard lost the partition, or the node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped;

enum Slot<T> {
    Waiting(Option<Waker>),
    /// Nobody waits: this is called with the answer.
    Calling(Box<dyn FnOnce(Result<T, Dropped>) + Send>),
    Full(T),
    Done,
}

/// What is left to be done once the slot has its value.
enum Settled<T> {
    Heard(Option<Waker>),
    Call(Box<dyn FnOnce(Result<T, Dropped>) + Send>, Slot<T>),
}

/// The end that answers. Dropping it unanswered tells the other end so.
pub struct Reply<T>(Arc<Mutex<Slot<T>>>);

/// The end that waits.
pub struct Answer<T>(Arc<Mutex<Slot<T>>>);

impl<T> Answer<T> {
    /// What has been answered by now. After this gave something there is nothing left to wait for.
    pub fn known(&mut self) -> Option<Result<T, Dropped>> {
        let mut slot = self.0.lock();
        match std::mem::replace(&mut *slot, Slot::Done) {
            Slot::Full(value) => Some(Ok(value)),
            Slot::Done => Some(Err(Dropped)),
            waiting @ (Slot::Waiting(_) | Slot::Calling(_)) => {
                *slot = waiting;
                None
            }
        }
    }
}

/// A fresh pair.
pub fn reply<T>() -> (Reply<T>, Answer<T>) {
    let slot = Arc::new(Mutex::new(Slot::Waiting(None)));
    (Reply(Arc::clone(&slot)), Answer(slot))
}

/// An answer for which nobody waits: `then` is called with it once, by whoever answers. It must not wait for anything itself.
pub(crate) fn call_back<T>(then: impl FnOnce(Result<T, Dropped>) + Send + 'static) -> Reply<T> {
    Reply(Arc::new(Mutex::new(Slot::Calling(Box::new(then)))))
}

impl<T> Reply<T> {
    /// Answers and wakes the one who waits.
    pub fn send(self, value: T) {
        self.settle(Slot::Full(value));
    }

    fn settle(&self, new: Slot<T>) {
        let settled = {
            let mut slot = self.0.lock();
            match &mut *slot {
                Slot::Waiting(waker) => {
                    let waker = waker.take();
                    *slot = new;
                    Settled::Heard(waker)
                }
                Slot::Calling(_) => match std::mem::replace(&mut *slot, Slot::Done) {
                    Slot::Calling(then) => Settled::Call(then, new),
                    Slot::Waiting(_) | Slot::Full(_) | Slot::Done => return,
                },
                Slot::Full(_) | Slot::Done => return,
            }
        };
        match settled {
            Settled::Heard(waker) => waker.into_iter().for_each(Waker::wake),
            Settled::Call(then, Slot::Full(value)) => then(Ok(value)),
            Settled::Call(then, _) => then(Err(Dropped)),
        }
    }
}

impl<T> Drop for Reply<T> {
    fn drop(&mut self) {
        self.settle(Slot::Done);
    }
}

impl<T> Future for Answer<T> {
    type Output = Result<T, Dropped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.0.lock();
        match std::mem::replace(&mut *slot, Slot::Done) {
            Slot::Full(value) => Poll::Ready(Ok(value)),
            Slot::Done => Poll::Ready(Err(Dropped)),
            Slot::Waiting(_) => {
                *slot = Slot::Waiting(Some(context.waker().clone()));
                Poll::Pending
            }
            // Such a slot has no end that waits.
            calling @ Slot::Calling(_) => {
                *slot = calling;
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll<T>(answer: &mut Answer<T>, waker: &Waker) -> Poll<Result<T, Dropped>> {
        Pin::new(answer).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn an_answer_known_before_the_first_poll_wakes_nobody() {
        let (reply, mut answer) = reply();
        assert!(answer.known().is_none());
        reply.send(7);
        let (known, mut early) = super::reply();
        known.send(8);
        assert_eq!((early.known(), early.known()), (Some(Ok(8)), Some(Err(Dropped))));
        assert_eq!(poll(&mut answer, Waker::noop()), Poll::Ready(Ok(7)));
    }

    #[test]
    fn a_late_answer_wakes_once() {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&count));
        let (reply, mut answer) = reply();
        assert!(poll(&mut answer, &waker).is_pending());
        reply.send("x");
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut answer, &waker), Poll::Ready(Ok("x")));
    }

    #[test]
    fn who_is_called_back_is_called_once_also_when_nobody_answers() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = |heard: &Arc<Mutex<Vec<Result<i32, Dropped>>>>| {
            let heard = Arc::clone(heard);
            call_back(move |answer| heard.lock().push(answer))
        };
        hear(&heard).send(7);
        drop(hear(&heard));
        assert_eq!(*heard.lock(), [Ok(7), Err(Dropped)]);
    }

    #[test]
    fn a_dropped_reply_is_heard() {
        let (reply, mut answer) = reply::<()>();
        assert!(poll(&mut answer, Waker::noop()).is_pending());
        drop(reply);
        assert_eq!(poll(&mut answer, Waker::noop()), Poll::Ready(Err(Dropped)));
    }

    #[test]
    fn commands_keep_their_order_over_bounded_drains() {
        let mailbox = Mailbox::default();
        (0..10).for_each(|n| mailbox.push(n));
        let mut batch = VecDeque::new();
        mailbox.drain(&mut batch, 4);
        assert_eq!(batch, [0, 1, 2, 3]);
        mailbox.drain(&mut batch, 100);
        assert_eq!(batch.len(), 10);
        assert!(mailbox.is_empty());
    }
}
