//! The REST API as a dialogue: requests against a registry whose records are applied at once.

use super::{Body, Method, Request, Rules, answer, read_target};
use crate::access::Rights;
use crate::state::State;

/// Plays a script: `METHOD TARGET [BODY]`, then `=> STATUS` and a part of the answer, which must be in it; lines that begin with # are
/// comments.
fn play(script: &str) {
    let (mut state, rules) = (State::default(), Rules::default());
    let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    while let Some(asked) = lines.next() {
        let expected = lines.next().expect("each request has an answer");
        let mut words = asked.splitn(3, ' ');
        let method = match words.next().expect("a method") {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "DELETE" => Method::Delete,
            other => panic!("{other}"),
        };
        let target = words.next().expect("a target");
        let (path, query) =
            target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
        let (segments, query) = read_target(path, query);
        let body = words.next().unwrap_or("").as_bytes().to_vec();
        let request =
            Request { method, segments, query, body, takes_unknown: false, rights: Rights::default() };
        let (status, text) = match answer(&state, &rules, &request) {
            Ok(outcome) => {
                assert!(outcome.records.is_empty() || request.may_write(), "{asked} writes");
                outcome.records.iter().for_each(|record| state.apply(record));
                let text = match outcome.reply.body {
                    Body::Json(json) => json.to_string(),
                    Body::Text(text) => text,
                    Body::Empty => String::new(),
                };
                (outcome.reply.status, text)
            }
            Err(refusal) => (refusal.status, refusal.json().to_string()),
        };
        let wanted = expected.strip_prefix("=> ").expect("=>");
        let (code, part) = wanted.split_once(' ').unwrap_or((wanted, ""));
        assert_eq!(status.to_string(), code, "{asked}: {text}");
        match part.strip_prefix("is ") {
            Some(whole) => assert_eq!(text, whole, "{asked}"),
            None => assert!(text.contains(part), "{asked}: {text}\nlacks {part}"),
        }
    }
}

#[test]
fn dialogues_of_the_rest_api() {
    for script in [
        include_str!("../../testscripts/subjects.txt"),
        include_str!("../../testscripts/evolution.txt"),
        include_str!("../../testscripts/deletion.txt"),
        include_str!("../../testscripts/references.txt"),
        include_str!("../../testscripts/settings.txt"),
        include_str!("../../testscripts/import.txt"),
        include_str!("../../testscripts/contexts.txt"),
        include_str!("../../testscripts/contracts.txt"),
    ] {
        play(script);
    }
}
