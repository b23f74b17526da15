//! `kafka-storage`: directories formatted and looked at. Owns the command line; the work and its words are `ottla storage`'s.

use super::argparse::{self, Flag, Parsed, Verb};
use super::script::{Script, Style};
use super::terms::End;
use crate::storage::{self, ConfigArgs, FormatArgs, StorageCommand};
use std::path::PathBuf;

/// The script.
pub const SCRIPT: Script = Script { name: NAME, style: Style::Words(run) };

const NAME: &str = "kafka-storage";

const VERBS: &[Verb] = &[
    Verb { name: "info", flags: &[CONFIG] },
    Verb { name: "format", flags: FORMAT },
    Verb { name: "version-mapping", flags: &[RELEASE] },
    Verb { name: "feature-dependencies", flags: &[FEATURE] },
    Verb { name: "random-uuid", flags: &[] },
];

const CONFIG: Flag = Flag { names: &["--config", "-c"], value: true };
const RELEASE: Flag = Flag { names: &["--release-version", "-r"], value: true };
const FEATURE: Flag = Flag { names: &["--feature", "-f"], value: true };
const FORMAT: &[Flag] = &[
    CONFIG,
    Flag { names: &["--cluster-id", "-t"], value: true },
    Flag { names: &["--add-scram", "-S"], value: true },
    Flag { names: &["--ignore-formatted", "-g"], value: false },
    RELEASE,
    FEATURE,
    Flag { names: &["--standalone", "-s"], value: false },
    Flag { names: &["--no-initial-controllers", "-N"], value: false },
    Flag { names: &["--initial-controllers", "-I"], value: true },
];

/// Only one of them may be there.
const QUORUMS: &[(&str, &str)] = &[
    ("--standalone", "--standalone/-s"),
    ("--no-initial-controllers", "--no-initial-controllers/-N"),
    ("--initial-controllers", "--initial-controllers/-I"),
];

fn run(words: &[String]) -> Result<(), End> {
    let parsed = argparse::read(NAME, VERBS, words)?;
    let text = |name: &str| parsed.value(name).map(str::to_owned);
    let command = match parsed.verb {
        "info" => {
            StorageCommand::Info(ConfigArgs { config: PathBuf::from(required(&parsed, "--config/-c")?) })
        }
        "format" => StorageCommand::Format(format(&parsed)?),
        "version-mapping" => StorageCommand::VersionMapping { release_version: text("--release-version") },
        "feature-dependencies" => {
            required(&parsed, "--feature/-f")?;
            StorageCommand::FeatureDependencies { feature: all(&parsed, "--feature") }
        }
        _random => StorageCommand::RandomUuid,
    };
    Ok(storage::run(command)?)
}

fn format(parsed: &Parsed) -> Result<FormatArgs, End> {
    let mut typed = parsed.typed().filter_map(|name| QUORUMS.iter().find(|(quorum, _)| *quorum == name));
    if let (Some((_, first)), Some((_, second))) = (typed.next(), typed.next()) {
        let told = format!("argument {second}: not allowed with argument {first}");
        return Err(argparse::wrong(NAME, &told));
    }
    let cluster_id = required(parsed, "--cluster-id/-t")?.to_owned();
    Ok(FormatArgs {
        node: ConfigArgs { config: PathBuf::from(required(parsed, "--config/-c")?) },
        cluster_id,
        add_scram: all(parsed, "--add-scram"),
        ignore_formatted: parsed.has("--ignore-formatted"),
        release_version: parsed.value("--release-version").map(str::to_owned),
        feature: all(parsed, "--feature"),
        standalone: parsed.has("--standalone"),
        no_initial_controllers: parsed.has("--no-initial-controllers"),
        initial_controllers: parsed.value("--initial-controllers").map(str::to_owned),
    })
}

fn all(parsed: &Parsed, name: &str) -> Vec<String> {
    parsed.values(name).map(str::to_owned).collect()
}

fn required<'a>(parsed: &'a Parsed, names: &str) -> Result<&'a str, End> {
    let first = names.split('/').next().unwrap_or(names);
    parsed.value(first).ok_or_else(|| argparse::wrong(NAME, &format!("argument {names} is required")))
}
