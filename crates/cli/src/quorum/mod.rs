//! `ottla quorum`: the metadata quorum, its voters, what is wrong with it. Owns the verbs; `doctor.rs` judges.

mod doctor;
mod voters;

use crate::args::{ConnectArgs, OutputArgs, OutputFormat};
use crate::connect::{ask, look};
use crate::failure::Failure;
use crate::freshness;
use crate::output::{Table, print_json, print_line};
use crate::time::format_time_ms;
use clap::{Args, Subcommand};
use client::Admin;
use client::admin::QuorumReplica;
use serde_json::{Value, json};

/// Arguments of `ottla quorum`.
#[derive(Debug, Args)]
pub struct QuorumCommand {
    #[command(subcommand)]
    verb: QuorumVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla quorum`.
#[derive(Debug, Subcommand)]
enum QuorumVerb {
    /// Show who leads the metadata quorum and how far everybody is
    #[command(after_help = AFTER_STATUS)]
    Status(OutputArgs),
    /// Say what is wrong with the cluster: who lacks what, why, and what to try
    Doctor(doctor::DoctorArgs),
    /// Let a controller vote that so far only follows
    AddVoter(voters::AddVoterArgs),
    /// Take a voter's vote away
    RemoveVoter(voters::RemoveVoterArgs),
    /// Let a controller vote in another one's place
    Replace(voters::ReplaceArgs),
}

/// What the help says of the answer.
pub const AFTER_STATUS: &str = r#"JSON: an object
  {"leader_id":1,"leader_epoch":1,"high_watermark":124,
   "replicas":[{"node":1,"role":"leader","log_end_offset":124,"lag":0,"last_fetch":"2026-03-01T12:00:00.000Z",
                "last_caught_up":"2026-03-01T12:00:00.000Z","directory_id":null}]}"#;

/// Runs one verb.
pub fn run(command: QuorumCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        QuorumVerb::Status(args) => look(connection, async |admin| status(admin, args.output).await),
        QuorumVerb::Doctor(args) => look(connection, async |admin| doctor::run(args, admin).await),
        QuorumVerb::AddVoter(args) => ask(connection, async |admin| voters::add(args, admin).await),
        QuorumVerb::RemoveVoter(args) => ask(connection, async |admin| voters::remove(args, admin).await),
        QuorumVerb::Replace(args) => ask(connection, async |admin| voters::replace(args, admin).await),
    }
}

/// `ottla quorum status`.
pub async fn status(admin: &Admin, format: OutputFormat) -> Result<(), Failure> {
    let quorum = freshness::quorum(admin).await?;
    let mut table = Table::new(&[
        ("NODE", "node"),
        ("ROLE", "role"),
        ("LOG END OFFSET", "log_end_offset"),
        ("LAG", "lag"),
        ("LAST FETCH", "last_fetch"),
        ("LAST CAUGHT UP", "last_caught_up"),
        ("DIRECTORY ID", "directory_id"),
    ])
    .quiet(&["directory_id"]);
    let leader_end =
        quorum.voters.iter().find(|voter| voter.id == quorum.leader_id).map(|leader| leader.log_end_offset);
    let mut add = |role: &str, replica: &QuorumReplica| {
        let role = if replica.id == quorum.leader_id && role == "voter" { "leader" } else { role };
        table.row(vec![
            json!(replica.id),
            json!(role),
            json!(replica.log_end_offset),
            json!(leader_end.map(|end| end - replica.log_end_offset)),
            time(replica.last_fetch_ms),
            time(replica.last_caught_up_ms),
            if replica.directory_id.is_zero() {
                json!(null)
            } else {
                json!(replica.directory_id.to_string())
            },
        ]);
    };
    quorum.voters.iter().for_each(|replica| add("voter", replica));
    quorum.observers.iter().for_each(|replica| add("observer", replica));
    if format == OutputFormat::Json {
        return Ok(print_json(&json!({
            "leader_id": quorum.leader_id,
            "leader_epoch": quorum.leader_epoch,
            "high_watermark": quorum.high_watermark,
            "replicas": table.to_json(),
        }))?);
    }
    print_line(&format!("Leader:          {} in epoch {}", quorum.leader_id, quorum.leader_epoch))?;
    print_line(&format!("High watermark:  {}", quorum.high_watermark))?;
    Ok(table.print(format)?)
}

fn time(ms: i64) -> Value {
    if ms < 0 { Value::Null } else { json!(format_time_ms(ms)) }
}
