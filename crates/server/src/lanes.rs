//! The network threads: one current-thread runtime per core, each with its connections and its watch.
//!
//! The first lane accepts for all and deals each connection to the lane that has the fewest. A connection stays on its
//! lane for life, and its requests are handled there. Never looks into a frame.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use broker::{Handling, Node};
use bytes::Bytes;
use net::listener::{Admission, Place, Refused};
use net::{Budget, FrameLimits, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::clock::Clock;
use crate::gateway::{End, Gateway, Service};
use crate::guard::{Notes, Patience, Verdict};

/// After a failed accept (no descriptors left) the listener rests, instead of spinning.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A bound listener on its way to the first lane.
pub struct Door {
    /// The socket.
    pub socket: TcpListener,
    /// The listener's name.
    pub name: String,
    /// One of the controller role.
    pub controller: bool,
}

/// What all lanes share.
pub struct Shared {
    /// Handles the requests.
    pub node: Node,
    /// Tells the time.
    pub clock: Arc<Clock>,
    /// Caps on connections.
    pub admission: Arc<Admission>,
    /// Caps on received bytes.
    pub budget: Arc<Budget>,
    /// Caps on a frame.
    pub limits: FrameLimits,
    /// Caps on silence.
    pub patience: Patience,
}

/// How far the lanes are on their way to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Phase {
    Serving,
    /// Nobody new is accepted; who is connected goes on.
    Draining,
    /// Every connection is closed.
    Stopped,
}

/// The running lanes.
pub struct Lanes {
    phase: watch::Sender<Phase>,
    threads: Vec<JoinHandle<()>>,
}

struct Accepted {
    stream: std::net::TcpStream,
    from: SocketAddr,
    door: Arc<DoorPlate>,
    place: Place,
}

struct DoorPlate {
    name: String,
    controller: bool,
}

/// How the accepting lane reaches another.
struct Lane {
    queue: mpsc::UnboundedSender<Accepted>,
    connections: Arc<AtomicUsize>,
}

/// A runtime for one lane.
pub fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()
}

impl Lanes {
    /// Starts `count` lanes; `first` is the runtime in which the doors were bound.
    pub fn start(first: Runtime, doors: Vec<Door>, shared: &Arc<Shared>, count: usize) -> io::Result<Self> {
        let (phase, _) = watch::channel(Phase::Serving);
        let mut runtimes = vec![first];
        while runtimes.len() < count.max(1) {
            runtimes.push(runtime()?);
        }
        let mut lanes = Vec::new();
        let mut inboxes = Vec::new();
        for _ in &runtimes {
            let (queue, inbox) = mpsc::unbounded_channel();
            lanes.push(Lane { queue, connections: Arc::default() });
            inboxes.push(inbox);
        }
        let lanes = Arc::new(lanes);
        let mut doors = Some(doors);
        let mut threads = Vec::new();
        for (index, (runtime, inbox)) in runtimes.into_iter().zip(inboxes).enumerate() {
            let doors = doors.take().unwrap_or_default();
            let lanes = lanes.clone();
            let task = LaneTask {
                index,
                inbox,
                connections: lanes.get(index).map(|lane| lane.connections.clone()).unwrap_or_default(),
                shared: shared.clone(),
                phase: phase.subscribe(),
                watched: Vec::new(),
            };
            let run = move || {
                runtime.block_on(async {
                    for door in doors {
                        tokio::spawn(accept(door, task.shared.clone(), lanes.clone(), task.phase.clone()));
                    }
                    drop(lanes);
                    task.run().await;
                });
            };
            threads.push(Builder::new().name(format!("net-{index}")).spawn(run)?);
        }
        Ok(Self { phase, threads })
    }

    /// Closes the doors.
    pub fn drain(&self) {
        self.phase.send_replace(Phase::Draining);
    }

    /// Closes every connection and ends the threads.
    pub fn stop(self) {
        self.phase.send_replace(Phase::Stopped);
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

async fn reached(mut phase: watch::Receiver<Phase>, at_least: Phase) {
    let _ = phase.wait_for(|phase| *phase >= at_least).await;
}

/// Accepts at one door until the lanes drain.
async fn accept(door: Door, shared: Arc<Shared>, lanes: Arc<Vec<Lane>>, phase: watch::Receiver<Phase>) {
    let mut draining = pin!(reached(phase, Phase::Draining));
    let plate = Arc::new(DoorPlate { name: door.name, controller: door.controller });
    loop {
        let accepted = tokio::select! {
            accepted = door.socket.accept() => accepted,
            () = &mut draining => return,
        };
        match accepted {
            Ok((stream, from)) => admit(stream, from, &plate, &shared, &lanes),
            Err(error) => {
                tracing::warn!("{}: cannot accept: {error}", plate.name);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Deals an accepted connection to the lane with the fewest.
fn admit(
    stream: TcpStream,
    from: SocketAddr,
    plate: &Arc<DoorPlate>,
    shared: &Arc<Shared>,
    lanes: &Arc<Vec<Lane>>,
) {
    let place = match shared.admission.admit(from.ip()) {
        Ok(place) => place,
        Err(Refused::TooMany) => {
            return tracing::warn!("{from} refused: max.connections is reached");
        }
        Err(Refused::TooManyFromAddress) => {
            return tracing::warn!("{from} refused: max.connections.per.ip is reached");
        }
    };
    let fewest = lanes.iter().min_by_key(|lane| lane.connections.load(Ordering::Relaxed));
    if let (Some(lane), Ok(stream)) = (fewest, stream.into_std()) {
        lane.connections.fetch_add(1, Ordering::Relaxed);
        let _ = lane.queue.send(Accepted { stream, from, door: plate.clone(), place });
    }
}

/// One lane: takes connections in, and watches over them.
struct LaneTask {
    index: usize,
    inbox: mpsc::UnboundedReceiver<Accepted>,
    connections: Arc<AtomicUsize>,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    watched: Vec<Watched>,
}

struct Watched {
    notes: Arc<Notes>,
    task: AbortHandle,
}

impl LaneTask {
    async fn run(mut self) {
        let mut look_at_ms = i64::MAX;
        let mut stopped = pin!(reached(self.phase.clone(), Phase::Stopped));
        loop {
            let wait = u64::try_from(look_at_ms - self.shared.clock.now_ms()).unwrap_or(0);
            tokio::select! {
                accepted = self.inbox.recv() => match accepted {
                    Some(accepted) => {
                        if self.watched.is_empty() {
                            look_at_ms = self.shared.clock.now_ms() + self.shared.patience.shortest_ms();
                        }
                        self.take_in(accepted);
                    }
                    // The accepting tasks are gone: the doors are closed, the connections remain.
                    None => return stopped.await,
                },
                () = sleep(Duration::from_millis(wait)), if !self.watched.is_empty() => look_at_ms = self.look(),
                () = &mut stopped => return,
            }
        }
    }

    fn take_in(&mut self, accepted: Accepted) {
        let Accepted { stream, from, door, place } = accepted;
        let leaving = Leaving { connections: self.connections.clone(), _place: place };
        let transport = TcpStream::from_std(stream).and_then(Transport::plain);
        let Ok(transport) = transport else { return };
        let shared = &self.shared;
        let service = NodeService {
            connection: shared.node.connection(broker::Peer {
                listener: door.name.clone(),
                controller: door.controller,
                host: format!("/{}", from.ip().to_canonical()),
                principal: "User:ANONYMOUS".to_owned(),
            }),
            node: shared.node.clone(),
        };
        let notes = Notes::new(shared.clock.now_ms());
        let gateway = Gateway::new(
            transport,
            service,
            shared.limits,
            shared.budget.clone(),
            shared.clock.clone(),
            notes.clone(),
        );
        let task = tokio::spawn(async move {
            let end = gateway.await;
            log_end(&end, from, &door.name);
            drop(leaving);
        });
        self.forget_the_gone();
        self.watched.push(Watched { notes, task: task.abort_handle() });
    }

    /// Finished tasks keep their memory as long as somebody holds a handle.
    fn forget_the_gone(&mut self) {
        if self.watched.len() > 64 && self.watched.len() > 2 * self.connections.load(Ordering::Relaxed) {
            self.watched.retain(|watched| !watched.task.is_finished());
        }
    }

    /// Judges every connection; says when to look again.
    fn look(&mut self) -> i64 {
        let now_ms = self.shared.clock.now_ms();
        let mut next = i64::MAX;
        self.watched.retain(|watched| {
            if watched.task.is_finished() {
                return false;
            }
            match watched.notes.judge(&self.shared.patience, now_ms) {
                Verdict::LookAgainAt(due) => {
                    // At most one look a second, however many connections are about to be due.
                    next = next.min(due.max(now_ms + 1_000));
                    true
                }
                verdict @ (Verdict::TooIdle | Verdict::TooSlow) => {
                    tracing::debug!(lane = self.index, "closing a connection: {verdict:?}");
                    watched.task.abort();
                    false
                }
            }
        });
        next
    }
}

/// Counts a connection out however it ends.
struct Leaving {
    connections: Arc<AtomicUsize>,
    _place: Place,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

fn log_end(end: &End, from: SocketAddr, listener: &str) {
    match end {
        End::Closed => tracing::debug!("{listener} {from}: closed by the peer"),
        End::Lost(error) => tracing::debug!("{listener} {from}: lost: {error}"),
        End::BadFrame(bad) => tracing::warn!("{listener} {from}: closed: {bad}"),
        End::Refused(reason) => tracing::info!("{listener} {from}: closed: {reason:?}"),
    }
}

/// A node as one connection sees it.
struct NodeService {
    node: Node,
    connection: broker::Connection,
}

impl Service for NodeService {
    fn handle(&self, frame: Bytes, now_ms: i64) -> Handling {
        self.node.handle(&self.connection, frame, now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connections_task_is_small() {
        assert!(size_of::<Gateway<NodeService>>() <= 512);
    }
}
