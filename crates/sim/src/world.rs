//! What every task of a run shares: the time, the draws, the trace, the machines, the model. One thread; nothing here is
//! borrowed over an await. Knows nothing of workloads.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::cluster::oracle::Oracle;
use crate::executor::{Task, Timers};
use crate::history::ops::History;
use crate::invariants::{Checked, Violation};
use crate::links::Links;
use crate::machine::Machine;
use crate::model::Model;
use crate::random::Random;
use crate::shape::Shape;
use crate::trace::Trace;

/// A handle on the run; cheap to clone.
#[derive(Clone)]
pub struct World(Rc<Shared>);

/// How far the run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Phase {
    /// Faults strike.
    Storm,
    /// No fault any more: everything has to come to its end.
    Healing,
    /// Consumers may go home.
    Closing,
    /// Over.
    Done,
}

pub struct Shared {
    pub shape: Shape,
    now_ms: Cell<i64>,
    /// When a wall clock is set, whose, and how far ahead it is from then on; the next one last.
    settings_of_clocks: RefCell<Vec<(i64, usize, i64)>>,
    pub phase: Cell<Phase>,
    random: RefCell<Random>,
    pub trace: RefCell<Trace>,
    pub timers: RefCell<Timers>,
    pub spawned: RefCell<Vec<Task>>,
    /// One at least; those of a cluster in the order of their node ids.
    pub machines: Vec<RefCell<Machine>>,
    pub links: RefCell<Links>,
    /// Whose node did something in this step.
    pub touched: Cell<Option<usize>>,
    pub model: RefCell<Model>,
    /// What no two nodes of a cluster may tell differently.
    pub oracle: RefCell<Oracle>,
    /// What the clients of a cluster did and heard.
    pub history: RefCell<History>,
    violation: RefCell<Option<Violation>>,
    /// Producers that have not got their last ack yet.
    pub producing: Cell<usize>,
    pub requests: Cell<u64>,
    pub boots: Cell<u64>,
}

impl std::ops::Deref for World {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl World {
    pub fn new(shape: Shape, random: Random, trace: Trace, machines: Vec<Machine>) -> World {
        assert!(!machines.is_empty(), "world: no machine");
        let model = Model::new(shape.flush.is_durable(), shape.cluster.is_plural());
        World(Rc::new(Shared {
            shape,
            now_ms: Cell::new(crate::START_MS),
            settings_of_clocks: RefCell::default(),
            phase: Cell::new(Phase::Storm),
            random: RefCell::new(random),
            trace: RefCell::new(trace),
            timers: RefCell::default(),
            spawned: RefCell::default(),
            machines: machines.into_iter().map(RefCell::new).collect(),
            links: RefCell::default(),
            touched: Cell::new(None),
            model: RefCell::new(model),
            oracle: RefCell::default(),
            history: RefCell::default(),
            violation: RefCell::new(None),
            producing: Cell::new(0),
            requests: Cell::new(0),
            boots: Cell::new(0),
        }))
    }

    pub fn now_ms(&self) -> i64 {
        self.0.now_ms.get()
    }

    /// The only machine, or the first.
    pub fn machine(&self) -> &RefCell<Machine> {
        self.machine_at(0)
    }

    /// One of them.
    pub fn machine_at(&self, index: usize) -> &RefCell<Machine> {
        match self.0.machines.get(index) {
            Some(machine) => machine,
            None => unreachable!("machine {index} of {}", self.0.machines.len()),
        }
    }

    /// What the first machine's wall clock says.
    pub fn wall_ms(&self) -> i64 {
        self.machine().borrow().clock.wall.at(self.now_ms())
    }

    /// Time passes; whoever waited for it is woken.
    pub fn advance_to(&self, now_ms: i64) {
        assert!(now_ms >= self.now_ms(), "time: it goes back");
        self.0.now_ms.set(now_ms);
        while let Some((_, index, ahead_ms)) =
            self.settings_of_clocks.borrow_mut().pop_if(|next| next.0 <= now_ms)
        {
            self.machine_at(index).borrow().clock.wall.is_ahead_by(ahead_ms);
            self.tell(&format!("the machine's clock is set: {ahead_ms} ms ahead"));
        }
        self.timers.borrow_mut().fire(now_ms);
    }

    /// The wall clocks start five hours slow or right, and are set forward, back and right again. Chance of its own: the seeds of
    /// before go the way they went.
    pub fn spoil_the_clocks(&self, random: &mut Random) {
        const HOURS_5: i64 = 5 * 3_600_000;
        let mut settings = Vec::new();
        for (index, machine) in self.machines.iter().enumerate() {
            if !random.per_mille(500) {
                continue;
            }
            machine.borrow().clock.wall.is_ahead_by(random.pick(&[0, -HOURS_5], 0));
            let mut at_ms = crate::START_MS;
            for _ in 0..random.between(1, 6) {
                at_ms += random.between(50, 4_000);
                settings.push((at_ms, index, random.pick(&[0, HOURS_5, -HOURS_5, 40], 0)));
            }
        }
        settings.sort_by_key(|(at_ms, index, _)| std::cmp::Reverse((*at_ms, *index)));
        *self.settings_of_clocks.borrow_mut() = settings;
    }

    /// One draw.
    pub fn draw<T>(&self, draw: impl FnOnce(&mut Random) -> T) -> T {
        draw(&mut self.random.borrow_mut())
    }

    /// True so many times in a thousand, while faults strike.
    pub fn strikes(&self, per_mille: u32) -> bool {
        self.phase.get() == Phase::Storm && self.draw(|random| random.per_mille(per_mille))
    }

    /// Tells the trace; the words are made in every run, so that a replay takes the same way.
    pub fn tell(&self, words: &str) {
        self.trace.borrow_mut().tell(self.now_ms(), words);
    }

    /// Starts a task.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.spawned.borrow_mut().push(Box::pin(task));
    }

    /// Keeps the first violation; the run ends with it.
    pub fn check(&self, checked: Checked) {
        if let Err(violation) = checked {
            self.tell(&format!("VIOLATED: {violation}"));
            self.violation.borrow_mut().get_or_insert(violation);
        }
    }

    pub fn violation(&self) -> Option<Violation> {
        self.violation.borrow().clone()
    }

    /// Waits.
    pub fn sleep(&self, ms: i64) -> Sleep {
        Sleep { world: self.clone(), until_ms: self.now_ms() + ms.max(0), armed: false }
    }

    pub fn has_healed(&self) -> bool {
        self.phase.get() >= Phase::Healing
    }
}

/// Ends when its time has come.
pub struct Sleep {
    world: World,
    until_ms: i64,
    armed: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.world.now_ms() >= self.until_ms {
            return Poll::Ready(());
        }
        if !self.armed {
            self.armed = true;
            self.world.timers.borrow_mut().add(self.until_ms, context.waker().clone());
        }
        Poll::Pending
    }
}
