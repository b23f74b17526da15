use super::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use wire::codec::Rope;

/// Answers a frame with its own bytes. A frame whose third byte is `w` waits for the test's word, one with a `b` has a big answer, one with
/// an `M` mutes its connection until the test's word, one with an `A` waits alone.
#[derive(Clone, Default)]
struct Echo {
    begun: Arc<AtomicUsize>,
    parked: Arc<Mutex<VecDeque<oneshot::Sender<()>>>>,
}

impl Service for Echo {
    fn handle(&mut self, frame: Bytes, _now_ms: i64) -> Handling {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let answer = Outcome::Answer(Rope::of([&(frame.len() as i32).to_be_bytes()[..], &frame].concat()));
        match frame.get(2) {
            Some(b'w') => {
                let (word, waits) = oneshot::channel();
                self.parked.lock().unwrap().push_back(word);
                Handling::running(async move {
                    let _ = waits.await;
                    answer
                })
            }
            Some(b'b') => Handling::ready(Outcome::Answer(Rope::of(vec![0; 2 * UNSENT_BYTES_MAX]))),
            Some(b'A') => {
                let (word, waits) = oneshot::channel();
                self.parked.lock().unwrap().push_back(word);
                let waiting = async move {
                    let _ = waits.await;
                    answer
                };
                Handling::running(waiting).alone()
            }
            Some(b'M') => {
                let Outcome::Answer(rope) = answer else { unreachable!() };
                let answer = (frame.get(3) != Some(&b'0')).then_some(rope);
                Handling::ready(Outcome::Muted(Box::new(Muted { answer, until_ms: NOW + 1 })))
            }
            Some(b'n') => Handling::ready(Outcome::NoAnswer),
            Some(b'x') => Handling::ready(Outcome::Close(CloseReason::ProduceRefused)),
            _ => Handling::ready(answer),
        }
    }

    fn pause(&mut self, until_ms: i64) -> Handling {
        assert_eq!(until_ms, NOW + 1);
        let (word, waits) = oneshot::channel();
        self.parked.lock().unwrap().push_back(word);
        Handling::running(async move {
            let _ = waits.await;
            Outcome::NoAnswer
        })
    }
}

const NOW: i64 = 1;
const FETCH: [u8; 2] = [0, 1];
const PRODUCE: [u8; 2] = [0, 0];

fn request(key: [u8; 2], body: &[u8]) -> Vec<u8> {
    let mut frame = (2 + body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(&key);
    frame.extend_from_slice(body);
    frame
}

struct Fixture {
    client: TcpStream,
    echo: Echo,
    budget: Arc<Budget>,
    end: tokio::task::JoinHandle<End>,
}

/// A client, and a gateway that nobody polls yet.
async fn pair(echo: &Echo, budget: &Arc<Budget>) -> (TcpStream, Gateway<Echo, TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let carrier = listener.accept().await.unwrap().0;
    let limits = FrameLimits { max_bytes: 100 << 20 };
    (client, Gateway::new(carrier, echo.clone(), limits, budget.clone(), NOW))
}

async fn connect() -> Fixture {
    let (echo, budget) = (Echo::default(), Budget::new(64 << 20));
    let (client, mut gateway) = pair(&echo, &budget).await;
    Fixture { client, echo, budget, end: tokio::spawn(std::future::poll_fn(move |cx| gateway.poll(cx, NOW))) }
}

impl Fixture {
    async fn send(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
    }

    async fn answer(&mut self) -> Vec<u8> {
        let length = self.client.read_i32().await.unwrap();
        let mut frame = vec![0; length as usize];
        self.client.read_exact(&mut frame).await.unwrap();
        frame
    }

    async fn until(&self, what: impl Fn(&Self) -> bool) {
        while !what(self) {
            tokio::task::yield_now().await;
        }
    }

    fn begun(&self) -> usize {
        self.echo.begun.load(Ordering::SeqCst)
    }

    fn release_last_parked(&self) {
        self.echo.parked.lock().unwrap().pop_back().unwrap().send(()).unwrap();
    }
}

#[tokio::test]
async fn requests_are_answered_in_their_order() {
    let mut it = connect().await;
    let all: Vec<u8> = (0..1000u32).flat_map(|n| request(FETCH, &n.to_be_bytes())).collect();
    it.send(&all).await;
    for n in 0..1000u32 {
        assert_eq!(it.answer().await[2..], n.to_be_bytes());
    }
}

#[tokio::test]
async fn a_waiting_request_holds_back_what_follows() {
    let mut it = connect().await;
    it.send(&request(FETCH, b"wait")).await;
    it.send(&request(PRODUCE, b"after")).await;
    it.until(|it| it.begun() == 1).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(it.begun(), 1);
    it.release_last_parked();
    assert_eq!(it.answer().await, [&FETCH, b"wait".as_ref()].concat());
    assert_eq!(it.answer().await, [&PRODUCE, b"after".as_ref()].concat());
}

#[tokio::test]
async fn produce_requests_overlap_and_their_answers_keep_the_order() {
    let mut it = connect().await;
    for name in [b"wa", b"wb", b"wc"] {
        it.send(&request(PRODUCE, name)).await;
    }
    it.send(&request(FETCH, b"f")).await;
    it.until(|it| it.begun() == 3).await;
    for _ in 0..3 {
        it.release_last_parked();
    }
    for name in [b"wa", b"wb", b"wc"] {
        assert_eq!(it.answer().await[2..], name[..]);
    }
    assert_eq!(it.answer().await[2..], b"f"[..]);
}

#[tokio::test]
async fn who_is_muted_has_its_answer_and_nothing_else_begins_until_the_pause_is_over() {
    for (key, muted) in [(FETCH, "M"), (PRODUCE, "M"), (PRODUCE, "M0")] {
        let mut it = connect().await;
        it.send(&request(key, muted.as_bytes())).await;
        it.send(&request(PRODUCE, b"p")).await;
        it.send(&request(FETCH, b"f")).await;
        if muted == "M" {
            assert_eq!(it.answer().await[2..], b"M"[..]);
        }
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(it.begun(), 1);
        it.release_last_parked();
        assert_eq!(it.answer().await[2..], b"p"[..]);
        assert_eq!(it.answer().await[2..], b"f"[..]);
    }
}

#[tokio::test]
async fn nothing_overlaps_what_may_mute_the_connection() {
    let mut it = connect().await;
    for name in [b"A1", b"w2"] {
        it.send(&request(PRODUCE, name)).await;
    }
    it.until(|it| it.begun() == 1).await;
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert_eq!(it.begun(), 1);
    it.release_last_parked();
    assert_eq!(it.answer().await[2..], b"A1"[..]);
    it.until(|it| it.begun() == 2).await;
    it.release_last_parked();
    assert_eq!(it.answer().await[2..], b"w2"[..]);
}

#[tokio::test]
async fn what_overlaps_already_is_answered_though_the_connection_is_muted_behind_it() {
    let mut it = connect().await;
    for name in [b"w1", b"A2", b"w3"] {
        it.send(&request(PRODUCE, name)).await;
    }
    it.until(|it| it.begun() == 3).await;
    for _ in 0..3 {
        it.release_last_parked();
    }
    for name in [b"w1", b"A2", b"w3"] {
        assert_eq!(it.answer().await[2..], name[..]);
    }
}

#[tokio::test]
async fn no_answer_leaves_no_gap_and_a_refusal_closes_after_what_was_answered() {
    let mut it = connect().await;
    let all =
        [request(PRODUCE, b"n"), request(PRODUCE, b"a"), request(PRODUCE, b"x"), request(PRODUCE, b"b")];
    it.send(&all.concat()).await;
    assert_eq!(it.answer().await[2..], b"a"[..]);
    assert_eq!(it.client.read(&mut [0; 8]).await.unwrap(), 0);
    assert!(matches!(it.end.await.unwrap(), End::Refused(CloseReason::ProduceRefused)));
}

#[tokio::test]
async fn an_absurd_length_closes_the_connection_at_once() {
    for length in [-1i32, i32::MAX, i32::MIN, (100 << 20) + 1] {
        let mut it = connect().await;
        it.send(&length.to_be_bytes()).await;
        assert_eq!(it.client.read(&mut [0; 8]).await.unwrap_or(0), 0);
        assert!(matches!(it.end.await.unwrap(), End::BadFrame(_)));
    }
}

#[tokio::test]
async fn a_half_frame_is_noted_with_its_age_and_size() {
    let (mut client, mut gateway) = pair(&Echo::default(), &Budget::new(64 << 20)).await;
    let patience = crate::guard::Patience::default();
    let mut until = async |wanted| {
        while gateway.notes().judge(&patience, i64::MAX / 2) != wanted {
            let lives = std::future::poll_fn(|cx| Poll::Ready(gateway.poll(cx, NOW).is_pending()));
            assert!(lives.await);
            tokio::task::yield_now().await;
        }
    };
    client.write_all(&1000i32.to_be_bytes()).await.unwrap();
    client.write_all(&[0; 10]).await.unwrap();
    until(crate::guard::Verdict::TooSlow).await;
    client.write_all(&[0; 990]).await.unwrap();
    until(crate::guard::Verdict::TooIdle).await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_answers_is_not_read_either() {
    let mut it = connect().await;
    let big = request(FETCH, &vec![7; 512 * 1024]);
    let flood = async {
        // Far more than the socket buffers of both directions and the cap of unsent bytes.
        for _ in 0..100 {
            it.client.write_all(&big).await.unwrap();
        }
    };
    assert!(tokio::time::timeout(Duration::from_millis(300), flood).await.is_err());
    assert!(it.begun() < 60, "{}", it.begun());
}

#[tokio::test]
async fn an_exhausted_budget_stops_reading_until_room_comes_back() {
    let it = connect().await;
    let mut other = Lease::new(it.budget.clone());
    let cx = Context::from_waker(std::task::Waker::noop());
    assert!(other.poll_cover(&cx, 64 << 20).is_ready());
    let body = vec![1; 4 << 20];
    let (mut from, mut to) = it.client.into_split();
    let sent = tokio::spawn(async move {
        to.write_all(&request(FETCH, &body)).await.unwrap();
        to
    });
    let blocked = tokio::time::timeout(Duration::from_millis(200), from.read_i32()).await;
    assert!(blocked.is_err());
    drop(other);
    assert_eq!(from.read_i32().await.unwrap(), (4 << 20) + 2);
    sent.await.unwrap();
}

#[tokio::test]
async fn the_peers_goodbye_ends_the_connection_even_while_a_request_waits() {
    let mut it = connect().await;
    it.send(&request(FETCH, b"wait")).await;
    it.until(|it| it.begun() == 1).await;
    drop(it.client);
    assert!(matches!(it.end.await.unwrap(), End::Closed | End::Lost(_)));
}

/// A gateway whose peer takes and sends all at once, and has sent this.
async fn beside(
    echo: &Echo,
    budget: &Arc<Budget>,
    sent: &[u8],
) -> (DuplexStream, Gateway<Echo, DuplexStream>) {
    let (mut client, carrier) = tokio::io::duplex(64 << 20);
    client.write_all(sent).await.unwrap();
    let limits = FrameLimits { max_bytes: 100 << 20 };
    (client, Gateway::new(carrier, echo.clone(), limits, budget.clone(), NOW))
}

fn turn(gateway: &mut Gateway<Echo, DuplexStream>) -> Poll<End> {
    gateway.poll(&mut Context::from_waker(std::task::Waker::noop()), NOW)
}

#[tokio::test]
async fn what_waits_behind_a_big_answer_begins_once_that_is_gone() {
    let (echo, budget) = (Echo::default(), Budget::new(64 << 20));
    let sent = [request(FETCH, b"b"), request(FETCH, b"b"), request(FETCH, b"b")].concat();
    let (_client, mut gateway) = beside(&echo, &budget, &sent).await;
    assert!(turn(&mut gateway).is_pending());
    assert_eq!(echo.begun.load(Ordering::SeqCst), 3, "nobody wakes the connection again");
}

/// What is said of a connection at work with three produces begun and a fetch behind them, after the damage.
async fn said(damage: fn(&mut Gateway<Echo, DuplexStream>)) -> String {
    let (echo, budget) = (Echo::default(), Budget::new(64 << 20));
    let produce = |name: &[u8]| request(PRODUCE, name);
    let sent = [produce(b"wa"), produce(b"wb"), produce(b"wc"), request(FETCH, b"f")].concat();
    let (_client, mut gateway) = beside(&echo, &budget, &sent).await;
    assert!(turn(&mut gateway).is_pending());
    damage(&mut gateway);
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| turn(&mut gateway))) {
        Ok(Poll::Pending) => "nothing".to_owned(),
        Ok(Poll::Ready(end)) => format!("{end:?}"),
        Err(panic) => panic.downcast_ref::<&str>().map_or("no text".to_owned(), |text| (*text).to_owned()),
    }
}

#[tokio::test]
async fn every_broken_invariant_is_named() {
    type Case = (fn(&mut Gateway<Echo, DuplexStream>), &'static str);
    let cases: &[Case] = &[
        (|_| {}, "nothing"),
        (|it| it.started = 2, "order: one is begun out of turn"),
        (|it| it.started = 9, "order: more is begun than there is"),
        (|it| it.overlapping = false, "order: one is begun that may not overlap"),
        (|it| it.queue.clear(), "order: more is begun than there is"),
        (
            |it| {
                it.queue.clear();
                it.started = 0;
            },
            "bytes: some are counted that are gone",
        ),
        (
            |it| {
                let kind = RequestKind::of(&FETCH);
                let progress = || Progress::Waiting(Bytes::from_static(&FETCH));
                let more = || Request { bytes: 0, kind, arrived_us: 0, begun_us: 0, progress: progress() };
                it.queue.extend(std::iter::repeat_with(more).take(REQUESTS_IN_FLIGHT));
            },
            "queue: more is in flight than may be",
        ),
    ];
    for (damage, name) in cases {
        assert_eq!(said(*damage).await, *name);
    }
}
