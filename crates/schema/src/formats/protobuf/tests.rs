//! What is printed, what is refused, and descriptors both ways.

use super::{Codec, ProtobufSchema};
use crate::formats::terms::Referred;
use crate::json::Json;

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

const VALUES: &str = r#"
syntax = "proto3"; package p;
import "google/protobuf/timestamp.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto"; import "google/protobuf/any.proto";
enum Color { RED = 0; BLUE = 2; }
message Nest { message In { int32 x = 1; } }
message M {
  int32 a_b = 1; sint64 s = 2; repeated int32 many = 3; map<string, Nest.In> by = 4; oneof o { string t = 5; bytes y = 6; }
  optional bool maybe = 7; Color color = 8; google.protobuf.Timestamp when = 9; google.protobuf.Struct any = 10;
  google.protobuf.Int64Value w = 11; double d = 12; fixed32 f = 13; M self = 14; google.protobuf.Any of = 15; repeated string names = 16;
}
"#;

#[test]
fn messages_are_encoded_as_the_wire_format_says_and_decoded_again() {
    let codec = Codec::new(&parse(VALUES));
    let message = codec.named("M").expect("it is there");
    assert_eq!((codec.path(message), codec.name(message)), (&[1][..], "p.M"));
    assert_eq!(codec.at(&[0, 0]), codec.named("p.Nest.In"));
    assert_eq!((codec.at(&[5]), codec.at(&[]), codec.named("Missing")), (None, None, None));
    let value = r#"{"aB":150,"s":-2,"many":[1,300],"by":{"k":{"x":1}},"t":"","maybe":false,"color":"BLUE","w":"0","f":1,"names":["n"]}"#;
    let bytes = codec.encode(message, &Json::parse(value).expect("JSON")).expect("a message");
    let expected = [
        &[
            0x08, 0x96, 0x01, 0x10, 3, 0x1a, 3, 1, 0xac, 2, 0x22, 7, 0x0a, 1, b'k', 0x12, 2, 8, 1, 0x2a, 0,
            0x38, 0, 0x40, 2,
        ][..],
        &[0x5a, 0, 0x6d, 1, 0, 0, 0, 0x82, 1, 1, b'n'],
    ]
    .concat();
    // A wrapper of nothing is an empty message.
    assert_eq!(bytes, expected);
    let decoded = codec.decode(message, &bytes).expect("a message").to_string();
    let printed = r#"{"aB":150,"s":"-2","many":[1,300],"by":{"k":{"x":1}},"t":"","maybe":false,"color":"BLUE","w":"0","d":0.0,"f":1,"names":["n"]}"#;
    assert_eq!(decoded, printed);
    let special = r#"{"aB":0,"s":"0","many":[],"by":{},"color":"RED","when":"2024-02-29T12:34:56.500Z","any":{"a":[1.0,null,"x",{"b":true}]},"d":"Infinity","f":0,"self":{"aB":1,"s":"0","many":[],"by":{},"color":"RED","d":0.0,"f":0,"names":[]},"of":{"@type":"type.googleapis.com/p.Nest.In","x":5},"names":[]}"#;
    let bytes = codec.encode(message, &Json::parse(special).expect("JSON")).expect("a message");
    assert_eq!(codec.decode(message, &bytes).expect("a message").to_string(), special);
    // Fields of nobody, one in two parts, a list that is not packed, an enum's value without a name, the last of a oneof.
    let strange = [
        0x98, 6, 1, 0x72, 2, 8, 1, 0x72, 2, 0x10, 2, 0x18, 5, 0x18, 6, 0x40, 9, 0x2a, 1, b't', 0x32, 1, b'y',
    ];
    let decoded = codec.decode(message, &strange).expect("a message").to_string();
    for part in [r#""many":[5,6]"#, r#""color":9"#, r#""y":"eQ==""#, r#""self":{"aB":1,"s":"1""#] {
        assert!(decoded.contains(part), "{part}: {decoded}");
    }
    assert!(!decoded.contains(r#""t":"#), "{decoded}");
}

#[test]
fn syntaxes_differ_in_presence_packing_and_groups() {
    let bytes = |text: &str, value: &str| {
        let codec = Codec::new(&parse(text));
        let message = codec.named("M").expect("it is there");
        let bytes = codec.encode(message, &Json::parse(value).expect("JSON"))?;
        let again = codec.decode(message, &bytes).expect("a message");
        assert_eq!(codec.encode(message, &again), Ok(bytes.clone()), "{again}");
        Ok::<_, String>(bytes)
    };
    let proto2 = "message M { optional int32 a = 1; repeated int32 l = 2; repeated int32 p = 3 [packed = true]; optional group Part = 4 { optional int32 x = 1; } }";
    assert_eq!(
        bytes(proto2, r#"{"a":0,"l":[1,2],"p":[1,2],"part":{"x":1}}"#),
        Ok(vec![8, 0, 16, 1, 16, 2, 26, 2, 1, 2, 35, 8, 1, 36])
    );
    let edition = "edition = \"2023\"; message M { int32 a = 1; int32 b = 2 [features.field_presence = IMPLICIT]; repeated int32 l = 3 [features.repeated_field_encoding = EXPANDED]; \
                   M m = 4 [features.message_encoding = DELIMITED]; }";
    assert_eq!(bytes(edition, r#"{"a":0,"b":0,"l":[1],"m":{"a":1}}"#), Ok(vec![8, 0, 24, 1, 35, 8, 1, 36]));
    let required = "message M { required int32 a = 1; }";
    assert!(bytes(required, "{}").expect_err("it is missing").contains("a: it is required"));
    let proto3 = "syntax = \"proto3\"; message M { int32 a = 1; oneof o { int32 x = 2; int32 y = 3; } }";
    for (value, expected) in [
        (r#"{"b":1}"#, "no field of this name"),
        (r#"{"a":"x"}"#, "no int32"),
        (r#"{"a":2147483648}"#, "no int32"),
        (r#"{"x":1,"y":1}"#, "one oneof"),
        ("[]", "no message"),
    ] {
        assert!(bytes(proto3, value).expect_err(value).contains(expected), "{value}");
    }
    assert_eq!(bytes(proto3, r#"{"a":"1e2","x":null}"#), Ok(vec![8, 100]));
}

#[test]
fn bytes_of_strangers_cost_bounded_time() {
    let codec =
        Codec::new(&parse("syntax = \"proto3\"; message M { M m = 1; repeated M l = 2; int32 a = 3; }"));
    let message = codec.named("M").expect("it is there");
    let mut deep = Vec::new();
    for _level in 0..200 {
        let mut outer = vec![0x0a];
        let mut length = deep.len();
        while length >= 0x80 {
            outer.push(length as u8 | 0x80);
            length >>= 7;
        }
        outer.push(length as u8);
        outer.extend(deep);
        deep = outer;
    }
    let bad: [(&[u8], &str); 7] = [
        (&deep, "nested deeper"),
        (&[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], "end within"),
        (&[0x18], "end within"),
        (&[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "64 bits"),
        (&[0x0b, 0x18, 1], "end within"),
        (&[0x1f], "nobody knows"),
        (&[0], "no number"),
    ];
    for (bytes, expected) in bad {
        let why = codec.decode(message, bytes).expect_err(expected);
        assert!(why.contains(expected), "{bytes:?}: {why}");
    }
    let many: Vec<u8> = [0x12, 0].repeat(1_000_000);
    assert!(codec.decode(message, &many).expect_err("too many").contains("values"));
}
