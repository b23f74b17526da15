//! `ottla schema`: schemas of any registry that speaks Confluent's REST API. Owns the list of verbs and what several of them share; nothing here talks to
//! brokers.

mod moving;
mod settings;
mod show;
mod source;
mod terms;
mod write;

use crate::failure::Failure;
use crate::registry_access::AccessArgs;
use clap::{Args, Subcommand};

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
