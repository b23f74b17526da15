//! Links to other nodes over real sockets of this machine: what the node hears, in which order, and what a bad peer can do.

use super::errands::Ended;
use super::*;
use crate::clock::Clock;
use crate::guard::Patience;
use crate::main_loop::tests::node_on;
use broker::{LinkId, PeerAddress};
use bytes::Bytes;
use log::SimDisk;
use net::listener::Admission;
use net::{Budget, FrameLimits};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// What the node hears.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Opened(LinkId),
    Received(LinkId, Bytes),
    Closed(LinkId),
}
use Event::{Closed, Opened, Received};

/// Hands on what it hears. A frame that begins with `panic` is its end; one that begins with `again` is sent back from within.
struct Ear {
    tell: Sender<Event>,
    way_out: WayOut,
}

impl Listens for Ear {
    fn opened(&self, _: i64, link: LinkId) {
        self.tell.send(Opened(link)).unwrap();
    }

    fn received(&self, _: i64, link: LinkId, frame: Bytes) {
        assert!(!frame.starts_with(b"panic"), "a frame that the node cannot bear");
        if frame.starts_with(b"again") {
            self.way_out.send(link, framed(&frame));
        }
        self.tell.send(Received(link, frame)).unwrap();
    }

    fn closed(&self, _: i64, link: LinkId, _: &Ended) {
        self.tell.send(Closed(link)).unwrap();
    }
}

struct Bench {
    way_out: WayOut,
    running: Option<RunningLanes>,
    budget: Arc<Budget>,
    told: Receiver<Event>,
}

const FRAME_MAX: usize = 40 << 20;

impl Bench {
    fn new(lanes: usize) -> Bench {
        let (tell, told) = channel();
        let (way_out, budget) = (WayOut::new(lanes).unwrap(), Budget::new(2 * FRAME_MAX));
        let limits = FrameLimits { max_bytes: FRAME_MAX };
        let shared = Shared {
            node: node_on(&(Arc::new(SimDisk::new(1)) as Arc<dyn log::Disk>)),
            listens: Arc::new(Ear { tell, way_out: way_out.clone() }),
            links: LinkTerms { budget: budget.clone(), limits, setup_ms: 200, tls: BTreeMap::new() },
            clock: Arc::new(Clock::start()),
            admission: Arc::new(Admission::default()),
            budget: Budget::new(usize::MAX),
            strangers: Budget::new(usize::MAX),
            limits,
            patience: Patience::default(),
            refusals: Refusals::default(),
        };
        let running = Some(RunningLanes::start(&way_out, &Arc::new(shared)).unwrap());
        Bench { way_out, running, budget, told }
    }

    fn connect(&self, link: LinkId, host: &str, port: u16) {
        let listener = "PLAINTEXT".into();
        self.way_out.connect(link, &PeerAddress { node_id: 2, host: host.into(), port, listener });
    }

    /// A link and its other end.
    fn linked(&self, link: LinkId) -> TcpStream {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        self.connect(link, "127.0.0.1", there.local_addr().unwrap().port());
        let stream = there.accept().unwrap().0;
        assert_eq!(self.next(), Opened(link));
        stream
    }

    fn next(&self) -> Event {
        self.told.recv_timeout(Duration::from_secs(30)).expect("the node hears something")
    }

    /// Everything is closed; the node heard nothing more.
    fn stop(mut self) {
        self.running.take().unwrap().stop();
        let more = self.told.try_recv();
        assert!(more.is_err(), "{more:?}");
    }
}

fn framed(body: &[u8]) -> Vec<Bytes> {
    vec![Bytes::copy_from_slice(&(body.len() as i32).to_be_bytes()), Bytes::copy_from_slice(body)]
}

fn write(to: &mut TcpStream, body: &[u8]) {
    to.write_all(&framed(body).concat()).unwrap();
}

fn read(from: &mut TcpStream) -> Vec<u8> {
    from.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut length = [0; 4];
    from.read_exact(&mut length).unwrap();
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut body).unwrap();
    body
}

fn ended(from: &mut TcpStream) -> bool {
    from.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    match from.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
    }
}

/// A port of this machine where nobody listens.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_link_is_opened_hears_frames_in_order_and_is_closed_once() {
    let bench = Bench::new(2);
    let mut there = bench.linked(7);
    bench.way_out.send(7, framed(b"one"));
    bench.way_out.send(7, vec![framed(b"two").concat().into(), framed(b"").concat().into()]);
    assert_eq!([read(&mut there), read(&mut there), read(&mut there)], [&b"one"[..], b"two", b""]);
    // A frame may come in pieces, and several at once.
    let stream = [framed(b"first").concat(), framed(&[5; 300_000]).concat(), framed(b"").concat()].concat();
    let (front, back) = stream.split_at(6);
    there.write_all(front).unwrap();
    there.write_all(back).unwrap();
    assert_eq!(bench.next(), Received(7, Bytes::from_static(b"first")));
    assert_eq!(bench.next(), Received(7, Bytes::from(vec![5; 300_000])));
    assert_eq!(bench.next(), Received(7, Bytes::new()));
    drop(there);
    assert_eq!(bench.next(), Closed(7));
    // Of no effect: it is gone.
    bench.way_out.send(7, framed(b"late"));
    bench.way_out.disconnect(7);
    bench.stop();
}

#[test]
fn who_is_not_reached_is_closed_without_having_been_opened() {
    let bench = Bench::new(1);
    bench.connect(1, "127.0.0.1", nobody());
    assert_eq!(bench.next(), Closed(1));
    bench.connect(2, "no such name.invalid", 9092);
    assert_eq!(bench.next(), Closed(2));
    bench.connect(3, "", 9092);
    assert_eq!(bench.next(), Closed(3));
    // The address of documents: no way there, or silence, which ends with the time for a set-up.
    bench.connect(4, "192.0.2.1", 9092);
    assert_eq!(bench.next(), Closed(4));
    bench.stop();
}

#[test]
fn the_addresses_of_a_name_are_tried_in_turn() {
    let bench = Bench::new(1);
    // Where the name has an IPv6 address, too, nobody listens there.
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    bench.connect(1, "localhost", there.local_addr().unwrap().port());
    assert_eq!(bench.next(), Opened(1));
    bench.way_out.disconnect(1);
    assert!(ended(&mut there.accept().unwrap().0));
    bench.stop();
}

#[test]
fn a_link_that_the_node_gives_up_is_heard_of_no_more() {
    let bench = Bench::new(1);
    // The other side has accepted and says nothing.
    let mut there = bench.linked(1);
    bench.way_out.send(1, framed(b"anybody?"));
    assert_eq!(read(&mut there), b"anybody?");
    there.write_all(&[0, 0]).unwrap();
    bench.way_out.disconnect(1);
    assert!(ended(&mut there));
    // One that is not there yet.
    let mut next = bench.linked(3);
    bench.connect(2, "localhost", nobody());
    bench.way_out.disconnect(2);
    write(&mut next, b"x");
    loop {
        // The second may have been refused before the node gave it up.
        match bench.next() {
            Closed(2) => {}
            event => break assert_eq!(event, Received(3, Bytes::from_static(b"x"))),
        }
    }
    bench.stop();
}

#[test]
fn a_length_that_no_peer_sends_and_other_protocols_close_the_link() {
    let bench = Bench::new(1);
    let nonsense: [&[u8]; 4] = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        &[0x15, 3, 3, 0, 2, 2, 70],
        &[0xff; 4],
        &(FRAME_MAX as i32 + 1).to_be_bytes(),
    ];
    for (link, bytes) in (1..).zip(nonsense) {
        let mut there = bench.linked(link);
        there.write_all(bytes).unwrap();
        assert_eq!(bench.next(), Closed(link));
        assert!(ended(&mut there));
    }
    assert_eq!(bench.budget.used(), 0);
    bench.stop();
}

#[test]
fn memory_follows_what_has_come_and_is_given_back() {
    let bench = Bench::new(1);
    let mut small = bench.linked(1);
    let mut large = bench.linked(2);
    // Announced, and hardly begun: nothing is taken for it.
    large.write_all(&(FRAME_MAX as i32).to_be_bytes()).unwrap();
    large.write_all(&[1; 1000]).unwrap();
    write(&mut small, b"still here");
    assert_eq!(bench.next(), Received(1, Bytes::from_static(b"still here")));
    assert_eq!(bench.budget.used(), 0);
    let rest = vec![1; FRAME_MAX - 1000];
    let writer = std::thread::spawn(move || large.write_all(&rest).map(|()| large));
    let Received(2, frame) = bench.next() else { panic!("the large frame") };
    assert!(frame.len() == FRAME_MAX && frame.iter().all(|byte| *byte == 1));
    let large = writer.join().unwrap().unwrap();
    drop((small, large));
    let mut ends = [bench.next(), bench.next()];
    ends.sort_by_key(|end| *end != Closed(1));
    assert_eq!(ends, [Closed(1), Closed(2)]);
    assert_eq!(bench.budget.used(), 0);
    bench.stop();
}

#[test]
fn a_peer_that_reads_nothing_is_given_up_and_one_that_reads_slowly_is_not() {
    let bench = Bench::new(1);
    let (mut deaf, mut slow) = (bench.linked(1), bench.linked(2));
    let megabyte = vec![3; 1 << 20];
    for _ in 0..30 {
        bench.way_out.send(2, framed(&megabyte));
    }
    for _ in 0..80 {
        bench.way_out.send(1, framed(&megabyte));
    }
    assert_eq!(bench.next(), Closed(1));
    for _ in 0..30 {
        assert!(read(&mut slow) == megabyte);
    }
    write(&mut slow, b"all of it");
    assert_eq!(bench.next(), Received(2, Bytes::from_static(b"all of it")));
    // What the kernel had taken before the end, then the end.
    let mut rest = vec![0; 1 << 16];
    while matches!(deaf.read(&mut rest), Ok(1..)) {}
    bench.stop();
}

#[test]
fn a_panic_costs_its_link_and_nothing_else() {
    let bench = Bench::new(1);
    let (mut bad, mut good) = (bench.linked(1), bench.linked(2));
    write(&mut bad, b"panic");
    assert_eq!(bench.next(), Closed(1));
    assert!(ended(&mut bad));
    write(&mut good, b"fine");
    assert_eq!(bench.next(), Received(2, Bytes::from_static(b"fine")));
    bench.stop();
}

#[test]
fn many_links_talk_at_once_each_in_its_order() {
    const LINKS: u64 = 100;
    const FRAMES: usize = 20;
    let bench = Bench::new(3);
    let mut peers = Vec::new();
    for (link, mut there) in (1..=LINKS).map(|link| (link, bench.linked(link))).collect::<Vec<_>>() {
        peers.push(std::thread::spawn(move || {
            for number in 0..FRAMES {
                let body = format!("again {link} {number}").into_bytes();
                write(&mut there, &body);
                // What is sent from within what is heard.
                assert_eq!(read(&mut there), body);
            }
        }));
    }
    let mut heard = vec![0; LINKS as usize + 1];
    for _ in 0..LINKS as usize * (FRAMES + 1) {
        match bench.next() {
            Received(link, frame) => {
                let number = &mut heard[link as usize];
                assert_eq!(frame, format!("again {link} {number}"));
                *number += 1;
            }
            event => {
                let Closed(link) = event else { panic!("{event:?}") };
                assert_eq!(heard[link as usize], FRAMES);
            }
        }
    }
    peers.into_iter().for_each(|peer| peer.join().unwrap());
    bench.stop();
}

#[test]
fn doors_close_before_links_do() {
    let bench = Bench::new(2);
    let (clients, controllers) = (door("PLAINTEXT", false), door("CONTROLLER", true));
    let addresses = [&clients, &controllers].map(|door| door.socket.local_addr().unwrap());
    let running = bench.running.as_ref().unwrap();
    running.open([clients, controllers]);
    let mut there = bench.linked(1);
    let mut inside = TcpStream::connect(addresses[0]).unwrap();
    // It is let in before it is asked anything.
    write(&mut inside, b"\0\x12\0\0\0\0\0\x07\xff\xff");
    assert_eq!(read(&mut inside)[..6], [0, 0, 0, 7, 0, 0]);
    running.drain();
    while TcpStream::connect(addresses[0]).is_ok() {
        std::thread::yield_now();
    }
    TcpStream::connect(addresses[1]).expect("members of the quorum reach each other to the end");
    write(&mut there, b"go");
    assert_eq!(bench.next(), Received(1, Bytes::from_static(b"go")));
    assert!(matches!(bench.told.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout)));
    bench.stop();
    assert!(ended(&mut there) && ended(&mut inside));
}

fn door(name: &str, controller: bool) -> Door {
    let socket = net::listener::bind(([127, 0, 0, 1], 0).into(), 16).unwrap();
    Door { socket, name: name.to_owned(), controller, guard: DoorGuard::default() }
}
