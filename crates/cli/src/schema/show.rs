//! `ottla schema list`, `get`, `diff`, `refs`: what only looks.

use super::source::Source;
use super::terms::{parsed, printable, version};
use crate::args::{OutputArgs, OutputFormat};
use crate::failure::{Failure, say};
use crate::output::{Table, print_json};
use crate::registry_access::failed;
use ::schema::formats::{Level, Policy};
use ::schema::json::Json;
use ::schema::percent::percent_encoded;
use ::schema::rest::{Fault, Registered, Registry, guid_of};
use clap::Args;
use serde_json::{Value, json};
use std::io::Write;

pub const AFTER_LIST: &str = r#"Examples:
  ottla schema list --schema-registry http://registry:8081
  ottla schema list --prefix orders -o json | jq -r '.[].subject'

JSON: an array of
  {"subject":"orders-value","versions":3,"latest":3,"id":12,"type":"AVRO"}
  latest, id and type are null where every version was deleted."#;

pub const AFTER_GET: &str = r#"Examples:
  ottla schema get orders-value > order.avsc
  ottla schema get orders-value --version 2 -o json
  ottla schema get --id 12

JSON: the registry's answer
  {"subject":"orders-value","version":3,"id":12,"schemaType":"PROTOBUF","schema":"..."}"#;

pub const AFTER_DIFF: &str = r#"Without versions: the latest two. Backward: whoever has the second cannot read what was written by the first; forward: the
other way round.

JSON: an array of
  {"direction":"backward","rule":"READER_FIELD_MISSING_DEFAULT_VALUE","path":"/fields/1","description":"The field 'b' ..."}"#;

pub const AFTER_REFS: &str = r#"JSON: an array of
  {"direction":"refers to","name":"common.proto","subject":"common-value","version":1,"id":4}"#;

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only subjects whose names begin so
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Those that were deleted and can come back, too
    #[arg(long)]
    deleted: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct GetArgs {
    /// Subject
    #[arg(value_name = "SUBJECT", required_unless_present_any = ["id", "guid"])]
    subject: Option<String>,
    /// Its version; the latest without it
    #[arg(long, value_name = "N", default_value = "latest", value_parser = version, hide_default_value = true)]
    version: String,
    /// The schema of this id, whichever subject it has
    #[arg(long, value_name = "ID", conflicts_with_all = ["subject", "guid"])]
    id: Option<i32>,
    /// The schema of this GUID
    #[arg(long, value_name = "GUID", conflicts_with = "subject")]
    guid: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Subject
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// The older version
    #[arg(value_name = "OLD", value_parser = version, requires = "new")]
    old: Option<String>,
    /// The newer version
    #[arg(value_name = "NEW", value_parser = version)]
    new: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
pub struct RefsArgs {
    /// Subject
    #[arg(value_name = "SUBJECT")]
    subject: String,
    /// Its version; the latest without it
    #[arg(long, value_name = "N", default_value = "latest", value_parser = version, hide_default_value = true)]
    version: String,
    #[command(flatten)]
    output: OutputArgs,
}

/// Names of all subjects, of all contexts.
pub fn subjects(registry: &dyn Source, prefix: Option<&str>, deleted: bool) -> Result<Vec<String>, Failure> {
    let path = format!("/subjects?subjectPrefix=%3A%2A%3A&deleted={deleted}");
    let answer = registry.get(&path).map_err(|fault| failed("the subjects cannot be listed", &fault))?;
    let names = answer.as_array().unwrap_or_default().iter().filter_map(Json::as_str);
    let mut names: Vec<String> = names
        .filter(|name| prefix.is_none_or(|prefix| name.starts_with(prefix)))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}

/// Numbers of a subject's versions; none where there is nothing.
pub fn versions(registry: &dyn Source, subject: &str, deleted: bool) -> Result<Vec<i64>, Failure> {
    let path = format!("/subjects/{}/versions?deleted={deleted}", percent_encoded(subject));
    match registry.get(&path) {
        Ok(answer) => Ok(answer.as_array().unwrap_or_default().iter().filter_map(Json::as_i64).collect()),
        Err(fault) if fault.is_not_found() => Ok(Vec::new()),
        Err(fault) => Err(failed(format!("the versions of {subject} cannot be listed"), &fault)),
    }
}

pub fn list(args: &ListArgs, registry: &Registry) -> Result<(), Failure> {
    let columns = [
        ("SUBJECT", "subject"),
        ("VERSIONS", "versions"),
        ("LATEST", "latest"),
        ("ID", "id"),
        ("TYPE", "type"),
    ];
    let mut table = Table::new(&columns);
    for subject in subjects(registry, args.prefix.as_deref(), args.deleted)? {
        let count = versions(registry, &subject, args.deleted)?.len();
        let latest = match registry.version(&subject, "latest", false) {
            Ok(latest) => Some(latest),
            Err(fault) if fault.is_not_found() => None,
            Err(fault) => {
                return Err(failed(format!("the latest version of {subject} cannot be had"), &fault));
            }
        };
        let of = |value: fn(&Registered) -> Value| latest.as_ref().map_or(Value::Null, value);
        table.row(vec![
            json!(subject),
            json!(count),
            of(|one| json!(one.version)),
            of(|one| json!(one.id)),
            of(|one| json!(one.definition.schema_type.name())),
        ]);
    }
    Ok(table.print_or_say(args.output.output, "(no subjects; ottla schema create SUBJECT FILE makes one)")?)
}

pub fn get(args: &GetArgs, registry: &Registry) -> Result<(), Failure> {
    let (what, found) = match (&args.subject, args.id, &args.guid) {
        (Some(subject), _, _) => (
            format!("version {} of {subject}", args.version),
            registry.version(subject, &args.version, false),
        ),
        (None, Some(id), _) => (format!("schema {id}"), registry.by_id(id)),
        (None, None, guid) => {
            let text = guid.as_deref().unwrap_or_default();
            let guid = guid_of(text).ok_or_else(|| {
                Failure::usage(format!("--guid {text}"), "it is no GUID")
                    .try_this("ottla schema get SUBJECT -o json")
            })?;
            (format!("schema {text}"), registry.by_guid(guid))
        }
    };
    let found = found.map_err(|fault| failed(format!("{what} cannot be had"), &fault))?;
    match args.output.output {
        OutputFormat::Json => Ok(print_json(&printable(&found.answer))?),
        OutputFormat::Table => {
            let text = found.definition.text;
            let end = if text.ends_with('\n') { "" } else { "\n" };
            Ok(write!(std::io::stdout(), "{text}{end}")?)
        }
    }
}

pub fn diff(args: &DiffArgs, registry: &Registry) -> Result<(), Failure> {
    let (old, new) = match (&args.old, &args.new) {
        (Some(old), Some(new)) => (old.clone(), new.clone()),
        _latest_two => {
            let all = versions(registry, &args.subject, false)?;
            let [.., old, new] = all.as_slice() else {
                let why = format!("it has {} versions", all.len());
                return Err(Failure::new(format!("there is nothing to compare in {}", args.subject), why)
                    .exit(crate::failure::Exit::NotFound)
                    .try_this("ottla schema list"));
            };
            (old.to_string(), new.to_string())
        }
    };
    let get = |version: &str| {
        let what = format!("version {version} of {} cannot be had", args.subject);
        registry.version(&args.subject, version, true).map_err(|fault| failed(what, &fault))
    };
    let (one, other) = (get(&old)?, get(&new)?);
    let (from, to) = (parsed(registry, &one.definition)?, parsed(registry, &other.definition)?);
    let columns =
        [("DIRECTION", "direction"), ("RULE", "rule"), ("PATH", "path"), ("DESCRIPTION", "description")];
    let mut table = Table::new(&columns);
    for (level, direction) in [(Level::Backward, "backward"), (Level::Forward, "forward")] {
        for one in level.check(&to, &from, Policy::Strict) {
            table.row(vec![json!(direction), json!(one.rule), json!(one.path), json!(one.description)]);
        }
    }
    let same = one.definition.text == other.definition.text;
    let nothing = if same { "is the same schema as" } else { "reads, and is read by," };
    Ok(table.print_or_say(args.output.output, &format!("(version {new} {nothing} version {old})"))?)
}

pub fn refs(args: &RefsArgs, registry: &Registry) -> Result<(), Failure> {
    let what = format!("version {} of {}", args.version, args.subject);
    let cannot = |fault: &Fault| failed(format!("{what} cannot be had"), fault);
    let found = registry.version(&args.subject, &args.version, false).map_err(|fault| cannot(&fault))?;
    let columns = [
        ("DIRECTION", "direction"),
        ("NAME", "name"),
        ("SUBJECT", "subject"),
        ("VERSION", "version"),
        ("ID", "id"),
    ];
    let mut table = Table::new(&columns).quiet(&["name", "id"]);
    for one in &found.definition.references {
        let row = [json!("refers to"), json!(one.name), json!(one.subject), json!(one.version), Value::Null];
        table.row(row.to_vec());
    }
    let version = found.version.map_or_else(|| args.version.clone(), |version| version.to_string());
    let path = format!("/subjects/{}/versions/{version}/referencedby", percent_encoded(&args.subject));
    let ids = registry.get(&path).map_err(|fault| cannot(&fault))?;
    for id in ids.as_array().unwrap_or_default().iter().filter_map(Json::as_i64) {
        let places = registry.get(&format!("/schemas/ids/{id}/versions")).map_err(|fault| cannot(&fault))?;
        for place in places.as_array().unwrap_or_default() {
            let subject = place.get("subject").and_then(Json::as_str);
            let version = place.get("version").and_then(Json::as_i64);
            let row = [json!("referred to by"), Value::Null, json!(subject), json!(version), json!(id)];
            table.row(row.to_vec());
        }
    }
    if args.output.output == OutputFormat::Table && found.definition.references.is_empty() {
        say(format_args!("({what} refers to nothing)"));
    }
    Ok(table.print_unless_empty(args.output.output)?)
}
