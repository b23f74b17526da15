//! Work that waits for answers and that no request waits for: a future without a caller. Each time something it waits for is there, a worker
//! goes on with it. Owns the future until it is over or the node goes away; knows nothing of what it does.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use parking_lot::Mutex;

use super::Node;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future, while it is not over; whoever polls it holds the lock.
struct Background {
    node: Node,
    work: Mutex<Option<Work>>,
}

impl Background {
    fn go_on(self: &Arc<Self>) {
        let waker = Waker::from(Arc::clone(self));
        let mut work = self.work.lock();
        if let Some(future) = work.as_mut()
            && future.as_mut().poll(&mut Context::from_waker(&waker)) == Poll::Ready(())
        {
            *work = None;
        }
    }
}

impl Wake for Background {
    /// Never within the call: whoever wakes may hold a shard.
    fn wake(self: Arc<Self>) {
        let node = self.node.clone();
        node.work_later(move |_| self.go_on());
    }
}

impl Node {
    /// Begins something that goes on by itself. It must bound its own number and end by itself.
    pub(crate) fn in_background(&self, work: impl Future<Output = ()> + Send + 'static) {
        let background = Background { node: self.clone(), work: Mutex::new(Some(Box::pin(work))) };
        Arc::new(background).wake();
    }
}
