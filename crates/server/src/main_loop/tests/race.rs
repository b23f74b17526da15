//! Who has heard of a topic finds it led, however busy the shards are: the image is shown after every shard has carried it out.

use super::{Scratch, address, run};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat()
}

/// The answer behind the correlation id.
fn call(stream: &mut TcpStream, key: u8, version: u8, body: &[u8]) -> Vec<u8> {
    let head = [0, key, 0, version, 0, 0, 0, 1, 0xff, 0xff];
    let length = ((head.len() + body.len()) as u32).to_be_bytes();
    stream.write_all(&[&length[..], &head, body].concat()).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

const PARTITIONS: i32 = 8;

/// CreateTopics version 2.
fn create(stream: &mut TcpStream, topic: &str) {
    let body = [
        &1i32.to_be_bytes()[..],
        &text(topic),
        &PARTITIONS.to_be_bytes(),
        &[0, 1],
        &[0; 8],
        &60_000i32.to_be_bytes(),
        &[0],
    ];
    let answer = call(stream, 19, 2, &body.concat());
    assert_eq!(answer[8 + 2 + topic.len()..][..2], [0, 0], "{topic} is created");
}

/// The error codes of ListOffsets version 1 for every partition.
fn errors_of_list_offsets(stream: &mut TcpStream, topic: &str) -> Vec<u8> {
    let partition = |index: i32| [&index.to_be_bytes()[..], &(-1i64).to_be_bytes()].concat();
    let partitions: Vec<u8> = (0..PARTITIONS).flat_map(partition).collect();
    let body = [
        &(-1i32).to_be_bytes()[..],
        &1i32.to_be_bytes(),
        &text(topic),
        &PARTITIONS.to_be_bytes(),
        &partitions,
    ];
    let answer = call(stream, 2, 1, &body.concat());
    let each = answer[4 + 2 + topic.len() + 4..].chunks(22);
    each.map(|partition| partition[5]).collect()
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(at).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

#[test]
fn a_topic_that_was_just_created_is_led_whatever_keeps_its_shards_busy() {
    let scratch = Scratch::new();
    let running = run(&scratch, &[]);
    let at = address(&running);
    create(&mut connect(at), "hot");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut stream = connect(at);
                // DeleteRecords version 0 goes through the mailboxes of all shards and changes nothing.
                let partition = |index: i32| [&index.to_be_bytes()[..], &0i64.to_be_bytes()].concat();
                let partitions: Vec<u8> = (0..PARTITIONS).flat_map(partition).collect();
                let body = [
                    &1i32.to_be_bytes()[..],
                    &text("hot"),
                    &PARTITIONS.to_be_bytes(),
                    &partitions,
                    &1000i32.to_be_bytes(),
                ];
                let body = body.concat();
                while !stop.load(Ordering::Relaxed) {
                    call(&mut stream, 21, 0, &body);
                }
            });
        }
        let mut stream = connect(at);
        for number in 0..100 {
            let topic = format!("t{number}");
            create(&mut stream, &topic);
            let errors = errors_of_list_offsets(&mut stream, &topic);
            if errors != [0; PARTITIONS as usize] {
                stop.store(true, Ordering::Relaxed);
            }
            assert_eq!(errors, [0; PARTITIONS as usize], "{topic}");
        }
        stop.store(true, Ordering::Relaxed);
    });
    running.stop();
}

/// Produce version 3 of one record to every partition.
fn write(stream: &mut TcpStream, topic: &str) {
    let mut batch = wire::record_batch::RecordBatchBuilder::new(Default::default());
    batch.append(1, None, Some(b"x"), &[]);
    let batch = batch.build();
    let partition =
        |index: i32| [&index.to_be_bytes()[..], &(batch.len() as i32).to_be_bytes(), &batch].concat();
    let partitions: Vec<u8> = (0..PARTITIONS).flat_map(partition).collect();
    let body = [
        &(-1i16).to_be_bytes()[..],
        &1i16.to_be_bytes(),
        &1000i32.to_be_bytes(),
        &1i32.to_be_bytes(),
        &text(topic),
        &PARTITIONS.to_be_bytes(),
        &partitions,
    ];
    call(stream, 0, 3, &body.concat());
}

/// Logs found on disk are opened in the background, or by the first who asks. Who comes while that is going on waits for it.
#[test]
fn a_partition_whose_log_is_being_opened_is_led() {
    const TOPICS: i32 = 40;
    let scratch = Scratch::new();
    let running = run(&scratch, &[]);
    let mut stream = connect(address(&running));
    for number in 0..TOPICS {
        create(&mut stream, &format!("t{number}"));
        write(&mut stream, &format!("t{number}"));
    }
    drop(stream);
    running.stop();
    let running = run(&scratch, &[]);
    let at = address(&running);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut stream = connect(at);
                for number in 0..TOPICS {
                    let topic = format!("t{number}");
                    let errors = errors_of_list_offsets(&mut stream, &topic);
                    assert_eq!(errors, [0; PARTITIONS as usize], "{topic}");
                }
            });
        }
    });
    running.stop();
}
