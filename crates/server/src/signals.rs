//! SIGTERM, SIGINT and SIGHUP, heard before anything else is done: the life of a process seen from outside. A signal ends a start at its
//! next step and a running node cleanly; a second one ends the process at once. Whatever takes longer than [`PATIENCE`] says what it
//! waits for, again and again, and what hangs is left behind after a bounded time: no disk, lock or network makes the process deaf.

use std::fmt;
use std::future::Future;
use std::io;
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use crate::journey::Journey;
use crate::main_loop::Running;
use crate::{logs, machine};

/// Silence of a start or a stop that people bear.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a start may take to notice that it is wanted back.
const TURNING_BACK: Duration = Duration::from_secs(5);

/// A stop that stays at one step for so long hangs; the kernel, too, calls a task hung after as much.
const HANGS: Duration = Duration::from_secs(120);

/// A second signal this soon after the first is the first one again: `timeout` and shells send it to a process and to its group.
const SAME_SIGNAL: Duration = Duration::from_secs(1);

/// As shells report a process that a signal ended.
const SIGNALLED: i32 = 128;

/// The process did not stop as it should.
const EXIT_STUCK: i32 = 1;

/// Who asks the process to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Asked {
    const ALL: [Asked; 3] = [Asked::Hangup, Asked::Interrupt, Asked::Terminate];

    fn number(self) -> i32 {
        match self {
            Asked::Hangup => 1,
            Asked::Interrupt => 2,
            Asked::Terminate => 15,
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Asked::Hangup => "SIGHUP",
            Asked::Interrupt => "SIGINT",
            Asked::Terminate => "SIGTERM",
        })
    }
}

/// Listens from the moment it is made.
pub struct StopSignals {
    runtime: Runtime,
    signals: Vec<(Asked, Signal)>,
}

impl StopSignals {
    /// Takes the signals over. One that the process was told to ignore (nohup) stays ignored, as the JVM has it.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let ignored = machine::ignored_signals();
        let heard = |asked: &Asked| ignored & (1 << (asked.number() - 1)) == 0;
        let signals = runtime.block_on(async {
            let listen = |asked: Asked| Ok((asked, signal(SignalKind::from_raw(asked.number()))?));
            Asked::ALL.into_iter().filter(heard).map(listen).collect::<io::Result<_>>()
        })?;
        Ok(Self { runtime, signals })
    }

    /// Starts a node with `start`, says `hello` once it runs, and stops it cleanly at a signal. Returns when it has stopped, or with what
    /// `start` failed of; ends the process where a signal came during the start or something hangs.
    pub fn run<E: Send + 'static>(
        mut self,
        start: impl FnOnce(&Journey) -> Result<Running, E> + Send + 'static,
        hello: impl FnOnce(&Running),
    ) -> io::Result<Result<(), E>> {
        let signals = &mut self.signals;
        self.runtime.block_on(async {
            let journey = Arc::new(Journey::default());
            let started = on_a_thread("start", Arc::clone(&journey), start)?;
            let (started, wanted_back) = watch_start(started, &journey, signals).await?;
            let running = match (started, wanted_back) {
                (Err(_), Some(asked)) => {
                    tracing::info!("stopped by {asked} before the node was ready");
                    process::exit(SIGNALLED + asked.number());
                }
                (Err(error), None) => return Ok(Err(error)),
                (Ok(running), wanted_back) => (running, wanted_back),
            };
            let asked = match running.1 {
                Some(asked) => asked,
                None => {
                    hello(&running.0);
                    next(signals).await
                }
            };
            tracing::info!("{asked}: stopping");
            let journey = Arc::new(Journey::default());
            let stop = |journey: &Journey| running.0.stop_watched(journey);
            let stopped = on_a_thread("stop", Arc::clone(&journey), stop)?;
            watch_stop(stopped, &journey, signals).await?;
            tracing::info!("stopped");
            Ok(Ok(()))
        })
    }
}

/// Until the start is over: its outcome, and who wanted it back.
async fn watch_start<T>(
    started: impl Future<Output = io::Result<T>>,
    journey: &Journey,
    signals: &mut [(Asked, Signal)],
) -> io::Result<(T, Option<Asked>)> {
    let (mut ticks, mut teller, mut wanted_back) = (ticks(), Teller::new("starting"), None);
    tokio::pin!(started);
    loop {
        tokio::select! {
            outcome = &mut started => return Ok((outcome?, wanted_back.map(|(asked, _)| asked))),
            asked = next(signals) => match wanted_back {
                None => {
                    tracing::info!("{asked} during the start: it goes no further");
                    journey.turn_back();
                    wanted_back = Some((asked, Instant::now()));
                }
                Some((_, since)) if since.elapsed() < SAME_SIGNAL => {}
                Some(_) => at_once(asked),
            },
            _ = ticks.tick() => teller.tell(journey),
        }
        if let Some((asked, since)) = wanted_back
            && since.elapsed() >= TURNING_BACK
        {
            let (what, _) = journey.step();
            logs::say(&format!("error: {asked} found the start waiting for {what}: it is left there"));
            process::exit(SIGNALLED + asked.number());
        }
    }
}

/// Until the node has stopped.
async fn watch_stop(
    stopped: impl Future<Output = io::Result<()>>,
    journey: &Journey,
    signals: &mut [(Asked, Signal)],
) -> io::Result<()> {
    let (mut ticks, mut teller, began) = (ticks(), Teller::new("stopping"), Instant::now());
    tokio::pin!(stopped);
    loop {
        tokio::select! {
            outcome = &mut stopped => return outcome,
            asked = next(signals) => if began.elapsed() >= SAME_SIGNAL {
                at_once(asked);
            },
            _ = ticks.tick() => teller.tell(journey),
        }
        let (what, since) = journey.step();
        if since >= HANGS {
            logs::say("error: the node could not stop cleanly");
            logs::say(&format!("  why: it has waited {} s for {what}", since.as_secs()));
            logs::say("  try: look at the disk; the next start recovers the logs");
            process::exit(EXIT_STUCK);
        }
    }
}

/// Runs a part of the journey beside the one who watches it.
fn on_a_thread<T: Send + 'static>(
    name: &str,
    journey: Arc<Journey>,
    part: impl FnOnce(&Journey) -> T + Send + 'static,
) -> io::Result<impl Future<Output = io::Result<T>>> {
    let (done, outcome) = oneshot::channel();
    let run = move || drop(done.send(part(&journey)));
    thread::Builder::new().name(name.to_owned()).spawn(run)?;
    // Its panic has been told.
    Ok(async { outcome.await.map_err(|_| io::Error::other("a thread of the process panicked")) })
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = interval(PATIENCE / 20);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Says what is waited for whenever nothing was said for too long.
struct Teller {
    doing: &'static str,
    spoke: Instant,
}

impl Teller {
    fn new(doing: &'static str) -> Self {
        Self { doing, spoke: Instant::now() }
    }

    fn tell(&mut self, journey: &Journey) {
        if self.spoke.elapsed() >= PATIENCE {
            let (step, since) = journey.step();
            tracing::warn!("still {}: waiting for {step}, {} s so far", self.doing, since.as_secs());
            self.spoke = Instant::now();
        }
    }
}

async fn next(signals: &mut [(Asked, Signal)]) -> Asked {
    std::future::poll_fn(|context| {
        let asked = signals
            .iter_mut()
            .find_map(|(asked, signal)| signal.poll_recv(context).is_ready().then_some(*asked));
        asked.map_or(std::task::Poll::Pending, std::task::Poll::Ready)
    })
    .await
}

fn at_once(asked: Asked) -> ! {
    logs::say("stopping at once: the next start has to recover the logs");
    process::exit(SIGNALLED + asked.number())
}
