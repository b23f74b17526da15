//! The binary as people and scripts use it: output, exit codes, pipes.

use crate::{TestNode, fill, with_node};
use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};

fn ottla(node: &TestNode, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ottla"));
    command.args(args).env("OTTLA_BOOTSTRAP_SERVER", &node.address).stdin(Stdio::null());
    command
}

/// Runs to its end; gives exit code, standard output and standard error.
fn run(node: &TestNode, args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = ottla(node, args).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

fn spawn(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
}

#[test]
fn lines_go_in_and_come_out() {
    let node = TestNode::start();
    let mut produce = spawn(ottla(&node, &["produce", "t", "-K", ":", "-v"]));
    produce.stdin.take().expect("piped").write_all(b"k1:one\nk1:two\nplain\n").expect("it reads");
    let produced = produce.wait_with_output().expect("it ends");
    assert!(produced.status.success(), "{}", String::from_utf8_lossy(&produced.stderr));
    assert_eq!(String::from_utf8_lossy(&produced.stdout).lines().count(), 3);
    let (code, out, _) = run(&node, &["consume", "t", "--from-beginning", "-e", "-Z", "-f", "%o %k=%s\\n"]);
    assert_eq!((code, out.as_str()), (0, "0 k1=one\n1 k1=two\n2 NULL=plain\n"));
    let (_, json, _) = run(&node, &["consume", "t", "--offset", "-1", "-e", "-o", "json"]);
    let record: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((record["offset"].as_i64(), record["value"].as_str()), (Some(2), Some("plain")));
}

#[test]
fn failures_are_three_lines_and_a_code() {
    let node = TestNode::start();
    let cases: [(&[&str], i32); 8] = [
        (&["topic", "describe", "nope"], 3),
        (&["group", "describe", "nope"], 3),
        (&["topic", "create", "bad name"], 1),
        (&["topic", "create"], 2),
        (&["topic", "--frobnicate"], 2),
        (&["-X", "no.such.key=1", "topic", "list"], 2),
        (&["config", "get", "--broker", "77"], 3),
        (&["dump", "no/such/file"], 3),
    ];
    for (args, expected) in cases {
        let (code, out, err) = run(&node, args);
        assert_eq!((code, out.as_str()), (expected, ""), "{args:?}: {err}");
        let heads: Vec<&str> = err.lines().map(|line| &line[..line.len().min(7)]).collect();
        assert_eq!(heads, ["error: ", "  why: ", "  try: "], "{err}");
    }
    let nobody =
        Command::new(env!("CARGO_BIN_EXE_ottla")).args(["-b", "127.0.0.1:1", "cluster", "info"]).output();
    assert_eq!(nobody.expect("it runs").status.code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    with_node(async |node| {
        fill(&node.client().await, "t", 1, 0..20_000).await;
        let mut consume = spawn(ottla(&node, &["consume", "t", "--from-beginning"]));
        let mut some = [0; 10];
        consume.stdout.take().expect("piped").read_exact(&mut some).expect("it prints");
        let ended = consume.wait_with_output().expect("it ends");
        assert!(
            ended.status.success() && ended.stderr.is_empty(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    });
}

#[test]
fn a_group_commits_exactly_what_was_printed() {
    with_node(async |node| {
        fill(&node.client().await, "t", 1, 0..100).await;
        let (code, out, _) = run(&node, &["consume", "t", "-g", "g", "--from-beginning", "-n", "7"]);
        assert_eq!((code, out.lines().count()), (0, 7));
        let (_, json, _) = run(&node, &["group", "lag", "g", "-o", "json"]);
        let rows: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!((rows[0]["committed"].as_i64(), rows[0]["lag"].as_i64()), (Some(7), Some(93)));
        let (code, plan, _) =
            run(&node, &["group", "reset-offsets", "g", "--shift-by", "-5", "--execute", "-o", "json"]);
        let rows: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
        assert_eq!((code, rows[0]["new_offset"].as_i64()), (0, Some(2)));
    });
}

#[test]
fn dump_reads_what_the_node_wrote() {
    with_node(async |node| {
        fill(&node.client().await, "t", 1, 0..3).await;
        let dir = node.dir.join("t-0");
        let (code, out, err) = run(
            &node,
            &["dump", "--print-data-log", &dir.join("00000000000000000000.log").to_string_lossy()],
        );
        assert_eq!(code, 0, "{err}");
        assert_eq!(out.lines().filter(|line| line.starts_with("| offset: ")).count(), 3, "{out}");
        assert!(out.contains("payload: 2") && out.contains("isvalid: true"), "{out}");
    });
}

#[test]
fn the_demo_checks_every_record() {
    let output =
        Command::new(env!("CARGO_BIN_EXE_ottla")).args(["demo", "-n", "20000", "-o", "json"]).output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((report["records"].as_i64(), report["mismatches"].as_i64()), (Some(20_000), Some(0)));
}
