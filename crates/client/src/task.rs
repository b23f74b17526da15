//! The tasks that a producer or a consumer lives by. A bug in one ends the process, as a bug does everywhere here: without the task
//! the program would wait for ever for what nobody does any more.

use std::future::Future;

/// Starts a task in the current tokio runtime; if it panics, the process ends. Ending with the runtime is no bug.
pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    let running = tokio::spawn(task);
    tokio::spawn(async move {
        if running.await.is_err_and(|ended| ended.is_panic()) {
            std::process::abort();
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    /// In this process the test starts itself again; in that one the task has its bug.
    const IN_CHILD: &str = "OTTLA_CLIENT_TEST_TASK";

    #[test]
    fn a_bug_in_a_task_ends_the_process() {
        let kind = std::env::var(IN_CHILD);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        match kind.as_deref() {
            Ok("bug") => runtime.block_on(async {
                spawn(async { panic!("planted") });
                let nobody_ended_it = std::future::pending::<()>();
                let _long = tokio::time::timeout(Duration::from_secs(30), nobody_ended_it).await;
            }),
            // The runtime goes, and the task with it.
            Ok("end") => runtime.block_on(async { spawn(std::future::pending()) }),
            Ok(_) | Err(_) => {
                let name = "task::tests::a_bug_in_a_task_ends_the_process";
                let ends_well = |kind: &str| {
                    let binary = std::env::current_exe().expect("this binary");
                    let child = Command::new(binary).args(["--exact", name]).env(IN_CHILD, kind).output();
                    child.expect("it starts").status.success()
                };
                assert!(ends_well("end") && !ends_well("bug"));
            }
        }
    }
}
