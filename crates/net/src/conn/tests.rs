use super::*;
use std::future::poll_fn;
use tokio::io::{AsyncWriteExt, duplex};

const LIMITS: FrameLimits = FrameLimits { max_bytes: 100 << 20 };

fn framed(body: &[u8]) -> Vec<u8> {
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend_from_slice(body);
    frame
}

async fn read_all(from: tokio::io::DuplexStream) -> Result<Vec<Bytes>, BadFrame> {
    read_by(FrameReader::new(LIMITS), from).await
}

async fn read_by(mut reader: FrameReader, mut from: tokio::io::DuplexStream) -> Result<Vec<Bytes>, BadFrame> {
    let mut frames = Vec::new();
    while poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap() > 0 {
        while let Some(frame) = reader.next_frame()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

#[tokio::test]
async fn frames_survive_every_way_of_cutting_the_stream() {
    let bodies: Vec<Vec<u8>> = [0, 1, 3, 1023, 1024, 1025, 5000, 70_000, 300_000, 70_000, 2, 300_000, 0]
        .iter()
        .enumerate()
        .map(|(i, n)| vec![i as u8; *n])
        .collect();
    let stream: Vec<u8> = bodies.iter().flat_map(|b| framed(b)).collect();
    let pipes = [1usize, 5, 1000, 65_536, 1 << 20];
    for (pipe, is_stranger) in pipes.into_iter().flat_map(|pipe| [(pipe, false), (pipe, true)]) {
        let (mut to, from) = duplex(pipe);
        let stream = stream.clone();
        let writer = async move { to.write_all(&stream).await.unwrap() };
        let reader = FrameReader::new(LIMITS);
        let reader = if is_stranger { reader.sparing() } else { reader };
        let ((), frames) = tokio::join!(writer, read_by(reader, from));
        let frames = frames.unwrap();
        assert_eq!(frames.len(), bodies.len(), "pipe of {pipe}");
        assert!(frames.iter().zip(&bodies).all(|(a, b)| a.as_ref() == b.as_slice()));
    }
}

#[tokio::test]
async fn absurd_lengths_are_refused_before_any_memory_is_taken() {
    for length in [-1, i32::MIN, i32::MAX, (100 << 20) + 1] {
        let (mut to, from) = duplex(64);
        to.write_all(&length.to_be_bytes()).await.unwrap();
        drop(to);
        let refused = read_all(from).await.unwrap_err();
        assert_eq!(refused.length, length);
    }
}

/// What stands on the wire first when somebody speaks another protocol.
#[tokio::test]
async fn who_speaks_another_protocol_is_told_so() {
    let cases: [(&[u8], &str); 9] = [
        (&[0x16, 3, 1, 2, 0, 1, 0], "the other side speaks TLS, and this one plaintext Kafka"),
        (&[0x16, 3, 3, 0, 0x7a, 2], "the other side speaks TLS, and this one plaintext Kafka"),
        (&[0x15, 3, 3, 0, 2, 2, 70], "the other side speaks TLS, and this one plaintext Kafka"),
        (b"GET / HTTP/1.1\r\n", "the other side speaks HTTP, and this one plaintext Kafka"),
        (b"POST /topics HTTP/1.1\r\n", "the other side speaks HTTP, and this one plaintext Kafka"),
        (b"PRI * HTTP/2.0\r\n", "the other side speaks HTTP, and this one plaintext Kafka"),
        (b"HTTP/1.1 400 Bad Request\r\n", "the other side speaks HTTP, and this one plaintext Kafka"),
        (b"GETS", "frame length 1195725907 is outside 0..=104857600"),
        (&[0x16, 4, 1, 0], "frame length 369361152 is outside 0..=104857600"),
    ];
    for (bytes, words) in cases {
        let (mut to, from) = duplex(64);
        to.write_all(bytes).await.unwrap();
        drop(to);
        assert_eq!(read_all(from).await.unwrap_err().to_string(), words, "{bytes:?}");
    }
}

#[tokio::test]
async fn memory_grows_with_data_received_not_with_the_declared_length() {
    let (mut to, mut from) = duplex(1 << 20);
    let mut reader = FrameReader::new(LIMITS);
    to.write_all(&(90i32 << 20).to_be_bytes()).await.unwrap();
    for _ in 0..100 {
        to.write_all(&[7; 10]).await.unwrap();
        poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap();
        assert_eq!(reader.next_frame(), Ok(None));
    }
    assert_eq!(reader.partial_bytes(), 1004);
    assert!(reader.own_memory() <= 8 * 1024, "{}", reader.own_memory());
}

#[tokio::test]
async fn a_stranger_holds_twice_what_it_sent_at_most_and_no_block() {
    let (mut to, mut from) = duplex(1 << 20);
    let stream = framed(&[7; 400_000]);
    to.write_all(&stream[..300_000]).await.unwrap();
    let mut reader = FrameReader::new(LIMITS).sparing();
    while reader.partial_bytes() < 300_000 {
        poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap();
        assert!(reader.next_frame().unwrap().is_none() && reader.pending.is_empty());
        let (held, came) = (reader.own.capacity(), reader.partial_bytes());
        assert!(held <= (2 * came).max(PARTIAL_MIN), "{held} for {came}");
    }
    to.write_all(&stream[300_000..]).await.unwrap();
    drop(to);
    while poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap() > 0 {}
    assert_eq!(reader.next_frame().unwrap().map(|frame| frame.len()), Some(400_000));
    assert_eq!((reader.own_memory(), reader.large_frame), (0, 0));
}

#[tokio::test]
async fn an_idle_connection_holds_nothing() {
    let (mut to, mut from) = duplex(1 << 20);
    let mut reader = FrameReader::new(LIMITS);
    for body in [vec![1; 400_000], vec![2; 10]] {
        to.write_all(&framed(&body)).await.unwrap();
        loop {
            poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap();
            if let Some(frame) = reader.next_frame().unwrap() {
                assert_eq!(frame, body);
                break;
            }
        }
        assert_eq!(reader.next_frame(), Ok(None));
    }
    assert_eq!(reader.own_memory(), 0);
}

/// Whether the thread has its block back.
fn block_is_back() -> bool {
    let block = memory::take(memory::BLOCK_BYTES);
    let was_used = block.iter().any(|byte| *byte != 0);
    memory::give_back(block);
    was_used
}

#[tokio::test]
async fn a_small_parked_frame_does_not_pin_the_block() {
    let (mut to, mut from) = duplex(1 << 20);
    let mut reader = FrameReader::new(LIMITS);
    to.write_all(&framed(&[5; 100])).await.unwrap();
    poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap();
    let parked = reader.next_frame().unwrap().unwrap();
    assert_eq!(reader.next_frame(), Ok(None));
    assert!(block_is_back());
    assert_eq!(parked.len(), 100);
}

#[tokio::test]
async fn a_small_frame_that_is_brief_stays_in_the_block() {
    let (mut to, mut from) = duplex(1 << 20);
    let mut reader = FrameReader::new(LIMITS);
    to.write_all(&[framed(&[5; 100]), framed(&[6; 100])].concat()).await.unwrap();
    poll_fn(|cx| reader.poll_fill(cx, &mut from)).await.unwrap();
    let is_brief = |frame: &[u8]| frame[0] == 5;
    let (brief, other) = (reader.next_frame_of(is_brief).unwrap(), reader.next_frame_of(is_brief).unwrap());
    assert_eq!((brief.as_deref(), other.as_deref()), (Some(&[5; 100][..]), Some(&[6; 100][..])));
    assert_eq!(reader.next_frame(), Ok(None));
    assert!(!block_is_back());
    drop(brief);
    assert!(block_is_back());
}
