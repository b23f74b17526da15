//! What the scripts that produce and consume have in common: properties from files, from options of old and new names (KIP-1147), and
//! from options that stand for one property.

use super::joptsimple::{Opt, Read, Takes};
use super::terms::{End, Fault, wrong};
use crate::args::ConnectArgs;
use crate::connect::unreadable;
use crate::failure::say;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// An option that stands for a property.
pub struct Defaults {
    /// Its name.
    pub option: &'static str,
    /// The property.
    pub property: &'static str,
    /// What holds where neither is there; `None`: what the client holds itself.
    pub value: Option<&'static str>,
}

/// Properties by name.
pub type Pairs = BTreeMap<String, String>;

/// How long nothing may happen until a script gives up, as long as Java's clients try to deliver.
const LIMIT: Duration = Duration::from_secs(120);

/// The new name of an option, or its old one, never both; the old one is told of.
///
/// `word` begins that line: the scripts' authors did not agree on one.
pub fn one_of(read: &Read, word: &str, new: &str, old: &str) -> Result<(), End> {
    match (read.has(new), read.has(old)) {
        (true, true) => Err(End::Usage(format!("Options --{new} and --{old} cannot be specified together."))),
        (false, true) => {
            let told = format!(
                "{word} --{old} is deprecated and will be removed in a future version. Use --{new} instead."
            );
            Ok(super::words::print_line(&told)?)
        }
        _ => Ok(()),
    }
}

/// `KEY=VALUE` of these options; a key alone has an empty value.
pub fn typed_pairs(read: &Read, options: &[&str]) -> Pairs {
    pairs(options.iter().flat_map(|option| read.values(option)))
}

/// `KEY=VALUE` texts.
fn pairs<'a>(texts: impl Iterator<Item = &'a str>) -> Pairs {
    texts
        .map(|text| text.split_once('=').unwrap_or((text, "")))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// A file of properties.
pub fn file(path: &str) -> Result<Pairs, End> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(Path::new(path), &error))?;
    let read = client::parse_properties(&bytes).map_err(End::from)?;
    Ok(read.into_iter().collect())
}

/// Typed properties, then options that stand for some, then what holds otherwise.
pub fn merged(read: &Read, typed: &[&str], defaults: &[Defaults]) -> Result<Pairs, End> {
    let mut all = typed_pairs(read, typed);
    for one in defaults {
        let given = read.value(one.option).map_err(wrong)?.map(str::to_owned);
        let value =
            given.or_else(|| one.value.filter(|_| !all.contains_key(one.property)).map(str::to_owned));
        if let Some(value) = value {
            all.insert(one.property.to_owned(), value);
        }
    }
    Ok(all)
}

/// Numbers that are none are told before anything is done.
pub fn check_numbers(read: &Read, options: &[Opt]) -> Result<(), End> {
    for option in options {
        match option.takes {
            Takes::Integer => drop(read.integer(option.name).map_err(wrong)?),
            Takes::Long => drop(read.long(option.name).map_err(wrong)?),
            Takes::Nothing | Takes::Maybe | Takes::Text => {}
        }
    }
    Ok(())
}

/// What failed, as Java prints an exception.
pub fn thrown(fault: &Fault) -> End {
    say(fault.shown());
    End::Exit(1)
}

/// How to get there: the first of these options that names a file, and properties over it.
pub fn connection(read: &Read, files: &[&str], properties: &Pairs) -> Result<ConnectArgs, End> {
    let server = read.value("bootstrap-server").map_err(wrong)?.unwrap_or_default();
    let mut command_config = None;
    for option in files {
        command_config = command_config.or(read.value(option).map_err(wrong)?.map(PathBuf::from));
    }
    Ok(ConnectArgs {
        bootstrap_server: Some(server.to_owned()),
        properties: properties.iter().map(|(key, value)| format!("{key}={value}")).collect(),
        command_config,
        timeout: Some(LIMIT),
    })
}
