//! Whole commands of Kafka's tools as ours: what `kafka-configs --describe --entity-type topics --entity-name t` is called here.
//! Owns the options of those tools and what becomes of them; never a guess: a word that is not understood, and there is no
//! translation. What the grammar takes as it stands is `spelling`'s business.

mod typed;

use crate::invocation::quoted;
use typed::Typed;

/// A tool of Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Topics,
    Configs,
    ConsumerGroups,
    ConsoleConsumer,
    ConsoleProducer,
    GetOffsets,
}

/// What the tools are called, without `kafka-` and `.sh`, and what they are called here.
const NAMES: &[(&str, Tool)] = &[
    ("topics", Tool::Topics),
    ("topic", Tool::Topics),
    ("configs", Tool::Configs),
    ("config", Tool::Configs),
    ("consumer-groups", Tool::ConsumerGroups),
    ("groups", Tool::ConsumerGroups),
    ("group", Tool::ConsumerGroups),
    ("console-consumer", Tool::ConsoleConsumer),
    ("consumer", Tool::ConsoleConsumer),
    ("consume", Tool::ConsoleConsumer),
    ("console-producer", Tool::ConsoleProducer),
    ("producer", Tool::ConsoleProducer),
    ("produce", Tool::ConsoleProducer),
    ("get-offsets", Tool::GetOffsets),
];

/// Tools whose options are not translated, and the command that does the same.
const COUNTERPARTS: &[(&str, &str)] = &[
    ("server-start", "ottla server server.properties"),
    ("storage", "ottla storage --help"),
    ("dump-log", "ottla dump FILE"),
    ("log-dirs", "ottla cluster log-dirs"),
    ("broker-api-versions", "ottla cluster api-versions"),
    ("cluster", "ottla cluster info"),
    ("metadata-quorum", "ottla quorum status"),
    ("reassign-partitions", "ottla partition reassign --help"),
    ("leader-election", "ottla partition elect --help"),
    ("delete-records", "ottla topic trim TOPIC --before OFFSET"),
];

/// The whole command that was meant, as the words behind the program's name; `None` where some of it is not understood.
pub fn ours(words: &[String]) -> Option<Vec<String>> {
    let mut typed = Typed::read(words);
    let tool = tool_of(&mut typed)?;
    let mut ours = match tool {
        Tool::Topics => topics(&mut typed),
        Tool::Configs => configs(&mut typed),
        Tool::ConsumerGroups => consumer_groups(&mut typed),
        Tool::ConsoleConsumer => console_consumer(&mut typed),
        Tool::ConsoleProducer => console_producer(&mut typed),
        Tool::GetOffsets => get_offsets(&mut typed),
    }?;
    ours.append(&mut typed.connection);
    (typed.options.is_empty() && typed.bare.is_empty()).then_some(ours)
}

/// The command that does what a tool does whose options are not translated.
pub fn counterpart(words: &[String]) -> Option<&'static str> {
    let name = bare_name(words.first()?);
    COUNTERPARTS.iter().find(|(known, _)| *known == name).map(|(_, command)| *command)
}

/// A command as it is typed into a shell.
pub fn shown(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("ottla {}", words.join(" "))
}

fn bare_name(word: &str) -> &str {
    let name = word.rsplit('/').next().unwrap_or(word);
    let name = name.strip_suffix(".sh").unwrap_or(name);
    name.strip_prefix("kafka-").unwrap_or(name)
}

fn tool_of(typed: &mut Typed) -> Option<Tool> {
    let name = bare_name(typed.bare.first()?);
    let tool = NAMES.iter().find(|(known, _)| *known == name).map(|(_, tool)| *tool)?;
    typed.bare.remove(0);
    Some(tool)
}

/// Noun and verb, what they are done to, and the rest.
fn command(noun_and_verb: &[&str], names: Vec<String>, rest: Vec<String>) -> Vec<String> {
    noun_and_verb.iter().map(|word| (*word).to_owned()).chain(names).chain(rest).collect()
}

fn topics(typed: &mut Typed) -> Option<Vec<String>> {
    let verb = typed.verb(&["list", "create", "describe", "alter", "delete"])?;
    let names = typed.names("--topic");
    // What is so here without them.
    typed.drop_switches(&["--exclude-internal", "--topics-with-overrides"]);
    let partitions = if verb == "alter" { typed.value("--partitions") } else { None };
    if let Some(total) = partitions {
        return Some(command(&["topic", "add-partitions"], names, vec!["--total".to_owned(), total]));
    }
    let mut rest = typed.renamed(&[
        ("--under-replicated-partitions", "--under-replicated"),
        ("--unavailable-partitions", "--unavailable"),
        ("--add-config", "--set"),
        ("--delete-config", "--unset"),
    ]);
    rest.extend(typed.same(&[
        "--partitions",
        "--replication-factor",
        "--replica-assignment",
        "--config",
        "--if-exists",
        "--if-not-exists",
    ]));
    Some(command(&["topic", verb], names, rest))
}

fn get_offsets(typed: &mut Typed) -> Option<Vec<String>> {
    typed.drop_switches(&["--exclude-internal-topics"]);
    let names = typed.names("--topic");
    Some(command(&["topic", "offsets"], names, typed.same(&["--time"])))
}

fn configs(typed: &mut Typed) -> Option<Vec<String>> {
    let verb = typed.verb(&["describe", "alter"])?;
    typed.drop_switches(&["--force"]);
    let entity = entity(typed)?;
    let all = typed.same(&["--all"]);
    if verb == "describe" {
        return Some(match entity {
            Entity::One(entity) => command(&["config", "get"], entity, all),
            // Shows the configs of each.
            Entity::AllTopics => command(&["topic", "describe"], Vec::new(), Vec::new()),
        });
    }
    let Entity::One(entity) = entity else { return None };
    let pairs: Vec<String> = typed.values("--add-config").iter().flat_map(|list| pairs(list)).collect();
    let keys = typed.values("--delete-config");
    let keys: Vec<String> = keys.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    match (pairs.is_empty(), keys.is_empty()) {
        (false, true) => Some(command(&["config", "set"], entity, pairs)),
        (true, false) => Some(command(&["config", "unset"], entity, keys)),
        // Two commands here, or none.
        (false, false) | (true, true) => None,
    }
}

/// Whose configs.
enum Entity {
    /// Our option, and its value.
    One(Vec<String>),
    AllTopics,
}

fn entity(typed: &mut Typed) -> Option<Entity> {
    let one = |words: Vec<&str>| Some(Entity::One(words.into_iter().map(str::to_owned).collect()));
    if typed.switch("--broker-defaults") {
        return one(vec!["--all-brokers"]);
    }
    for option in ["--topic", "--broker", "--group", "--client-metrics", "--broker-logger"] {
        if let Some(name) = typed.value(option) {
            return one(vec![option, &name]);
        }
    }
    let (kind, name) = (typed.value("--entity-type")?, typed.value("--entity-name"));
    let option = match kind.as_str() {
        "topics" => "--topic",
        "brokers" => "--broker",
        "groups" => "--group",
        "client-metrics" => "--client-metrics",
        "broker-loggers" => "--broker-logger",
        _users_clients_and_addresses => return None,
    };
    match name {
        Some(name) => one(vec![option, &name]),
        None if typed.switch("--entity-default") && kind == "brokers" => one(vec!["--all-brokers"]),
        None if kind == "topics" => Some(Entity::AllTopics),
        None => None,
    }
}

/// `a=1,b=[x,y]` are two pairs: commas within brackets belong to the value.
fn pairs(list: &str) -> Vec<String> {
    let mut depth = 0;
    let within = |c: char| {
        depth += i32::from(c == '[') - i32::from(c == ']');
        c == ',' && depth == 0
    };
    let parts: Vec<&str> = list.split(within).collect();
    let unwrapped = |part: &&str| match part.split_once("=[") {
        Some((key, value)) => format!("{key}={}", value.strip_suffix(']').unwrap_or(value)),
        None => (*part).to_owned(),
    };
    parts.iter().map(unwrapped).collect()
}

fn consumer_groups(typed: &mut Typed) -> Option<Vec<String>> {
    let verb = typed.verb(&["list", "describe", "delete", "reset-offsets", "delete-offsets", "lag"])?;
    let names = typed.names("--group");
    typed.drop_switches(&["--all-topics", "--verbose"]);
    let all = typed.switch("--all-groups");
    match verb {
        // Kafka's describe shows offsets, unless it is asked for members.
        "describe" => {
            let members = typed.switch("--members") | typed.switch("--state");
            typed.drop_switches(&["--offsets"]);
            match (members, all || names.is_empty()) {
                (true, false) => Some(command(&["group", "describe"], names, Vec::new())),
                (false, false) => Some(command(&["group", "lag"], names, Vec::new())),
                (false, true) if all => Some(command(&["group", "lag"], Vec::new(), Vec::new())),
                (_, true) => None,
            }
        }
        _ if all => None,
        "list" => {
            // Its own column.
            typed.drop_switches(&["--state", "--type"]);
            Some(command(&["group", verb], names, typed.same(&["--state", "--type"])))
        }
        _ => {
            let rest = typed.same(&[
                "--topic",
                "--to-earliest",
                "--to-latest",
                "--to-current",
                "--to-offset",
                "--shift-by",
                "--to-datetime",
                "--by-duration",
                "--from-file",
                "--execute",
                "--dry-run",
            ]);
            Some(command(&["group", verb], names, rest))
        }
    }
}

/// Properties of the console consumer whose value is a text, and our option for each.
const TEXTS_OF_A_CONSUMER: &[(&str, &str)] =
    &[("key.separator", "--key-separator"), ("line.separator", "--delimiter"), ("null.literal", "--null")];

fn console_consumer(typed: &mut Typed) -> Option<Vec<String>> {
    let mut rest = Vec::new();
    for property in properties(typed, &["--property", "--formatter-property"]) {
        let (key, value) = property.split_once('=')?;
        if let Some((_, option)) = TEXTS_OF_A_CONSUMER.iter().find(|(known, _)| *known == key) {
            rest.extend([*option, value].map(str::to_owned));
            continue;
        }
        let (option, wanted) = match key {
            "print.key" => ("--print-key", "true"),
            "print.timestamp" => ("--print-timestamp", "true"),
            "print.partition" => ("--print-partition", "true"),
            "print.offset" => ("--print-offset", "true"),
            "print.headers" => ("--print-headers", "true"),
            "print.value" => ("--no-value", "false"),
            _other => return None,
        };
        if value == wanted {
            rest.push(option.to_owned());
        }
    }
    if typed.value("--isolation-level").is_some_and(|level| level == "read_committed") {
        rest.push("--read-committed".to_owned());
    }
    // The key is printed before a separator in any case.
    if rest.iter().any(|word| word == "--key-separator") {
        rest.retain(|word| word != "--print-key");
    }
    rest.extend(typed.renamed(&[("--max-messages", "--max-records")]));
    rest.extend(typed.same(&["--from-beginning", "--partition", "--offset", "--group", "--timeout-ms"]));
    let topics = typed.names("--topic");
    Some(command(&["consume"], topics, rest))
}

fn console_producer(typed: &mut Typed) -> Option<Vec<String>> {
    let (mut has_key, mut separator) = (false, "\\t".to_owned());
    for property in properties(typed, &["--property", "--reader-property"]) {
        match property.split_once('=')? {
            ("parse.key", value) => has_key = value == "true",
            ("key.separator", value) => separator = value.to_owned(),
            ("parse.headers", "false") => {}
            _other => return None,
        }
    }
    let mut rest = if has_key { vec!["--key-separator".to_owned(), separator] } else { Vec::new() };
    if typed.switch("--compression-codec") {
        rest.extend(["--compression", "gzip"].map(str::to_owned));
    }
    rest.extend(typed.renamed(&[
        ("--compression-codec", "--compression"),
        ("--request-required-acks", "--acks"),
        ("--batch-size", "-X batch.size"),
        ("--max-partition-memory-bytes", "-X batch.size"),
        ("--request-timeout-ms", "-X request.timeout.ms"),
        ("--max-block-ms", "-X max.block.ms"),
        ("--message-send-max-retries", "-X retries"),
        ("--retry-backoff-ms", "-X retry.backoff.ms"),
        ("--max-memory-bytes", "-X buffer.memory"),
    ]));
    let topics = typed.names("--topic");
    Some(command(&["produce"], topics, rest))
}

/// `a=b` of each, and of lists with commas, whose commas may be the value itself.
fn properties(typed: &mut Typed, options: &[&str]) -> Vec<String> {
    options.iter().flat_map(|option| typed.values(option)).collect()
}

#[cfg(test)]
mod tests;
