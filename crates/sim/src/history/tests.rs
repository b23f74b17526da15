//! Every rule with the smallest history that breaks it, and the smallest that comes close and does not.

use super::{Verdict, check, json};

/// `process kind outcome | steps`, one operation a line: `send t-0@4=a`, `send t-0@?=a`, `poll t-0@4=a t-0@5=b`, `keys t-0`.
fn history(text: &str) -> String {
    let mut lines = String::new();
    for (time, line) in text.lines().map(str::trim).filter(|line| !line.is_empty()).enumerate() {
        let (head, steps) = line.split_once('|').unwrap();
        let [process, kind, outcome] = head.split_whitespace().collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let (mut ops, mut keys) = (Vec::new(), Vec::new());
        for step in steps.split(';').map(str::trim).filter(|step| !step.is_empty()) {
            let mut words = step.split_whitespace();
            let what = words.next().unwrap();
            let records: Vec<(String, String, String)> = words
                .map(|word| {
                    let (key, rest) = word.split_once('@').unwrap_or((word, "0=x"));
                    let (offset, value) = rest.split_once('=').unwrap();
                    (key.to_owned(), offset.to_owned(), value.to_owned())
                })
                .collect();
            match what {
                "send" => ops.extend(records.iter().map(|(key, offset, value)| {
                    let offset = if offset == "?" { "null" } else { offset };
                    format!("[\"send\",\"{key}\",{offset},\"{value}\"]")
                })),
                "poll" => {
                    let mut by_key: std::collections::BTreeMap<String, Vec<String>> = Default::default();
                    for (key, offset, value) in records {
                        by_key.entry(key).or_default().push(format!("[{offset},\"{value}\"]"));
                    }
                    let keys: Vec<String> =
                        by_key.iter().map(|(key, list)| format!("\"{key}\":[{}]", list.join(","))).collect();
                    ops.push(format!("[\"poll\",{{{}}}]", keys.join(",")));
                }
                "keys" => keys.extend(records.iter().map(|(key, ..)| format!("\"{key}\""))),
                other => panic!("{other}"),
            }
        }
        let named = if matches!(kind, "assign" | "subscribe") { "keys" } else { "rebalanced" };
        lines += &format!(
            "{{\"process\":{process},\"invoked\":{},\"returned\":{},\"type\":\"{outcome}\",\"f\":\"{kind}\",\"ops\":[{}],\"{named}\":[{}]}}\n",
            time * 10,
            time * 10 + 5,
            ops.join(","),
            keys.join(",")
        );
    }
    lines
}

fn judge(text: &str) -> Verdict {
    check(&json::read(history(text).as_bytes()).unwrap()).unwrap()
}

/// The first history breaks exactly these rules, the second none.
#[track_caller]
fn rule(names: &[&str], breaks: &str, holds: &str) {
    let found = |verdict: &Verdict| verdict.bad().map(|(anomaly, _)| anomaly.name()).collect::<Vec<_>>();
    let verdict = judge(breaks);
    assert_eq!(found(&verdict), names, "{}", json::show(&verdict));
    let verdict = judge(holds);
    assert!(verdict.holds(), "{}", json::show(&verdict));
}

#[test]
fn an_offset_has_one_value() {
    rule(
        &["inconsistent-offsets"],
        "1 send ok | send t@0=a
         2 send ok | send t@1=b
         3 poll ok | poll t@0=a
         3 poll ok | poll t@1=b
         4 send info | send t@1=c
         5 poll info | poll t@1=c
         6 poll ok | poll t@1=c",
        "1 send ok | send t@0=a
         2 send ok | send u@0=a
         3 poll ok | poll t@0=a u@0=a",
    );
}

#[test]
fn a_value_has_one_offset() {
    rule(
        &["duplicate"],
        "1 send ok | send t@0=a
         2 poll ok | poll t@0=a
         3 poll ok | poll t@7=a",
        "1 send ok | send t@0=a
         2 poll ok | poll t@0=a
         3 poll ok | poll t@0=a",
    );
}

#[test]
fn what_is_read_was_sent() {
    rule(
        &["unwritten-read"],
        "1 poll ok | poll t@0=a",
        "1 send info | send t@?=a
         2 poll ok | poll t@0=a",
    );
}

#[test]
fn what_failed_is_never_read() {
    rule(
        &["G1a"],
        "1 send fail | send t@?=a
         2 poll ok | poll t@0=a",
        "1 send fail | send t@?=a
         2 poll fail | poll t@0=a
         1 send info | send t@?=b",
    );
}

#[test]
fn a_transaction_does_not_read_itself() {
    rule(
        &["precommitted-read"],
        "1 txn ok | send t@0=a ; poll t@0=a",
        "1 txn ok | send t@0=a ; poll
         1 txn ok | poll t@0=a",
    );
}

#[test]
fn what_lies_before_a_read_value_is_read() {
    rule(
        &["lost-write"],
        "1 send ok | send t@0=a
         2 send ok | send t@1=b
         3 poll ok | poll t@1=b",
        "1 send info | send t@?=a
         2 send ok | send t@1=b
         3 poll ok | poll t@1=b",
    );
    // Half of a transaction whose outcome nobody heard.
    rule(
        &["lost-write"],
        "1 txn info | send t@?=a ; send u@?=b
         2 poll ok | poll t@0=a",
        "1 send info | send t@?=a ; send u@?=b
         2 poll ok | poll t@0=a",
    );
    // A later value of its key tells of the hole even if the sender never heard of its own.
    rule(
        &["lost-write"],
        "1 txn info | send t@0=a ; send u@0=c
         2 send ok | send t@1=b
         3 poll ok | poll t@1=b u@0=c",
        "1 txn info | send t@0=a ; send u@0=c
         2 send ok | send t@1=b
         3 poll ok | poll t@0=a t@1=b u@0=c",
    );
}

#[test]
fn what_was_acknowledged_is_read_in_the_end() {
    rule(&["unseen"], "1 send ok | send t@0=a", "1 send info | send t@0=a\n2 send fail | send t@?=b");
}

#[test]
fn a_poll_goes_on_by_one() {
    let sends = "1 send ok | send t@0=a
        1 send ok | send t@3=b
        1 send ok | send t@4=c
        2 poll ok | poll t@0=a t@3=b t@4=c
        ";
    let (skips, back) =
        (format!("{sends} 3 poll ok | poll t@0=a t@4=c"), format!("{sends} 3 poll ok | poll t@3=b t@0=a"));
    rule(&["int-poll-skip"], &skips, sends);
    rule(&["int-nonmonotonic-poll"], &back, &format!("{sends} 3 txn ok | poll t@3=b ; poll t@0=a ; keys t"));
}

#[test]
fn a_process_goes_on_where_it_was() {
    let sends = "1 send ok | send t@0=a
        1 send ok | send t@1=b
        1 send ok | send t@2=c
        2 poll ok | poll t@0=a t@1=b t@2=c
        3 assign ok | keys t
        3 poll ok | poll t@0=a
        ";
    let on = |more: &str| format!("{sends} {more}");
    rule(&["poll-skip"], &on("3 poll ok | poll t@2=c"), &on("3 assign ok | keys u\n3 poll ok | poll t@2=c"));
    rule(
        &["nonmonotonic-poll"],
        &on("3 poll ok | poll t@0=a"),
        &on("3 crash info |\n3 poll ok | poll t@0=a"),
    );
    // A key that stays assigned keeps its place.
    rule(
        &["poll-skip"],
        &on("3 assign ok | keys t u\n3 poll ok | poll t@2=c"),
        &on("3 poll info | poll t@1=b\n3 poll ok | poll t@2=c"),
    );
    let subscribed = judge(&on("3 subscribe ok | keys t\n3 poll ok | poll t@2=c\n3 poll ok | poll t@0=a"));
    assert!(subscribed.holds(), "{}", json::show(&subscribed));
    assert_eq!(subscribed.found.len(), 2, "allowed, and told: {}", json::show(&subscribed));
}

#[test]
fn a_producers_records_stand_in_its_order() {
    rule(
        &["int-nonmonotonic-send"],
        "1 txn ok | send t@1=a ; send t@0=b
         2 poll ok | poll t@0=b t@1=a",
        "1 txn ok | send t@0=a ; send t@9=b
         2 poll ok | poll t@0=a t@9=b",
    );
    rule(
        &["nonmonotonic-send"],
        "1 send ok | send t@1=a
         1 send ok | send t@0=b
         2 poll ok | poll t@0=b t@1=a",
        "1 send ok | send t@1=a
         3 send ok | send t@0=b
         2 poll ok | poll t@0=b t@1=a",
    );
}

#[test]
fn transactions_do_not_read_in_a_circle() {
    rule(
        &["G1c"],
        "1 txn ok | send t@0=a ; poll u@0=b
         2 txn ok | send u@0=b ; poll v@0=c
         3 txn ok | send v@0=c ; poll t@0=a",
        "1 txn ok | send t@0=a ; poll u@0=b
         2 txn ok | send u@0=b ; poll v@0=c
         3 txn ok | send v@0=c
         3 poll ok | poll t@0=a",
    );
}

#[test]
fn an_old_end_is_told_with_its_age() {
    let verdict = judge(
        "1 send ok | send t@0=a
         1 send ok | send t@1=b
         2 poll ok | poll t@0=a
         2 poll ok | poll t@1=b",
    );
    assert!(verdict.holds());
    assert_eq!(verdict.worst_lag_ms.get("t"), Some(&5), "the poll began at 20, b was acknowledged at 15");
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let twice = history("1 send ok | send t@0=a\n1 send ok | send t@1=a");
    assert!(check(&json::read(twice.as_bytes()).unwrap()).is_err());
    for (line, why) in [
        ("{", "EOF"),
        ("{\"type\":\"ok\",\"f\":\"send\",\"process\":1,\"invoked\":1}", "returned"),
        ("{\"type\":\"perhaps\"}", "type"),
        ("{\"type\":\"ok\",\"f\":\"swim\"}", "\"f\""),
        (
            "{\"type\":\"ok\",\"f\":\"send\",\"process\":1,\"invoked\":1,\"returned\":1,\"ops\":[[\"send\"]]}",
            "step",
        ),
    ] {
        let refused = json::read(format!("\n{line}\n").as_bytes()).unwrap_err();
        assert!(refused.line == 2 && refused.why.contains(why), "{refused}");
    }
}
