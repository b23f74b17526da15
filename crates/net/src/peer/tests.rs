use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn request(body: &'static [u8]) -> PeerRequest {
    PeerRequest {
        api_key: 3,
        api_version: 12,
        request_header_version: 2,
        response_header_version: 1,
        body: vec![Bytes::from_static(body)],
        timeout: Duration::from_secs(5),
    }
}

async fn read_frame(stream: &mut TcpStream) -> Vec<u8> {
    let length = stream.read_i32().await.unwrap();
    let mut frame = vec![0; length as usize];
    stream.read_exact(&mut frame).await.unwrap();
    frame
}

/// Answers with the request's correlation id, one unknown tag, and `body`.
async fn answer(stream: &mut TcpStream, correlation_id: i32, body: &[u8]) {
    let mut frame = BytesMut::new();
    frame.put_i32((4 + 5 + body.len()) as i32);
    frame.put_i32(correlation_id);
    frame.put_slice(&[1, 9, 2, 0xaa, 0xbb]);
    frame.put_slice(body);
    stream.write_all(&frame).await.unwrap();
}

async fn pair() -> (Peer, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let options = PeerOptions { client_id: Some("ottla".into()), ..PeerOptions::default() };
    let (peer, accepted) = tokio::join!(Peer::connect(&addr, options), listener.accept());
    (peer.unwrap(), accepted.unwrap().0)
}

#[tokio::test]
async fn pipelined_requests_go_out_in_order_and_answers_find_their_askers() {
    let (peer, mut server) = pair().await;
    let first = peer.send(request(b"one"));
    let second = peer.send(request(b"two"));
    assert_eq!(peer.in_flight(), 2);
    let server = async {
        let a = read_frame(&mut server).await;
        assert_eq!(a, b"\0\x03\0\x0c\0\0\0\0\0\x05ottla\0one");
        let b = read_frame(&mut server).await;
        assert_eq!(b, b"\0\x03\0\x0c\0\0\0\x01\0\x05ottla\0two");
        answer(&mut server, 0, b"eins").await;
        answer(&mut server, 1, b"zwei").await;
    };
    let (a, b, ()) = tokio::join!(first, second, server);
    assert_eq!((a.unwrap().as_ref(), b.unwrap().as_ref()), (b"eins".as_ref(), b"zwei".as_ref()));
}

#[tokio::test]
async fn a_lost_connection_fails_all_that_wait_and_all_that_come() {
    let (peer, server) = pair().await;
    let waiting = peer.send(request(b"x"));
    drop(server);
    assert!(matches!(waiting.await, Err(PeerError::Disconnected { .. })));
    assert!(!peer.is_alive());
    assert!(peer.call(request(b"y")).await.is_err());
    assert!(peer.send_one_way(&request(b"z")).is_err());
}

#[tokio::test]
async fn a_wrong_correlation_id_is_a_protocol_violation() {
    let (peer, mut server) = pair().await;
    let waiting = peer.send(request(b"x"));
    answer(&mut server, 77, b"").await;
    assert!(matches!(waiting.await, Err(PeerError::Protocol { .. })));
    assert!(!peer.is_alive());
}

#[tokio::test]
async fn a_missed_deadline_closes_the_connection() {
    let (peer, mut server) = pair().await;
    let late = PeerRequest { timeout: Duration::from_millis(10), ..request(b"x") };
    assert!(matches!(peer.call(late).await, Err(PeerError::TimedOut { .. })));
    let mut rest = Vec::new();
    server.read_to_end(&mut rest).await.unwrap();
    assert!(!peer.is_alive());
}

#[tokio::test]
async fn a_refused_connection_says_where_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = Peer::connect(&addr, PeerOptions::default()).await.unwrap_err();
    assert!(error.to_string().contains(&addr), "{error}");
}

#[tokio::test]
async fn dropping_the_last_handle_closes_the_socket_after_the_last_answer() {
    let (peer, mut server) = pair().await;
    let waiting = peer.send(request(b"x"));
    drop(peer);
    read_frame(&mut server).await;
    answer(&mut server, 0, b"ok").await;
    assert_eq!(waiting.await.unwrap().as_ref(), b"ok");
    assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
}
