//! What is printed, what is refused, and descriptors both ways.

use super::ProtobufSchema;
use crate::formats::terms::Referred;

fn parse(text: &str) -> ProtobufSchema {
    ProtobufSchema::parse(text, &[]).expect(text)
}

const EVERYTHING: &str = r#"
// A comment.
syntax = "proto3"; package a.b;
import "google/protobuf/timestamp.proto";
option java_package = "com.acme"; option (custom).part = { x: 1 y { z: "q" } list: [1, 2] };
enum Color { option allow_alias = true; RED = 0; ROT = 0 [deprecated = true]; BLUE = -1; }
message Outer /* here */ {
  reserved 8, 10 to 12, 100 to max; reserved "gone";
  message Inner { string s = 1; }
  repeated Inner inners = 1 [packed = false, deprecated = true];
  optional int32 maybe = 2;
  map<string, Inner> by_name = 3;
  oneof one { string text = 4; google.protobuf.Timestamp when = 5; }
  Color color = 6 [json_name = "COLOR"];
  .a.b.Outer self = 7;
}
service S { rpc Call (stream Outer) returns (Outer) { option deprecated = true; } }
"#;

const PRINTED: &str = "syntax = \"proto3\";\npackage a.b;\n\nimport \"google/protobuf/timestamp.proto\";\n\n\
option java_package = \"com.acme\";\noption (custom).part = {\n  x: 1,\n  y: {\n    z: \"q\"\n  },\n  list: [\n    1,\n    2\n  ]\n};\n\n\
message Outer {\n  reserved 8, 10 to 12, 100 to max;\n  reserved \"gone\";\n\n  repeated Inner inners = 1 [\n    packed = false,\n    deprecated = true\n  ];\n  \
optional int32 maybe = 2;\n  map<string, Inner> by_name = 3;\n  Color color = 6 [json_name = \"COLOR\"];\n  .a.b.Outer self = 7;\n\n  oneof one {\n    string text = 4;\n    \
google.protobuf.Timestamp when = 5;\n  }\n\n  message Inner {\n    string s = 1;\n  }\n}\nenum Color {\n  option allow_alias = true;\n  RED = 0;\n  \
ROT = 0 [deprecated = true];\n  BLUE = -1;\n}\n\nservice S {\n  rpc Call (stream Outer) returns (Outer) {\n    option deprecated = true;\n  };\n}\n";

#[test]
fn files_are_printed_as_confluent_prints_them() {
    assert_eq!(parse(EVERYTHING).canonical(), PRINTED);
    assert_eq!(parse(PRINTED).canonical(), PRINTED, "printing is stable");
    assert_eq!(
        parse("syntax = \"proto3\"; message E {}").canonical(),
        "syntax = \"proto3\";\n\nmessage E {}\n"
    );
    let edition = "edition = \"2023\";\n\noption features.field_presence = EXPLICIT;\n\nmessage E {\n  int32 a = 1;\n}\n";
    assert_eq!(parse(edition).canonical(), edition);
    let groups = "message G {\n  optional int32 a = 1;\n\n  optional group Part = 2 {\n    required string s = 3;\n  }\n\n  extensions 10 to 20, 30;\n}\n";
    assert_eq!(parse(groups).canonical(), format!("\n{groups}"));
}

#[test]
fn order_that_means_nothing_is_evened_out() {
    let one =
        "syntax = \"proto3\"; package p; message M { N b = 2; string a = 1; } message N { int32 x = 1; }";
    let other =
        "syntax = \"proto3\"; package p; message M { string a = 1; .p.N b = 2; } message N { int32 x = 1; }";
    assert_ne!(parse(one).canonical(), parse(other).canonical());
    assert_eq!(parse(one).normalized(), parse(other).normalized());
}

#[test]
fn descriptors_are_read_and_written() {
    let schema = parse(EVERYTHING);
    let serialized = schema.serialized().expect("a descriptor");
    let again = parse(&serialized);
    // By a descriptor names come in full, and custom options not at all.
    assert!(
        again.canonical().contains("map<string, .a.b.Outer.Inner> by_name = 3;"),
        "{}",
        again.canonical()
    );
    assert!(again.canonical().contains("  optional int32 maybe = 2;"), "{}", again.canonical());
    assert!(again.canonical().contains("BLUE = -1;"), "{}", again.canonical());
    let (once, twice) = (again.canonical(), parse(&again.serialized().expect("a descriptor")).canonical());
    assert_eq!(once, twice, "it is stable");
}

#[test]
fn what_is_no_schema_is_refused() {
    let cases = [
        ("", "declares nothing"),
        ("hello", "unexpected"),
        ("syntax = \"proto4\";", "unexpected syntax"),
        ("syntax = \"proto3\"; message M { string a = 0; }", "no field number"),
        ("syntax = \"proto3\"; message M { string a = 19000; }", "no field number"),
        ("syntax = \"proto3\"; message M { string a = 1; string b = 1; }", "stands twice"),
        ("syntax = \"proto3\"; message M { string a = 1; int32 a = 2; }", "stands twice"),
        ("syntax = \"proto3\"; message M { reserved 1; string a = 1; }", "is reserved"),
        ("syntax = \"proto3\"; message M { required string a = 1; }", "no required"),
        ("message M { string a = 1; }", "needs a label"),
        ("syntax = \"proto3\"; message M { Unknown a = 1; }", "not known"),
        ("syntax = \"proto3\"; import \"other.proto\"; message M {}", "No dependency"),
        ("syntax = \"proto3\"; enum E { A = 1; }", "must be 0"),
        ("syntax = \"proto3\"; enum E {}", "has no values"),
        ("syntax = \"proto3\"; message M { oneof o {} }", "has no fields"),
        ("syntax = \"proto3\"; message M { map<float, string> m = 1; }", "map's keys"),
        ("syntax = \"proto3\"; message M { string a = 1", "expected"),
        ("syntax = \"proto3; message M {}", "does not end"),
        ("/* syntax", "does not end"),
    ];
    for (text, expected) in cases {
        let why = ProtobufSchema::parse(text, &[]).expect_err(text);
        assert!(why.contains(expected), "{text}: {why}");
    }
    let deep = format!("syntax = \"proto3\"; {}{}", "message M { ".repeat(100), "}".repeat(100));
    assert!(ProtobufSchema::parse(&deep, &[]).expect_err("too deep").contains("deeper than 32"));
    let aggregate =
        format!("syntax = \"proto3\"; option (o) = {}1{};", "[".repeat(100_000), "]".repeat(100_000));
    assert!(ProtobufSchema::parse(&aggregate, &[]).expect_err("too deep").contains("deeper than 32"));
}

#[test]
fn references_are_found_by_the_name_of_their_import() {
    let referred = Referred {
        name: "dir/n.proto".to_owned(),
        text: "syntax = \"proto3\"; package n; message N {}".to_owned(),
    };
    let text = "syntax = \"proto3\"; package m; import \"dir/n.proto\"; message M { n.N n = 1; }";
    assert!(ProtobufSchema::parse(text, &[]).is_err());
    assert!(ProtobufSchema::parse(text, &[referred]).is_ok());
}
