//! What is taken and what is refused, and what bombs cost.

use super::{JsonSchema, incompatibilities};
use crate::formats::terms::{Referred, Roles};
use crate::json::Json;

fn parse(text: &str) -> JsonSchema {
    JsonSchema::parse(text, &[]).expect(text)
}

#[test]
fn text_is_kept_and_can_be_evened_out() {
    let schema = parse(r#" { "type" : "object", "properties": {"b": {"type":"string"}, "a": true} } "#);
    assert_eq!(schema.canonical(), r#"{"type":"object","properties":{"b":{"type":"string"},"a":true}}"#);
    assert_eq!(schema.normalized(), r#"{"properties":{"a":true,"b":{"type":"string"}},"type":"object"}"#);
}

#[test]
fn what_is_no_schema_is_refused() {
    let cases = [
        ("[]", "an object or a boolean"),
        (r#"{"type":"strin"}"#, "unknown type"),
        (r#"{"type":["string","x"]}"#, "unknown type"),
        (r#"{"properties":{"a":3}}"#, "#/properties/a"),
        (r#"{"properties":[]}"#, "no object"),
        (r#"{"minLength":"x"}"#, "minLength"),
        (r##"{"$ref":"#/definitions/a"}"##, "unresolved"),
        (r#"{"$ref":"other.json"}"#, "unresolved"),
        (r#"{"$ref":"http://evil.example/schema.json"}"#, "unresolved"),
        (r##"{"definitions":{"a":{"properties":{"x":{"$ref":"#/definitions/b"}}}}}"##, "unresolved"),
    ];
    for (text, expected) in cases {
        let why = JsonSchema::parse(text, &[]).expect_err(text);
        assert!(why.contains(expected), "{text}: {why}");
    }
}

#[test]
fn references_are_followed() {
    let referred = Referred {
        name: "https://example.com/a.json".to_owned(),
        text: r#"{"$id":"https://example.com/a.json","definitions":{"n":{"$anchor":"num","type":"number"}},"type":"string"}"#.to_owned(),
    };
    let wide = JsonSchema::parse(r#"{"type":"number"}"#, &[]).expect("a schema");
    for reference in
        ["https://example.com/a.json#/definitions/n", "a.json#num", "https://example.com/a.json#num"]
    {
        let text = format!(r#"{{"$ref":"{reference}"}}"#);
        let schema = JsonSchema::parse(&text, std::slice::from_ref(&referred)).expect(&text);
        assert_eq!(incompatibilities(&wide, &schema, Roles::BACKWARD, false), [], "{reference}");
        let string = parse(r#"{"type":"string"}"#);
        assert_eq!(incompatibilities(&string, &schema, Roles::BACKWARD, false).len(), 1, "{reference}");
    }
}

#[test]
fn circles_end_and_hide_nothing() {
    let tree = |leaf: &str| {
        parse(&format!(
            r##"{{"definitions":{{"t":{{"type":"object","properties":{{"v":{{"type":"{leaf}"}},"l":{{"$ref":"#/definitions/t"}},"r":{{"$ref":"#/definitions/t"}}}},"additionalProperties":false}}}},"$ref":"#/definitions/t"}}"##
        ))
    };
    assert_eq!(incompatibilities(&tree("number"), &tree("integer"), Roles::BACKWARD, false), []);
    let reasons = incompatibilities(&tree("integer"), &tree("number"), Roles::BACKWARD, false);
    assert!(
        reasons.iter().any(|one| one.rule == "TYPE_NARROWED" && one.path == "#/properties/v"),
        "{reasons:?}"
    );
    let nothing_but_circles = parse(
        r##"{"definitions":{"a":{"$ref":"#/definitions/b"},"b":{"$ref":"#/definitions/a"}},"$ref":"#/definitions/a"}"##,
    );
    incompatibilities(&nothing_but_circles, &tree("integer"), Roles::BACKWARD, false);
}

#[test]
fn bombs_cost_bounded_time() {
    // Each level names the next one twice, in branches that may stand for each other.
    let mut text = String::from(r#"{"definitions":{"d0":{"type":"string"}"#);
    for level in 1..60 {
        let below = level - 1;
        text.push_str(&format!(
            r##","d{level}":{{"anyOf":[{{"type":"array","items":{{"$ref":"#/definitions/d{below}"}}}},{{"type":"object","additionalProperties":{{"$ref":"#/definitions/d{below}"}}}}]}}"##
        ));
    }
    text.push_str(r##"},"$ref":"#/definitions/d59"}"##);
    assert_eq!(incompatibilities(&parse(&text), &parse(&text), Roles::BACKWARD, false), []);
    let trap = r#"{"type":"object","patternProperties":{"(a+)+$":{"type":"string"},"(?=x)":{"type":"string"}},"additionalProperties":false}"#;
    let named = format!(
        r#"{{"type":"object","properties":{{"{}!":{{"type":"string"}}}},"additionalProperties":false}}"#,
        "a".repeat(5_000)
    );
    assert_eq!(incompatibilities(&parse(trap), &parse(&named), Roles::BACKWARD, false).len(), 1);
}

#[test]
fn values_are_held_against_what_the_drafts_assert() {
    let cases: [(&str, &[&str], &[&str]); 17] = [
        ("true", &["1", "null"], &[]),
        ("false", &[], &["1"]),
        (
            r#"{"type":"integer","minimum":1,"exclusiveMaximum":3}"#,
            &["1", "2", "2.0", "1e0"],
            &["0", "3", "1.5", "\"1\""],
        ),
        (
            r#"{"type":"number","maximum":3,"exclusiveMaximum":true,"multipleOf":0.1}"#,
            &["0.3", "2.9"],
            &["3", "0.25"],
        ),
        (r#"{"minLength":2}"#, &["\"ab\"", "1", "\"\u{e9}\u{e9}\""], &["\"a\""]),
        (r#"{"type":"string","pattern":"^a+$","maxLength":2}"#, &["\"aa\""], &["\"b\"", "\"aaa\"", "1"]),
        (r#"{"type":["string","null"]}"#, &["null", "\"\""], &["1"]),
        (r#"{"enum":[1,"a",{"x":1,"y":2}]}"#, &["1.0", "\"a\"", "{\"y\":2,\"x\":1}"], &["2", "{}"]),
        (r#"{"const":[1]}"#, &["[1]"], &["[2]", "1"]),
        (
            r#"{"type":"object","properties":{"a":{"type":"integer"}},"patternProperties":{"^x":{"type":"string"}},"required":["a"],"additionalProperties":false,"maxProperties":2}"#,
            &["{\"a\":1}", "{\"a\":1,\"xy\":\"s\"}"],
            &[
                "{}",
                "{\"a\":\"s\"}",
                "{\"a\":1,\"b\":1}",
                "{\"a\":1,\"x\":1}",
                "{\"a\":1,\"x\":\"\",\"xx\":\"\"}",
            ],
        ),
        (
            r#"{"type":"array","items":{"type":"integer"},"minItems":1,"uniqueItems":true}"#,
            &["[1]", "[1,2]"],
            &["[]", "[1,1.0]", "[\"a\"]"],
        ),
        (r#"{"prefixItems":[{"type":"integer"}],"items":false}"#, &["[]", "[1]"], &["[1,2]", "[\"a\"]"]),
        (r#"{"contains":{"const":1},"maxContains":1}"#, &["[2,1]"], &["[2]", "[1,1]"]),
        (r#"{"oneOf":[{"type":"integer"},{"minimum":2}]}"#, &["1", "2.5"], &["3"]),
        (
            r#"{"if":{"type":"string"},"then":{"minLength":1},"else":{"type":"null"}}"#,
            &["\"a\"", "null"],
            &["\"\"", "1"],
        ),
        (
            r##"{"$defs":{"n":{"properties":{"next":{"$ref":"#/$defs/n"},"v":{"type":"integer"}}}},"$ref":"#/$defs/n"}"##,
            &["{\"next\":{\"v\":1}}"],
            &["{\"next\":{\"next\":{\"v\":\"x\"}}}"],
        ),
        (
            r#"{"dependentRequired":{"a":["b"]},"propertyNames":{"maxLength":1},"not":{"required":["c"]}}"#,
            &["{\"b\":1}", "{\"a\":1,\"b\":2}"],
            &["{\"a\":1}", "{\"ab\":1}", "{\"c\":1}"],
        ),
    ];
    for (schema, valid, invalid) in cases {
        let parsed = JsonSchema::parse(schema, &[]).expect(schema);
        for value in valid {
            assert_eq!(parsed.validate(&Json::parse(value).expect(value)), Ok(()), "{schema}: {value}");
        }
        for value in invalid {
            let why =
                parsed.validate(&Json::parse(value).expect(value)).expect_err(&format!("{schema}: {value}"));
            assert!(!why.is_empty(), "{schema}: {value}");
        }
    }
    let circle = JsonSchema::parse(r##"{"anyOf":[{"$ref":"#"},{"$ref":"#"}]}"##, &[]).expect("a schema");
    assert!(circle.validate(&Json::Null).is_err(), "it ends");
}
