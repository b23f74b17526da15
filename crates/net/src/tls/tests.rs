//! Both sides of TLS over a pipe: who is let in and who not, large and small writes through narrow carriers, and what damaged stores do.

use std::future::poll_fn;
use std::io::{self, IoSlice};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

use super::store::{TrustSource, entries_of};
use super::testing::{Says, TestKey, pem};
use super::*;
use crate::stream::Stream;

const SERVER: Says<'static> =
    Says { subject: "server", issuer: "authority", is_authority: false, hosts: &["localhost"], until: 2099 };

/// An authority, and its certificate.
struct Authority {
    key: TestKey,
    certificate: Vec<u8>,
}

impl Authority {
    fn new() -> Authority {
        let key = TestKey::new();
        let says = Says { subject: "authority", is_authority: true, hosts: &[], ..SERVER };
        let certificate = key.certificate(says, &key);
        Authority { key, certificate }
    }

    fn trust(&self) -> TrustSource {
        TrustSource::Pem { certificates: pem("CERTIFICATE", &self.certificate) }
    }

    /// A key with a certificate.
    fn vouches_for(&self, says: Says<'_>) -> KeySource {
        let key = TestKey::new();
        let certificates = pem("CERTIFICATE", &key.certificate(says, &self.key));
        KeySource::Pem { certificates, key: pem("PRIVATE KEY", &key.pkcs8), key_password: None }
    }
}

fn nothing() -> TlsOptions {
    TlsOptions::read(&|_| None).unwrap()
}

type Ends = (TlsStream<DuplexStream>, TlsStream<DuplexStream>);

fn ends(server: &TlsOptions, client: &TlsOptions, host: &str, pipe_bytes: usize) -> Ends {
    let (here, there) = duplex(pipe_bytes);
    let server = ServerTls::open(server).unwrap().accept(here).unwrap();
    let client = ClientTls::open(client).unwrap().connect(there, host).unwrap();
    (server, client)
}

async fn read_some(stream: &mut TlsStream<DuplexStream>, room: usize) -> io::Result<Vec<u8>> {
    let mut into = vec![0; room];
    let read = poll_fn(|cx| stream.poll_read(cx, &mut into)).await?;
    into.truncate(read);
    Ok(into)
}

async fn write_all(stream: &mut TlsStream<DuplexStream>, chunks: &[&[u8]]) -> io::Result<()> {
    let whole: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    let mut done = 0;
    while done < whole {
        let mut skip = done;
        let mut slices = Vec::new();
        for chunk in chunks {
            let skipped = skip.min(chunk.len());
            skip -= skipped;
            slices.push(IoSlice::new(&chunk[skipped..]));
        }
        done += poll_fn(|cx| stream.poll_write(cx, &slices)).await?;
    }
    Ok(())
}

/// The handshake, a word in both directions; who the client was, or what each side says of the failure.
async fn greet(
    server: TlsOptions,
    client: TlsOptions,
    host: &str,
) -> Result<Option<String>, (String, String)> {
    let (mut server, mut client) = ends(&server, &client, host, 1 << 16);
    let there = async {
        let asked = async {
            poll_fn(|cx| client.poll_open(cx)).await?;
            write_all(&mut client, &[b"hello"]).await?;
            read_some(&mut client, 100).await
        };
        let said = asked.await;
        drop(client);
        said
    };
    let here = async {
        let asked = async {
            let heard = read_some(&mut server, 100).await?;
            write_all(&mut server, &[&heard]).await
        };
        let said = asked.await;
        let principal = server.principal().get().cloned();
        drop(server);
        said.map(|()| principal)
    };
    let shown = |error: io::Error| error.to_string();
    match tokio::join!(here, there) {
        (Ok(principal), Ok(answer)) => {
            assert_eq!(answer, b"hello");
            Ok(principal)
        }
        (here, there) => {
            Err((here.err().map(shown).unwrap_or_default(), there.err().map(shown).unwrap_or_default()))
        }
    }
}

#[tokio::test]
async fn whoever_is_trusted_is_let_in_and_nobody_else() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let key = |says| Some(authority.vouches_for(says));
    let server = TlsOptions { key: key(SERVER), ..nothing() };
    let client = TlsOptions { trust: Some(authority.trust()), ..nothing() };
    assert_eq!(greet(server.clone(), client.clone(), "localhost").await, Ok(None));
    let refused = [
        (
            server.clone(),
            TlsOptions { trust: Some(stranger.trust()), ..nothing() },
            "localhost",
            "nobody who is trusted",
        ),
        (server.clone(), client.clone(), "example.com", "another host name"),
        (
            TlsOptions { key: key(Says { until: 2021, ..SERVER }), ..nothing() },
            client.clone(),
            "localhost",
            "expired",
        ),
        (
            TlsOptions { versions: vec![&rustls::version::TLS12], ..server.clone() },
            TlsOptions { versions: vec![&rustls::version::TLS13], ..client.clone() },
            "localhost",
            "",
        ),
    ];
    for (server, client, host, why) in refused {
        let (here, there) = greet(server, client, host).await.unwrap_err();
        assert!(there.contains(why) && !here.is_empty(), "{host}: {here} / {there}");
    }
    let lenient = TlsOptions { verifies_host: false, ..client.clone() };
    assert_eq!(greet(server.clone(), lenient, "example.com").await, Ok(None));
    let blind = TlsOptions { verifies: false, verifies_host: false, ..nothing() };
    assert_eq!(greet(server, blind, "localhost").await, Ok(None));
}

#[tokio::test]
async fn clients_are_who_their_certificates_say() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = |client_auth, rules| TlsOptions {
        key: Some(authority.vouches_for(SERVER)),
        trust: Some(authority.trust()),
        client_auth,
        mapping: mapping::Mapping::read(rules).unwrap(),
        ..nothing()
    };
    let alice = Says { subject: "Alice", hosts: &[], ..SERVER };
    let client = |key| TlsOptions { key, trust: Some(authority.trust()), ..nothing() };
    let known = || client(Some(authority.vouches_for(alice)));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let only = |options: TlsOptions| TlsOptions { versions: vec![version], ..options };
        let required = || only(server(ClientAuth::Required, ""));
        let is_alice = Ok(Some("CN=Alice".to_owned()));
        assert_eq!(greet(required(), known(), "localhost").await, is_alice);
        assert_eq!(greet(only(server(ClientAuth::Requested, "")), known(), "localhost").await, is_alice);
        assert_eq!(greet(only(server(ClientAuth::Requested, "")), client(None), "localhost").await, Ok(None));
        assert_eq!(greet(only(server(ClientAuth::None, "")), known(), "localhost").await, Ok(None));
        let mapped = only(server(ClientAuth::Required, "RULE:^CN=(.*)$/$1/L"));
        assert_eq!(greet(mapped, known(), "localhost").await, Ok(Some("alice".to_owned())));
        let (here, _) = greet(required(), client(None), "localhost").await.unwrap_err();
        assert!(here.contains("shows no certificate"), "{here}");
        let unknown = client(Some(stranger.vouches_for(alice)));
        let (here, there) = greet(required(), unknown, "localhost").await.unwrap_err();
        assert!(here.contains("nobody who is trusted") && there.contains("refused"), "{here} / {there}");
        let unmapped = only(server(ClientAuth::Required, "RULE:^O=(.*)$/$1/"));
        let (here, _) = greet(unmapped, known(), "localhost").await.unwrap_err();
        assert!(here.contains("no rule is for its certificate"), "{here}");
    }
}

#[tokio::test]
async fn a_certificate_that_is_trusted_itself_is_believed_even_as_an_authority() {
    let key = TestKey::new();
    let own = Says { subject: "own", issuer: "own", is_authority: true, ..SERVER };
    let text = pem("CERTIFICATE", &key.certificate(own, &key));
    let source = KeySource::Pem {
        certificates: text.clone(),
        key: pem("PRIVATE KEY", &key.pkcs8),
        key_password: None,
    };
    let server = TlsOptions { key: Some(source), ..nothing() };
    let client = TlsOptions { trust: Some(TrustSource::Pem { certificates: text }), ..nothing() };
    assert_eq!(greet(server.clone(), client.clone(), "localhost").await, Ok(None));
    assert!(greet(server, client, "example.com").await.is_err());
}

#[tokio::test]
async fn bytes_arrive_whole_and_in_order_however_narrow_the_carrier() {
    let authority = Authority::new();
    let server = TlsOptions { key: Some(authority.vouches_for(SERVER)), ..nothing() };
    let client = TlsOptions { trust: Some(authority.trust()), ..nothing() };
    let piece: Vec<u8> = (0..300_000u32).map(|number| (number % 251) as u8).collect();
    let chunks: [&[u8]; 5] = [b"head", &piece[..100_000], b"", &piece[100_000..100_007], &piece[100_007..]];
    let whole = chunks.concat();
    for (pipe_bytes, room) in [(1 << 20, 256 * 1024), (1 << 20, 100), (700, 4096), (17_000, 1 << 20)] {
        let (mut server, mut client) = ends(&server, &client, "localhost", pipe_bytes);
        let there = async {
            write_all(&mut client, &chunks).await.unwrap();
            let mut heard = Vec::new();
            while heard.len() < whole.len() {
                heard.extend(read_some(&mut client, room).await.unwrap());
            }
            heard
        };
        let here = async {
            let mut heard = Vec::new();
            while heard.len() < whole.len() {
                heard.extend(read_some(&mut server, room).await.unwrap());
            }
            write_all(&mut server, &[&heard]).await.unwrap();
            server
        };
        let (mut server, heard) = tokio::join!(here, there);
        assert!(heard == whole, "{pipe_bytes} {room}");
        drop(client);
        // The end is an end, not a break.
        assert_eq!(read_some(&mut server, 10).await.unwrap(), b"");
    }
}

#[tokio::test]
async fn who_speaks_something_else_is_turned_away() {
    let authority = Authority::new();
    let tls = ServerTls::open(&TlsOptions { key: Some(authority.vouches_for(SERVER)), ..nothing() }).unwrap();
    let noise: Vec<u8> =
        (0..2_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let first_of_tls = [&[0x16, 3, 1, 0, 100][..], &noise].concat();
    for (bytes, why) in
        [(&b"\0\0\0\x1e\0\x12"[..], "no TLS"), (b"GET / HTTP/1.1\r\n", "HTTP"), (&first_of_tls, "")]
    {
        let (here, mut there) = duplex(1 << 16);
        let mut server = tls.accept(here).unwrap();
        there.write_all(bytes).await.unwrap();
        let said = read_some(&mut server, 100).await.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
        drop(server);
        let mut rest = Vec::new();
        there.read_to_end(&mut rest).await.unwrap();
    }
}

#[tokio::test]
async fn a_record_that_was_changed_on_its_way_ends_the_connection() {
    let authority = Authority::new();
    let server = TlsOptions { key: Some(authority.vouches_for(SERVER)), ..nothing() };
    let client = TlsOptions { trust: Some(authority.trust()), ..nothing() };
    let (mut server, mut client) = ends(&server, &client, "localhost", 1 << 16);
    let (opened, first) = tokio::join!(
        async {
            poll_fn(|cx| client.poll_open(cx)).await?;
            write_all(&mut client, &[b"x"]).await
        },
        read_some(&mut server, 10)
    );
    opened.unwrap();
    assert_eq!(first.unwrap(), b"x");
    client
        .carrier()
        .write_all(&[0x17, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0])
        .await
        .unwrap();
    assert!(read_some(&mut server, 10).await.is_err());
}

#[tokio::test]
async fn whom_a_list_revokes_is_nobody_and_without_a_list_nobody_is_anybody() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let place = std::env::temp_dir().join(format!("ottla-crl-{}", std::process::id()));
    std::fs::create_dir_all(&place).unwrap();
    // Every certificate of these tests has the serial number 1.
    let lists = [
        ("good", pem("X509 CRL", &authority.key.revocation_list("authority", &[2, 3], 2099)), ""),
        ("revoked", pem("X509 CRL", &authority.key.revocation_list("authority", &[1], 2099)), "was revoked"),
        ("over", pem("X509 CRL", &authority.key.revocation_list("authority", &[], 2021)), "time is over"),
        ("others", pem("X509 CRL", &authority.key.revocation_list("other", &[], 2099)), "without a list"),
        ("forged", pem("X509 CRL", &stranger.key.revocation_list("authority", &[], 2099)), "is not good"),
    ];
    let alice = Says { subject: "Alice", hosts: &[], ..SERVER };
    for (what, list, why) in &lists {
        let file = place.join(what).display().to_string();
        std::fs::write(&file, list).unwrap();
        for (of_server, of_client) in [(Some(file.clone()), None), (None, Some(file.clone()))] {
            let server = TlsOptions {
                key: Some(authority.vouches_for(SERVER)),
                trust: Some(authority.trust()),
                revoked: of_server.clone(),
                client_auth: ClientAuth::Required,
                ..nothing()
            };
            let client = TlsOptions {
                key: Some(authority.vouches_for(alice)),
                trust: Some(authority.trust()),
                revoked: of_client,
                ..nothing()
            };
            let found = greet(server.clone(), client.clone(), "localhost").await;
            if why.is_empty() {
                assert_eq!(found, Ok(Some("CN=Alice".to_owned())), "{what}");
                let (_, there) = greet(server, client, "example.com").await.unwrap_err();
                assert!(there.contains("another host name"), "{there}");
                continue;
            }
            let (here, there) = found.unwrap_err();
            let said = if of_server.is_some() { here } else { there };
            assert!(said.contains(why), "{what}: {said}");
        }
    }
    for (content, why) in [
        ("", "no block X509 CRL"),
        ("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----", "cannot be used"),
    ] {
        let file = place.join("bad").display().to_string();
        std::fs::write(&file, content).unwrap();
        let options = TlsOptions { trust: Some(authority.trust()), revoked: Some(file), ..nothing() };
        let said = ClientTls::open(&options).map(|_| ()).unwrap_err();
        assert!(said.contains(why), "{said}");
    }
    std::fs::remove_dir_all(&place).unwrap();
}

#[test]
fn a_key_is_that_of_its_certificate() {
    let authority = Authority::new();
    let (one, other) = (TestKey::new(), TestKey::new());
    let certificates = pem("CERTIFICATE", &one.certificate(SERVER, &authority.key));
    let key =
        Some(KeySource::Pem { certificates, key: pem("PRIVATE KEY", &other.pkcs8), key_password: None });
    let why = ServerTls::open(&TlsOptions { key, ..nothing() }).unwrap_err();
    assert!(why.contains("is not that of its certificate"), "{why}");
}

#[test]
fn reloading_keeps_names_unless_that_is_allowed() {
    let authority = Authority::new();
    let of = |says| TlsOptions { key: Some(authority.vouches_for(says)), ..nothing() };
    let tls = ServerTls::open(&of(SERVER)).unwrap();
    assert_eq!(tls.reload(&of(SERVER)), Ok(()));
    let wider = Says { hosts: &["localhost", "example.com"], ..SERVER };
    assert_eq!(tls.reload(&of(wider)), Ok(()));
    assert!(tls.reload(&of(SERVER)).is_err());
    assert_eq!(tls.reload(&TlsOptions { may_change_alternatives: true, ..of(SERVER) }), Ok(()));
    let other = Says { subject: "other", ..SERVER };
    assert!(tls.reload(&of(other)).is_err());
    assert_eq!(tls.certificate().subject, "CN=server");
    assert_eq!(tls.reload(&TlsOptions { may_change_name: true, ..of(other) }), Ok(()));
    assert_eq!(tls.certificate().subject, "CN=other");
}

/// Flips, cuts and repeats bytes; whatever that makes of a store or a certificate, it is read or refused, and nothing else.
#[test]
fn damaged_stores_are_refused_without_a_panic() {
    let authority = Authority::new();
    let mut jks = [
        &jks::MAGIC[..],
        &[0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, b'a', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, b'X'],
    ]
    .concat();
    jks.extend((authority.certificate.len() as u32).to_be_bytes());
    jks.extend(&authority.certificate);
    jks.extend([0; 20]);
    assert_eq!(entries_of(&jks, None).map(|entries| entries.len()).ok(), Some(1));
    assert!(entries_of(&jks, Some("password")).is_err());
    let pkcs12 = testing_pkcs12(&authority.certificate);
    assert_eq!(entries_of(&pkcs12, None).map(|entries| entries.len()).ok(), Some(1));
    let mut random = wire::random::SplitMix64::new(7);
    let mut pick = |below: usize| usize::try_from(random.below(below as u64)).unwrap_or(0);
    for whole in [&jks, &pkcs12, &authority.certificate] {
        for _ in 0..4_000 {
            let mut bytes = whole.clone();
            for _ in 0..1 + pick(3) {
                let at = pick(bytes.len());
                match pick(3) {
                    0 => bytes[at] ^= 1 << pick(8),
                    1 => bytes[at] = [0, 0x80, 0xff, 0x84][pick(4)],
                    _cut => bytes.truncate(at.max(1)),
                }
            }
            let _ = entries_of(&bytes, Some("x"));
            let _ = entries_of(&bytes, None);
            let _ = Certificate::read(&bytes);
        }
    }
}

/// Rules of names, PEM and lists of revoked certificates, broken in every way: read or refused.
#[test]
fn damaged_rules_and_texts_are_refused_without_a_panic() {
    let authority = Authority::new();
    let place = std::env::temp_dir().join(format!("ottla-noise-{}", std::process::id()));
    let file = place.display().to_string();
    let list = pem("X509 CRL", &authority.key.revocation_list("authority", &[1, 2], 2099));
    let rules = "RULE:^CN=(.*?),OU=(a|b)+$/$1@$2/L, RULE:(.*)\\/x/$0/U,DEFAULT".to_owned();
    let mut random = wire::random::SplitMix64::new(46);
    let mut pick = |below: usize| usize::try_from(random.below(below as u64)).unwrap_or(0);
    let pieces = [b'/', b'$', b'(', b')', b'*', b'\\', b'-', b'\n', b'{', b'9', 0xc3, b',', b'=', b'A'];
    let (mut taken, mut refused) = (0, 0);
    for (number, whole) in [&rules, &list].into_iter().enumerate() {
        for _ in 0..[20_000, 500][number] {
            let mut bytes = whole.clone().into_bytes();
            for _ in 0..=pick(3) {
                let at = pick(bytes.len());
                match pick(3) {
                    0 => bytes[at] = pieces[pick(pieces.len())],
                    1 => bytes.insert(at, pieces[pick(pieces.len())]),
                    _cut => bytes.truncate(at.max(1)),
                }
            }
            let is_taken = if number == 0 {
                let text = String::from_utf8_lossy(&bytes);
                let read = mapping::Mapping::read(&text);
                let _ = read.as_ref().map(|rules| rules.apply("CN=alice,OU=ababab"));
                read.is_ok()
            } else {
                std::fs::write(&place, &bytes).unwrap();
                let trust = Some(authority.trust());
                ClientTls::open(&TlsOptions { trust, revoked: Some(file.clone()), ..nothing() }).is_ok()
            };
            *if is_taken { &mut taken } else { &mut refused } += 1;
        }
    }
    std::fs::remove_file(&place).unwrap();
    assert!(taken > 500 && refused > 500, "{taken} taken, {refused} refused");
}

/// A store of Java's with a trusted certificate, neither encrypted nor authenticated.
fn testing_pkcs12(certificate: &[u8]) -> Vec<u8> {
    use super::der::{tag, value};
    let sequence = |parts: &[&[u8]]| value(tag::SEQUENCE, parts);
    let oid = |bytes: &[u8]| value(tag::OID, &[bytes]);
    const RSA: [u8; 6] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
    let of_rsa = |rest: &[u8]| oid(&[&RSA[..], rest].concat());
    let inside = value(tag::context(0), &[&value(tag::OCTET_STRING, &[certificate])]);
    let bag = value(tag::context(0), &[&sequence(&[&of_rsa(&[1, 9, 22, 1]), &inside])]);
    let trusted = oid(&[0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1]);
    let attribute = sequence(&[&trusted, &value(tag::SET, &[&oid(&[0x55, 0x1d, 0x25, 0])])]);
    let bag = sequence(&[&of_rsa(&[1, 12, 10, 1, 3]), &bag, &value(tag::SET, &[&attribute])]);
    let data = |content: &[u8]| {
        sequence(&[&of_rsa(&[1, 7, 1]), &value(tag::context(0), &[&value(tag::OCTET_STRING, &[content])])])
    };
    let safe = sequence(&[&data(&sequence(&[&bag]))]);
    sequence(&[&value(tag::INTEGER, &[&[3]]), &data(&safe)])
}

#[test]
fn a_connection_that_waits_costs_little() {
    assert!(size_of::<TlsStream<crate::Socket>>() <= 512);
}
