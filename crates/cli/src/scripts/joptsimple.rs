//! A command line as joptsimple reads it, the library behind most of Kafka's scripts: `--option=value` and `--option value` are the
//! same, one dash does for two, an option may come again, and a value is looked at only when it is asked for. Kafka has options that are
//! cut short refused, and so do we. Owns its rules and its words for what is wrong; knows no script.

use std::fmt::Write as _;

/// What stands behind an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// Nothing.
    Nothing,
    /// A text, or nothing.
    Maybe,
    /// A text.
    Text,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Long,
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// Its name, without dashes.
    pub name: &'static str,
    /// What stands behind it.
    pub takes: Takes,
    /// What it is for, in a few words.
    pub about: &'static str,
    /// It means nothing unless one of these is there, too; empty for one that always means something.
    pub only_with: &'static [&'static str],
}

/// An option that needs nothing else.
pub const fn opt(name: &'static str, takes: Takes, about: &'static str) -> Opt {
    Opt { name, takes, about, only_with: &[] }
}

/// A command line, read.
#[derive(Debug, Default)]
pub struct Read {
    found: Vec<(&'static str, Option<String>)>,
    /// Words that belong to no option.
    pub bare: Vec<String>,
}

impl Read {
    /// True where the option was typed.
    pub fn has(&self, name: &str) -> bool {
        self.found.iter().any(|(found, _)| *found == name)
    }

    /// All its values, in the order in which they were typed.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let of_it = self.found.iter().filter(|(found, _)| *found == name);
        of_it.filter_map(|(_, value)| value.as_deref()).collect()
    }

    /// Its value; more than one is an error.
    pub fn value(&self, name: &str) -> Result<Option<&str>, String> {
        match self.values(name)[..] {
            [] => Ok(None),
            [value] => Ok(Some(value)),
            _ => Err(format!("Found multiple arguments for option {name}, but you asked for only one")),
        }
    }

    /// The value of an option that takes numbers of 64 bits.
    pub fn long(&self, name: &str) -> Result<Option<i64>, String> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_parse(text, name))
    }

    /// The value of an option that takes numbers of 32 bits.
    pub fn integer(&self, name: &str) -> Result<Option<i32>, String> {
        let Some(text) = self.value(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| cannot_parse(text, name))
    }

    /// The options that were typed, each value with its own.
    pub fn typed(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        self.found.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

fn cannot_parse(text: &str, name: &str) -> String {
    format!("Cannot parse argument '{text}' of option {name}")
}

/// Reads the words by these options.
pub fn read(options: &[Opt], words: &[String]) -> Result<Read, String> {
    let mut read = Read::default();
    let mut words = words.iter().peekable();
    let mut only_bare = false;
    while let Some(word) = words.next() {
        if only_bare || !looks_like_an_option(word) {
            read.bare.push(word.clone());
            continue;
        }
        if word == "--" {
            only_bare = true;
            continue;
        }
        let (name, given) = split(word);
        let option = named(options, name).ok_or_else(|| unrecognized(options, word, name))?;
        let value = match (option.takes, given.filter(|value| !value.is_empty())) {
            (Takes::Nothing, _) => None,
            (_, Some(given)) => Some(given.to_owned()),
            (Takes::Maybe, None) => words.next_if(|next| !looks_like_an_option(next)).cloned(),
            (Takes::Text | Takes::Integer | Takes::Long, None) => {
                let next = words.next().cloned();
                Some(next.ok_or_else(|| format!("Option {} requires an argument", option.name))?)
            }
        };
        read.found.push((option.name, value));
    }
    let helped = read.has("help");
    let idle = options.iter().filter(|option| !option.only_with.is_empty() && read.has(option.name));
    let unavailable: Vec<&str> = idle
        .filter(|option| !option.only_with.iter().any(|other| read.has(other)))
        .map(|option| option.name)
        .collect();
    if !unavailable.is_empty() && !helped {
        let list = unavailable.join(", ");
        return Err(format!("Option(s) [{list}] are unavailable given other options on the command line"));
    }
    Ok(read)
}

/// A dash alone is a word.
fn looks_like_an_option(word: &str) -> bool {
    word.len() > 1 && word.starts_with('-')
}

/// The name, and what stands behind the `=`.
fn split(word: &str) -> (&str, Option<&str>) {
    let word = word.strip_prefix("--").or_else(|| word.strip_prefix('-')).unwrap_or(word);
    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)))
}

fn named<'a>(options: &'a [Opt], name: &str) -> Option<&'a Opt> {
    options.iter().find(|option| option.name == name)
}

/// Behind one dash a name that is not known is a row of letters, and the first that is no option is told.
fn unrecognized(options: &[Opt], word: &str, name: &str) -> String {
    let letters = !word.starts_with("--");
    let stranger = name.chars().map(String::from).find(|letter| named(options, letter).is_none());
    match stranger {
        Some(letter) if letters => format!("{letter} is not a recognized option"),
        _ => format!("{name} is not a recognized option"),
    }
}

/// The table of options below an error or a `--help`.
pub fn table(options: &[Opt]) -> String {
    let mut sorted: Vec<&Opt> = options.iter().collect();
    sorted.sort_by_key(|option| option.name);
    let shown = |option: &Opt| match option.takes {
        Takes::Nothing => format!("--{}", option.name),
        Takes::Maybe => format!("--{} [String]", option.name),
        Takes::Text => format!("--{} <String>", option.name),
        Takes::Integer => format!("--{} <Integer>", option.name),
        Takes::Long => format!("--{} <Long>", option.name),
    };
    let width = sorted.iter().map(|option| shown(option).len()).max().unwrap_or(0).max("Option".len());
    let mut text = format!("{:width$}  Description\n{:width$}  -----------\n", "Option", "------");
    for option in sorted {
        let line = format!("{:width$}  {}", shown(option), option.about);
        let _always_fits = writeln!(text, "{}", line.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &[Opt] = &[
        opt("describe", Takes::Nothing, ""),
        opt("delete", Takes::Nothing, ""),
        opt("delete-offsets", Takes::Nothing, ""),
        opt("topic", Takes::Text, ""),
        opt("partitions", Takes::Integer, ""),
        Opt { name: "state", takes: Takes::Maybe, about: "", only_with: &["describe"] },
        opt("help", Takes::Nothing, ""),
    ];

    type Found = Vec<(&'static str, Option<String>)>;

    fn told(line: &str) -> Result<Found, String> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        read(OPTIONS, &words).map(|read| read.found)
    }

    #[test]
    fn options_are_read_as_joptsimple_reads_them() {
        let some = |name, value: &str| (name, Some(value.to_owned()));
        let cases: &[(&str, Found)] = &[
            (
                "--topic a --topic=b -topic c",
                vec![some("topic", "a"), some("topic", "b"), some("topic", "c")],
            ),
            ("--delete", vec![("delete", None)]),
            ("--topic --delete", vec![some("topic", "--delete")]),
            ("--topic= --delete", vec![some("topic", "--delete")]),
            ("--describe --state", vec![("describe", None), ("state", None)]),
            ("--describe --state Stable", vec![("describe", None), some("state", "Stable")]),
            ("--state --describe", vec![("state", None), ("describe", None)]),
            ("--partitions -1", vec![some("partitions", "-1")]),
        ];
        for (line, expected) in cases {
            assert_eq!(told(line).as_ref(), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_told_in_joptsimples_words() {
        let cases = [
            ("--de", "de is not a recognized option"),
            ("--nothing", "nothing is not a recognized option"),
            ("-xyz", "x is not a recognized option"),
            ("--topic", "Option topic requires an argument"),
            ("--part 3", "part is not a recognized option"),
            ("--state", "Option(s) [state] are unavailable given other options on the command line"),
        ];
        for (line, expected) in cases {
            assert_eq!(told(line), Err(expected.to_owned()), "{line}");
        }
    }

    #[test]
    fn one_value_is_asked_for_and_many_may_be_there() {
        let words = ["--topic", "a", "--topic", "b"].map(str::to_owned);
        let read = read(OPTIONS, &words).unwrap();
        assert_eq!(read.values("topic"), ["a", "b"]);
        assert!(read.value("topic").is_err_and(|told| told.contains("multiple arguments for option topic")));
    }

    #[test]
    fn numbers_are_looked_at_when_they_are_asked_for() {
        let of = |value: &str| read(OPTIONS, &["--partitions".to_owned(), value.to_owned()]).unwrap();
        assert_eq!(of("7").integer("partitions"), Ok(Some(7)));
        for wrong in ["many", "3000000000"] {
            let told = format!("Cannot parse argument '{wrong}' of option partitions");
            assert_eq!(of(wrong).integer("partitions"), Err(told));
        }
        assert_eq!(of("3000000000").long("partitions"), Ok(Some(3_000_000_000)));
    }
}
