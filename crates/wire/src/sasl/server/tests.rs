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

    fn disguise(&self, _: &str) -> [u8; 32] {
        [7; 32]
    }
}

const USER: One = One { username: "user", password: "pencil", iterations: 4096 };

/// What both say at the end.
fn meet(mechanism: Mechanism, users: &One, username: &str, password: &str) -> Result<String, Option<String>> {
    let mut server = Exchange::new(mechanism, "server".to_owned());
    let mut client = client::Exchange::new(mechanism, username, password, "client".to_owned());
    let mut message = client.begin();
    loop {
        match server.step(users, &message) {
            Step::Challenge(challenge) => match client.step(&challenge) {
                client::Step::Send(next) => message = next,
                other => panic!("{other:?}"),
            },
            Step::Done { last, username } => {
                assert_eq!(client.step(&last), client::Step::Done);
                return Ok(username);
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
    assert_eq!(last, Step::Done { last: signature, username: "user".to_owned() });
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
