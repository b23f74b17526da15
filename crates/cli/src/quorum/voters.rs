//! `ottla quorum add-voter`, `remove-voter` and `replace`: voters that come and go (KIP-853). Who is to vote is read from its own
//! file and directory, so that nobody has to copy a directory id.

use crate::args::OutputArgs;
use crate::configuration;
use crate::failure::{Exit, Failure};
use crate::freshness;
use crate::output::Table;
use crate::refusal::split;
use ::log::{LogDirectory, RealDisk};
use ::server::settings::Settings;
use clap::Args;
use client::admin::{NewVoter, QuorumDescription, QuorumReplica};
use client::{Admin, Str, Uuid};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const AFTER_ADD: &str = r#"Examples:
  ottla quorum add-voter -c controller-4.properties         # on the machine of the new controller

JSON: an array of
  {"node":4,"directory_id":"Jp0rPPhWSbul_E0NyzkAAA"}"#;

/// Arguments of `ottla quorum add-voter`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_ADD)]
pub struct AddVoterArgs {
    /// The file that the new controller is started with; it has to be formatted, run and follow already
    #[arg(short = 'c', long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_REMOVE: &str = r#"Examples:
  ottla quorum remove-voter 3

JSON: an array of
  {"node":3,"directory_id":"Jp0rPPhWSbul_E0NyzkAAA"}"#;

/// Arguments of `ottla quorum remove-voter`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_REMOVE)]
pub struct RemoveVoterArgs {
    /// Its node.id
    #[arg(value_name = "NODE")]
    node: i32,
    /// Its directory, where two voters of this id are known
    #[arg(long, value_name = "ID", value_parser = directory_id)]
    directory_id: Option<Uuid>,
    #[command(flatten)]
    output: OutputArgs,
}

const AFTER_REPLACE: &str = r#"Examples:
  ottla quorum replace 3 -c controller-4.properties         # 4 comes first, then 3 goes

JSON: an array of
  {"node":4,"directory_id":"Jp0rPPhWSbul_E0NyzkAAA"}"#;

/// Arguments of `ottla quorum replace`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_REPLACE)]
pub struct ReplaceArgs {
    /// The voter that goes
    #[arg(value_name = "NODE")]
    node: i32,
    /// The file that the new controller is started with; it has to be formatted, run and follow already
    #[arg(short = 'c', long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    output: OutputArgs,
}

fn directory_id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "write it as meta.properties has it, 22 letters and digits".to_owned())
}

pub(super) async fn add(args: AddVoterArgs, admin: &Admin) -> Result<(), Failure> {
    let voter = voter_of(&args.config)?;
    let quorum: QuorumDescription = freshness::quorum(admin).await?;
    changeable(&quorum)?;
    admin.add_voter(&voter).await?;
    told(voter.id, voter.directory_id, args.output)
}

pub(super) async fn remove(args: RemoveVoterArgs, admin: &Admin) -> Result<(), Failure> {
    let quorum: QuorumDescription = freshness::quorum(admin).await?;
    let directory_id = match args.directory_id {
        Some(id) => id,
        None => directory_of(args.node, &quorum)?,
    };
    changeable(&quorum)?;
    admin.remove_voter(args.node, directory_id).await?;
    told(args.node, directory_id, args.output)
}

/// The new one first: there is no moment with fewer voters than before. What broke off in between is gone on with by the same command.
pub(super) async fn replace(args: ReplaceArgs, admin: &Admin) -> Result<(), Failure> {
    let voter = voter_of(&args.config)?;
    let quorum: QuorumDescription = freshness::quorum(admin).await?;
    let leaving = directory_of(args.node, &quorum)?;
    changeable(&quorum)?;
    let is_it = |one: &QuorumReplica| one.id == voter.id && one.directory_id == voter.directory_id;
    if !quorum.voters.iter().any(is_it) {
        admin.add_voter(&voter).await?;
    }
    admin.remove_voter(args.node, leaving).await.map_err(|error| {
        let (what, why) = split(&error);
        Failure::new(
            format!("{} votes now, and {} still does", voter.id, args.node),
            format!("{what}: {why}"),
        )
        .try_this("the same command again, which goes on from here")
    })?;
    told(voter.id, voter.directory_id, args.output)
}

fn told(node: i32, directory_id: Uuid, output: OutputArgs) -> Result<(), Failure> {
    let mut table = Table::new(&[("NODE", "node"), ("DIRECTORY ID", "directory_id")]);
    table.row(vec![json!(node), json!(directory_id.to_string())]);
    Ok(table.print(output.output)?)
}

/// Fails where voters cannot be changed: those of `controller.quorum.voters` are what the files say (KIP-853).
fn changeable(quorum: &QuorumDescription) -> Result<(), Failure> {
    if quorum.voters.iter().any(|voter| !voter.directory_id.is_zero()) {
        return Ok(());
    }
    Err(Failure::new(
        "the voters of this quorum cannot be changed",
        "they are those of controller.quorum.voters (kraft.version is 0)",
    )
    .try_this("kafka-features.sh upgrade --feature kraft.version=1 makes the quorum dynamic"))
}

fn directory_of(node: i32, quorum: &QuorumDescription) -> Result<Uuid, Failure> {
    let voters: Vec<_> = quorum.voters.iter().filter(|voter| voter.id == node).collect();
    match voters.as_slice() {
        [voter] => Ok(voter.directory_id),
        [] => {
            let known: Vec<String> = quorum.voters.iter().map(|voter| voter.id.to_string()).collect();
            let why = format!("the voters are {}", known.join(", "));
            Err(Failure::new(format!("node {node} does not vote"), why)
                .exit(Exit::NotFound)
                .try_this("ottla quorum status"))
        }
        several => {
            let ids: Vec<String> = several.iter().map(|voter| voter.directory_id.to_string()).collect();
            let why = format!("their directories are {}", ids.join(", "));
            Err(Failure::usage(format!("several voters are called {node}"), why)
                .try_this("--directory-id ID, the one that goes"))
        }
    }
}

/// What the controller that is started with this file says of itself.
fn voter_of(file: &Path) -> Result<NewVoter, Failure> {
    let shown = file.display().to_string();
    let all = configuration::read(Some(file), &[])?;
    let (settings, _warnings) = configuration::settings(Some(file), all)
        .map_err(|refused| configuration::refused(&refused, &shown))?;
    if !settings.roles.controller {
        return Err(Failure::usage(
            format!("{shown} is no controller's"),
            "its process.roles has no controller",
        )
        .try_this("the file of the new controller"));
    }
    let directory = &settings.metadata_directory;
    let meta = LogDirectory::new(Arc::new(RealDisk::default()), directory).meta_properties();
    let meta = meta.map_err(|fault| {
        Failure::new(format!("cannot read {}", directory.display()), fault)
            .try_this("run this on the machine of the new controller")
    })?;
    let directory_id = meta.and_then(|meta| meta.directory_id).ok_or_else(|| {
        Failure::new(format!("{} is not formatted", directory.display()), "it has no meta.properties")
            .exit(Exit::NotFound)
            .try_this(format!("ottla storage format --no-initial-controllers -t CLUSTER_ID -c {shown}"))
    })?;
    Ok(NewVoter { id: settings.node_id, directory_id, listeners: listeners(&settings) })
}

fn listeners(settings: &Settings) -> Vec<(Str, Str, u16)> {
    let told = settings.controller_advertised.iter();
    told.map(|one| {
        let host = one.host.as_deref().unwrap_or("localhost");
        (Str::from(one.name.as_str()), Str::from(host), one.port)
    })
    .collect()
}
