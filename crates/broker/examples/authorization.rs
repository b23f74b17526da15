//! What one decision of the authorizer costs beside 10,000 entries: the figures of docs/benchmarks.
//! `cargo run --release -p ottla-broker --example authorization`

#![expect(clippy::disallowed_methods, reason = "it measures time")]
#![allow(clippy::print_stdout, reason = "prints what it measures")]

use std::hint::black_box;
use std::time::Instant;

use broker::Principal;
use broker::security::explaining::Replay;
use wire::Str;
use wire::records::metadata::AccessControlEntryRecord;

const PRINCIPALS: usize = 1_000;
const OF_EACH: usize = 10;
const ROUNDS: u32 = 1_000_000;
const REPEATS: usize = 5;

const TOPIC: i8 = 2;
const LITERAL: i8 = 3;
const PREFIXED: i8 = 4;
const READ: i8 = 3;
const WRITE: i8 = 4;
const ALLOW: i8 = 3;

/// Each principal has nine topics and a prefix of his own.
fn entries() -> Vec<AccessControlEntryRecord> {
    let one = |number: usize| {
        let (who, at) = (number / OF_EACH, number % OF_EACH);
        let (pattern_type, name) = match at {
            0 => (PREFIXED, format!("team-{who:04}-")),
            _ => (LITERAL, format!("orders-{who:04}-{at}")),
        };
        AccessControlEntryRecord {
            resource_type: TOPIC,
            resource_name: Str::from(name.as_str()),
            pattern_type,
            principal: Str::from(format!("User:client-{who:04}").as_str()),
            host: Str::from("*"),
            operation: WRITE,
            permission_type: ALLOW,
            ..AccessControlEntryRecord::default()
        }
    };
    (0..PRINCIPALS * OF_EACH).map(one).collect()
}

fn main() {
    let Some(replay) = Replay::new(&entries(), "User:admin", false) else {
        println!("these entries cannot be");
        return;
    };
    let cases = [
        ("allowed by name", "client-0500", WRITE, "orders-0500-5", true),
        ("allowed by a prefix", "client-0500", WRITE, "team-0500-payments", true),
        ("not allowed", "client-0500", READ, "orders-0501-5", false),
        ("nobody's entries", "stranger", WRITE, "orders-0500-5", false),
        ("a super user", "admin", WRITE, "orders-0500-5", true),
    ];
    for (what, name, operation, topic, expected) in cases {
        let principal = Principal::user(name);
        let mut nanoseconds: Vec<u128> = Vec::new();
        for _ in 0..REPEATS {
            let began = Instant::now();
            for _ in 0..ROUNDS {
                let allowed =
                    replay.allows(black_box(&principal), "/10.1.2.3", operation, (TOPIC, black_box(topic)));
                assert_eq!(allowed, Some(expected), "{what}");
            }
            nanoseconds.push(began.elapsed().as_nanos() / u128::from(ROUNDS));
        }
        nanoseconds.sort_unstable();
        println!(
            "{what}: {} ns, least {}, most {}",
            nanoseconds[REPEATS / 2],
            nanoseconds[0],
            nanoseconds[REPEATS - 1]
        );
    }
}
