//! What is told about a command line that the grammar does not take: three lines, as of any other failure, with the right
//! spelling where it is known. Help and version are printed as they are.

use crate::failure::{Exit, Failure};
use crate::{spelling, translation};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, Error};
use std::process::ExitCode;

/// Prints help, version or the failure; `typed` is the command line without the program, `words` the same as the grammar was
/// asked about it, `grammar` what it should have obeyed.
pub fn told(error: &Error, typed: &[String], words: &[String], grammar: Command) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody may be reading (`| head -1`).
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(Exit::Usage as u8)
        }
        _wrong => failure(error, typed, words, grammar).report(),
    }
}

fn failure(error: &Error, typed: &[String], words: &[String], grammar: Command) -> Failure {
    let text = error.to_string();
    let paragraphs = || text.split("\n\n").map(str::trim);
    let message = paragraphs().next().unwrap_or_default().trim_start_matches("error: ");
    let (first, rest) = message.split_once('\n').unwrap_or((message, ""));
    let rest = rest.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = paragraphs().find_map(|text| text.strip_prefix("tip: ")).map(str::to_owned);
    let whole = whole_command(typed, &grammar);
    let (command, usage) = command_of(words, grammar);
    let (what, why) = match first.split_once("': ") {
        _ if error.kind() == ErrorKind::MissingRequiredArgument => (format!("{command} needs {rest}"), usage),
        // A value's own parser says why.
        Some((value, reason)) => (format!("{value}'"), reason.to_owned()),
        None if rest.is_empty() => (first.to_owned(), usage),
        None => (first.to_owned(), rest.trim_matches(['[', ']']).to_owned()),
    };
    let part = || argument(error).and_then(|option| spelling::instead_of(&option)).map(str::to_owned);
    let known = whole.or_else(part);
    // clap takes any unknown option for a value that should stand behind `--`.
    let tip = tip.filter(|tip| !tip.contains("as a value"));
    Failure::usage(what, why).try_this(known.or(tip).unwrap_or_else(|| format!("{command} --help")))
}

/// The command that was meant, where Kafka's spelling says all of it; only what the grammar takes is offered.
fn whole_command(typed: &[String], grammar: &Command) -> Option<String> {
    let taken = |ours: &Vec<String>| {
        let words = std::iter::once("ottla").chain(ours.iter().map(String::as_str));
        grammar.clone().try_get_matches_from(words).is_ok()
    };
    let ours = translation::ours(typed).filter(taken).map(|ours| translation::shown(&ours));
    ours.or_else(|| translation::counterpart(typed).map(str::to_owned))
}

/// The argument that does not fit.
fn argument(error: &Error) -> Option<String> {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(argument)) => Some(argument.clone()),
        _other => None,
    }
}

/// `ottla topic create`, as far as the words are a command, and how it is used.
fn command_of(words: &[String], mut grammar: Command) -> (String, String) {
    let mut command = "ottla".to_owned();
    for word in words {
        let Some(next) = grammar.find_subcommand(word).cloned() else { break };
        command = format!("{command} {}", next.get_name());
        grammar = next;
    }
    let usage = grammar.bin_name(&command).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").lines().next().unwrap_or_default().to_owned();
    (command, format!("usage: {usage}"))
}
