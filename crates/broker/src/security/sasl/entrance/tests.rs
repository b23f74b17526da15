//! Connections on their way in: in order, out of it, and again.

use std::future::Future;
use std::task::{Context, Poll, Waker};

use wire::frame::{RequestHeader, decode_response, encode_request};
use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::messages::metadata::{MetadataRequest, MetadataResponse};
use wire::sasl::jaas::Contexts;

use super::*;
use crate::config::BrokerFile;
use crate::tests::Harness;

struct Bench {
    harness: Harness,
    terms: Arc<SaslTerms>,
}

/// What came back.
#[derive(Debug)]
enum Heard {
    Answer(Bytes),
    Entered(Bytes),
    Farewell(Bytes, String),
    Closed(CloseReason),
}

fn bench(reauth: &str) -> Bench {
    let jaas = "org.apache.kafka.common.security.plain.PlainLoginModule required user_alice=\"a-secret\" user_bob=b-secret;";
    let lines = [
        ("listener.name.plaintext.plain.sasl.jaas.config", jaas),
        (
            "listener.name.plaintext.scram-sha-256.sasl.jaas.config",
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
        ),
        ("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256"),
        ("connections.max.reauth.ms", reauth),
    ];
    let values = lines.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let terms =
        SaslTerms::read(&BrokerFile::checked(values), "PLAINTEXT", &Contexts::new(), [3; 32]).unwrap();
    Bench { harness: Harness::start(), terms: Arc::new(terms) }
}

impl Bench {
    fn entrance(&self) -> Entrance {
        let peer = Peer {
            listener: "PLAINTEXT".to_owned(),
            controller: false,
            host: "/127.0.0.1".to_owned(),
            port: 0,
            principal: Principal::anonymous(),
        };
        Entrance::new(&self.harness.node, &self.terms, peer)
    }
}

fn frame<M: Message>(api_key: ApiKey, api_version: i16, body: &M) -> Bytes {
    let header = RequestHeader { api_key, api_version, correlation_id: 9, client_id: None };
    Bytes::from(encode_request(&header, body).concat()).slice(4..)
}

fn say(entrance: &mut Entrance, frame: Bytes, now_ms: i64) -> Heard {
    let outcome = match entrance.handle(frame, now_ms) {
        Handled::Request(mut handling) => {
            let polled = std::pin::Pin::new(&mut handling);
            match Future::poll(polled, &mut Context::from_waker(Waker::noop())) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => panic!("it waits"),
            }
        }
        Handled::Entered(outcome) => {
            assert!(matches!(outcome, Outcome::Entered(_)));
            outcome
        }
        Handled::Refused(outcome) => {
            assert!(!matches!(outcome, Outcome::Entered(_) | Outcome::Answer(_)));
            outcome
        }
    };
    let bytes = |rope: Rope| Bytes::from(rope.concat()).slice(4..);
    match outcome {
        Outcome::Answer(rope) => Heard::Answer(bytes(rope)),
        Outcome::Entered(rope) => Heard::Entered(bytes(rope)),
        Outcome::Farewell(told) => match *told {
            (rope, CloseReason::NotAuthenticated(why)) => Heard::Farewell(bytes(rope), why),
            other => panic!("{other:?}"),
        },
        Outcome::Close(reason) => Heard::Closed(reason),
        other => panic!("{other:?}"),
    }
}

fn greet() -> Bytes {
    let request = ApiVersionsRequest {
        client_software_name: "t".into(),
        client_software_version: "1".into(),
        ..ApiVersionsRequest::default()
    };
    frame(ApiKey::ApiVersions, 3, &request)
}

fn handshake(mechanism: &str, version: i16) -> Bytes {
    frame(ApiKey::SaslHandshake, version, &SaslHandshakeRequest { mechanism: mechanism.into() })
}

fn plain(user: &str, password: &str) -> Bytes {
    Bytes::from(wire::sasl::plain::message(user, password))
}

fn authenticate(message: Bytes) -> Bytes {
    frame(ApiKey::SaslAuthenticate, 2, &SaslAuthenticateRequest { auth_bytes: message })
}

fn answer(bytes: Bytes) -> SaslAuthenticateResponse {
    decode_response(bytes, ApiKey::SaslAuthenticate, 2).unwrap().1
}

fn metadata(entrance: &mut Entrance, now_ms: i64) -> Heard {
    say(
        entrance,
        frame(ApiKey::Metadata, 12, &MetadataRequest { topics: Some(Vec::new()), ..Default::default() }),
        now_ms,
    )
}

fn log_in(entrance: &mut Entrance, user: &str, password: &str, now_ms: i64) -> Heard {
    assert!(matches!(say(entrance, handshake("PLAIN", 1), now_ms), Heard::Answer(_)));
    say(entrance, authenticate(plain(user, password)), now_ms)
}

#[test]
fn in_order_a_connection_becomes_somebodys() {
    let bench = bench("0");
    let mut entrance = bench.entrance();
    let Heard::Answer(greeting) = say(&mut entrance, greet(), 0) else { panic!("no greeting") };
    let greeting: ApiVersionsResponse = decode_response(greeting, ApiKey::ApiVersions, 3).unwrap().1;
    assert!([17, 36].iter().all(|key| greeting.api_keys.iter().any(|api| api.api_key == *key)));
    let Heard::Entered(last) = log_in(&mut entrance, "alice", "a-secret", 0) else { panic!("not in") };
    assert_eq!(answer(last), SaslAuthenticateResponse { error_message: None, ..Default::default() });
    assert_eq!(entrance.principal(), Some(&Principal::user("alice")));
    let Heard::Answer(told) = metadata(&mut entrance, i64::MAX / 2) else { panic!("no metadata") };
    let told: MetadataResponse = decode_response(told, ApiKey::Metadata, 12).unwrap().1;
    assert_eq!(told.brokers.len(), 1);
}

#[test]
fn a_handshake_of_version_0_is_followed_by_bare_messages() {
    let bench = bench("0");
    let mut entrance = bench.entrance();
    assert!(matches!(say(&mut entrance, handshake("PLAIN", 0), 0), Heard::Answer(_)));
    assert!(
        matches!(say(&mut entrance, plain("bob", "b-secret"), 0), Heard::Entered(empty) if empty.is_empty())
    );
    assert!(matches!(metadata(&mut entrance, 0), Heard::Answer(_)));
    let mut entrance = bench.entrance();
    say(&mut entrance, handshake("PLAIN", 0), 0);
    assert!(matches!(
        say(&mut entrance, plain("bob", "wrong"), 0),
        Heard::Closed(CloseReason::NotAuthenticated(_))
    ));
}

#[test]
fn a_wrong_password_and_an_unknown_user_are_told_the_same_and_are_out() {
    let bench = bench("0");
    let mut told = Vec::new();
    for (user, password) in [("alice", "b-secret"), ("nobody", "a-secret")] {
        let mut entrance = bench.entrance();
        let Heard::Farewell(bytes, why) = log_in(&mut entrance, user, password, 0) else { panic!("in") };
        assert_eq!(why, "Authentication failed: Invalid username or password");
        told.push(answer(bytes));
        assert!(matches!(metadata(&mut entrance, 0), Heard::Closed(CloseReason::NotAuthenticated(_))));
        assert_eq!(entrance.principal(), None);
    }
    assert_eq!(told[0], told[1]);
    assert_eq!(told[0].error_code, 58);
}

#[test]
fn an_unknown_user_of_scram_hears_of_it_at_the_end() {
    let bench = bench("0");
    let mut entrance = bench.entrance();
    say(&mut entrance, handshake("SCRAM-SHA-256", 1), 0);
    let first = authenticate(Bytes::from_static(b"n,,n=nobody,r=abc"));
    let Heard::Answer(challenge) = say(&mut entrance, first, 0) else { panic!("no challenge") };
    let challenge = String::from_utf8(answer(challenge).auth_bytes.to_vec()).unwrap();
    let mut client =
        wire::sasl::client::Exchange::new(Mechanism::ScramSha256, "nobody", "x", "abc".to_owned());
    client.begin();
    let wire::sasl::client::Step::Send(proof) = client.step(challenge.as_bytes()) else {
        panic!("{challenge}")
    };
    let Heard::Farewell(bytes, _) = say(&mut entrance, authenticate(proof.into()), 0) else { panic!("in") };
    let why = answer(bytes).error_message.unwrap();
    let expected = "Authentication failed during authentication due to invalid credentials with SASL mechanism SCRAM-SHA-256";
    assert_eq!(why.as_str(), expected);
}

#[test]
fn whatever_is_out_of_order_closes() {
    let bench = bench("0");
    let closes: [&[Bytes]; 8] = [
        &[frame(ApiKey::Metadata, 12, &MetadataRequest::default())],
        &[authenticate(plain("alice", "a-secret"))],
        &[plain("alice", "a-secret")],
        &[greet(), greet()],
        &[handshake("PLAIN", 1), handshake("PLAIN", 1)],
        &[handshake("PLAIN", 1), frame(ApiKey::Metadata, 12, &MetadataRequest::default())],
        &[Bytes::new()],
        &[handshake("PLAIN", 1), authenticate(Bytes::new()).slice(..9)],
    ];
    for frames in closes {
        let mut entrance = bench.entrance();
        let heard = frames.iter().map(|frame| say(&mut entrance, frame.clone(), 0)).last();
        assert!(matches!(heard, Some(Heard::Closed(CloseReason::NotAuthenticated(_)))), "{heard:?}");
        assert!(matches!(metadata(&mut entrance, 0), Heard::Closed(_)));
    }
    let mut entrance = bench.entrance();
    let Heard::Farewell(bytes, _) = say(&mut entrance, handshake("GSSAPI", 1), 0) else { panic!("taken") };
    let answer: SaslHandshakeResponse = decode_response(bytes, ApiKey::SaslHandshake, 1).unwrap().1;
    let names: Vec<&str> = answer.mechanisms.iter().map(Str::as_str).collect();
    assert_eq!((answer.error_code, names), (33, vec!["PLAIN", "SCRAM-SHA-256"]));
}

#[test]
fn a_session_ends_unless_the_same_user_authenticates_again() {
    let bench = bench("10000");
    let mut entrance = bench.entrance();
    let Heard::Entered(last) = log_in(&mut entrance, "alice", "a-secret", 0) else { panic!("not in") };
    assert_eq!(answer(last).session_lifetime_ms, 10_000);
    assert!(matches!(log_in(&mut entrance, "alice", "a-secret", 9_000), Heard::Entered(_)));
    assert!(matches!(metadata(&mut entrance, 19_000), Heard::Answer(_)));
    // Twice within a second is out of order.
    assert!(matches!(log_in(&mut entrance, "alice", "a-secret", 19_000), Heard::Entered(_)));
    let Heard::Answer(bytes) = say(&mut entrance, handshake("PLAIN", 1), 19_100) else { panic!("closed") };
    let again: SaslHandshakeResponse = decode_response(bytes, ApiKey::SaslHandshake, 1).unwrap().1;
    assert_eq!(again.error_code, ErrorCode::IllegalSaslState.code());
    let heard = log_in(&mut entrance, "bob", "b-secret", 25_000);
    assert!(
        matches!(&heard, Heard::Farewell(_, why) if why.contains("Cannot change principals")),
        "{heard:?}"
    );
    let mut entrance = bench.entrance();
    log_in(&mut entrance, "alice", "a-secret", 0);
    assert!(matches!(metadata(&mut entrance, 10_001), Heard::Closed(CloseReason::SessionExpired)));
}
