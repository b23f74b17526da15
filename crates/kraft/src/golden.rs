//! Tests as dialogue: a script is a sequence of blocks, each some commands, a line `---`, and what came of them. Owns the reading
//! and comparing; what commands mean is the test's business.

/// Runs a script. On a difference, panics with the whole script as it would have to be; if that is right, it is the new script.
pub(crate) fn run(name: &str, script: &str, mut execute: impl FnMut(&Command<'_>) -> String) {
    let mut actual = String::new();
    let mut block = String::new();
    let mut in_output = false;
    for line in script.lines() {
        match (in_output, line) {
            (false, "---") => {
                actual.push_str("---\n");
                actual.push_str(if block.is_empty() { "ok\n" } else { &block });
                block.clear();
                in_output = true;
            }
            (false, line) => {
                actual.push_str(line);
                actual.push('\n');
                if !line.is_empty() && !line.starts_with('#') {
                    block.push_str(&execute(&Command::parse(line)));
                }
            }
            (true, "") => {
                actual.push('\n');
                in_output = false;
            }
            (true, _) => {}
        }
    }
    assert!(in_output, "{name}: a script ends with the output of its last block");
    if actual.trim_end() != script.trim_end() {
        let at = actual.lines().zip(script.lines()).position(|(a, b)| a != b).unwrap_or(0);
        panic!("{name}: differs at line {}; this is what happened:\n=====\n{actual}=====", at + 1);
    }
}

/// `verb word word key=value key=value`; quotes are not needed.
pub(crate) struct Command<'a> {
    pub verb: &'a str,
    pub words: Vec<&'a str>,
    keys: Vec<(&'a str, &'a str)>,
}

impl<'a> Command<'a> {
    pub fn parse(line: &'a str) -> Self {
        let mut parts = line.split(' ').filter(|part| !part.is_empty());
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

    /// The word at a position.
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
    pub fn number(&self, key: &str) -> Option<i64> {
        self.text(key).map(|value| value.parse().unwrap_or_else(|_| panic!("{key}={value} is not a number")))
    }

    /// Keys that begin with a prefix, without it: `set:a=1` under `set:` is `a` and `1`.
    pub fn prefixed<'s>(&'s self, prefix: &'s str) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a, 's> {
        self.keys.iter().filter_map(move |(name, value)| Some((name.strip_prefix(prefix)?, *value)))
    }
}

/// `1,2,3`
pub(crate) fn numbers(list: &str) -> Vec<i32> {
    let parse = |part: &str| part.parse().unwrap_or_else(|_| panic!("{part} is not a number"));
    list.split(',').filter(|part| !part.is_empty()).map(parse).collect()
}
