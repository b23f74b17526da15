//! Who runs a shard's turn: whoever brings a command and finds the shard free. A busy shard gets the command in its mailbox;
//! its runner looks again after it has let go. No thread belongs to a shard.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};

use super::Shard;
use super::turn::Turn;
use crate::command::{Append, Appending, Ask, Command};
use crate::effect::Effect;
use crate::limits::{COMMANDS_PER_TURN, TURNS_PER_CALLER};
use crate::mailbox::{self, Mailbox};
use crate::timers::NEVER;

/// A shard, its mailbox, and when it is due.
pub(crate) struct ShardCell {
    mailbox: Mailbox<Command>,
    held: Mutex<Held>,
    deadline_ms: AtomicI64,
    /// Produces that wait, as the last turn left them.
    parked: AtomicUsize,
}

struct Held {
    shard: Shard,
    /// The other half of the mailbox's double buffer.
    batch: VecDeque<Command>,
}

/// Who carries out what a turn wants.
pub(crate) trait Carrier {
    /// The effects of one turn, in order.
    fn carry(&self, now_ms: i64, effects: Vec<Effect>);
    /// The shard is due at this time.
    fn due(&self, deadline_ms: i64);
}

impl ShardCell {
    pub fn new(shard: Shard) -> ShardCell {
        let deadline_ms = AtomicI64::new(shard.next_deadline().unwrap_or(NEVER));
        ShardCell {
            mailbox: Mailbox::default(),
            held: Mutex::new(Held { shard, batch: VecDeque::new() }),
            deadline_ms,
            parked: AtomicUsize::new(0),
        }
    }

    /// When the shard has something to do without a command.
    pub fn deadline_ms(&self) -> i64 {
        self.deadline_ms.load(Ordering::SeqCst)
    }

    /// Produces that wait for replicas or a disk.
    pub fn parked_produces(&self) -> usize {
        self.parked.load(Ordering::Relaxed)
    }

    /// Puts a command into the mailbox and, if the shard is free, carries it out at once.
    pub fn submit(&self, now_ms: i64, command: Command, carrier: &impl Carrier) {
        self.mailbox.push(command);
        self.run(now_ms, carrier);
    }

    /// Puts a command into the mailbox; somebody has to [`ShardCell::run`] the shard afterwards.
    pub fn post(&self, command: Command) {
        self.mailbox.push(command);
    }

    /// Appends at once where the shard is free and nothing waits for it; else the append waits in the mailbox like any command.
    pub fn append(&self, now_ms: i64, append: Append, carrier: &impl Carrier) -> Appending {
        if let Some(held) = self.free() {
            return self.at_once(held, now_ms, carrier, |shard, turn| shard.append_turn(turn, append));
        }
        let (reply, answer) = mailbox::reply();
        self.submit(now_ms, Command::Append(append, reply), carrier);
        Appending::Parked(answer)
    }

    /// As [`ShardCell::append`], for a question to a coordinator; the answer comes through its reply.
    pub fn ask(&self, now_ms: i64, ask: Ask, carrier: &impl Carrier) {
        match self.free() {
            Some(held) => self.at_once(held, now_ms, carrier, |shard, turn| {
                shard.ask_turn(turn, ask);
            }),
            None => self.submit(now_ms, Command::Ask(Box::new(ask)), carrier),
        }
    }

    /// The shard, where nobody has it and nothing waits for it.
    fn free(&self) -> Option<MutexGuard<'_, Held>> {
        // In this order: what this caller has put into the mailbox before was carried out by whoever took it from there.
        if self.mailbox.is_empty() { self.held.try_lock() } else { None }
    }

    /// A turn without the mailbox; what came into that meanwhile is carried out after it.
    fn at_once<T>(
        &self,
        held: MutexGuard<'_, Held>,
        now_ms: i64,
        carrier: &impl Carrier,
        work: impl FnOnce(&mut Shard, &mut Turn) -> T,
    ) -> T {
        let outcome = self.work(held, now_ms, carrier, |held, turn| work(&mut held.shard, turn));
        if !self.mailbox.is_empty() {
            self.run(now_ms, carrier);
        }
        outcome
    }

    fn turn(&self, held: MutexGuard<'_, Held>, now_ms: i64, carrier: &impl Carrier) {
        self.work(held, now_ms, carrier, |held, turn| {
            self.mailbox.drain(&mut held.batch, COMMANDS_PER_TURN);
            held.shard.turn(turn, &mut held.batch);
            assert!(held.batch.is_empty(), "mailbox: a command was taken and not carried out");
        });
    }

    /// Lets `work` have the shard, then carries out what it wants of others.
    fn work<T>(
        &self,
        mut held: MutexGuard<'_, Held>,
        now_ms: i64,
        carrier: &impl Carrier,
        work: impl FnOnce(&mut Held, &mut Turn) -> T,
    ) -> T {
        let mut turn = held.shard.begin_turn(now_ms);
        let guard = AbortOnPanic;
        let outcome = work(&mut held, &mut turn);
        let deadline_ms = held.shard.next_deadline().unwrap_or(NEVER);
        if deadline_ms != self.deadline_ms.load(Ordering::SeqCst) {
            self.deadline_ms.store(deadline_ms, Ordering::SeqCst);
        }
        self.parked.store(held.shard.parked_produces(), Ordering::Relaxed);
        std::mem::forget(guard);
        drop(held);
        if !turn.effects.is_empty() {
            carrier.carry(now_ms, turn.effects);
        }
        carrier.due(self.deadline_ms());
        outcome
    }

    /// Runs turns until the mailbox is empty or somebody else does, or the caller has done enough for others.
    pub fn run(&self, now_ms: i64, carrier: &impl Carrier) {
        for _ in 0..TURNS_PER_CALLER {
            let Some(held) = self.held.try_lock() else { return };
            self.turn(held, now_ms, carrier);
            if self.mailbox.is_empty() {
                return;
            }
        }
        // There is always more: the timer's thread goes on.
        self.deadline_ms.fetch_min(now_ms, Ordering::SeqCst);
        carrier.due(now_ms);
    }

    /// As [`ShardCell::run`], but waits for a turn that is under way: when this returns, all that was posted before is carried out.
    pub fn finish(&self, now_ms: i64, carrier: &impl Carrier) {
        let mut turns = self.mailbox.len().div_ceil(COMMANDS_PER_TURN);
        while turns > 0 && !self.mailbox.is_empty() {
            turns -= 1;
            let held = self.held.lock();
            self.turn(held, now_ms, carrier);
        }
        // Whoever else has the shard may have taken what was posted, before or between the looks at the mailbox, and has carried it
        // out when he lets go.
        drop(self.held.lock());
        self.run(now_ms, carrier);
    }

    /// The shard itself, for the end of the node; waits for a turn that is under way.
    pub fn with_shard<T>(&self, work: impl FnOnce(&mut Shard) -> T) -> T {
        work(&mut self.held.lock().shard)
    }
}

/// A panic in a turn leaves the shard in a state that nobody may trust: a broker that lies is worse than one that restarts.
/// (Handlers are caught one by one; they hold no state.)
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        // A test that breaks an invariant on purpose wants to hear of it.
        #[cfg(test)]
        if crate::tests::planted::is_planted() {
            return;
        }
        std::process::abort();
    }
}
