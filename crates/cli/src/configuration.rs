//! The configuration of a node as it is given: a file, then the images' environment, then arguments, each over the one before,
//! with what config providers put in. Owns the order and the three lines of what is refused; what a key means is `server`'s.

use std::ffi::OsString;
use std::path::Path;

use crate::connect::unreadable;
use crate::failure::Failure;
use ::server::properties::{self, Properties};
use ::server::providers;
use ::server::settings::{Refused, Settings};
use broker::config::Warning;

/// Everything that is set, for a node with this file or without one.
pub fn read(file: Option<&Path>, arguments: &[String]) -> Result<Properties, Failure> {
    let mut all = match file {
        Some(file) => read_file(file)?,
        None => Properties::default(),
    };
    all.extend(environment());
    all.extend(pairs(arguments)?);
    let variable = |name: &str| std::env::var(name).ok();
    let hint = "the config.providers of the configuration, and what they read";
    providers::resolve(all, variable).map_err(|why| {
        let why = Refused { why, hint: Some(hint) };
        refused(&why, "")
    })
}

/// Checks everything that is set. Without a file, and without `process.roles` from elsewhere, it is a node on embedded defaults.
pub fn settings(file: Option<&Path>, all: Properties) -> Result<(Settings, Vec<Warning>), Refused> {
    match file {
        None if all.get("process.roles").is_none() => {
            Settings::embedded("127.0.0.1:9092", "./ottla-data", all)
        }
        _ => Settings::new(all),
    }
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

/// What the images' environment says. A variable whose key is near to a known one is kept, so that the slip is told.
fn environment() -> Properties {
    let meant = |key: &str| {
        broker::config::is_known(key)
            || key.starts_with(crate::node_registry::PREFIX)
            || broker::config::nearest(key).is_some()
    };
    properties::from_environment(std::env::vars_os().filter_map(utf8), meant)
}

fn utf8((name, value): (OsString, OsString)) -> Option<(String, String)> {
    Some((name.into_string().ok()?, value.into_string().ok()?))
}
