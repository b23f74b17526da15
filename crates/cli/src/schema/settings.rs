//! `ottla schema compat` and `mode`: settings of a registry, or of one of its subjects.

use crate::args::{OutputArgs, OutputFormat};
use crate::failure::{Failure, say};
use crate::output::{Table, print_json};
use crate::registry_access::failed;
use ::schema::formats::Level;
use ::schema::json::{Json, Object};
use ::schema::percent::percent_encoded;
use ::schema::rest::Registry;
use clap::Args;
use serde_json::json;

pub const AFTER_COMPAT: &str = r#"Levels: NONE; BACKWARD: new versions read what the latest wrote; FORWARD: the latest reads what new ones write; FULL: both;
each with _TRANSITIVE: of all versions, not of the latest alone.

Examples:
  ottla schema compat                                 of everything
  ottla schema compat orders-value FULL
  ottla schema compat orders-value --unset            as everything else

JSON: {"subject":"orders-value","compatibility":"FULL"}"#;

pub const AFTER_MODE: &str = r#"Modes: READWRITE, READONLY, READONLY_OVERRIDE, IMPORT (ids are given by who registers; the subject must be empty).

JSON: {"subject":"orders-value","mode":"READWRITE"}"#;

#[derive(Debug, Args)]
pub struct CompatArgs {
    /// Subject; everything without it
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,
    /// The level to set
    #[arg(value_name = "LEVEL", value_parser = level, conflicts_with = "unset")]
    level: Option<String>,
    /// The level of everything, where no subject is named
    #[arg(long, value_name = "LEVEL", value_parser = level, conflicts_with_all = ["subject", "unset"])]
    global: Option<String>,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
pub struct ModeArgs {
    /// Subject; everything without it
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,
    /// The mode to set
    #[arg(value_name = "MODE", value_parser = mode_name, conflicts_with = "unset")]
    mode: Option<String>,
    /// The mode of everything, where no subject is named
    #[arg(long, value_name = "MODE", value_parser = mode_name, conflicts_with_all = ["subject", "unset"])]
    global: Option<String>,
    /// Even if there are schemas already
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    change: ChangeArgs,
}

#[derive(Debug, Args)]
struct ChangeArgs {
    /// Go back to what holds for everything else
    #[arg(long)]
    unset: bool,
    /// Change nothing: say what would change
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

fn level(text: &str) -> Result<String, String> {
    let known = Level::of(text).map(|level| level.name().to_owned());
    known.ok_or_else(|| {
        "one of NONE, BACKWARD, FORWARD, FULL, or one of the last three with _TRANSITIVE".to_owned()
    })
}

fn mode_name(text: &str) -> Result<String, String> {
    let upper = text.to_ascii_uppercase();
    let known = ["READWRITE", "READONLY", "READONLY_OVERRIDE", "IMPORT"].contains(&upper.as_str());
    if known { Ok(upper) } else { Err("one of READWRITE, READONLY, READONLY_OVERRIDE, IMPORT".to_owned()) }
}

pub fn compat(args: &CompatArgs, registry: &Registry) -> Result<(), Failure> {
    let setting = Setting {
        path: "/config",
        told: "compatibilityLevel",
        set: "compatibility",
        query: "",
        subject: args.subject.as_deref(),
    };
    setting.run(args.level.as_deref().or(args.global.as_deref()), &args.change, registry)
}

pub fn mode(args: &ModeArgs, registry: &Registry) -> Result<(), Failure> {
    let query = if args.force { "?force=true" } else { "" };
    let setting =
        Setting { path: "/mode", told: "mode", set: "mode", query, subject: args.subject.as_deref() };
    setting.run(args.mode.as_deref().or(args.global.as_deref()), &args.change, registry)
}

struct Setting<'a> {
    path: &'static str,
    /// Its name in answers.
    told: &'static str,
    /// And in requests.
    set: &'static str,
    query: &'static str,
    subject: Option<&'a str>,
}

impl Setting<'_> {
    fn run(&self, value: Option<&str>, change: &ChangeArgs, registry: &Registry) -> Result<(), Failure> {
        let place = self.subject.map_or_else(String::new, |subject| format!("/{}", percent_encoded(subject)));
        let path = format!("{}{place}", self.path);
        let whose = self.subject.unwrap_or("everything");
        if change.dry_run && (value.is_some() || change.unset) {
            let now = self
                .now(registry, &path)
                .map_err(|fault| failed(format!("the setting of {whose} cannot be had"), &fault))?;
            say(format_args!(
                "{} of {whose} is {now}, and would be {}",
                self.set,
                value.unwrap_or("that of everything")
            ));
            return Ok(());
        }
        let done = match value {
            Some(value) => {
                let mut body = Object::new();
                body.push(self.set, value);
                registry.ask("PUT", &format!("{path}{}", self.query), Some(&Json::Object(body))).map(drop)
            }
            None if change.unset => registry.ask("DELETE", &path, None).map(drop),
            None => Ok(()),
        };
        done.map_err(|fault| failed(format!("{} of {whose} is not changed", self.set), &fault))?;
        let now = self
            .now(registry, &path)
            .map_err(|fault| failed(format!("the setting of {whose} cannot be had"), &fault))?;
        match change.output.output {
            OutputFormat::Json => Ok(print_json(&json!({"subject": self.subject, self.set: now}))?),
            OutputFormat::Table => {
                let mut table = Table::new(&[("SUBJECT", "subject"), ("SETTING", "setting")]);
                table.row(vec![json!(whose), json!(now)]);
                Ok(table.print(OutputFormat::Table)?)
            }
        }
    }

    /// What is in force, wherever it was set.
    fn now(&self, registry: &Registry, path: &str) -> Result<String, ::schema::rest::Fault> {
        let answer = registry.get(&format!("{path}?defaultToGlobal=true"))?;
        Ok(answer.get(self.told).and_then(Json::as_str).unwrap_or("unknown").to_owned())
    }
}
