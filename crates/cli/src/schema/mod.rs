//! `ottla schema`: schemas of any registry that speaks Confluent's REST API. Owns the list of verbs and what several of them share; nothing here talks to
//! brokers.

mod moving;
mod settings;
mod show;
mod write;

use crate::failure::Failure;
use crate::registry_access::AccessArgs;
use ::schema::formats::{Parsed, Referred, SchemaType};
use ::schema::json::Json;
use ::schema::rest::Registry;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

/// Arguments of `ottla schema`.
#[derive(Debug, Args)]
pub struct SchemaCommand {
    #[command(subcommand)]
    verb: SchemaVerb,
    #[command(flatten)]
    access: AccessArgs,
}

/// The verbs of `ottla schema`.
#[derive(Debug, Subcommand)]
enum SchemaVerb {
    /// List subjects
    #[command(visible_alias = "ls", after_help = show::AFTER_LIST)]
    List(show::ListArgs),
    /// Show a schema
    #[command(after_help = show::AFTER_GET)]
    Get(show::GetArgs),
    /// Register a schema
    #[command(visible_alias = "register", after_help = write::AFTER_CREATE)]
    Create(write::CreateArgs),
    /// Ask whether a schema may be registered, and if not, why
    #[command(after_help = write::AFTER_CHECK)]
    Check(write::CheckArgs),
    /// Show how two versions of a subject differ for those who read and write
    #[command(after_help = show::AFTER_DIFF)]
    Diff(show::DiffArgs),
    /// Delete a version, or a subject
    #[command(visible_alias = "rm")]
    Delete(write::DeleteArgs),
    /// Show or set how compatible new versions must be
    #[command(after_help = settings::AFTER_COMPAT)]
    Compat(settings::CompatArgs),
    /// Show or set who may write
    #[command(after_help = settings::AFTER_MODE)]
    Mode(settings::ModeArgs),
    /// Show what a schema refers to, and what refers to it
    #[command(after_help = show::AFTER_REFS)]
    Refs(show::RefsArgs),
    /// Write everything that a registry holds to standard output, with its ids
    #[command(after_help = moving::AFTER_EXPORT)]
    Export(moving::ExportArgs),
    /// Put what was exported into a registry, with its ids, and verify it
    #[command(after_help = moving::AFTER_IMPORT)]
    Import(moving::ImportArgs),
}

/// Runs one verb.
pub fn run(command: SchemaCommand) -> Result<(), Failure> {
    let registry = command.access.open()?;
    match command.verb {
        SchemaVerb::List(args) => show::list(&args, &registry),
        SchemaVerb::Get(args) => show::get(&args, &registry),
        SchemaVerb::Create(args) => write::create(&args, &registry),
        SchemaVerb::Check(args) => write::check(&args, &registry),
        SchemaVerb::Diff(args) => show::diff(&args, &registry),
        SchemaVerb::Delete(args) => write::delete(&args, &registry),
        SchemaVerb::Compat(args) => settings::compat(&args, &registry),
        SchemaVerb::Mode(args) => settings::mode(&args, &registry),
        SchemaVerb::Refs(args) => show::refs(&args, &registry),
        SchemaVerb::Export(args) => moving::export(&args, &registry),
        SchemaVerb::Import(args) => moving::import(&args, &registry),
    }
}

/// A schema's language on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TypeArg {
    Avro,
    Protobuf,
    JsonSchema,
}

impl TypeArg {
    fn schema_type(self) -> SchemaType {
        match self {
            TypeArg::Avro => SchemaType::Avro,
            TypeArg::Protobuf => SchemaType::Protobuf,
            TypeArg::JsonSchema => SchemaType::Json,
        }
    }
}

/// `latest` or a number.
fn version(text: &str) -> Result<String, String> {
    let is_one = text == "latest" || text.parse::<u32>().is_ok_and(|number| number > 0);
    if is_one { Ok(text.to_owned()) } else { Err("a version is a number from 1, or latest".to_owned()) }
}

/// For printing: the outputs of commands are built of serde_json's values.
fn printable(json: &Json) -> Value {
    serde_json::from_str(&json.to_string()).unwrap_or(Value::Null)
}

/// A registered schema with all that it refers to, read.
fn parsed(registry: &Registry, definition: &::schema::rest::Definition) -> Result<Parsed, Failure> {
    let references: Vec<Referred> = registry
        .resolve(&definition.references)
        .map_err(|fault| crate::registry_access::failed("a reference cannot be had", &fault))?;
    Parsed::parse(definition.schema_type, &definition.text, &references, false).map_err(|why| {
        Failure::new("the schema cannot be read", why).try_this("ottla schema get, which shows it")
    })
}
