//! Cases as data: what is printed, what is refused, what bombs cost.

use super::{AvroSchema, Defaults};

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
            r#"{"type":"map","values":{"type":"array","items":"long","p":1.50}}"#,
            r#"{"type":"map","values":{"type":"array","items":"long","p":1.50}}"#,
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
        schema.resolved(),
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
