//! The command line as people type it: Kafka's spelling of verbs and topics, and connection options in front of the command,
//! are put into the grammar's order before clap reads them. Owns words and their places; never a meaning.

/// Nouns and their verbs.
const VERBS: &[(&str, &[&str])] = &[
    (
        "topic",
        &[
            "list",
            "create",
            "describe",
            "alter",
            "delete",
            "add-partitions",
            "trim",
            "offsets",
            "produce",
            "consume",
        ],
    ),
    ("group", &["list", "describe", "lag", "why", "reset-offsets", "delete", "delete-offsets"]),
    ("config", &["get", "set", "unset"]),
    ("cluster", &["info", "log-dirs", "api-versions", "quorum", "up"]),
    ("quorum", &["status", "doctor", "add-voter", "remove-voter", "replace"]),
    ("broker", &["list", "describe", "drain", "cordon", "uncordon", "unregister"]),
    ("partition", &["list", "elect", "reassign"]),
    ("dlq", &["list", "show", "redrive", "discard"]),
    ("txn", &["list", "describe", "producers", "find-hanging", "abort"]),
    ("acl", &["list", "create", "delete", "explain"]),
    ("user", &["list", "create", "delete"]),
    ("quota", &["list", "set", "delete"]),
    ("token", &["list", "create", "renew", "expire"]),
    ("generate", &["dashboards", "alerts", "prometheus"]),
];

/// Commands that talk to a cluster and have no verbs.
const WITHOUT_VERB: &[&str] = &["produce", "consume", "registry"];

/// Connection options that take a value.
const CONNECTION: &[&str] = &[
    "-b",
    "--bootstrap-server",
    "--bootstrap-servers",
    "--broker-list",
    "-X",
    "--command-property",
    "--command-config",
    "--timeout",
];

/// Kafka names by option what is a plain argument here: noun, verb (any if empty) and the option.
const NAMED: &[(&str, &[&str], &str)] = &[
    ("topic", &[], "--topic"),
    ("produce", &[], "--topic"),
    ("consume", &[], "--topic"),
    ("group", &["describe", "lag", "reset-offsets", "delete", "delete-offsets"], "--group"),
];

/// The arguments (without the program's name) as the grammar has them.
pub fn settle(arguments: Vec<String>) -> Vec<String> {
    let Some(at) = command_at(&arguments) else { return arguments };
    let (before, rest) = arguments.split_at(at);
    let (noun, mut rest) = (rest[0].clone(), rest[1..].to_vec());
    let verbs = VERBS.iter().find(|(known, _)| *known == noun).map(|(_, verbs)| *verbs);
    if verbs.is_none() && !WITHOUT_VERB.contains(&noun.as_str()) {
        return arguments;
    }
    let mut settled = vec![noun.clone()];
    let mut verb = String::new();
    if let Some(found) = verbs.and_then(|verbs| take_verb(verbs, &mut rest)) {
        settled.push(found.clone());
        verb = found;
    }
    settled.extend(before.iter().cloned());
    if verbs.is_none() || !verb.is_empty() {
        let here = |(one, verbs, _): &&(&str, &[&str], &str)| {
            *one == noun && (verbs.is_empty() || verbs.contains(&verb.as_str()))
        };
        for (_, _, option) in NAMED.iter().filter(here) {
            settled.extend(take_values(option, &mut rest));
        }
    }
    settled.extend(rest);
    settled
}

/// Where the command stands: behind nothing but connection options and their values.
fn command_at(arguments: &[String]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = arguments.get(at) {
        if !word.starts_with('-') {
            return Some(at);
        }
        let (name, joined) = word.split_once('=').map_or((word.as_str(), false), |(name, _)| (name, true));
        let short = word.len() > 2 && (word.starts_with("-b") || word.starts_with("-X"));
        at += match CONNECTION.contains(&name) {
            true if joined => 1,
            true => 2,
            false if short => 1,
            false => return None,
        };
    }
    None
}

/// The verb as it stands, behind nothing but connection options; or as an option anywhere (`topic --list`).
fn take_verb(verbs: &[&str], rest: &mut Vec<String>) -> Option<String> {
    if let Some(at) = command_at(rest) {
        return Some(rest.remove(at));
    }
    let spelled = |word: &String| word.strip_prefix("--").is_some_and(|name| verbs.contains(&name));
    let at = rest.iter().position(spelled)?;
    Some(rest.remove(at).trim_start_matches('-').to_owned())
}

/// The values of an option, taken out: `--topic a`, `--topic=a`, `--topic a,b`.
fn take_values(option: &str, rest: &mut Vec<String>) -> Vec<String> {
    let mut values = Vec::new();
    let mut at = 0;
    while at < rest.len() && rest[at] != "--" {
        let joined = rest[at].strip_prefix(option).and_then(|tail| tail.strip_prefix('='));
        if let Some(value) = joined.map(str::to_owned) {
            rest.remove(at);
            values.push(value);
        } else if rest[at] == option && at + 1 < rest.len() {
            values.push(rest.remove(at + 1));
            rest.remove(at);
        } else {
            at += 1;
        }
    }
    values.iter().flat_map(|value| value.split(',')).map(str::to_owned).collect()
}

/// What stands here for an option that Kafka's tools have.
pub fn instead_of(option: &str) -> Option<&'static str> {
    let hint = match option.split('=').next().unwrap_or(option) {
        "--entity-type" | "--entity-name" | "--entity-default" | "--describe" | "--alter" => {
            "ottla config get --topic NAME, or --broker ID, --group NAME; set and unset change them"
        }
        "--add-config" => {
            "ottla config set --topic NAME KEY=VALUE, or --broker ID, --all-brokers, --group NAME"
        }
        "--delete-config" => {
            "ottla config unset --topic NAME KEY, or --broker ID, --all-brokers, --group NAME"
        }
        "--topic-partitions" => "ottla topic offsets TOPIC",
        "--export" => "ottla group lag GROUP -o json",
        "--property" | "--formatter-property" => {
            "--key-separator TEXT; to consume also --print-key, --print-timestamp, --print-headers, --format"
        }
        "--reader-property" => "--key-separator TEXT for parse.key; --null, --delimiter",
        "--isolation-level" => "--read-committed",
        "--from-latest" => "--offset end, which is where reading begins without --offset",
        "--include" | "--whitelist" => "the names of the topics: ottla consume TOPIC...",
        "--request-required-acks" => "--acks 0, 1 or all",
        "--compression-codec" => "--compression CODEC",
        "--under-replicated-partitions" => "--under-replicated",
        "--unavailable-partitions" => "--unavailable",
        "--topics-with-overrides" => "ottla topic describe, which shows them",
        "--members" | "--offsets" | "--state" => "ottla group describe GROUP, and ottla group lag GROUP",
        "--all-groups" => "ottla group lag, which shows all without a name",
        "--all-topics" => "no --topic at all",
        "--bootstrap-controller" => "-b HOST:PORT of a broker, which forwards",
        "--listen" => "ottla --listen HOST:PORT, or ottla server --set listeners=PLAINTEXT://HOST:PORT",
        "--data-dir" => "ottla --data-dir DIR, or ottla server --set log.dirs=DIR",
        "-daemon" | "--daemon" => "nohup, or a unit of your service manager",
        _other => return None,
    };
    Some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn check(typed: &str, expected: &str) {
        let words = typed.split_whitespace().map(str::to_owned).collect();
        assert_eq!(settle(words).join(" "), expected, "{typed}");
    }

    /// Else its connection options could not stand in front, which every example promises.
    #[test]
    fn every_command_that_talks_to_a_cluster_is_known_with_its_verbs() {
        let mut cli = crate::Cli::command();
        cli.build();
        for command in cli.get_subcommands() {
            if !command.get_arguments().any(|argument| argument.get_id() == "bootstrap_server") {
                continue;
            }
            let verbs = command.get_subcommands().map(clap::Command::get_name).filter(|verb| *verb != "help");
            let verbs: Vec<&str> = verbs.collect();
            let noun = command.get_name();
            let known = VERBS.iter().find(|(known, _)| *known == noun).map_or(&[][..], |(_, verbs)| verbs);
            assert!(verbs.iter().all(|verb| known.contains(verb)), "{noun}: {verbs:?}");
            assert!(!verbs.is_empty() || WITHOUT_VERB.contains(&noun), "{noun}");
        }
    }

    #[test]
    fn verbs_and_names_are_taken_as_kafka_spells_them() {
        check("topic --list", "topic list");
        check("topic --create --topic x --partitions 3", "topic create x --partitions 3");
        check("topic --topic=x --describe", "topic describe x");
        check("topic create --topic x", "topic create x");
        check("topic delete --topic a,b", "topic delete a b");
        check("topic alter --topic t1 --set a=b", "topic alter t1 --set a=b");
        check("consume --topic t --max-messages 1", "consume t --max-messages 1");
        check("produce --topic t file", "produce t file");
        check("group --describe --group g", "group describe g");
        check(
            "group reset-offsets --group g --topic t --to-earliest",
            "group reset-offsets g --topic t --to-earliest",
        );
    }

    #[test]
    fn what_needs_no_settling_is_left_alone() {
        for typed in [
            "",
            "topic list",
            "topic create x -p 3",
            "consume t --group g",
            "config get --topic t --group g",
            "server --set a=b",
            "--listen h:1 --data-dir d",
            "storage format --topic x",
            "group delete-offsets g --topic t:0",
            "topic create -- --topic x",
            "topic",
            "topic --help",
            "topic frobnicate --topic x",
        ] {
            if typed == "topic frobnicate --topic x" {
                check(typed, "topic frobnicate x");
            } else {
                check(typed, typed);
            }
        }
    }

    #[test]
    fn connection_options_may_stand_in_front() {
        check("-b h:1 topic list", "topic list -b h:1");
        check("-bh:1 -X a=b --timeout=5s consume t", "consume -bh:1 -X a=b --timeout=5s t");
        check("--command-config f topic --topic x --describe", "topic describe --command-config f x");
        check("topic -b h:1 describe --topic x", "topic describe x -b h:1");
        check("-b h:1", "-b h:1");
        check("-b h:1 server", "-b h:1 server");
    }
}
