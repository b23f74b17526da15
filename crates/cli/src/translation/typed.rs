//! A command line of Kafka's tools, taken apart: options, their values, words that stand alone. Knows no tool.

/// Options that are switches wherever a tool has them.
const SWITCHES: &[&str] = &[
    "--list",
    "--create",
    "--describe",
    "--alter",
    "--delete",
    "--reset-offsets",
    "--delete-offsets",
    "--all",
    "--entity-default",
    "--broker-defaults",
    "--if-exists",
    "--if-not-exists",
    "--exclude-internal",
    "--exclude-internal-topics",
    "--under-replicated-partitions",
    "--unavailable-partitions",
    "--topics-with-overrides",
    "--members",
    "--offsets",
    "--verbose",
    "--all-groups",
    "--all-topics",
    "--execute",
    "--dry-run",
    "--to-earliest",
    "--to-latest",
    "--to-current",
    "--from-beginning",
    "--version",
    "--force",
    "--sync",
];

/// Options that say where the cluster is: taken along as they stand.
const CONNECTION: &[&str] = &[
    "-b",
    "--bootstrap-server",
    "--bootstrap-servers",
    "--broker-list",
    "--command-config",
    "--consumer.config",
    "--producer.config",
    "--command-property",
    "--consumer-property",
    "--producer-property",
    "-X",
];

/// A command line as it was typed; what a translation understands is taken out of it.
#[derive(Debug, Default)]
pub struct Typed {
    /// Options and their values, in the order in which they were typed.
    pub options: Vec<(String, Option<String>)>,
    /// Words that belong to no option.
    pub bare: Vec<String>,
    /// Options that say where the cluster is, and their values.
    pub connection: Vec<String>,
}

impl Typed {
    /// Tells options, their values and other words apart.
    pub fn read(words: &[String]) -> Typed {
        let mut typed = Typed::default();
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            if !word.starts_with('-') || word == "-" {
                typed.bare.push(word.clone());
                continue;
            }
            let (name, joined) =
                word.split_once('=').map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
            let may_follow = !SWITCHES.contains(&name);
            let follows = |next: &&String| may_follow && (!next.starts_with("--") || next.as_str() == "--");
            let value = joined.map(str::to_owned).or_else(|| words.next_if(follows).cloned());
            if CONNECTION.contains(&name) {
                typed.connection.extend(std::iter::once(name.to_owned()).chain(value));
            } else {
                typed.options.push((name.to_owned(), value));
            }
        }
        typed
    }

    /// Whether the switch was there.
    pub fn switch(&mut self, name: &str) -> bool {
        let before = self.options.len();
        self.options.retain(|(known, value)| known != name || value.is_some());
        self.options.len() < before
    }

    /// Every value of an option.
    pub fn values(&mut self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        self.options.retain_mut(|(known, value)| match value.take_if(|_| known.as_str() == name) {
            Some(value) => {
                values.push(value);
                false
            }
            None => true,
        });
        values
    }

    /// The value of an option that may stand once; the last counts.
    pub fn value(&mut self, name: &str) -> Option<String> {
        self.values(name).pop()
    }

    /// The verb, as Kafka's option or as ours: a word behind the tool's name.
    pub fn verb(&mut self, verbs: &[&'static str]) -> Option<&'static str> {
        if let Some(verb) = verbs.iter().find(|verb| self.bare.first().is_some_and(|word| word == *verb)) {
            self.bare.remove(0);
            return Some(verb);
        }
        verbs.iter().find(|verb| self.switch(&format!("--{verb}"))).copied()
    }

    /// What an option named, in lists with commas, and the words that stand alone.
    pub fn names(&mut self, option: &str) -> Vec<String> {
        let named = self.values(option);
        let named = named.iter().flat_map(|list| list.split(',')).map(str::to_owned);
        named.chain(std::mem::take(&mut self.bare)).collect()
    }

    /// Options that are called the same here, with their values.
    pub fn same(&mut self, names: &[&str]) -> Vec<String> {
        let mut words = Vec::new();
        for name in names {
            if self.switch(name) {
                words.push((*name).to_owned());
            }
            words.extend(self.values(name).into_iter().flat_map(|value| [(*name).to_owned(), value]));
        }
        words
    }

    /// Options that are called otherwise here: (Kafka's, ours).
    pub fn renamed(&mut self, names: &[(&str, &str)]) -> Vec<String> {
        let mut words = Vec::new();
        for (kafka, ours) in names {
            if self.switch(kafka) {
                words.push((*ours).to_owned());
            }
            words.extend(self.values(kafka).into_iter().flat_map(|value| renamed_value(ours, value)));
        }
        words
    }

    /// Options that say what is so here without them.
    pub fn drop_switches(&mut self, names: &[&str]) {
        for name in names {
            self.switch(name);
        }
    }
}

/// `--acks` and its value are two words, `-X batch.size` and its value are joined.
fn renamed_value(ours: &str, value: String) -> Vec<String> {
    match ours.split_once(' ') {
        Some((option, key)) => vec![option.to_owned(), format!("{key}={value}")],
        None => vec![ours.to_owned(), value],
    }
}
