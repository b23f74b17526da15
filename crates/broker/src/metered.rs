//! One request of a client that is held to something: what it used is recorded when its answer is known, and the answer says how long its
//! connection is held back. The answer leaves first, then the connection is muted (KIP-219).

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use wire::codec::Rope;
use wire::{ApiKey, throttle_time};

use crate::node::Node;
use crate::quotas::{Meter, Meters};
use crate::rim::{Handling, Muted, Outcome};

/// What a request costs so far; its handler and whoever polls it write it in turn.
pub(crate) struct Metered {
    pub meters: Arc<Meters>,
    /// Microseconds in which threads worked on it.
    spent_us: AtomicI64,
    /// When the thread that works on it began to, by the rim's stopwatch.
    since_us: AtomicI64,
    /// How long its own handler has found that the client is held back; -1 where it has not looked.
    found_ms: AtomicI64,
}

/// Which request it is.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    pub api_key: ApiKey,
    pub api_version: i16,
    /// Of its frame, without the length prefix.
    pub bytes: usize,
    pub now_ms: i64,
    /// It came by a listener of controllers, where nodes speak to each other.
    pub is_at_controller: bool,
}

impl Metered {
    /// Nothing was done yet.
    pub fn new(meters: Arc<Meters>) -> Metered {
        let (spent_us, since_us) = (AtomicI64::new(0), AtomicI64::new(0));
        Metered { meters, spent_us, since_us, found_ms: AtomicI64::new(-1) }
    }

    /// A thread works on it from now on.
    pub fn begin(&self, node: &Node) {
        self.since_us.store(node.stopwatch_us(), Ordering::Relaxed);
    }

    fn end(&self, node: &Node) {
        let now_us = node.stopwatch_us();
        let worked_us = now_us - self.since_us.swap(now_us, Ordering::Relaxed);
        self.spent_us.fetch_add(worked_us.max(0), Ordering::Relaxed);
    }

    /// How long the client is held back for the time of threads. No longer than a window: what is behind cannot be undone.
    fn thread_time_ms(&self, node: &Node, now_ms: i64) -> i64 {
        let Some(meter) = &self.meters.request else { return 0 };
        self.end(node);
        let spent_ns = self.spent_us.load(Ordering::Relaxed).saturating_mul(1_000);
        meter.record(spent_ns, now_ms).min(node.quotas().window_ms())
    }

    /// The most that a fetch reads: more would hold the client back whatever it did before.
    pub fn most_fetched(&self) -> i64 {
        self.meters.fetch.as_ref().map_or(i64::MAX, |meter| meter.most() as i64)
    }

    /// A fetch would be answered with so many bytes. How long the client is held back instead, and gets none of them.
    pub fn fetched(&self, node: &Node, bytes: usize) -> i64 {
        let now_ms = node.latest_ms();
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let request_ms = self.thread_time_ms(node, now_ms);
        let fetch = self.meters.fetch.as_ref();
        let throttle_ms = request_ms.max(fetch.map_or(0, |meter| meter.record(bytes, now_ms)));
        if throttle_ms > 0
            && let Some(meter) = fetch
        {
            meter.take_back(bytes, now_ms);
        }
        self.found_ms.store(throttle_ms, Ordering::Relaxed);
        throttle_ms
    }
}

/// A handling that began with [`Metered::begin`]; its outcome says how long the client is held back.
pub(crate) fn metered(node: &Node, metered: &Arc<Metered>, request: Request, handling: Handling) -> Handling {
    if handling.is_by_follower() || request.api_key.is_cluster_action() {
        return handling;
    }
    metered.end(node);
    let (node, metered) = (node.clone(), Arc::clone(metered));
    match handling.into_outcome() {
        Ok(outcome) => Handling::ready(settled(&node, &metered, request, outcome, request.now_ms)).alone(),
        Err(handling) => Handling::running(Held { node, metered, request, handling }).alone(),
    }
}

/// A metered handling that waits for something.
struct Held {
    node: Node,
    metered: Arc<Metered>,
    request: Request,
    handling: Handling,
}

impl Future for Held {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let Held { node, metered, request, handling } = &mut *self;
        metered.begin(node);
        let polled = Pin::new(handling).poll(context);
        metered.end(node);
        polled.map(|outcome| settled(node, metered, *request, outcome, node.latest_ms()))
    }
}

/// Records what the request cost.
fn settled(node: &Node, metered: &Metered, request: Request, outcome: Outcome, now_ms: i64) -> Outcome {
    let answer = match outcome {
        Outcome::Answer(answer) => Some(answer),
        Outcome::NoAnswer => None,
        // Whoever comes in or goes is not held back.
        other @ (Outcome::Close(_) | Outcome::Entered(_) | Outcome::Farewell(_) | Outcome::Muted(_)) => {
            return other;
        }
    };
    let meters = &metered.meters;
    let Request { api_key, api_version, bytes, is_at_controller, .. } = request;
    let measured = |meter: &Option<Arc<Meter>>, bytes: usize| {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        meter.as_ref().map_or(0, |meter| meter.record(bytes, now_ms))
    };
    let found_ms = metered.found_ms.load(Ordering::Relaxed);
    // DIVERGES: Kafka's controllers hold nodes back as well, whose heartbeats would come late.
    let own_ms = if is_at_controller {
        0
    } else if found_ms >= 0 {
        found_ms
    } else {
        let bandwidth_ms = match api_key {
            ApiKey::Produce => measured(&meters.produce, bytes),
            // DIVERGES: Kafka acquires records and answers without them, so that nobody has them until their locks are over; here the
            // answer has them, and what comes next waits as long.
            ApiKey::ShareFetch => measured(&meters.fetch, answer.as_ref().map_or(0, Rope::length)),
            _ => 0,
        };
        // Nobody waits for the answer that would say it.
        let request_ms = if answer.is_some() { metered.thread_time_ms(node, now_ms) } else { 0 };
        bandwidth_ms.max(request_ms)
    };
    // What the active controller has found of mutations.
    let told_ms = match &answer {
        Some(answer) if api_key.is_forwardable() => {
            i64::from(throttle_time::told_ms(answer, api_key, api_version))
        }
        Some(_) | None => 0,
    };
    let throttle_ms = own_ms.max(told_ms);
    if throttle_ms <= 0 {
        return match answer {
            Some(answer) => Outcome::Answer(answer),
            None => Outcome::NoAnswer,
        };
    }
    let throttle_time_ms = i32::try_from(throttle_ms).unwrap_or(i32::MAX);
    let answer = answer.map(|answer| throttle_time::tell(answer, api_key, api_version, throttle_time_ms));
    let until_ms = now_ms.saturating_add(throttle_ms);
    Outcome::Muted(Box::new(Muted { answer, until_ms }))
}
