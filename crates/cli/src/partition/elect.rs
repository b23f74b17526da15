//! `ottla partition elect`: leaders, preferred or at any price.

use crate::args::OutputArgs;
use crate::failure::Failure;
use crate::group::{Scope, partitions, scope};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use clap::Args;
use client::admin::ElectionKind;
use client::{Admin, ErrorCode};
use serde_json::json;

const AFTER: &str = r#"Examples:
  ottla partition elect --all                         # every partition goes back to its first replica
  ottla partition elect orders:0,3
  ottla partition elect orders:3 --unclean            # LOSES what only the dead replicas have

JSON: an array of
  {"topic":"orders","partition":0}"#;

/// Arguments of `ottla partition elect`.
#[derive(Debug, Args)]
#[command(after_help = AFTER)]
pub struct ElectArgs {
    /// Topics, or partitions as TOPIC:0,1
    #[arg(value_name = "TOPIC[:N,N]", value_parser = scope, required_unless_present = "all")]
    targets: Vec<Scope>,
    /// All partitions
    #[arg(long, conflicts_with = "targets")]
    all: bool,
    /// Elect a replica that is not in sync where no other is alive: what it lacks is lost
    #[arg(long)]
    unclean: bool,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) async fn run(args: ElectArgs, admin: &Admin) -> Result<(), Failure> {
    let kind = if args.unclean { ElectionKind::Unclean } else { ElectionKind::Preferred };
    let targets = if args.all { None } else { Some(partitions(&args.targets, admin).await?) };
    let mut each = admin.elect_leaders(kind, targets.as_deref()).await?;
    // Nothing had to be done: the leader is the right one.
    each.retain(|_, elected| {
        elected.as_ref().err().and_then(client::Error::code) != Some(ErrorCode::ElectionNotNeeded)
    });
    let (elected, failure) = all_ok(each);
    let mut table = Table::new(&[("TOPIC", "topic"), ("PARTITION", "partition")]);
    for (target, ()) in elected {
        table.row(vec![json!(target.topic.as_str()), json!(target.partition)]);
    }
    if failure.is_none() {
        table.print_or_say(args.output.output, "(no election was needed)")?;
    } else {
        table.print_unless_empty(args.output.output)?;
    }
    finish(failure)
}
