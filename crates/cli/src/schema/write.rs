//! `ottla schema create`, `check`, `delete`: what changes subjects, and the question whether a change is allowed.

use super::terms::{TypeArg, printable, version};
use crate::args::{OutputArgs, OutputFormat};
use crate::connect::unreadable;
use crate::failure::{Failure, say};
use crate::output::{Table, print_json};
use crate::registry_access::{ReferenceArg, failed, reference};
use ::schema::formats::SchemaType;
use ::schema::json::Json;
use ::schema::percent::percent_encoded;
use ::schema::rest::{Definition, Fault, Registered, Registry};
use clap::Args;
use serde_json::json;
use std::io::Read;
use std::path::PathBuf;

pub const AFTER_CREATE: &str = r#"Examples:
  ottla schema create orders-value order.avsc
  ottla schema create orders-value order.proto --reference common.proto=common-value:1
  ottla schema create orders-value order.avsc --dry-run       # registers nothing, says what would become of it

The type follows from the file's name: .proto is Protobuf, .avsc and .avdl Avro; .json is JSON Schema.

JSON: {"subject":"orders-value","id":12,"version":3}"#;

pub const AFTER_CHECK: &str = r#"Exit codes: 0 it may be registered, 1 it may not.

JSON: {"compatible":false,"messages":["{errorType:'READER_FIELD_MISSING_DEFAULT_VALUE', ...}"]}"#;

/// A schema in a file.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// Subject
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// The schema; - is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// avro, protobuf, json-schema; by the file's name without it
    #[arg(long = "type", value_enum, value_name = "TYPE", hide_possible_values = true)]
    schema_type: Option<TypeArg>,
    /// What the schema refers to; may be repeated
    #[arg(long, value_name = "NAME=SUBJECT:VERSION", value_parser = reference)]
    reference: Vec<ReferenceArg>,
    /// Even out what means nothing in it
    #[arg(long)]
    normalize: bool,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Change nothing: say what would become of it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    #[command(flatten)]
    source: SourceArgs,
    /// Against this version only; without it against those that the subject's level names
    #[arg(long, value_name = "N", value_parser = version)]
    version: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Subject
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// Only this version
    #[arg(long, value_name = "N", value_parser = version)]
    version: Option<String>,
    /// For good: ids that records name cannot be looked up any more, once nobody else has them
    #[arg(long)]
    permanent: bool,
    /// Change nothing: say what would go
    #[arg(long)]
    dry_run: bool,
}

impl SourceArgs {
    fn definition(&self) -> Result<Definition, Failure> {
        let is_input = self.file.as_os_str() == "-";
        let mut text = String::new();
        if is_input {
            std::io::stdin().read_to_string(&mut text)?;
        } else {
            text = std::fs::read_to_string(&self.file).map_err(|error| unreadable(&self.file, &error))?;
        }
        let by_name = match self.file.extension().and_then(|extension| extension.to_str()) {
            Some("proto") => Some(SchemaType::Protobuf),
            Some("avsc") => Some(SchemaType::Avro),
            Some("json") => Some(SchemaType::Json),
            Some(_) | None => None,
        };
        let schema_type = self.schema_type.map(TypeArg::schema_type).or(by_name).ok_or_else(|| {
            Failure::usage(format!("which type has {}?", self.file.display()), "its name does not tell")
                .try_this("--type avro, protobuf or json-schema")
        })?;
        let references = self.reference.iter().map(|one| one.0.clone()).collect();
        Ok(Definition { schema_type, text, references })
    }

    /// Why it may not be registered; nothing where it may. `version`: all that the level names without one.
    fn reasons(
        &self,
        registry: &Registry,
        definition: &Definition,
        version: Option<&str>,
    ) -> Result<Vec<String>, Failure> {
        let version = version.map_or_else(String::new, |version| format!("/{version}"));
        let path = format!(
            "/compatibility/subjects/{}/versions{version}?verbose=true&normalize={}",
            percent_encoded(&self.subject),
            self.normalize
        );
        let answer = match registry.ask("POST", &path, Some(&definition.to_json())) {
            Ok(answer) => answer,
            // Of a registry that does not compare with nothing.
            Err(Fault::Refused { code: 40401, .. }) if version.is_empty() => return Ok(Vec::new()),
            Err(fault) => return Err(failed("the registry cannot say whether it is compatible", &fault)),
        };
        let messages = answer.get("messages").and_then(Json::as_array).unwrap_or_default();
        let mut reasons: Vec<String> = messages.iter().filter_map(Json::as_str).map(str::to_owned).collect();
        match answer.get("is_compatible").and_then(Json::as_bool) {
            Some(true) => Ok(Vec::new()),
            Some(false) => {
                if reasons.is_empty() {
                    reasons.push("the registry says no more than that".to_owned());
                }
                Ok(reasons)
            }
            None => Err(failed(
                "the registry cannot say whether it is compatible",
                &Fault::Malformed(answer.to_string()),
            )),
        }
    }
}

pub fn create(args: &CreateArgs, registry: &Registry) -> Result<(), Failure> {
    let (source, definition) = (&args.source, args.source.definition()?);
    let subject = &source.subject;
    if args.dry_run {
        return would_be(source, registry, &definition);
    }
    let refused = |fault: Fault| failed(format!("the schema is not registered under {subject}"), &fault);
    let registered = registry.register(subject, &definition, source.normalize).map_err(refused)?;
    // Older registries answer with the id alone.
    let place = match registered.version {
        Some(_) => registered,
        None => registry.look_up(subject, &definition, source.normalize).map_err(refused)?,
    };
    print_place(args.output.output, subject, &place)
}

fn print_place(output: OutputFormat, subject: &str, place: &Registered) -> Result<(), Failure> {
    match output {
        OutputFormat::Json => {
            Ok(print_json(&json!({"subject": subject, "id": place.id, "version": place.version}))?)
        }
        OutputFormat::Table => {
            let mut table = Table::new(&[("SUBJECT", "subject"), ("VERSION", "version"), ("ID", "id")]);
            table.row(vec![json!(subject), json!(place.version), json!(place.id)]);
            Ok(table.print(output)?)
        }
    }
}

fn would_be(source: &SourceArgs, registry: &Registry, definition: &Definition) -> Result<(), Failure> {
    let subject = &source.subject;
    match registry.look_up(subject, definition, source.normalize) {
        Ok(found) => {
            let (version, id) = (found.version.unwrap_or_default(), found.id.unwrap_or_default());
            say(format_args!(
                "nothing would change: it is version {version} of {subject} already, with id {id}"
            ));
            return Ok(());
        }
        Err(fault) if fault.is_not_found() => {}
        Err(fault) => return Err(failed("the schema would not be registered", &fault)),
    }
    let reasons = source.reasons(registry, definition, None)?;
    if reasons.is_empty() {
        say(format_args!("it would be a new version of {subject}"));
        return Ok(());
    }
    reasons.iter().for_each(|reason| say(format_args!("- {reason}")));
    Err(incompatible(subject))
}

fn incompatible(subject: &str) -> Failure {
    Failure::new(
        format!("the schema may not be registered under {subject}"),
        "it is not compatible with what is there",
    )
    .try_this(format!("ottla schema compat {subject}, for the level that is asked for"))
}

pub fn check(args: &CheckArgs, registry: &Registry) -> Result<(), Failure> {
    let definition = args.source.definition()?;
    let reasons = args.source.reasons(registry, &definition, args.version.as_deref())?;
    match args.output.output {
        OutputFormat::Json => {
            print_json(&json!({"compatible": reasons.is_empty(), "messages": reasons}))?;
        }
        OutputFormat::Table if reasons.is_empty() => say("it is compatible"),
        OutputFormat::Table => {
            let mut table = Table::new(&[("REASON", "reason")]);
            reasons.iter().for_each(|reason| table.row(vec![json!(reason)]));
            table.print(OutputFormat::Table)?;
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(incompatible(&args.source.subject)) }
}

pub fn delete(args: &DeleteArgs, registry: &Registry) -> Result<(), Failure> {
    let subject = &args.subject;
    let what = args
        .version
        .as_ref()
        .map_or_else(|| subject.clone(), |version| format!("version {version} of {subject}"));
    let cannot = |fault: Fault| failed(format!("{what} is not deleted"), &fault);
    let gone = super::show::versions(registry, subject, args.permanent)?;
    if args.dry_run {
        let count = args.version.as_ref().map_or(gone.len(), |_| 1);
        let how = if args.permanent { "for good" } else { "and could come back" };
        say(format_args!("{count} versions of {subject} would go, {how}"));
        return Ok(());
    }
    let below = args.version.as_ref().map_or_else(String::new, |version| format!("/versions/{version}"));
    let path = format!("/subjects/{}{below}", percent_encoded(subject));
    let softly = registry.ask("DELETE", &path, None);
    let answer = match (softly, args.permanent) {
        // What was deleted softly before is no failure here.
        (Err(Fault::Refused { status: 404, code, .. }), true)
            if [40404, 40406, 40401, 40402].contains(&code) =>
        {
            registry.ask("DELETE", &format!("{path}?permanent=true"), None)
        }
        (Ok(_), true) => registry.ask("DELETE", &format!("{path}?permanent=true"), None),
        (answer, _) => answer,
    };
    let answer = answer.map_err(cannot)?;
    say(format_args!("{what} is deleted{}", if args.permanent { " for good" } else { "" }));
    tracing::debug!(answer = %printable(&answer), "deleted");
    Ok(())
}
