//! Kafka's scripts: this binary, linked as `kafka-topics` or `kafka-topics.sh`, takes that script's options and prints what it prints,
//! to the column and the exit code; `ottla kafka-topics ...` is the same. Owns the table of scripts and how one ends; each script has
//! a file of its own and knows nothing of the commands of `ottla`, whose work it asks of the client (decision 0042).
//!
//! Java's log lines and stack traces are not printed: they tell of Java.

mod argparse;
mod client_options;
mod cluster;
mod configs;
mod console_consumer;
mod console_producer;
mod consumer_groups;
mod delete_records;
mod dump_log;
mod entities;
mod get_offsets;
mod groups;
pub mod install;
mod joptsimple;
mod log_dirs;
mod message_formatter;
mod not_here;
mod offsets_reset;
mod script;
mod server_start;
mod server_stop;
mod storage;
mod terms;
mod topics;
mod words;

use crate::failure::say;
use joptsimple::{Opt, Read};
use script::{Script, Style};
use std::io::Write;
use std::process::ExitCode;
use terms::End;

/// All of Kafka 4.4's, and those of Connect.
pub const SCRIPTS: &[Script] = &[
    topics::SCRIPT,
    consumer_groups::SCRIPT,
    groups::SCRIPT,
    configs::SCRIPT,
    get_offsets::SCRIPT,
    delete_records::SCRIPT,
    log_dirs::SCRIPT,
    cluster::SCRIPT,
    server_start::SCRIPT,
    server_stop::SCRIPT,
    storage::SCRIPT,
    dump_log::SCRIPT,
    console_producer::SCRIPT,
    console_consumer::SCRIPT,
];

/// The script that was asked for: by the name that this program was called by, or by the first word. `None`: none was.
pub fn asked(program: &str, words: &[String]) -> Option<ExitCode> {
    if let Some(script) = named(program) {
        return Some(run(script, words));
    }
    let (first, rest) = words.split_first()?;
    named(first).map(|script| run(script, rest))
}

/// `kafka-topics`, `kafka-topics.sh`, with a path before it or not.
fn named(word: &str) -> Option<&'static Script> {
    let name = word.rsplit('/').next().unwrap_or(word);
    let name = name.strip_suffix(".sh").unwrap_or(name);
    if !name.contains('-') {
        return None;
    }
    SCRIPTS.iter().chain(not_here::SCRIPTS).find(|script| script.name == name)
}

fn run(script: &'static Script, words: &[String]) -> ExitCode {
    let (ended, options) = match &script.style {
        Style::Options { options, about, run } => (by_options(options, about, *run, words), *options),
        Style::Words(run) => (run(words), [].as_slice()),
        Style::NotHere(why) => {
            say(format_args!("{} is not part of Ottla: {why}", script.name));
            return ExitCode::from(1);
        }
    };
    // What was printed before the end is there before what is said about it.
    let _nobody_reads = std::io::stdout().flush();
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(End::Exit(code)) => ExitCode::from(code),
        Err(End::Usage(message)) => {
            say(message);
            if !options.is_empty() {
                say(joptsimple::table(options).trim_end());
            }
            ExitCode::from(1)
        }
        Err(End::Failed(fault)) => {
            say(&fault.message);
            ExitCode::from(1)
        }
    }
}

fn by_options(
    options: &'static [Opt],
    about: &str,
    run: fn(&Read) -> Result<(), End>,
    words: &[String],
) -> Result<(), End> {
    let read = joptsimple::read(options, words).map_err(terms::wrong)?;
    // Nothing at all asks for help, too.
    if words.is_empty() || read.has("help") {
        return Err(End::Usage(about.to_owned()));
    }
    if read.has("version") {
        return Ok(words::print_line(words::VERSION_LINE)?);
    }
    run(&read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn scripts_are_known_by_their_names_alone() {
        for name in ["kafka-topics", "kafka-topics.sh", "/opt/kafka/bin/kafka-topics.sh", "./kafka-topics"] {
            assert_eq!(named(name).map(|script| script.name), Some("kafka-topics"), "{name}");
        }
        for name in ["topics", "kafka-topic", "ottla", "kafka-topics.bat", ""] {
            assert!(named(name).is_none(), "{name}");
        }
    }

    #[test]
    fn no_script_and_no_option_is_there_twice() {
        let mut names = BTreeSet::new();
        for script in SCRIPTS.iter().chain(not_here::SCRIPTS) {
            assert!(names.insert(script.name), "{}", script.name);
            let Style::Options { options, .. } = &script.style else { continue };
            let mut known = BTreeSet::new();
            for option in options.iter() {
                assert!(known.insert(option.name), "{} --{}", script.name, option.name);
                let others = option.only_with;
                assert!(others.iter().all(|other| options.iter().any(|known| known.name == *other)));
            }
        }
    }
}
