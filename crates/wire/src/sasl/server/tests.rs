//! Both ends against each other, against the examples of the RFCs, and the server against whatever comes.

use super::*;
use crate::random::SplitMix64;
use crate::sasl::client;

struct One {
    username: &'static str,
    password: &'static str,
    iterations: i32,
}

impl Users for One {
    fn password(&self, username: &str) -> Option<&str> {
        (username == self.username).then_some(self.password)
    }

    fn credential(&self, hash: Hash, username: &str) -> Option<Credential> {
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = hash.keys(&hash.salt(self.password.as_bytes(), &salt, self.iterations));
        (username == self.username).then_some(Credential { salt, iterations: self.iterations, keys })
    }

    fn delegated(&self, hash: Hash, token_id: &str) -> Option<(Credential, Who)> {
        let found = self.credential(hash, "user").filter(|_| token_id == "token-1")?;
        Some((found, Who { username: "owner".to_owned(), by_token: true, expires_ms: Some(9) }))
    }

    fn bearer(&self, token: &str) -> Result<Who, String> {
        let who = || Who { username: self.username.to_owned(), by_token: false, expires_ms: Some(7) };
        (token == "good.token").then(who).ok_or_else(|| "it is not good".to_owned())
    }

    fn disguise(&self, _: &str) -> [u8; 32] {
        [7; 32]
    }
}

const USER: One = One { username: "user", password: "pencil", iterations: 4096 };

/// What both say at the end.
fn meet(mechanism: Mechanism, users: &One, username: &str, password: &str) -> Result<String, Option<String>> {
    let client = client::Exchange::new(mechanism, username, password, "client".to_owned());
    met(mechanism, users, client).map(|who| who.username)
}

fn met(mechanism: Mechanism, users: &One, mut client: client::Exchange) -> Result<Who, Option<String>> {
    let mut server = Exchange::new(mechanism, "server".to_owned());
    let mut message = client.begin();
    loop {
        match server.step(users, &message) {
            Step::Challenge(challenge) => match client.step(&challenge) {
                client::Step::Send(next) => message = next,
                other => panic!("{other:?}"),
            },
            Step::Doomed { told, why } => match client.step(&told) {
                client::Step::Send(next) => (message, _) = (next, why),
                other => panic!("{other:?}"),
            },
            Step::Done { last, who } => {
                assert_eq!(client.step(&last), client::Step::Done);
                return Ok(who);
            }
            Step::Refused(why) => return Err(why),
        }
    }
}

const ALL: [Mechanism; 3] = [Mechanism::Plain, Mechanism::ScramSha256, Mechanism::ScramSha512];

#[test]
fn who_knows_the_password_is_known_and_nobody_else() {
    for mechanism in ALL {
        assert_eq!(Mechanism::named(mechanism.name()), Some(mechanism));
        assert_eq!(meet(mechanism, &USER, "user", "pencil"), Ok("user".to_owned()));
        let wrong = meet(mechanism, &USER, "user", "pencils").unwrap_err();
        assert_eq!(meet(mechanism, &USER, "nobody", "pencil").unwrap_err(), wrong, "{mechanism:?}");
        let odd = One { username: "a,b=c", ..USER };
        assert_eq!(meet(mechanism, &odd, "a,b=c", "pencil"), Ok("a,b=c".to_owned()));
    }
    let weak = One { iterations: 4095, ..USER };
    assert_eq!(meet(Mechanism::ScramSha256, &weak, "user", "pencil"), Err(None));
}

#[test]
fn a_delegation_token_logs_its_owner_in_and_only_where_it_is_said_to_be_one() {
    let client = |name: &str, password: &str, by_token| {
        let nonce = "client".to_owned();
        client::Exchange::new(Mechanism::ScramSha512, name, password, nonce).by_token(by_token)
    };
    let met = |client| met(Mechanism::ScramSha512, &USER, client);
    let owner = Who { username: "owner".to_owned(), by_token: true, expires_ms: Some(9) };
    assert_eq!(met(client("token-1", "pencil", true)), Ok(owner));
    assert_eq!(met(client("user", "pencil", false)), Ok(Who::user("user")));
    for (name, password, by_token) in
        [("token-1", "pencil", false), ("user", "pencil", true), ("token-1", "x", true), ("x", "x", true)]
    {
        assert_eq!(met(client(name, password, by_token)), Err(None), "{name} {password} {by_token}");
    }
}

#[test]
fn a_bearer_is_whom_the_token_names_or_hears_that_it_is_not_good() {
    let mechanism = Mechanism::OauthBearer;
    assert_eq!(Mechanism::named("OAUTHBEARER"), Some(mechanism));
    let with = |token| client::Exchange::bearer(token, [("traceId".to_owned(), "1".to_owned())].into());
    assert_eq!(met(mechanism, &USER, with("good.token")).map(|who| who.expires_ms), Ok(Some(7)));
    let told = Err(Some("{\"status\":\"invalid_token\"}".to_owned()));
    assert_eq!(met(mechanism, &USER, with("bad.token")), told);
    let step = |messages: [&[u8]; 2]| {
        let mut server = Exchange::new(mechanism, "server".to_owned());
        let first = server.step(&USER, messages[0]);
        (first, server.step(&USER, messages[1]))
    };
    let (first, second) = step([b"n,,\x01auth=Bearer bad\x01\x01", b"n,,\x01auth=Bearer good.token\x01\x01"]);
    assert!(matches!(first, Step::Doomed { why, .. } if why == "it is not good"));
    assert_eq!(second, Step::Refused(None), "whoever was told goes; there is no second token");
    assert_eq!(step([b"\x01", b"n,,\x01auth=Bearer good.token\x01\x01"]).1, Step::Refused(None));
    let (other, _) = step([b"n,a=else,\x01auth=Bearer good.token\x01\x01", b""]);
    assert!(matches!(other, Step::Refused(Some(why)) if why.contains("(else)")));
    let (same, _) = step([b"n,a=user,\x01auth=Bearer good.token\x01\x01", b""]);
    assert!(matches!(same, Step::Done { .. }));
}

#[test]
fn the_example_of_rfc_7677() {
    let mut server = Exchange::new(Mechanism::ScramSha256, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0".to_owned());
    let first = server.step(&USER, b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert_eq!(first, Step::Challenge(challenge.as_bytes().to_vec()));
    let last = server.step(
        &USER,
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    let signature = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=".to_vec();
    assert_eq!(last, Step::Done { last: signature, who: Who::user("user") });
    assert_eq!(server.step(&USER, b"anything"), Step::Refused(None));
}

#[test]
fn a_proof_holds_for_its_nonce_and_header_only() {
    let proof = |last: &dyn Fn(String) -> String| {
        let mut server = Exchange::new(Mechanism::ScramSha256, "server".to_owned());
        let mut client = client::Exchange::new(Mechanism::ScramSha256, "user", "pencil", "client".to_owned());
        let Step::Challenge(challenge) = server.step(&USER, &client.begin()) else { panic!("no challenge") };
        let client::Step::Send(message) = client.step(&challenge) else { panic!("no proof") };
        server.step(&USER, last(String::from_utf8(message).unwrap()).as_bytes())
    };
    assert!(matches!(proof(&|last| last), Step::Done { .. }));
    assert_eq!(proof(&|last| last.replace("r=clientserver", "r=clientserverx")), Step::Refused(None));
    assert_eq!(proof(&|last| last.replace("c=biws", "c=eSws")), Step::Refused(None));
    assert_eq!(proof(&|last| last.replace(",p=", ",p=AA")), Step::Refused(None));
}

#[test]
fn a_server_that_knows_nothing_is_found_out() {
    let answer = |first: &str, last: &str| {
        let mut client = client::Exchange::new(Mechanism::ScramSha256, "user", "pencil", "client".to_owned());
        client.begin();
        match client.step(first.as_bytes()) {
            client::Step::Send(_) => client.step(last.as_bytes()),
            other => other,
        }
    };
    let is_refused = |step| matches!(step, client::Step::Refused(_));
    assert!(is_refused(answer("r=clientx,s=AQI=,i=4096", "v=AQI=")));
    assert!(is_refused(answer("r=clientx,s=AQI=,i=4096", "e=other-error")));
    for first in [
        "r=client,s=AQI=,i=4096",
        "r=other,s=AQI=,i=4096",
        "r=clientx,s=AQI=,i=1",
        "r=clientx,s=AQI=,i=2000000000",
        "",
    ] {
        assert!(is_refused(answer(first, "")), "{first}");
    }
}

#[test]
fn whatever_comes_ends_without_a_panic_and_lets_nobody_in() {
    let mut random = SplitMix64::new(11);
    let pieces: [&[u8]; 14] = [
        b"n,,", b"n=", b"user", b",r=", b"client", b"server", b"c=biws", b",p=", b"=", b",", b"\0", b"\xff",
        b"AQI=", b"a=",
    ];
    for _ in 0..5_000 {
        for mechanism in ALL {
            let mut server = Exchange::new(mechanism, "server".to_owned());
            for _ in 0..3 {
                let message: Vec<u8> = (0..random.below(9))
                    .flat_map(|_| pieces[random.below(pieces.len() as u64) as usize])
                    .copied()
                    .collect();
                assert!(!matches!(server.step(&USER, &message), Step::Done { .. }));
            }
        }
    }
}
