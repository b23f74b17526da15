//! Pairs of schemas as data (`testdata/pairs`), in all modes. Owns how a line is read; each verdict has its source there.

use super::modes::Level;
use super::parsed::Parsed;
use super::terms::{Policy, SchemaType};

/// Fewer would be a file that was cut off.
const PAIRS_MIN: usize = 100;

/// Modes that a pair of this verdict passes.
fn passing(verdict: &str) -> &'static [&'static str] {
    match verdict {
        "both" => &["NONE", "BACKWARD", "FORWARD", "FULL"],
        "backward" => &["NONE", "BACKWARD"],
        "forward" => &["NONE", "FORWARD"],
        "none" => &["NONE"],
        other => panic!("{other} is no verdict"),
    }
}

fn check(schema_type: SchemaType, file: &str) {
    let parse = |text: &str| match schema_type {
        SchemaType::Protobuf if !text.starts_with("syntax") && !text.starts_with("edition") => {
            Parsed::parse(schema_type, &format!("syntax = \"proto3\"; {text}"), &[], true)
        }
        _other => Parsed::parse(schema_type, text, &[], true),
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for line in file.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let parts: Vec<&str> = line.splitn(3, " | ").collect();
        let [verdict, old, new] = parts.as_slice() else { panic!("{line}") };
        let [old, new] = [old, new].map(|text| parse(text).unwrap_or_else(|why| panic!("{text}: {why}")));
        count += 1;
        for (level, name) in Level::ALL {
            let reasons = |earlier: &[&Parsed]| -> usize {
                level.relevant(earlier).iter().map(|one| level.check(&new, one, Policy::Strict).len()).sum()
            };
            let direct = passing(verdict).contains(&name.trim_end_matches("_TRANSITIVE"));
            // Behind a latest one that is the same only transitive modes still see the old one.
            let behind = direct || !name.ends_with("_TRANSITIVE");
            if (reasons(&[&old]) == 0, reasons(&[&old, &new]) == 0) != (direct, behind) {
                wrong.push(format!("{name}: {line}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count >= PAIRS_MIN, "{count} pairs");
}

#[test]
fn pairs_of_avro() {
    check(SchemaType::Avro, include_str!("../../testdata/pairs/avro.txt"));
}

#[test]
fn pairs_of_json_schema() {
    check(SchemaType::Json, include_str!("../../testdata/pairs/json_schema.txt"));
}

#[test]
fn pairs_of_protobuf() {
    check(SchemaType::Protobuf, include_str!("../../testdata/pairs/protobuf.txt"));
}
