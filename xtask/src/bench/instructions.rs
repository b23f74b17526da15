//! User instructions and allocations per request, counted by callgrind: they do not depend on what else the machine does, so one run
//! is enough. The kernel's work is not in them.

use super::cell::{Cell, Figures, Run};
use super::contender::Running;
use super::load;
use super::scale::idle_connections;
use super::speak::group::{self, Member};
use super::speak::{self, Batch, Connection};
use crate::process::{Finished, pause, run};
use crate::provision;
use crate::workspace::Workspace;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What is counted per request: the figures' names.
pub const PRODUCE_16K: &str = "instructions, 16 KiB produce";
pub const PRODUCE_1K: &str = "instructions, 1 KiB produce";
pub const PRODUCE_PART: &str = "instructions, each 1 KiB batch in a request of 16";
pub const FETCH_64K: &str = "instructions, 64 KB fetch";
pub const SESSION: &str = "instructions, each of 1,000 partitions in a fetch session that finds nothing";
pub const LONG_POLL: &str = "instructions, 1 KiB produce and the long poll that it wakes";
pub const API_VERSIONS: &str = "instructions, ApiVersions";
pub const HEARTBEAT: &str = "instructions, heartbeat";
pub const COMMIT: &str = "instructions, offset commit";
pub const METADATA_ONE: &str = "instructions, Metadata of one topic among 10,000";
pub const METADATA_ALL: &str = "instructions, each of 10,000 topics in Metadata";
pub const PRODUCE_BESIDE: &str = "instructions, 1 KiB produce beside 10,000 topics and 1,000 connections";
pub const FETCH_BESIDE: &str = "instructions, 64 KB fetch beside them";
pub const ALLOCATIONS_16K: &str = "allocations, 16 KiB produce";
pub const ALLOCATIONS_FETCH: &str = "allocations, 64 KB fetch";
pub const ALLOCATIONS_API_VERSIONS: &str = "allocations, ApiVersions";

/// Requests of each load: enough for what happens now and then to show.
const REQUESTS: usize = 2000;

pub fn count<'a>(cell: &Cell<'a>) -> Result<Run<'a>> {
    let cell = *cell;
    Ok(Box::new(move |_| {
        provision::debian(cell.workspace, "callgrind_control", "valgrind")?;
        let mut broker = cell.prepare(&[])?;
        let counter = Counter::launch(cell.workspace, &mut broker)?;
        figures(&counter, &broker)
    }))
}

fn figures(counter: &Counter<'_>, broker: &Running) -> Result<Figures> {
    let address = broker.address();
    let (large, small) = (Batch::plain(15, 1024).bytes()?, Batch::plain(8, 100).bytes()?);
    let mut connection = Connection::open(&address)?;
    load::create(&address, "large", 1, &[])?;
    load::create(&address, "small", 16, &[])?;
    let sixteen_k = vec![speak::produce("large", 0, &large)];
    let one_k: Vec<_> = (0..16).map(|partition| speak::produce("small", partition, &small)).collect();
    let all = vec![speak::produce_to("small", 0..16, &small)];
    let send = |frames: &[Vec<u8>], many| load::send_all(Connection::open(&address)?, frames, many, 5);
    // Whatever is made once is made by a first pass.
    for frames in [&sixteen_k, &one_k, &all] {
        send(frames, 100)?;
    }
    load::consume(&address, "large", 1, 64 << 10)?;
    connection.call(&speak::api_versions())?;

    let each = REQUESTS as f64;
    let (instructions, allocations) = counter.during(|| send(&sixteen_k, REQUESTS))?;
    let mut figures = vec![(PRODUCE_16K, instructions / each), (ALLOCATIONS_16K, allocations / each)];
    let (instructions, _) = counter.during(|| send(&one_k, REQUESTS))?;
    figures.push((PRODUCE_1K, instructions / each));
    let (instructions, _) = counter.during(|| send(&all, REQUESTS / 10))?;
    figures.push((PRODUCE_PART, instructions / (REQUESTS / 10 * 16) as f64));
    let mut fetches = 0;
    let (instructions, allocations) = counter.during(|| {
        fetches = load::consume(&address, "large", 1, 64 << 10)?.requests;
        Ok(())
    })?;
    figures.push((FETCH_64K, instructions / fetches as f64));
    figures.push((ALLOCATIONS_FETCH, allocations / fetches as f64));
    figures.push((LONG_POLL, of_a_long_poll(counter, &address, &small)?));
    let (instructions, allocations) = counter.during(|| {
        for _ in 0..REQUESTS {
            connection.call(&speak::api_versions())?;
        }
        Ok(())
    })?;
    figures.push((API_VERSIONS, instructions / each));
    figures.push((ALLOCATIONS_API_VERSIONS, allocations / each));
    figures.extend(of_a_group(counter, &mut connection)?);
    figures.extend(of_many_topics(counter, &mut connection)?);
    figures.push((SESSION, of_a_session(counter, &mut connection)?));
    // The same again, beside all that.
    let connections = idle_connections(&address, CONNECTIONS)?;
    let (instructions, _) = counter.during(|| send(&one_k, REQUESTS))?;
    figures.push((PRODUCE_BESIDE, instructions / each));
    let (instructions, _) = counter.during(|| {
        fetches = load::consume(&address, "large", 1, 64 << 10)?.requests;
        Ok(())
    })?;
    figures.push((FETCH_BESIDE, instructions / fetches as f64));
    drop(connections);
    Ok(figures)
}

/// A consumer that has read everything waits for the next batch.
fn of_a_long_poll(counter: &Counter<'_>, address: &str, batch: &[u8]) -> Result<f64> {
    const POLLS: usize = 200;
    let (mut consumer, mut producer) = (Connection::open(address)?, Connection::open(address)?);
    let mut end = 0;
    speak::fetched(consumer.call(&speak::fetch_now("small", &[(0, 0)]))?, |_, high_watermark, _| {
        end = high_watermark;
    })?;
    let (woken, _) = counter.during(|| {
        for _ in 0..POLLS {
            consumer.send(&speak::fetch("small", &[(0, end)], 1 << 20))?;
            // Until it waits.
            pause(Duration::from_millis(5));
            speak::produced(producer.call(&speak::produce("small", 0, batch))?)?;
            let mut next = None;
            speak::fetched(consumer.receive()?, |_, _, records| next = load::offset_behind(records))?;
            end = next.context("the long poll came back empty")?;
        }
        Ok(())
    })?;
    Ok(woken / POLLS as f64)
}

/// What a consumer group asks all the time.
fn of_a_group(counter: &Counter<'_>, connection: &mut Connection) -> Result<Figures> {
    let member = Member::join(connection, "bench")?;
    let each = REQUESTS as f64;
    group::committed(connection.call(&member.commit("large", 0))?)?;
    let heartbeat = member.heartbeat();
    let (heartbeats, _) =
        counter.during(|| (0..REQUESTS).try_for_each(|_| group::throttled(connection.call(&heartbeat)?)))?;
    let (commits, _) = counter.during(|| {
        (0..REQUESTS).try_for_each(|n| group::committed(connection.call(&member.commit("large", n as i64))?))
    })?;
    Ok(vec![(HEARTBEAT, heartbeats / each), (COMMIT, commits / each)])
}

/// Partitions of a fetch session.
const IN_SESSION: i32 = 1_000;

/// What a fetch that names nothing costs for each partition that its session knows (KIP-227).
fn of_a_session(counter: &Counter<'_>, connection: &mut Connection) -> Result<f64> {
    load::create_led(connection, "session", IN_SESSION, &[])?;
    let all: Vec<(i32, i64)> = (0..IN_SESSION).map(|partition| (partition, 0)).collect();
    let (id, _) = speak::session(connection.call(&speak::fetch_session((0, 0), "session", &all))?)?;
    ensure!(id > 0, "the broker gave no session");
    let fetches = REQUESTS as i32 / 20;
    let (instructions, _) = counter.during(|| {
        (1..=fetches).try_for_each(|epoch| {
            let answer = connection.call(&speak::fetch_session((id, epoch), "session", &[]))?;
            ensure!(speak::session(answer)? == (id, 0), "nothing has changed");
            Ok(())
        })
    })?;
    Ok(instructions / f64::from(fetches * IN_SESSION))
}

/// Topics, made a thousand at a time.
const TOPICS: usize = 10_000;

/// Connections that ask nothing.
const CONNECTIONS: usize = 1_000;

fn of_many_topics(counter: &Counter<'_>, connection: &mut Connection) -> Result<Figures> {
    for thousand in 0..TOPICS / 1000 {
        let names: Vec<String> = (0..1000).map(|n| format!("many-{thousand}-{n}")).collect();
        speak::created(connection.call(&speak::create_topics(&names, 1, &[]))?)?;
    }
    let (one, all) = (speak::metadata(Some(&["many-5-500"])), speak::metadata(None));
    let (alone, _) = counter.during(|| {
        (0..REQUESTS).try_for_each(|_| {
            ensure!(speak::described(connection.call(&one)?)? == (1, true), "one topic, led");
            Ok(())
        })
    })?;
    let (together, _) = counter.during(|| {
        ensure!(speak::described(connection.call(&all)?)?.0 >= TOPICS, "all topics");
        Ok(())
    })?;
    Ok(vec![(METADATA_ONE, alone / REQUESTS as f64), (METADATA_ALL, together / TOPICS as f64)])
}

/// A broker below callgrind.
struct Counter<'a> {
    workspace: &'a Workspace,
    out: PathBuf,
    id: u32,
}

impl<'a> Counter<'a> {
    fn launch(workspace: &'a Workspace, broker: &mut Running) -> Result<Self> {
        let out = broker.data()?.with_extension("callgrind");
        let arguments = ["valgrind", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"];
        let mut program: Vec<String> = arguments.map(str::to_owned).to_vec();
        program.push(format!("--callgrind-out-file={}", out.display()));
        broker.launch_below(workspace, &program)?;
        load::first_produce(&broker.address(), Instant::now())?;
        Ok(Self { workspace, out, id: broker.id() })
    }

    /// Instructions and calls of the allocator while `work` is done.
    fn during(&self, work: impl FnOnce() -> Result<()>) -> Result<(f64, f64)> {
        self.control("-z")?;
        work()?;
        for old in self.dumps() {
            std::fs::remove_file(old)?;
        }
        self.control("-d")?;
        let since = Instant::now();
        loop {
            for dump in self.dumps() {
                let text = std::fs::read_to_string(&dump)?;
                if let Some(totals) = text.lines().find_map(|line| line.strip_prefix("totals: ")) {
                    return Ok((totals.trim().parse()?, allocations(&text)));
                }
            }
            ensure!(since.elapsed() < Duration::from_secs(20), "callgrind wrote nothing");
            pause(Duration::from_millis(50));
        }
    }

    /// `OUT.1`, `OUT.2` …
    fn dumps(&self) -> Vec<PathBuf> {
        let folder = self.out.parent().unwrap_or(Path::new("."));
        let name = format!("{}.", self.out.file_name().unwrap_or_default().to_string_lossy());
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths
            .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(&name)))
            .collect()
    }

    fn control(&self, what: &str) -> Result<Finished> {
        let log = self.workspace.scratch("test-logs")?.join("callgrind-control.log");
        let mut command = Command::new("callgrind_control");
        command.arg(what).arg(self.id.to_string());
        let finished = run(&mut command, &log, Duration::from_secs(60)).context("callgrind_control")?;
        ensure!(finished.success, "callgrind_control {what}: {}", finished.tail(3));
        Ok(finished)
    }
}

/// Calls of libc's allocator in a dump: `calls=COUNT …` behind the line that names the function.
fn allocations(dump: &str) -> f64 {
    let allocators = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"];
    let mut counts = false;
    let mut total = 0.0;
    for line in dump.lines() {
        if let Some(callee) = line.strip_prefix("cfn=") {
            counts = allocators.contains(&callee);
        } else if let Some(calls) = line.strip_prefix("calls=").filter(|_| counts) {
            total += calls.split(' ').next().and_then(|count| count.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    total
}

#[cfg(test)]
mod tests {
    #[test]
    fn only_calls_of_the_allocator_count() {
        let dump = "fn=a\n10 5\ncob=libc.so.6\ncfn=malloc\ncalls=7 0\n10 300\ncfn=memcpy\ncalls=9 0\n1 1\ncfn=realloc\ncalls=2 4\n";
        assert_eq!(super::allocations(dump), 9.0);
    }
}
