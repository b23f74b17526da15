//! What every way to consume does while nothing comes: looks, says a word, gives up, ends when it is told to.

use crate::failure::{Exit, Failure};
use crate::refusal::{exit_of, split};
use crate::time::spelled;
use std::time::Duration;

/// How often a silent consumer is looked after.
pub(super) const LOOK_UP: Duration = Duration::from_millis(100);

/// How long nothing may work before a word about it.
pub(super) const FIRST_WARNING: Duration = Duration::from_secs(2);

/// Ctrl-C, or what asks a process to end: the group is left, and what was printed committed.
pub async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut hang_up)) =
        (signal(SignalKind::terminate()), signal(SignalKind::hangup()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending().await },
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
    }
}

/// Nothing has worked for so long.
pub(super) fn stuck_for(limit: Duration, error: &client::Error) -> Failure {
    let exit = match exit_of(error) {
        Exit::Failed => Exit::Timeout,
        other => other,
    };
    Failure::new(format!("nothing has come for {}", spelled(limit)), split(error).1)
        .exit(exit)
        .try_this("ottla cluster info; or a longer --timeout")
}
