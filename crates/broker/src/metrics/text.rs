//! The text that Prometheus reads (exposition format 0.0.4), written straight into one buffer. Owns the format and what of it somebody
//! wants; knows no figure.

use std::fmt::{Display, Write};

/// What a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows while the process lives.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Quantiles and a count.
    Summary,
}

/// Which families somebody wants (`?match[]=`): names, and beginnings of names with a `*` behind them; none means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Beginning(String),
}

/// Patterns of one request at most.
const PATTERNS_MAX: usize = 256;

impl Wanted {
    /// Reads the values of `match[]`. Beside names and `beginning*`, selectors of Prometheus that ask for the name alone are understood:
    /// `{__name__="name"}`, `{__name__=~"name|beginning.*"}`.
    pub fn parse(values: &[String]) -> Result<Wanted, String> {
        let mut patterns = Vec::new();
        for value in values {
            let text = value.trim();
            match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                None => patterns.push(pattern(text, "*")?),
                Some(selector) => selected(selector.trim(), &mut patterns)?,
            }
        }
        if patterns.len() > PATTERNS_MAX {
            return Err(format!("{} patterns, at most {PATTERNS_MAX} are read", patterns.len()));
        }
        Ok(Wanted(patterns))
    }

    /// Whether somebody wants this family.
    pub fn has(&self, name: &str) -> bool {
        let is = |pattern: &Pattern| match pattern {
            Pattern::Name(wanted) => wanted == name,
            Pattern::Beginning(beginning) => name.starts_with(beginning.as_str()),
        };
        self.0.is_empty() || self.0.iter().any(is)
    }
}

fn selected(selector: &str, patterns: &mut Vec<Pattern>) -> Result<(), String> {
    let unread =
        || format!("{{{selector}}}: only the name can be asked for, __name__=\"...\" or __name__=~\"...\"");
    let rest = selector.strip_prefix("__name__").ok_or_else(unread)?.trim_start();
    let (is_expression, rest) = match rest.strip_prefix("=~") {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('=').ok_or_else(unread)?),
    };
    let text = rest.trim().strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).ok_or_else(unread)?;
    if is_expression {
        for part in text.split('|') {
            patterns.push(pattern(part, ".*").or_else(|_| pattern(part, ".+"))?);
        }
    } else {
        patterns.push(pattern(text, "*")?);
    }
    Ok(())
}

fn pattern(text: &str, wild: &str) -> Result<Pattern, String> {
    let (name, is_beginning) = match text.strip_suffix(wild) {
        Some(beginning) => (beginning, true),
        None => (text, false),
    };
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    if !name.bytes().all(is_named) || (name.is_empty() && !is_beginning) {
        return Err(format!("{text}: no name of a metric, and no beginning of one with {wild} behind it"));
    }
    Ok(if is_beginning { Pattern::Beginning(name.to_owned()) } else { Pattern::Name(name.to_owned()) })
}

/// A text in the making.
#[derive(Default)]
pub struct Text {
    out: String,
    wanted: Wanted,
    /// Labels that every sample of the family begins with.
    name: String,
}

impl Text {
    /// An empty one, of the families that somebody wants.
    pub fn new(wanted: Wanted) -> Text {
        Text { wanted, ..Text::default() }
    }

    /// Begins a family; false if nobody wants it, and nothing of it may be written then. A family is written once, and whole.
    pub fn family(&mut self, name: &str, kind: Kind, help: &str) -> bool {
        if !self.wanted.has(name) {
            return false;
        }
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        // Writing to a string does not fail.
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        name.clone_into(&mut self.name);
        true
    }

    /// One sample of the family that was begun last.
    pub fn sample(&mut self, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.sample_of("", labels, value);
    }

    /// The same with an end to its name.
    pub fn sample_of(&mut self, end: &str, labels: &[(&str, &dyn Display)], value: impl Display) {
        self.out.push_str(&self.name);
        self.out.push_str(end);
        for (at, (label, text)) in labels.iter().enumerate() {
            self.out.push(if at == 0 { '{' } else { ',' });
            self.out.push_str(label);
            self.out.push_str("=\"");
            let _ = write!(Escaped(&mut self.out), "{text}");
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        let _ = writeln!(self.out, " {value}");
    }

    /// A family of one sample without labels.
    pub fn one(&mut self, name: &str, kind: Kind, help: &str, value: impl Display) {
        if self.family(name, kind, help) {
            self.sample(&[], value);
        }
    }

    /// All that was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out.into_bytes()
    }
}

/// A value of a label: what clients call themselves must not end it.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        if !text.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
            self.0.push_str(text);
            return Ok(());
        }
        for character in text.chars() {
            match character {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                other => self.0.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(values: &[&str]) -> Result<Wanted, String> {
        Wanted::parse(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_family_is_written_whole_and_labels_are_escaped() {
        let mut text = Text::new(wanted(&["a_*", "c"]).expect("read"));
        assert!(text.family("a_one", Kind::Counter, "One."));
        text.sample(&[("topic", &"x\"\\\ny"), ("partition", &3)], 1.5);
        text.sample_of("_count", &[], 2);
        assert!(!text.family("b", Kind::Gauge, "Two."));
        text.one("c", Kind::Gauge, "Three.", -1);
        let written = String::from_utf8(text.into_bytes()).expect("text");
        assert_eq!(
            written,
            "# HELP a_one One.\n# TYPE a_one counter\na_one{topic=\"x\\\"\\\\\\ny\",partition=\"3\"} 1.5\na_one_count 2\n\
             # HELP c Three.\n# TYPE c gauge\nc -1\n"
        );
    }

    #[test]
    fn names_beginnings_and_selectors_of_names_are_understood_and_nothing_else() {
        let all = wanted(&["{__name__=~\"kafka_log_.*|up\"}", "{__name__=\"x\"}"]).expect("read");
        let has = |name| all.has(name);
        assert!(has("kafka_log_log_size") && has("up") && has("x"));
        assert!(!has("upper") && !has("kafka_server"));
        assert!(wanted(&[]).is_ok_and(|all| all.has("anything")));
        for bad in ["", "a b", "{topic=\"x\"}", "{__name__=~\"a[bc]\"}", "{__name__}", "a{b=\"c\"}"] {
            assert!(wanted(&[bad]).is_err(), "{bad}");
        }
        assert!(wanted(&vec!["a"; PATTERNS_MAX + 1]).is_err());
    }
}
