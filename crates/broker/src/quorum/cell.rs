//! The metadata quorum of the node, hosted: its mailbox, its turn (which may block on the disk, hence a thread of its own at
//! the rim), and what a turn brings: images for everybody, requests for other nodes, answers for those who asked, the broker's own life.
//! Decides nothing; `kraft` does.

mod held;

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use kraft::hosted::QuorumStatus;
use kraft::raft::StorageFault;
use parking_lot::Mutex;

use self::held::Held;
use crate::mailbox::Mailbox;
use crate::quorum::commands::{Audience, Parts, QuorumCommand, Reception};
use crate::quorum::lifecycle::Lifecycle;
use crate::views::Views;

/// The quorum, its mailbox, and what everybody may know of it.
pub(crate) struct QuorumCell {
    mailbox: Mailbox<QuorumCommand>,
    held: Mutex<Held>,
    deadline_ms: AtomicI64,
    broker_epoch: AtomicI64,
    is_running: AtomicBool,
    is_gone: AtomicBool,
    /// The controller has not heard of a failed directory for too long.
    is_failure_unheard: AtomicBool,
    status: Mutex<QuorumStatus>,
    reception: Mutex<Reception>,
}

/// Rounds of one turn: what is committed may let the broker's own life go on at once (register, then heartbeat).
const ROUNDS: usize = 16;

impl QuorumCell {
    pub fn new(parts: Parts) -> QuorumCell {
        QuorumCell {
            mailbox: Mailbox::default(),
            held: Mutex::new(Held::new(parts)),
            deadline_ms: AtomicI64::new(i64::MIN),
            broker_epoch: AtomicI64::new(-1),
            is_running: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
            is_failure_unheard: AtomicBool::new(false),
            status: Mutex::default(),
            reception: Mutex::default(),
        }
    }

    /// Puts a command into the mailbox; the rim's bell has to be rung afterwards.
    pub fn post(&self, command: QuorumCommand) {
        self.mailbox.push(command);
    }

    /// The epoch of this broker's registration, -1 without one.
    pub fn broker_epoch(&self) -> i64 {
        self.broker_epoch.load(Ordering::Acquire)
    }

    /// Registered and unfenced; without the broker role, in touch with a leader.
    pub fn is_running(&self) -> bool {
        self.is_running.load(Ordering::Acquire)
    }

    /// The controller has let the broker go, and the quorum needs this node no more.
    pub fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// The controller has not heard of a failed directory within `log.dir.failure.timeout.ms`.
    pub fn is_failure_unheard(&self) -> bool {
        self.is_failure_unheard.load(Ordering::Acquire)
    }

    /// Figures of the last turn.
    pub fn status(&self) -> QuorumStatus {
        *self.status.lock()
    }

    /// How this node is received where it asks.
    pub fn reception(&self) -> Reception {
        *self.reception.lock()
    }

    /// One turn: everything in the mailbox, the timers, the broker's own life. Answers when to call again at the latest.
    pub fn turn(&self, now_ms: i64, views: &Views, audience: &impl Audience) -> Result<i64, StorageFault> {
        let mut held = self.held.lock();
        let mut deadline_ms = now_ms;
        for _ in 0..ROUNDS {
            let mut batch = std::mem::take(&mut held.batch);
            self.mailbox.drain(&mut batch, usize::MAX);
            batch.drain(..).for_each(|command| held.take_command(now_ms, command, audience));
            held.batch = batch;
            let wished = held.step(now_ms, audience);
            let turn = held.quorum.turn(now_ms)?;
            let moved = wished || turn.image.is_some() || !turn.answers.is_empty() || !turn.moved.is_empty();
            deadline_ms = turn.next_deadline_ms;
            held.carry_out(now_ms, turn, views, audience);
            if !moved && self.mailbox.is_empty() && !held.is_due(now_ms) {
                break;
            }
        }
        self.show(now_ms, &held);
        let own = held.own_deadline();
        let next_ms = deadline_ms.min(own);
        self.deadline_ms.store(next_ms, Ordering::Release);
        Ok(next_ms)
    }

    fn show(&self, now_ms: i64, held: &Held) {
        let lifecycle = held.lifecycle.as_ref();
        let gives_up = lifecycle.and_then(Lifecycle::gives_up_at).is_some_and(|at_ms| now_ms >= at_ms);
        self.is_failure_unheard.store(gives_up, Ordering::Release);
        self.broker_epoch.store(lifecycle.map_or(-1, Lifecycle::broker_epoch), Ordering::Release);
        self.is_running.store(held.is_running(), Ordering::Release);
        self.is_gone.store(held.is_gone(), Ordering::Release);
        *self.status.lock() = held.quorum.status();
        *self.reception.lock() = held.reception();
    }
}
