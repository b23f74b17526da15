//! A command line as argparse4j reads it, the library behind those of Kafka's scripts that have verbs: a verb, then its flags, each by
//! any of its names, cut short as long as one fits. Owns its rules and its words for what is wrong.

use super::terms::End;
use crate::failure::say;

/// One flag.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// All its names, with dashes; the first is what it is asked for by.
    pub names: &'static [&'static str],
    /// Something stands behind it.
    pub value: bool,
}

/// One verb, and its flags.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// Its name.
    pub name: &'static str,
    /// Its flags.
    pub flags: &'static [Flag],
}

/// A command line, read.
#[derive(Debug)]
pub struct Parsed {
    /// The verb that was typed.
    pub verb: &'static str,
    found: Vec<(&'static Flag, String)>,
}

impl Parsed {
    /// Its last value.
    pub fn value(&self, name: &str) -> Option<&str> {
        let of_it = self.found.iter().rev().find(|(flag, _)| flag.names.contains(&name));
        of_it.map(|(_, value)| value.as_str())
    }

    /// All its values, in the order in which they were typed.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let of_it = self.found.iter().filter(move |(flag, _)| flag.names.contains(&name));
        of_it.map(|(_, value)| value.as_str())
    }

    /// The flags that were typed, each by its first name.
    pub fn typed(&self) -> impl Iterator<Item = &'static str> {
        self.found.iter().filter_map(|(flag, _)| flag.names.first().copied())
    }

    /// True where it was typed.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }
}

/// The message behind the usage, and the exit code 1.
pub fn wrong(script: &str, message: &str) -> End {
    told(script, "", message)
}

fn told(script: &str, verbs: &str, message: &str) -> End {
    say(format_args!("usage: {script} [-h] {verbs}..."));
    say(format_args!("{script}: error: {message}"));
    End::Exit(1)
}

/// Reads the words.
pub fn read(script: &str, verbs: &'static [Verb], words: &[String]) -> Result<Parsed, End> {
    let names = || verbs.iter().map(|verb| verb.name).collect::<Vec<_>>().join(",");
    let usage = format!("{{{}}} ", names());
    let wrong = |_: &str, message: &str| told(script, &usage, message);
    let Some((first, rest)) = words.split_first() else {
        return Err(wrong(script, "too few arguments"));
    };
    if first == "-h" || first == "--help" {
        let verbs = names();
        super::words::print_line(&format!("usage: {script} [-h] {{{verbs}}} ...\n\n  {{{verbs}}}"))?;
        return Err(End::Exit(0));
    }
    let Some(verb) = verbs.iter().find(|verb| verb.name == first) else {
        let listed = verbs.iter().map(|verb| format!("'{}'", verb.name)).collect::<Vec<_>>().join(", ");
        return Err(match first.starts_with('-') {
            true => wrong(script, &format!("unrecognized arguments: '{first}'")),
            false => wrong(script, &format!("invalid choice: '{first}' (choose from {listed})")),
        });
    };
    let mut parsed = Parsed { verb: verb.name, found: Vec::new() };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        if word == "-h" || word == "--help" {
            help(script, verb)?;
            return Err(End::Exit(0));
        }
        let (name, given) = match word.split_once('=') {
            Some((name, value)) if word.starts_with("--") => (name, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let strange = || wrong(script, &format!("unrecognized arguments: '{word}'"));
        let flag = named(verb, name).ok_or_else(strange)?;
        let value = match (flag.value, given) {
            (false, _) => String::new(),
            (true, Some(given)) => given,
            (true, None) => rest.next().cloned().ok_or_else(|| {
                wrong(script, &format!("argument {}: expected one argument", flag.names.join("/")))
            })?,
        };
        parsed.found.push((flag, value));
    }
    Ok(parsed)
}

/// The flag of this name, or the only long one that begins so.
fn named(verb: &'static Verb, name: &str) -> Option<&'static Flag> {
    let exact = verb.flags.iter().find(|flag| flag.names.contains(&name));
    exact.or_else(|| {
        let begins = |flag: &&&Flag| flag.names.iter().any(|known| known.starts_with(name));
        let mut like = verb.flags.iter().filter(|flag| name.starts_with("--") && begins(&flag));
        like.next().filter(|_| like.next().is_none())
    })
}

/// A line for each flag, with all its names.
fn help(script: &str, verb: &Verb) -> Result<(), End> {
    let mut lines = vec![
        format!("usage: {script} {} [-h] ...", verb.name),
        String::new(),
        "optional arguments:".to_owned(),
        "  -h, --help             show this help message and exit".to_owned(),
    ];
    let value = |flag: &Flag| {
        let long = flag.names.iter().find(|name| name.starts_with("--")).unwrap_or(&"--value");
        long.trim_start_matches('-').replace('-', "_").to_uppercase()
    };
    for flag in verb.flags {
        let named =
            |name: &&str| if flag.value { format!("{name} {}", value(flag)) } else { (*name).to_owned() };
        lines.push(format!("  {}", flag.names.iter().map(named).collect::<Vec<_>>().join(", ")));
    }
    Ok(super::words::print_line(&lines.join("\n"))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERBS: &[Verb] = &[Verb {
        name: "describe",
        flags: &[
            Flag { names: &["-b", "--bootstrap-server"], value: true },
            Flag { names: &["--status"], value: false },
        ],
    }];

    #[test]
    fn flags_stand_behind_a_verb() {
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<String>>();
        let parsed = read("x", VERBS, &words("describe --boot h:1 --status")).unwrap();
        assert_eq!(
            (parsed.verb, parsed.value("-b"), parsed.has("--status")),
            ("describe", Some("h:1"), true)
        );
        assert_eq!(
            read("x", VERBS, &words("describe --bootstrap-server=h:1")).unwrap().value("-b"),
            Some("h:1")
        );
        for wrong in ["no", "describe -x", "describe -b", "-b h:1"] {
            assert!(matches!(read("x", VERBS, &words(wrong)), Err(End::Exit(1))), "{wrong}");
        }
    }
}
