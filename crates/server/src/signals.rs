//! SIGTERM and SIGINT: the first begins a clean shutdown, the second ends the process at once.

use std::io;
use std::process;
use std::thread;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::main_loop::Running;

/// As shells report a process that a signal ended (128 + SIGINT).
const EXIT_AT_ONCE: i32 = 130;

/// Listens from the moment it is made: a signal that comes while the node still starts is obeyed once it has.
pub struct StopSignals {
    runtime: Runtime,
    signals: Signals,
}

impl StopSignals {
    /// Takes the signals over.
    pub fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let signals = runtime.block_on(async { Signals::listen() })?;
        Ok(Self { runtime, signals })
    }

    /// Waits for a signal, then stops the node cleanly. Returns when it has stopped.
    pub fn run(mut self, running: Running) -> io::Result<()> {
        self.runtime.block_on(async {
            self.signals.next().await;
            let (stopped, done) = oneshot::channel();
            let stop = move || {
                running.stop();
                let _ = stopped.send(());
            };
            thread::Builder::new().name("stop".to_owned()).spawn(stop)?;
            tokio::select! {
                _ = done => Ok(()),
                () = self.signals.next() => {
                    eprintln!("stopping at once: the next start has to recover the logs");
                    process::exit(EXIT_AT_ONCE)
                }
            }
        })
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
