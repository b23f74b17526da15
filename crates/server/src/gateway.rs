//! One connection: requests from the socket to their handlings, answers back in the order of the requests.
//!
//! Takes every complete frame that a read brought, starts each handling in order, and writes all answers that are
//! ready with one vectored write. Produce requests overlap (their first poll puts the batches into the mailboxes);
//! any other request begins when all before it are answered, as Kafka's muted channels have it. Whoever uses more
//! than its quota gets its answer, and stands behind a pause before anything else of it is read or begun. Too much in
//! flight, too many unsent bytes, or no room in the budget: the socket is not read, and back-pressure is TCP.
//! Holds no Kafka semantics and never looks into a frame beyond `may_overlap` and `is_brief`.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use broker::limits::REQUESTS_IN_FLIGHT;
use broker::metrics::requests::{Finished, RequestKind};
use broker::rim::{Muted, is_brief, may_overlap};
use broker::{CloseReason, Handling, Outcome};
use bytes::Bytes;
use net::{Budget, FrameLimits, FrameReader, Lease, RopeWriter, Stream};
use wire::codec::Rope;

use crate::guard::Notes;

mod invariants;

/// Answers not yet taken by the peer: above this nothing new is begun. One large fetch always fits.
const UNSENT_BYTES_MAX: usize = 1024 * 1024;

/// Answers up to this size are copied to stand behind one another, and leave as one chunk.
const SMALL_ANSWER_MAX: usize = 4 * 1024;

/// Reads in one poll: a peer that never stops sending has its turns like everybody.
const READS_PER_POLL: usize = 16;

const _: () = {
    assert!(
        SMALL_ANSWER_MAX * REQUESTS_IN_FLIGHT <= UNSENT_BYTES_MAX,
        "small answers alone hold nobody back"
    );
    assert!(REQUESTS_IN_FLIGHT >= 5, "a Java producer keeps five in flight");
};

/// What handles frames; the node in production, a stub in tests.
pub trait Service: Send + 'static {
    /// Begins to handle one frame.
    fn handle(&mut self, frame: Bytes, now_ms: i64) -> Handling;

    /// A pause of its connection: a handling without an answer that is over at that time.
    fn pause(&mut self, until_ms: i64) -> Handling;
}

/// Why a connection ended.
#[derive(Debug)]
pub enum End {
    /// The peer closed it.
    Closed,
    /// The socket failed.
    Lost(std::io::Error),
    /// A length prefix that no honest client sends.
    BadFrame(net::BadFrame),
    /// A handling asked for it.
    Refused(CloseReason),
}

/// One connection, polled by its lane until it ends.
///
/// Invariants, checked in release wherever it waits ([`Gateway::check`]):
/// - **order**: the first `started` requests of the queue are begun, the others not; the first is not answered yet; several are begun
///   only where they may overlap; none waits unless another is before it, the peer has too much to read, or the end has come;
/// - **queue**: no more requests than a connection may have in flight;
/// - **bytes**: nothing is counted, and nothing leased, where nothing is held.
pub struct Gateway<S, C> {
    carrier: C,
    service: S,
    notes: Notes,
    reader: FrameReader,
    writer: RopeWriter,
    /// The first `started` are handlings, the rest frames.
    queue: VecDeque<Request>,
    started: usize,
    /// All started handlings are of requests that may overlap.
    overlapping: bool,
    /// Bytes of the frames in `queue`.
    queued_bytes: usize,
    /// The last `next_frame` found none: only then may the socket be read again.
    frames_exhausted: bool,
    lease: Lease,
    /// Set once the peer will send nothing more or must not be listened to; what is ready is still written.
    ending: Option<End>,
    /// What holds once it is somebody's; until then it has the limits of strangers.
    once_entered: Option<Box<(FrameLimits, Arc<Budget>)>>,
    /// The lane's list of what was answered in this round; without memory between them.
    finished: Vec<Finished>,
    /// When the round began, microseconds.
    round_us: i64,
}

struct Request {
    bytes: usize,
    kind: RequestKind,
    arrived_us: i64,
    /// While it waits, the same as before.
    begun_us: i64,
    progress: Progress,
}

enum Progress {
    Waiting(Bytes),
    Running(Handling),
    /// Nobody asked for it: nothing else goes on until it is over.
    Pause(Handling),
    Done(Outcome),
}

impl<S: Service, C: Stream> Gateway<S, C> {
    /// A connection with nothing received.
    pub fn new(carrier: C, service: S, limits: FrameLimits, budget: Arc<Budget>, now_ms: i64) -> Self {
        Self {
            carrier,
            service,
            notes: Notes::new(now_ms),
            reader: FrameReader::new(limits),
            writer: RopeWriter::default(),
            queue: VecDeque::new(),
            started: 0,
            overlapping: false,
            queued_bytes: 0,
            frames_exhausted: true,
            lease: Lease::new(budget),
            ending: None,
            once_entered: None,
            finished: Vec::new(),
            round_us: 0,
        }
    }

    /// The same of a stranger: these limits and this budget hold once it is authenticated, and it has to be by then.
    pub fn until_entered(mut self, enter_by_ms: i64, limits: FrameLimits, budget: Arc<Budget>) -> Self {
        self.notes.must_enter_by(enter_by_ms);
        self.lease = self.lease.of_stranger();
        self.reader = self.reader.sparing();
        self.once_entered = Some(Box::new((limits, budget)));
        self
    }

    /// Goes on as far as it can at this time; ready when the connection ends. `cx` is woken when it can go on.
    pub fn poll(&mut self, cx: &mut Context<'_>, now_ms: i64) -> Poll<End> {
        for _ in 0..READS_PER_POLL {
            if !self.is_at_rest() {
                self.answer(cx, now_ms);
                let lost = matches!(self.ending, Some(End::Lost(_)));
                if lost || (self.ending.is_some() && self.writer.is_empty()) {
                    return Poll::Ready(self.ending.take().unwrap_or(End::Closed));
                }
            }
            // A read that did not fill its room has emptied the socket: the next one is refused without a system call.
            if self.read(cx).is_pending() {
                self.settle(now_ms);
                self.check();
                return Poll::Pending;
            }
            self.notes.moved(now_ms);
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// A round of its lane begins: what is answered until its end is put onto this list.
    pub fn begin_round(&mut self, now_us: i64, finished: Vec<Finished>) {
        (self.round_us, self.finished) = (now_us, finished);
    }

    /// And ends; gives the list back.
    pub fn end_round(&mut self) -> Vec<Finished> {
        std::mem::take(&mut self.finished)
    }

    /// What carries it; an event loop tells it what the kernel said.
    pub fn carrier(&mut self) -> &mut C {
        &mut self.carrier
    }

    /// For the watch.
    pub fn notes(&self) -> &Notes {
        &self.notes
    }

    /// Handles and writes. What the socket took at once may have made room for requests that were held back, and nobody else would
    /// say so.
    fn answer(&mut self, cx: &mut Context<'_>, now_ms: i64) {
        loop {
            self.handle(cx, now_ms);
            self.write(cx, now_ms);
            if self.started > 0 || self.queue.is_empty() || !self.may_begin() {
                return;
            }
        }
    }

    /// Finishes and begins handlings until nothing moves; leaves the answers with the writer.
    fn handle(&mut self, cx: &mut Context<'_>, now_ms: i64) {
        loop {
            self.finish(cx);
            self.answer_at_once(cx, now_ms);
            if self.ending.is_some() || !self.begin(cx, now_ms) {
                return;
            }
        }
    }

    /// Requests that find nobody before them and are answered at once never stand in the queue.
    fn answer_at_once(&mut self, cx: &mut Context<'_>, now_ms: i64) {
        while self.queue.is_empty() && self.may_begin() {
            let Some(frame) = self.next_frame(is_brief) else { return };
            let (bytes, overlaps) = (frame.len(), may_overlap(&frame));
            let (kind, now_us) = (RequestKind::of(&frame), self.round_us);
            let mut handling = self.service.handle(frame, now_ms);
            match Pin::new(&mut handling).poll(cx) {
                Poll::Ready(outcome) => {
                    let (kind, arrived_us) = (kind_of(kind, &handling), now_us);
                    self.finished.push(Finished { kind, arrived_us, begun_us: now_us, resumed_us: now_us });
                    self.deliver(cx, outcome);
                }
                Poll::Pending => {
                    let (arrived_us, begun_us) = (now_us, now_us);
                    let overlaps = overlaps && handling.overlaps();
                    let progress = Progress::Running(handling);
                    self.queue.push_back(Request { bytes, kind, arrived_us, begun_us, progress });
                    self.queued_bytes += bytes;
                    self.overlapping = overlaps;
                    self.started = 1;
                }
            }
        }
    }

    fn may_begin(&self) -> bool {
        self.ending.is_none() && self.writer.queued_bytes() <= UNSENT_BYTES_MAX
    }

    /// The next complete frame of what was received; copied if it is small and nobody knows that it is done with soon.
    fn next_frame(&mut self, is_brief: impl Fn(&[u8]) -> bool) -> Option<Bytes> {
        if self.frames_exhausted {
            return None;
        }
        match self.reader.next_frame_of(is_brief) {
            Ok(Some(frame)) => Some(frame),
            Ok(None) => {
                self.frames_exhausted = true;
                None
            }
            Err(bad) => {
                self.ending = Some(End::BadFrame(bad));
                None
            }
        }
    }

    /// Takes the outcomes at the front of the queue, in order. Only the front is polled: the wakers of the others are
    /// this task's too, and they are polled when they get there.
    fn finish(&mut self, cx: &mut Context<'_>) {
        while self.started > 0 {
            let Some(front) = self.queue.front_mut() else { return };
            if let Progress::Pause(pause) = &mut front.progress {
                if Pin::new(pause).poll(cx).is_pending() {
                    return;
                }
                self.queue.pop_front();
                self.started -= 1;
                continue;
            }
            if let Progress::Running(handling) = &mut front.progress {
                match Pin::new(&mut *handling).poll(cx) {
                    Poll::Ready(outcome) => {
                        front.kind = kind_of(front.kind, handling);
                        front.progress = Progress::Done(outcome);
                    }
                    Poll::Pending => return,
                }
            }
            if let Some(Request { bytes, kind, arrived_us, begun_us, progress: Progress::Done(outcome) }) =
                self.queue.pop_front()
            {
                self.finished.push(Finished { kind, arrived_us, begun_us, resumed_us: self.round_us });
                self.started -= 1;
                self.queued_bytes -= bytes;
                self.deliver(cx, outcome);
            }
        }
    }

    fn deliver(&mut self, cx: &mut Context<'_>, outcome: Outcome) {
        match outcome {
            // Whatever is answered after a close must not reach the peer.
            _ if self.ending.is_some() => {}
            Outcome::Answer(rope) => self.deliver_answer(rope),
            Outcome::NoAnswer => {}
            Outcome::Close(reason) => self.ending = Some(End::Refused(reason)),
            Outcome::Entered(rope) => {
                self.deliver_answer(rope);
                self.enter();
            }
            Outcome::Farewell(told) => {
                let (rope, reason) = *told;
                self.deliver_answer(rope);
                self.ending = Some(End::Refused(reason));
            }
            Outcome::Muted(muted) => {
                let Muted { answer, until_ms } = *muted;
                if let Some(rope) = answer {
                    self.deliver_answer(rope);
                }
                self.pause(cx, until_ms);
            }
        }
    }

    /// Nothing that has not begun goes on before then. A pause stands where a request does that is not answered yet, so that all that
    /// holds of those holds of it.
    #[cold]
    fn pause(&mut self, cx: &mut Context<'_>, until_ms: i64) {
        let mut pause = self.service.pause(until_ms);
        if Pin::new(&mut pause).poll(cx).is_pending() {
            let (kind, now_us) = (RequestKind::of(&[]), self.round_us);
            let progress = Progress::Pause(pause);
            self.queue.push_front(Request { bytes: 0, kind, arrived_us: now_us, begun_us: now_us, progress });
            self.started += 1;
        }
    }

    fn deliver_answer(&mut self, rope: Rope) {
        match rope.into_contiguous() {
            Ok(answer) if answer.len() <= SMALL_ANSWER_MAX => self.writer.push_small(answer),
            Ok(answer) => self.writer.push(Bytes::from(answer)),
            Err(rope) => self.deliver_pieces(rope),
        }
    }

    /// It is a stranger no more. Nothing happens where it was none.
    #[cold]
    fn enter(&mut self) {
        if let Some(terms) = self.once_entered.take() {
            let (limits, budget) = *terms;
            self.reader.set_limits(limits);
            self.lease = Lease::new(budget);
            self.notes.has_entered();
        }
    }

    fn deliver_pieces(&mut self, rope: Rope) {
        match rope.into_single() {
            Ok((before, piece, behind)) => {
                self.writer.push_small(before);
                self.writer.push(piece);
                self.writer.push_small(behind);
            }
            Err(rope) => self.writer.push_rope(rope.into_chunks()),
        }
    }

    /// Begins the next request if the order allows. True if the front may have been finished by that.
    fn begin(&mut self, cx: &mut Context<'_>, now_ms: i64) -> bool {
        self.take_frames();
        if self.is_paused() {
            return false;
        }
        while let Some(next) = self.queue.get_mut(self.started) {
            let Progress::Waiting(frame) = &mut next.progress else { return false };
            let overlaps = may_overlap(frame);
            let allowed = self.started == 0 || (overlaps && self.overlapping);
            if !allowed || self.writer.queued_bytes() > UNSENT_BYTES_MAX {
                return false;
            }
            let mut handling = self.service.handle(std::mem::take(frame), now_ms);
            let may_overlap = handling.overlaps();
            next.begun_us = self.round_us;
            next.progress = match Pin::new(&mut handling).poll(cx) {
                Poll::Ready(outcome) => {
                    next.kind = kind_of(next.kind, &handling);
                    Progress::Done(outcome)
                }
                Poll::Pending => Progress::Running(handling),
            };
            // Beside those that are begun already it makes no difference.
            self.overlapping = overlaps && (may_overlap || self.started > 0);
            self.started += 1;
            if self.started == 1 && matches!(next.progress, Progress::Done(_)) {
                return true;
            }
        }
        false
    }

    fn take_frames(&mut self) {
        while self.queue.len() < REQUESTS_IN_FLIGHT && self.ending.is_none() {
            let (alone, overlapping) = (self.queue.is_empty(), self.overlapping);
            // One that may have to wait for its turn is copied.
            let is_brief = |frame: &[u8]| is_brief(frame) && (alone || (overlapping && may_overlap(frame)));
            let Some(frame) = self.next_frame(is_brief) else { return };
            self.queued_bytes += frame.len();
            let (bytes, kind, now_us) = (frame.len(), RequestKind::of(&frame), self.round_us);
            let progress = Progress::Waiting(frame);
            self.queue.push_back(Request { bytes, kind, arrived_us: now_us, begun_us: now_us, progress });
        }
    }

    /// Reads once if there is room for what comes.
    fn read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.ending.is_some()
            || !self.frames_exhausted
            || self.queue.len() >= REQUESTS_IN_FLIGHT
            || self.is_paused()
            || self.writer.queued_bytes() > UNSENT_BYTES_MAX
            || !self.carrier.may_read()
        {
            return Poll::Pending;
        }
        let held = self.reader.own_memory() + self.queued_bytes;
        if self.lease.poll_cover(cx, held).is_pending() {
            return Poll::Pending;
        }
        match self.reader.poll_fill(cx, &mut self.carrier) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(0)) => self.ending = Some(End::Closed),
            Poll::Ready(Ok(_)) => {
                self.frames_exhausted = false;
            }
            Poll::Ready(Err(error)) => self.ending = Some(End::Lost(error)),
        }
        Poll::Ready(())
    }

    fn is_paused(&self) -> bool {
        matches!(self.queue.front(), Some(Request { progress: Progress::Pause(_), .. }))
    }

    fn write(&mut self, cx: &mut Context<'_>, now_ms: i64) {
        if self.writer.is_empty() {
            return;
        }
        let before = self.writer.queued_bytes();
        if let Poll::Ready(Err(error)) = self.writer.poll_write(cx, &mut self.carrier) {
            self.ending = Some(End::Lost(error));
        }
        if self.writer.queued_bytes() < before {
            self.notes.moved(now_ms);
        }
    }

    /// Nothing to begin, to finish, to write or to end.
    fn is_at_rest(&self) -> bool {
        self.queue.is_empty() && self.frames_exhausted && self.writer.is_empty() && self.ending.is_none()
    }

    /// The notes for the watch.
    fn settle(&mut self, now_ms: i64) {
        self.notes.settle(self.started > 0, self.reader.partial_bytes(), now_ms);
        self.lease.shrink_to(self.reader.own_memory() + self.queued_bytes);
    }
}

/// A follower's fetch is counted apart.
fn kind_of(kind: RequestKind, handling: &Handling) -> RequestKind {
    if handling.is_by_follower() { kind.by_follower() } else { kind }
}

#[cfg(test)]
mod tests;
