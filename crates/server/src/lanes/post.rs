//! How other threads reach a lane: doors and new connections, errands to other nodes, connections that can go on, and how far the lanes
//! are on their way to the end.
//!
//! A delivery costs a lock and, only if the lane sleeps in the kernel, one write that wakes it. Never runs anything itself.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};

use super::doors::{Accepted, Door};
use super::errands::Errand;

/// How far the lanes are on their way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// All goes on.
    Serving,
    /// Nobody new is accepted; who is connected goes on.
    Draining,
    /// Every connection is closed.
    Stopped,
}

/// A lane's letter box.
pub struct Post {
    mail: Mutex<Mail>,
    /// There is mail. Written after it was put in.
    waits: AtomicBool,
    /// The lane sleeps, or is about to look once more whether it may.
    asleep: AtomicBool,
    /// Wakes it; its edge is enough, nobody reads the count.
    alarm: OwnedFd,
}

/// A pause that has begun (see `pauses`).
pub struct Paused {
    /// When it is over.
    pub until_ms: i64,
    /// Says that it is.
    pub is_over: Arc<AtomicBool>,
    /// Is called then.
    pub waker: Waker,
}

/// What has come since the lane last looked.
pub struct Mail {
    /// Where it is to listen.
    pub doors: Vec<Door>,
    /// New connections of this lane.
    pub arrived: Vec<Accepted>,
    /// What the node wants of its links to other nodes, in order.
    pub errands: Vec<Errand>,
    /// Pauses that have begun.
    pub pauses: Vec<Paused>,
    /// Places of connections and links that can go on.
    pub woken: Vec<usize>,
    /// How far the lanes are.
    pub phase: Phase,
}

impl Default for Mail {
    fn default() -> Self {
        let (doors, arrived, errands, woken) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Mail { doors, arrived, errands, pauses: Vec::new(), woken, phase: Phase::Serving }
    }
}

impl Post {
    /// An empty one.
    pub fn new() -> io::Result<Arc<Post>> {
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Arc::new(Post { mail: Mutex::default(), waits: false.into(), asleep: false.into(), alarm }))
    }

    /// What becomes readable when a delivery wakes the lane.
    pub fn alarm(&self) -> &OwnedFd {
        &self.alarm
    }

    /// Puts something in.
    pub fn deliver(&self, put: impl FnOnce(&mut Mail)) {
        put(&mut self.mail.lock());
        // In this order, and the lane in the other: either it sees the mail, or it is seen asleep.
        self.waits.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            // It fails only where the count is full, and then the edge was there long ago.
            let _ = rustix::io::write(&self.alarm, &1u64.to_ne_bytes());
        }
    }

    /// Hands over what has come. The lane calls it; what it hands over to keeps its memory.
    pub fn collect(&self, to: &mut Mail) {
        if self.waits.swap(false, Ordering::SeqCst) {
            let mut mail = self.mail.lock();
            to.doors.append(&mut mail.doors);
            to.arrived.append(&mut mail.arrived);
            to.errands.append(&mut mail.errands);
            to.pauses.append(&mut mail.pauses);
            to.woken.append(&mut mail.woken);
            to.phase = mail.phase;
        }
    }

    /// There is mail already: the kernel need not be asked first.
    pub fn has_mail(&self) -> bool {
        self.waits.load(Ordering::Relaxed)
    }

    /// From now on a delivery rings. False: there is mail, sleep would be wrong.
    pub fn may_sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        !self.waits.load(Ordering::SeqCst)
    }

    /// The lane is awake and will look.
    pub fn awake(&self) {
        self.asleep.store(false, Ordering::SeqCst);
    }
}

/// A connection's waker.
pub struct Bell {
    post: Arc<Post>,
    place: usize,
    /// Rung, and not heard yet: however often it rings, the post holds it once.
    rung: AtomicBool,
}

impl Bell {
    /// The bell of the connection in this place.
    pub fn new(post: Arc<Post>, place: usize) -> Arc<Bell> {
        Arc::new(Bell { post, place, rung: false.into() })
    }

    /// The connection is about to be polled: what rings from here on asks for another poll.
    pub fn heard(&self) {
        if self.rung.load(Ordering::Relaxed) {
            self.rung.swap(false, Ordering::AcqRel);
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.post.deliver(|mail| mail.woken.push(self.place));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_is_heard_once_and_wakes_a_sleeper_only() {
        let post = Post::new().unwrap();
        let bell = Bell::new(post.clone(), 7);
        let waker = Waker::from(bell.clone());
        let rings = || rustix::io::read(post.alarm(), &mut [0; 8]).is_ok();
        let mut mail = Mail::default();
        let mut collect = || {
            mail.woken.clear();
            post.collect(&mut mail);
            mail.woken.clone()
        };
        assert!(post.may_sleep());
        post.awake();
        waker.wake_by_ref();
        waker.wake_by_ref();
        assert!(!rings() && !post.may_sleep());
        assert_eq!(collect(), [7]);
        assert!(post.may_sleep());
        bell.heard();
        waker.wake_by_ref();
        assert!(rings());
        assert_eq!(collect(), [7]);
        // Not heard: the lane has yet to poll it.
        waker.wake_by_ref();
        assert_eq!(collect(), [0; 0]);
    }
}
