//! Input that no client would send: malformed frames over every API and version, half frames, absurd lengths, batches
//! that decompress to a gibibyte, and requests that must be refused with Kafka's own error codes.
//!
//! Held against it: every frame is answered or its connection closed, the broker stays alive, its memory bounded, and
//! stock clients that work beside it notice nothing.

mod frames;

use super::clients;
use super::workbench::Workbench;
use crate::broker::{Broker, Kind};
use crate::process::Finished;
use crate::tally::Tally;
use crate::words::say;
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

/// Malformed frames to send.
const FRAMES: usize = 20_000;
/// Connections that send them at the same time.
const SENDERS: usize = 8;
/// Connections that hold half a frame all the while.
const HALVES: usize = 200;
/// A frame that is neither answered nor refused within this time counts as silent.
const PATIENCE: Duration = Duration::from_secs(3);
/// A frame may by chance be a lawful request that waits (a long poll, a join); not more than this share of all.
const SILENT_PER_MILLE: usize = 20;
/// The most memory that Ottla may have held at any time. Its idle need is some 15 MB; eight senders of garbage, the
/// stock clients and one gibibyte of zeros after another must fit.
const MEMORY_BOUND_KIB: u64 = 400 * 1024;

/// What became of the frames.
#[derive(Default)]
struct Outcome {
    answered: usize,
    closed: usize,
    silent: usize,
    refused_connections: usize,
}

/// The stage.
pub fn run(bench: &Workbench) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut broker = Broker::start(&bench.workspace, bench.kind, "bad-input", &[])?;
    let address = broker.address();
    let halves = hold_half_frames(&address, bench.kind)?;
    let frames = frames::make(FRAMES)?;
    tally.check(&format!("{} frames were made", frames.len()), frames.len() >= FRAMES);
    let (outcome, beside) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| stock_clients(bench, &address, "beside"));
        let outcome = bombard(&address, &frames);
        (outcome, beside.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that waited panicked"))))
    });
    say(format_args!(
        "   {} frames: {} answered, {} closed, {} silent, {} connections refused",
        frames.len(),
        outcome.answered,
        outcome.closed,
        outcome.silent,
        outcome.refused_connections
    ));
    let few = outcome.silent * 1000 <= frames.len() * SILENT_PER_MILLE;
    tally.check(&format!("{} frames were neither answered nor refused", outcome.silent), few);
    let all_accepted = outcome.refused_connections == 0;
    tally.check(&format!("{} connections were refused", outcome.refused_connections), all_accepted);
    tally.absorb("clients beside the malformed frames", beside?);
    if broker.alive() {
        tally.absorb("decompression", bombs(bench, &address)?);
        tally.absorb("clients afterwards", stock_clients(bench, &address, "afterwards")?);
    }
    drop(halves);
    tally.check("the broker is still there", broker.alive());
    if let Some(peak) = broker.peak_kib().filter(|_| bench.kind == Kind::Ottla) {
        say(format_args!("   peak memory {} MiB", peak / 1024));
        tally.check(&format!("peak memory of {} MiB", peak / 1024), peak <= MEMORY_BOUND_KIB);
    }
    drop(broker);
    tally.absorb("refusals", refusals(bench)?);
    Ok(tally)
}

/// Connections that said half of something and then nothing. Kafka takes memory for a frame as soon as it hears its
/// length, so those that announce 80 MiB are kept from it.
fn hold_half_frames(address: &str, kind: Kind) -> Result<Vec<TcpStream>> {
    let mut held = Vec::new();
    for number in 0..HALVES {
        let mut stream = TcpStream::connect(address)?;
        let half: &[u8] = match number % 4 {
            0 => &[0],
            1 => &[0, 0, 0, 200],
            2 => &[0, 0, 1, 0, 0, 18, 0, 3, 0, 0],
            _ if kind == Kind::Kafka => &[0, 0, 5, 0],
            _ => &[5, 0, 0, 0, 0, 0, 0, 9],
        };
        stream.write_all(half)?;
        held.push(stream);
    }
    Ok(held)
}

fn bombard(address: &str, frames: &[Vec<u8>]) -> Outcome {
    let share = frames.len().div_ceil(SENDERS);
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            frames.chunks(share).map(|part| scope.spawn(move || send_all(address, part))).collect();
        let mut total = Outcome::default();
        for outcome in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            total.answered += outcome.answered;
            total.closed += outcome.closed;
            total.silent += outcome.silent;
            total.refused_connections += outcome.refused_connections;
        }
        total
    })
}

fn send_all(address: &str, frames: &[Vec<u8>]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut connection = None;
    for (number, frame) in frames.iter().enumerate() {
        let Some(mut stream) = connection.take().or_else(|| connect(address)) else {
            outcome.refused_connections += 1;
            continue;
        };
        match exchange(&mut stream, frame, 0x4000_0000 | number as u32) {
            Ok(()) => {
                outcome.answered += 1;
                connection = Some(stream);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                outcome.silent += 1
            }
            Err(_) => outcome.closed += 1,
        }
    }
    outcome
}

fn connect(address: &str) -> Option<TcpStream> {
    let stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    stream.set_nodelay(true).ok()?;
    Some(stream)
}

/// Sends the frame and after it a lawful ApiVersions request; done when that one is answered.
fn exchange(stream: &mut TcpStream, frame: &[u8], mark: u32) -> std::io::Result<()> {
    let mut bytes = Vec::with_capacity(frame.len() + 18);
    bytes.extend((frame.len() as u32).to_be_bytes());
    bytes.extend(frame);
    bytes.extend([0, 0, 0, 10, 0, 18, 0, 0]);
    bytes.extend(mark.to_be_bytes());
    bytes.extend([0xff, 0xff]);
    stream.write_all(&bytes)?;
    loop {
        let mut head = [0; 8];
        stream.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        let length = u32::from_be_bytes([a, b, c, d]);
        let rest = u64::from(length.saturating_sub(4));
        std::io::copy(&mut stream.take(rest), &mut std::io::sink())?;
        if u32::from_be_bytes([e, f, g, h]) == mark {
            return Ok(());
        }
    }
}

/// A few checks of a stock client.
fn stock_clients(bench: &Workbench, address: &str, when: &str) -> Result<Tally> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/clients/python/confluent.py")).arg(address);
    command.args(["codec_zstd", "idempotent_producer", "commit_and_resume", "group_range", "admin_topics"]);
    let finished = bench.run(&format!("bad-input-clients-{when}"), &mut command, 4)?;
    Ok(clients::read("confluent-kafka", &finished))
}

fn bombs(bench: &Workbench, address: &str) -> Result<Tally> {
    let mut command = Command::new(clients::python_environment(bench)?);
    command.arg("-u").arg(bench.workspace.root.join("tests/bad_input/bomb.py")).arg(address);
    Ok(clients::read("bomb", &bench.run("bad-input-bombs", &mut command, 4)?))
}

/// The requests of `tests/bad_input/refusals.py` against the reference and against the tested broker.
fn refusals(bench: &Workbench) -> Result<Tally> {
    let quiet = [("auto.create.topics.enable", "false")];
    let ask = |kind: Kind, name: &str| -> Result<Finished> {
        let broker = Broker::start(&bench.workspace, kind, &format!("refusals-{name}"), &quiet)?;
        let mut command = Command::new("python3");
        command.arg("-u").arg(bench.workspace.root.join("tests/bad_input/refusals.py")).arg(broker.address());
        bench.run(&format!("refusals-{name}"), &mut command, 4)
    };
    let (wanted, found) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| ask(Kind::Kafka, "reference"));
        let found = ask(bench.kind, "tested");
        (wanted.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that waited panicked"))), found)
    });
    let (wanted, found) = (answers(&wanted?), answers(&found?));
    let mut tally = Tally::default();
    for (name, wanted) in &wanted {
        let found = found.get(name).map_or("nothing", String::as_str);
        tally.check(&format!("{name}: {found}, where Kafka says {wanted}"), as_good(name, wanted, found));
    }
    tally.check("Kafka's own run came to its end", wanted.contains_key("fetch_good"));
    Ok(tally)
}

fn answers(finished: &Finished) -> BTreeMap<String, String> {
    let lines = finished.output.lines().filter_map(|line| line.split_once(": "));
    lines.map(|(name, answer)| (name.to_owned(), answer.to_owned())).collect()
}

/// Where ours differs from Kafka's by decision, and why.
const DIVERGENCES: &[(&str, &str, &str)] = &[
    // No SASL yet: the API is not advertised, so the connection is closed as for any unknown one.
    ("sasl_where_there_is_none", "34", "closed"),
    // A name that is no UTF-8 is malformed; Java puts replacement characters and goes on.
    ("string_not_utf8", "True", "closed"),
    // Kafka stumbles over an operation that does not exist (-1, the sixth); ours is refused as the others are.
    (
        "alter_configs",
        "(0, 40, 40, 3, 40, -1, 42, 42, 42, 42, 42, 42)",
        "(0, 40, 40, 3, 40, 42, 42, 42, 42, 42, 42, 42)",
    ),
    // A transactional batch without a transactional id names no transaction; there is nothing to be authorized for.
    ("produce_transactional_without_id", "53", "48"),
];

/// Kafka's own answer. Where Kafka itself stumbles (-1, unknown server error, or nothing at all), a produce must be refused
/// and anything else answered or refused.
fn as_good(name: &str, wanted: &str, found: &str) -> bool {
    if wanted == found || DIVERGENCES.contains(&(name, wanted, found)) {
        return true;
    }
    let refusal = found == "closed" || found.parse().is_ok_and(|code: i16| code != 0);
    let told = refusal || (found == "0" && !name.starts_with("produce"));
    matches!(wanted, "-1" | "silent") && told
}
