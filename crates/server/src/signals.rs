//! SIGTERM and SIGINT: the first begins a clean shutdown, the second ends the process at once.

use std::io;
use std::process;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use crate::main_loop::Running;

/// As shells report a process that a signal ended (128 + SIGINT).
const EXIT_AT_ONCE: i32 = 130;

/// Waits for a signal, then stops the node cleanly. Returns when it has stopped.
pub fn run_until_signal(running: Running) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(async {
        let mut signals = Signals::listen()?;
        signals.next().await;
        let (stopped, done) = oneshot::channel();
        let stop = move || {
            running.stop();
            let _ = stopped.send(());
        };
        thread::Builder::new().name("stop".to_owned()).spawn(stop)?;
        tokio::select! {
            _ = done => Ok(()),
            () = signals.next() => {
                eprintln!("stopping at once: the next start has to recover the logs");
                process::exit(EXIT_AT_ONCE)
            }
        }
    })
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
