//! A connection as plain data: two pipes of bytes that are on their way, and whether it has ended. Who sends when, and how long it
//! takes, is `network.rs`' business.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::Waker;

use bytes::Bytes;

use crate::links::Direction;

/// One direction.
#[derive(Default)]
pub struct Pipe {
    /// When each arrives, in milliseconds; in the order of sending.
    pub queue: VecDeque<(i64, Bytes)>,
    /// Nothing overtakes.
    pub last_ms: i64,
    /// Who waits for more.
    pub reader: Option<Waker>,
    /// The machines that it leads from and to; `None` to and from clients.
    pub direction: Option<Direction>,
}

/// Both directions of one connection.
#[derive(Default)]
pub struct Wire {
    /// Towards the node that took it.
    pub up: RefCell<Pipe>,
    /// Towards who opened it.
    pub down: RefCell<Pipe>,
    closed: Cell<bool>,
}

impl Wire {
    /// One that a machine has opened to another.
    pub fn between(from: usize, to: usize) -> Wire {
        let pipe = |direction| RefCell::new(Pipe { direction: Some(direction), ..Pipe::default() });
        Wire { up: pipe((from, to)), down: pipe((to, from)), closed: Cell::new(false) }
    }

    /// The connection ends; what was on its way is lost.
    pub fn reset(&self) {
        self.closed.set(true);
        for pipe in [&self.up, &self.down] {
            let mut pipe = pipe.borrow_mut();
            pipe.queue.clear();
            if let Some(reader) = pipe.reader.take() {
                reader.wake();
            }
        }
    }

    /// It has ended.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }
}
