//! A history as text: one operation per line, so that any client in any language can write one; and the verdict as JSON.
//!
//! ```text
//! {"process":1,"invoked":10,"returned":12,"type":"ok","f":"send","ops":[["send","t-0",4,"a"],["send","t-1",null,"b"]]}
//! {"process":2,"invoked":11,"returned":15,"type":"ok","f":"poll","ops":[["poll",{"t-0":[[4,"a"]]}]],"rebalanced":["t-1"]}
//! {"process":2,"invoked":16,"returned":16,"type":"ok","f":"assign","keys":["t-0"]}
//! ```
//! `type`: ok, fail (certainly did not happen) or info (unknown). `f`: send, poll, txn, assign, subscribe or crash. Times are
//! milliseconds of a clock that all processes share.

use serde_json::{Value as Json, json};

use super::ops::{History, Kind, Op, Outcome, Polled, Step};
use super::verdict::{Tally, Verdict};

/// A line that is no operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.why)
    }
}

/// Reads a history; empty lines are passed over.
pub fn read(text: &[u8]) -> Result<History, Unreadable> {
    let mut history = History::default();
    for (number, line) in (1..).zip(text.split(|byte| *byte == b'\n')) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let unreadable = |why: String| Unreadable { line: number, why };
        let json: Json = serde_json::from_slice(line).map_err(|error| unreadable(error.to_string()))?;
        let op = op(&mut history, &json).map_err(|why| unreadable(why.to_owned()))?;
        history.ops.push(op);
    }
    Ok(history)
}

fn op(history: &mut History, json: &Json) -> Result<Op, &'static str> {
    let number = |name: &str| json.get(name).and_then(Json::as_i64);
    let word = |name: &str| json.get(name).and_then(Json::as_str);
    let outcome = match word("type") {
        Some("ok") => Outcome::Ok,
        Some("fail") => Outcome::Fail,
        Some("info") => Outcome::Info,
        _ => return Err("\"type\" is none of ok, fail and info"),
    };
    let kind = match word("f") {
        Some("send") => Kind::Send,
        Some("poll") => Kind::Poll,
        Some("txn") => Kind::Transaction,
        Some("assign") => Kind::Assign,
        Some("subscribe") => Kind::Subscribe,
        Some("crash") => Kind::Crash,
        _ => return Err("\"f\" is none of send, poll, txn, assign, subscribe and crash"),
    };
    let list = |name: &str| json.get(name).and_then(Json::as_array).map_or(&[][..], Vec::as_slice);
    let named = if matches!(kind, Kind::Assign | Kind::Subscribe) { "keys" } else { "rebalanced" };
    let keys = list(named).iter().map(|key| Ok(history.key(key.as_str().ok_or("a key is no string")?)));
    let keys = keys.collect::<Result<Vec<_>, &'static str>>()?;
    let steps = list("ops").iter().map(|json| step(history, json)).collect::<Result<Vec<_>, _>>()?;
    let process = number("process").and_then(|process| u32::try_from(process).ok());
    Ok(Op {
        process: process.ok_or("\"process\" is no number from 0 on")?,
        invoked_ms: number("invoked").ok_or("\"invoked\" is no number")?,
        returned_ms: number("returned").ok_or("\"returned\" is no number")?,
        outcome,
        kind,
        steps,
        keys,
    })
}

fn step(history: &mut History, json: &Json) -> Result<Step, &'static str> {
    let list = json.as_array().map_or(&[][..], Vec::as_slice);
    match list {
        [Json::String(what), Json::String(key), offset, value] if what == "send" => {
            let key = history.key(key);
            let value = history.value(key, &text_of(value)?);
            match (offset, offset.as_i64()) {
                (Json::Null, _) => Ok(Step::Send { key, value, offset: None }),
                (_, Some(offset)) => Ok(Step::Send { key, value, offset: Some(offset) }),
                _ => Err("the offset of a send is neither a number nor null"),
            }
        }
        [Json::String(what), Json::Object(keys)] if what == "poll" => {
            let mut polled = Vec::new();
            for (name, records) in keys {
                let key = history.key(name);
                for record in records.as_array().ok_or("a key's records are no list")? {
                    let Some([offset, value]) = record.as_array().map(Vec::as_slice) else {
                        return Err("a record that was read is not [offset, value]");
                    };
                    let offset = offset.as_i64().ok_or("the offset of what was read is no number")?;
                    polled.push(Polled { key, offset, value: history.value(key, &text_of(value)?) });
                }
            }
            Ok(Step::Poll(polled))
        }
        _ => Err("a step is neither [\"send\", key, offset, value] nor [\"poll\", {key: [[offset, value]]}]"),
    }
}

/// Numbers and words are told apart by their text alone.
fn text_of(value: &Json) -> Result<String, &'static str> {
    match value {
        Json::String(text) => Ok(text.clone()),
        Json::Number(number) => Ok(number.to_string()),
        _ => Err("a value is neither a string nor a number"),
    }
}

/// The verdict for people and for programs.
pub fn show(verdict: &Verdict) -> String {
    let tallies = |allowed: bool| {
        let of = verdict.found.iter().filter(|(anomaly, _)| anomaly.is_allowed() == allowed);
        let show = |tally: &Tally| {
            let examples: Vec<Json> = tally
                .examples
                .iter()
                .map(|(delta, words)| json!({ "delta": delta, "what": words }))
                .collect();
            json!({ "count": tally.count, "examples": examples })
        };
        of.map(|(anomaly, tally)| (anomaly.name().to_owned(), show(tally))).collect::<serde_json::Map<_, _>>()
    };
    let verdict = json!({
        "valid": verdict.holds(),
        "operations": verdict.ops,
        "values": verdict.values,
        "bad": tallies(false),
        "allowed": tallies(true),
        "worst_lag_ms": verdict.worst_lag_ms,
    });
    format!("{verdict:#}")
}
