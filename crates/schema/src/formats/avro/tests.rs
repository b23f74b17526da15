//! Cases as data: what is printed, what is refused, what bombs cost.

use super::{AvroSchema, Defaults};
use crate::json::Json;

#[test]
fn schemas_are_printed_as_java_prints_them() {
    let cases = [
        (r#""string""#, r#""string""#),
        ("int", r#""int""#),
        (r#"{"type":"int"}"#, r#""int""#),
        (
            r#"{"type": {"type": "string", "avro.java.string": "String"}}"#,
            r#"{"type":"string","avro.java.string":"String"}"#,
        ),
        (
            r#"{"fields":[{"type":["null","string"],"name":"a","default":null,"x":{"b":1,"a":2}}],"type":"record","name":"com.acme.R","doc":"d"}"#,
            r#"{"type":"record","name":"R","namespace":"com.acme","doc":"d","fields":[{"name":"a","type":["null","string"],"default":null,"x":{"b":1,"a":2}}]}"#,
        ),
        (
            r#"{"type":"record","name":"N","namespace":"n","fields":[{"name":"next","type":["null","N"]},{"name":"e","type":{"type":"enum","name":"other.E","symbols":["A"],"default":"A"}},{"name":"e2","type":"other.E","order":"IGNORE"}]}"#,
            r#"{"type":"record","name":"N","namespace":"n","fields":[{"name":"next","type":["null","N"]},{"name":"e","type":{"type":"enum","name":"E","namespace":"other","symbols":["A"],"default":"A"}},{"name":"e2","type":"other.E","order":"ignore"}]}"#,
        ),
        (
            r#"{"type":"fixed","name":"F","size":4,"aliases":["G","x.H"],"logicalType":"decimal"}"#,
            r#"{"type":"fixed","name":"F","size":4,"logicalType":"decimal","aliases":["G","x.H"]}"#,
        ),
        (
            r#"{"type":"map","values":{"type":"array","items":"long","p":[1.50,1e10,12345678.9,1E-5,1e3,-0.0,12345678901234567890]}}"#,
            r#"{"type":"map","values":{"type":"array","items":"long","p":[1.5,1.0E10,1.23456789E7,1.0E-5,1000.0,-0.0,12345678901234567890]}}"#,
        ),
    ];
    for (text, expected) in cases {
        let printed = AvroSchema::parse(text, &[], Defaults::Checked).expect(text).canonical();
        assert_eq!(printed, expected);
        let again = AvroSchema::parse(&printed, &[], Defaults::Checked).expect(text).canonical();
        assert_eq!(again, expected, "printing is stable");
    }
}

#[test]
fn order_that_means_nothing_is_evened_out() {
    let one = r#"{"type":"bytes","scale":2,"z":1,"precision":4,"logicalType":"decimal","a":0}"#;
    let other = r#"{"a":0,"z":1,"logicalType":"decimal","precision":4,"scale":2,"type":"bytes"}"#;
    let normal = |text| AvroSchema::parse(text, &[], Defaults::Taken).expect(text).normalized();
    assert_eq!(
        normal(one),
        r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":2,"a":0,"z":1}"#
    );
    assert_eq!(normal(one), normal(other));
}

#[test]
fn what_is_no_schema_is_refused() {
    let cases = [
        ("", "JSON"),
        ("{}", "No type"),
        (r#""nothing""#, "Undefined"),
        (r#"{"type":"record","name":"R"}"#, "no fields"),
        (r#"{"type":"record","fields":[]}"#, "No name"),
        (r#"{"type":"record","name":"1R","fields":[]}"#, "initial character"),
        (r#"{"type":"record","name":"R","fields":[{"name":"a-b","type":"int"}]}"#, "Illegal character"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "Duplicate field",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#,
            "Invalid default",
        ),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":2147483648}]}"#,
            "Invalid default",
        ),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "Duplicate enum symbol"),
        (r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#, "Enum Default"),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "size of fixed"),
        (r#"["int",["string"]]"#, "Nested union"),
        (r#"["int","int"]"#, "Duplicate in union"),
        (r#"{"type":"array"}"#, "no items"),
        (r#"[{"type":"fixed","name":"F","size":1},{"type":"fixed","name":"F","size":1}]"#, "redefine"),
    ];
    for (text, expected) in cases {
        let why = AvroSchema::parse(text, &[], Defaults::Checked).expect_err(text);
        assert!(why.contains(expected), "{text}: {why}");
    }
    let invalid_default =
        r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","default":"x"}]}"#;
    assert!(
        AvroSchema::parse(invalid_default, &[], Defaults::Taken).is_ok(),
        "what is stored is taken as it is"
    );
}

#[test]
fn references_stay_names_and_can_be_put_in() {
    let referred = r#"{"type":"record","name":"a.Inner","fields":[{"name":"x","type":"int"}]}"#;
    let text = r#"{"type":"record","name":"b.Outer","fields":[{"name":"one","type":"a.Inner"},{"name":"two","type":"a.Inner"}]}"#;
    assert!(AvroSchema::parse(text, &[], Defaults::Checked).is_err());
    let schema = AvroSchema::parse(text, &[referred], Defaults::Checked).expect("its reference is there");
    assert_eq!(
        schema.canonical(),
        r#"{"type":"record","name":"Outer","namespace":"b","fields":[{"name":"one","type":"a.Inner"},{"name":"two","type":"a.Inner"}]}"#
    );
    assert_eq!(
        schema.resolved().expect("it is shallow"),
        r#"{"type":"record","name":"Outer","namespace":"b","fields":[{"name":"one","type":{"type":"record","name":"Inner","namespace":"a","fields":[{"name":"x","type":"int"}]}},{"name":"two","type":"a.Inner"}]}"#
    );
}

#[test]
fn bombs_cost_bounded_time() {
    use crate::formats::terms::Roles;
    // A chain of records, each in the next, that no stack would follow to its end.
    let mut chain = String::from(r#"[{"type":"record","name":"R0","fields":[]}"#);
    for index in 1..5_000 {
        let before = index - 1;
        chain.push_str(&format!(
            r#",{{"type":"record","name":"R{index}","fields":[{{"name":"f","type":"R{before}"}}]}}"#
        ));
    }
    chain.push_str(r#",{"type":"array","items":"R4999"}]"#);
    let schema = AvroSchema::parse(&chain, &[], Defaults::Checked).expect("it is a schema");
    let reasons = super::incompatibilities(&schema, &schema, Roles::BACKWARD);
    assert!(reasons.len() <= 1_000);
    // Two branches that meet again and again: without a memory it would take two to the hundredth.
    let mut diamonds = String::from(r#"[{"type":"record","name":"R0","fields":[]}"#);
    for index in 1..100 {
        let before = index - 1;
        diamonds.push_str(&format!(
            r#",{{"type":"record","name":"R{index}","fields":[{{"name":"f","type":"R{before}"}},{{"name":"g","type":"R{before}"}}]}}"#
        ));
    }
    diamonds.push(']');
    let schema = AvroSchema::parse(&diamonds, &[], Defaults::Checked).expect("it is a schema");
    assert_eq!(super::incompatibilities(&schema, &schema, Roles::BACKWARD), []);
}

#[test]
fn a_chain_that_references_make_deep_is_refused_where_it_would_be_written_out() {
    // Each of the chain is used before the next one's place: written out, they stand within each other.
    let mut references = vec![r#"{"type":"record","name":"R0","fields":[]}"#.to_owned()];
    for index in 1..5_000 {
        let before = index - 1;
        references.push(format!(
            r#"{{"type":"record","name":"R{index}","fields":[{{"name":"f","type":"R{before}"}}]}}"#
        ));
    }
    let texts: Vec<&str> = references.iter().map(String::as_str).collect();
    let schema =
        AvroSchema::parse(r#"{"type":"array","items":"R4999"}"#, &texts, Defaults::Taken).expect("a schema");
    assert!(schema.resolved().expect_err("too deep").contains("deeper than"));
    assert!(schema.parsing_form().is_err() && schema.fingerprint().is_err());
    assert_eq!(schema.canonical(), r#"{"type":"array","items":"R4999"}"#);
}

const EVERYTHING: &str = r#"{"type":"record","name":"a.R","fields":[
  {"name":"b","type":"boolean"},{"name":"i","type":"int"},{"name":"l","type":"long"},{"name":"f","type":"float"},{"name":"d","type":"double"},
  {"name":"y","type":"bytes"},{"name":"s","type":"string"},{"name":"e","type":{"type":"enum","name":"E","symbols":["X","Y"]}},
  {"name":"x","type":{"type":"fixed","name":"F","size":2}},{"name":"a","type":{"type":"array","items":"int"}},
  {"name":"m","type":{"type":"map","values":"long"}},{"name":"u","type":["null","string","R","int"]},
  {"name":"z","type":"int","default":7}]}"#;

#[test]
fn values_are_encoded_as_the_specification_says_and_decoded_again() {
    let schema = AvroSchema::parse(EVERYTHING, &[], Defaults::Checked).expect("a schema");
    let value = r#"{"b":true,"i":-1,"l":64,"f":1.5,"d":-2.0,"y":"ÿa","s":"é","e":"Y","x":"ab","a":[1,2],"m":{"k":3},"u":{"string":"q"},"z":8}"#;
    let bytes = schema.encode(&Json::parse(value).expect("JSON")).expect("a value");
    let expected: Vec<u8> = [
        &[1, 1, 0x80, 1][..],
        &1.5f32.to_le_bytes(),
        &(-2.0f64).to_le_bytes(),
        &[4, 0xff, b'a', 4, 0xc3, 0xa9, 2, b'a', b'b', 4, 2, 4, 0, 2, 2, b'k', 6, 0, 2, 2, b'q', 16],
    ]
    .concat();
    assert_eq!(bytes, expected);
    assert_eq!(schema.decode(&bytes).expect("a value").to_string(), value);
    // Without tags and with a default.
    let bare =
        r#"{"b":false,"i":0,"l":0,"f":"NaN","d":1,"y":"","s":"","e":"X","x":"ab","a":[],"m":{},"u":5}"#;
    let bytes = schema.encode(&Json::parse(bare).expect("JSON")).expect("a value");
    let again = schema.decode(&bytes).expect("a value").to_string();
    assert!(again.contains(r#""f":"NaN","d":1.0"#) && again.ends_with(r#""u":{"int":5},"z":7}"#), "{again}");
}

#[test]
fn what_is_no_value_is_refused_with_its_place() {
    let cases = [
        (r#""int""#, "1.5", "no int"),
        (r#""int""#, "2147483648", "no int"),
        (r#""bytes""#, r#""€""#, "no bytes"),
        (r#"{"type":"fixed","name":"F","size":1}"#, r#""ab""#, "no F"),
        (r#"{"type":"array","items":"int"}"#, r#"[1,"x"]"#, "[1]: \"x\" is no int"),
        (r#"["null",{"type":"map","values":"int"}]"#, r#"{"a":"b"}"#, "a: \"b\" is no int"),
        (r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#, "{}", "a: it is missing"),
        (r#"{"type":"record","name":"R","fields":[]}"#, r#"{"b":1}"#, "b: the record has no field"),
    ];
    for (schema, value, expected) in cases {
        let schema = AvroSchema::parse(schema, &[], Defaults::Checked).expect(schema);
        let why = schema.encode(&Json::parse(value).expect(value)).expect_err(value);
        assert!(why.contains(expected), "{value}: {why}");
    }
    let bytes: [(&str, &[u8], &str); 7] = [
        (r#""int""#, &[0xff; 11], "64 bits"),
        (r#""int""#, &[0x80, 0x80, 0x80, 0x80, 0x20], "no int"),
        (r#""string""#, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], "should stand"),
        (r#""string""#, &[2, 0xff], "UTF-8"),
        (r#""null""#, &[0], "behind the value"),
        // A million million nulls in a few bytes.
        (r#"{"type":"array","items":"null"}"#, &[0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 0], "more values"),
        (r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#, &[], "nested deeper"),
    ];
    for (schema, bytes, expected) in bytes {
        let schema = AvroSchema::parse(schema, &[], Defaults::Checked).expect(schema);
        let why = schema.decode(bytes).expect_err(expected);
        assert!(why.contains(expected), "{bytes:?}: {why}");
    }
}

#[test]
fn schemas_that_read_alike_have_one_fingerprint() {
    // From the specification's own examples, as the Java library prints them.
    let cases = [
        (r#""null""#, r#""null""#, 0x63dd_24e7_cc25_8f8a_u64),
        (r#"{"type":"boolean"}"#, r#""boolean""#, 0x9f42_fc78_a4d4_f764),
        (r#"{"type":"int","x":1}"#, r#""int""#, 0x7275_d51a_3f39_5c8f),
        (r#""string""#, r#""string""#, 0x8f01_4872_6345_03c7),
    ];
    for (text, form, fingerprint) in cases {
        let schema = AvroSchema::parse(text, &[], Defaults::Taken).expect(text);
        assert_eq!(schema.parsing_form().as_deref(), Ok(form));
        assert_eq!(schema.fingerprint(), Ok(fingerprint), "{text}");
    }
    let record = r#"{"namespace":"n","name":"R","doc":"x","type":"record","aliases":["Q"],"fields":[{"name":"a","type":["null","R"],"default":null},{"name":"e","type":{"name":"E","type":"enum","symbols":[]}}]}"#;
    let form = r#"{"name":"n.R","type":"record","fields":[{"name":"a","type":["null","n.R"]},{"name":"e","type":{"name":"n.E","type":"enum","symbols":[]}}]}"#;
    let schema = AvroSchema::parse(record, &[], Defaults::Taken).expect(record);
    assert_eq!(schema.parsing_form().as_deref(), Ok(form));
}
