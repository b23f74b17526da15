//! The configuration of a node as it is given: a file, then the images' environment, then arguments, each over the one before,
//! with what config providers put in. Owns the order and the three lines of what is refused; what a key means is `server`'s.

use std::ffi::OsString;
use std::path::Path;

use crate::connect::unreadable;
use crate::failure::Failure;
use ::server::environment;
use ::server::properties::Properties;
use ::server::providers;
use ::server::settings::{Refused, Settings};
use broker::config::Warning;

/// Everything that is set, for a node with this file or without one.
pub fn read(file: Option<&Path>, arguments: &[String]) -> Result<Properties, Failure> {
    let all = read_with(file, std::env::vars_os(), arguments)?;
    let variable = |name: &str| std::env::var(name).ok();
    let hint = "the config.providers of the configuration, and what they read";
    providers::resolve(all, variable).map_err(|why| {
        let why = Refused { why, hint: Some(hint) };
        refused(&why, "")
    })
}

/// The same of a process that has these variables, before config providers have put anything in.
pub fn read_with(
    file: Option<&Path>,
    variables: impl Iterator<Item = (OsString, OsString)>,
    arguments: &[String],
) -> Result<Properties, Failure> {
    let file = match file {
        Some(file) => read_file(file)?,
        None => Properties::default(),
    };
    let mut all = with_environment(file, variables)?;
    all.extend(pairs(arguments)?);
    Ok(all)
}

/// What arguments say, and nothing else: neither a file nor the environment.
pub fn given(arguments: &[String]) -> Result<Properties, Failure> {
    pairs(arguments)
}

/// Checks everything that is set. Without a file, and without `process.roles` from elsewhere, it is a node on embedded defaults.
pub fn settings(file: Option<&Path>, all: Properties) -> Result<(Settings, Vec<Warning>), Refused> {
    let read = match file {
        None if all.get("process.roles").is_none() => {
            Settings::embedded("127.0.0.1:9092", "./ottla-data", all)
        }
        _ => Settings::new(all),
    }?;
    environment::check(&read.0, |name| std::env::var(name).ok())?;
    Ok(read)
}

/// `KEY=VALUE` arguments.
fn pairs(arguments: &[String]) -> Result<Properties, Failure> {
    let mut all = Properties::default();
    arguments
        .iter()
        .try_for_each(|pair| all.set_pair(pair))
        .map_err(|why| Failure::usage("cannot read an override", why).try_this("--set num.partitions=3"))?;
    Ok(all)
}

/// The three lines of a configuration that is not taken; `place` is where its values are.
pub fn refused(refused: &Refused, place: &str) -> Failure {
    let hint = refused.hint.map_or_else(|| format!("correct {place}"), str::to_owned);
    Failure::new("the configuration cannot be used", &refused.why).try_this(hint)
}

fn read_file(file: &Path) -> Result<Properties, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    Properties::parse(&bytes).map_err(|error| {
        Failure::new(format!("{shown} is not a properties file"), error)
            .try_this("a \\ that is meant literally is written \\\\")
    })
}

/// What the environment says, over a file. A variable whose key is near to a known one is kept, so that the slip is told.
fn with_environment(
    file: Properties,
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Properties, Failure> {
    let meant = |key: &str| {
        broker::config::is_known(key)
            || key.starts_with(crate::node_registry::PREFIX)
            || broker::config::nearest(key).is_some()
    };
    let read = environment::read(file, variables.filter_map(utf8), meant, environment::read_secret);
    let read = read.map_err(|why| refused(&why, "the environment"))?;
    for line in &read.told {
        tracing::warn!("environment: {line}");
    }
    Ok(read.properties)
}

fn utf8((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
