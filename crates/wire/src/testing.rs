//! Tests as dialogue, for the crates above: lines that begin with `> ` are said, everything until the next of them is what was heard.
//! Owns the reading, the comparing and the writing down; what is said means is the test's business. Compiled for tests only.

use std::path::Path;
use std::str::FromStr;

/// Plays every script of a folder, by name, and panics with the first difference of each that is not heard as it is written.
/// `OTTLA_UPDATE_SCRIPTS=1` writes down what is heard now instead. `play` is given a script and answers what it should look like:
/// [`replay`] with a fresh stage.
pub fn check_scripts(folder: &Path, play: impl Fn(&str) -> String) {
    let update = std::env::var_os("OTTLA_UPDATE_SCRIPTS").is_some();
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("a folder of scripts")
        .map(|file| file.expect("a file").path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{}: no script", folder.display());
    let mut wrong = Vec::new();
    for file in files {
        let written = std::fs::read_to_string(&file).expect("a script is text");
        let heard = play(&written);
        if heard == written {
            continue;
        }
        if update {
            std::fs::write(&file, heard).expect("a script can be written");
        } else {
            wrong.push(format!("{}\n{}", file.display(), first_difference(&written, &heard)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn first_difference(written: &str, heard: &str) -> String {
    let at = written.lines().zip(heard.lines()).position(|(left, right)| left != right);
    let at = at.unwrap_or(written.lines().count().min(heard.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
    format!("line {}: written {:?}, heard {:?}", at + 1, line(written), line(heard))
}

/// Says all of a script again and answers what it should look like. `say` is given each line that is said, and answers the lines
/// that are heard. Comments (`#`) and empty lines stay where they are, before what is said next.
pub fn replay(script: &str, mut say: impl FnMut(&str) -> Vec<String>) -> String {
    let mut output = String::new();
    let mut may_hear = false;
    for line in script.lines() {
        if let Some(said) = line.strip_prefix("> ") {
            push_line(&mut output, line);
            for heard in say(said) {
                let confusing = heard.is_empty() || heard.starts_with(['>', '#']);
                assert!(!confusing, "what is heard would be read as something else: {heard}");
                push_line(&mut output, &heard);
            }
            may_hear = true;
        } else if line.starts_with('#') || line.is_empty() {
            push_line(&mut output, line);
            may_hear = false;
        } else {
            assert!(may_hear, "an answer stands where nothing was said: {line}");
        }
    }
    output
}

fn push_line(output: &mut String, line: &str) {
    output.push_str(line);
    output.push('\n');
}

/// What is said: `verb word word key=value key=value`. Quotes are not needed.
#[derive(Clone, Debug)]
pub struct Command<'a> {
    /// The first word.
    pub verb: &'a str,
    /// Words without a value, in order.
    pub words: Vec<&'a str>,
    keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Command<'a> {
    /// Takes a line apart.
    pub fn parse(line: &'a str) -> Self {
        let mut parts = line.split_whitespace();
        let verb = parts.next().unwrap_or_default();
        let mut command = Command { verb, words: Vec::new(), keys: Vec::new() };
        for part in parts {
            match part.split_once('=') {
                Some((key, value)) => command.keys.push((key, value)),
                None => command.words.push(part),
            }
        }
        command
    }

    /// The word at a position; empty if there are fewer.
    pub fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    /// True if the word is there.
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// The value of a key.
    pub fn text(&self, key: &str) -> Option<&'a str> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }

    /// The number of a key.
    pub fn number<T: FromStr>(&self, key: &str) -> Option<T> {
        self.text(key).map(|value| value.parse().unwrap_or_else(|_| panic!("{key}={value} is not a number")))
    }

    /// Keys that begin with a prefix, without it: `set:a=1` under `set:` is `a` and `1`.
    pub fn prefixed<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, 's> {
        self.keys.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
    }
}

/// `1,2,3`
pub fn numbers(list: &str) -> Vec<i32> {
    let parse = |part: &str| part.parse().unwrap_or_else(|_| panic!("{part} is not a number"));
    list.split(',').filter(|part| !part.is_empty()).map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(said: &str) -> Vec<String> {
        let command = Command::parse(said);
        command.words.iter().map(|word| format!("{} {word}", command.verb)).collect()
    }

    #[test]
    fn what_is_heard_takes_the_place_of_what_was_written() {
        let script = "# first\n> say a b\nsay a\nsay b\n\n# nothing\n> say\n> say c\nsay c\n";
        assert_eq!(replay(script, echo), script);
        let wrong = script.replace("say b\n", "say x\nsay y\n");
        assert_eq!(replay(&wrong, echo), script);
        assert_eq!(first_difference(&wrong, script), "line 4: written \"say x\", heard \"say b\"");
        assert_eq!(first_difference("a\nb\n", "a\n"), "line 2: written \"b\", heard \"(end)\"");
    }

    #[test]
    #[should_panic(expected = "an answer stands where nothing was said: b")]
    fn an_answer_to_nobody_is_a_mistake() {
        replay("> say a\nsay a\n\nb\n", echo);
    }

    #[test]
    fn a_command_is_a_verb_words_and_keys() {
        let command = Command::parse("create topic set:a=1 rf=2 quickly set:b=x=y");
        assert_eq!((command.verb, command.word(0), command.word(2)), ("create", "topic", ""));
        assert!(command.has("quickly") && !command.has("rf"));
        assert_eq!((command.number::<i16>("rf"), command.text("none")), (Some(2), None));
        assert_eq!(command.prefixed("set:").collect::<Vec<_>>(), [("a", "1"), ("b", "x=y")]);
        assert_eq!(numbers("1,-2,"), [1, -2]);
    }
}
