//! `ottla user`: who can log in by SCRAM. A password is read from the command line or a file, salted and hashed here, and sent nowhere.

use crate::args::{ConnectArgs, OutputArgs};
use crate::connect::ask;
use crate::failure::{Failure, say};
use crate::output::Table;
use crate::refusal::{all_ok, finish};
use ::server::random;
use clap::{Args, Subcommand};
use client::admin::CredentialChange;
use client::{Admin, Str};
use serde_json::json;
use std::path::PathBuf;
use wire::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS, Mechanism};

/// Arguments of `ottla user`.
#[derive(Debug, Args)]
pub struct UserCommand {
    #[command(subcommand)]
    verb: UserVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla user`.
#[derive(Debug, Subcommand)]
enum UserVerb {
    /// List users and their mechanisms
    #[command(visible_alias = "ls", after_help = AFTER_LIST)]
    List(ListArgs),
    /// Give a user a password
    #[command(visible_alias = "alter", after_help = AFTER_CREATE)]
    Create(CreateArgs),
    /// Take a user's password away
    #[command(visible_alias = "rm")]
    Delete(DeleteArgs),
}

const AFTER_LIST: &str = r#"JSON: an array of
  {"user":"alice","mechanism":"SCRAM-SHA-512","iterations":4096}"#;

const AFTER_CREATE: &str = r#"Examples:
  ottla user create alice --password-file secret.txt
  ottla user alter alice --password-file secret.txt --mechanism SCRAM-SHA-256

JSON: an array as ottla user list has it"#;

#[derive(Debug, Args)]
struct ListArgs {
    /// Only these
    #[arg(value_name = "USER")]
    names: Vec<Str>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Args)]
struct CreateArgs {
    /// Name
    #[arg(value_name = "USER")]
    name: Str,
    /// A file whose first line is the password: it stays out of the list of processes
    #[arg(long, value_name = "FILE", required_unless_present = "password", conflicts_with = "password")]
    password_file: Option<PathBuf>,
    /// The password itself, for all on this machine to see
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// SCRAM-SHA-256 or SCRAM-SHA-512
    #[arg(long, default_value = "SCRAM-SHA-512", value_name = "MECHANISM", value_parser = mechanism)]
    mechanism: Mechanism,
    /// How often the password is hashed
    #[arg(long, default_value_t = MIN_ITERATIONS, value_name = "N", value_parser = clap::value_parser!(i32).range(i64::from(MIN_ITERATIONS)..=i64::from(MAX_ITERATIONS)))]
    iterations: i32,
    #[command(flatten)]
    output: OutputArgs,
}

impl std::fmt::Debug for CreateArgs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CreateArgs({:?}, [hidden])", self.name)
    }
}

#[derive(Debug, Args)]
struct DeleteArgs {
    /// Name
    #[arg(value_name = "USER")]
    name: Str,
    /// Only of this mechanism
    #[arg(long, value_name = "MECHANISM", value_parser = mechanism)]
    mechanism: Option<Mechanism>,
}

fn mechanism(text: &str) -> Result<Mechanism, String> {
    Mechanism::named(&text.to_uppercase()).ok_or_else(|| "SCRAM-SHA-256 or SCRAM-SHA-512".to_owned())
}

/// Runs one verb.
pub fn run(command: UserCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        UserVerb::List(args) => ask(connection, async |admin| list(&args.names, args.output, admin).await),
        UserVerb::Create(args) => ask(connection, async |admin| create(args, admin).await),
        UserVerb::Delete(args) => ask(connection, async |admin| delete(args, admin).await),
    }
}

async fn list(names: &[Str], output: OutputArgs, admin: &Admin) -> Result<(), Failure> {
    let (users, failure) = all_ok(admin.describe_credentials(names).await?);
    let mut table = Table::new(&[("USER", "user"), ("MECHANISM", "mechanism"), ("ITERATIONS", "iterations")]);
    for (user, credentials) in users {
        for one in credentials {
            table.row(vec![json!(user.as_str()), json!(one.mechanism), json!(one.iterations)]);
        }
    }
    match failure {
        None => table.print_or_say(output.output, "(no users)")?,
        Some(_) => table.print_unless_empty(output.output)?,
    }
    finish(failure)
}

/// A credential with fresh salt.
pub fn credential(
    mechanism: Mechanism,
    iterations: i32,
    password: &str,
) -> Result<CredentialChange, Failure> {
    let salt = random::bytes::<24>().map_err(|error| Failure::new("no salt", error))?.to_vec();
    let salted_password = mechanism.salt(password.as_bytes(), &salt, iterations);
    Ok(CredentialChange::Set { mechanism, iterations, salt, salted_password })
}

async fn create(args: CreateArgs, admin: &Admin) -> Result<(), Failure> {
    let password = match (args.password, &args.password_file) {
        (Some(password), _) => password,
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text =
                text.map_err(|error| Failure::new(format!("could not read {}", file.display()), error))?;
            text.lines().next().unwrap_or_default().to_owned()
        }
        (None, None) => String::new(),
    };
    if password.is_empty() {
        return Err(Failure::usage("an empty password lets everybody in", "name --password-file FILE"));
    }
    let (mechanism, iterations) = (args.mechanism, args.iterations);
    let change = credential(mechanism, iterations, &password)?;
    admin.change_credential(&args.name, &change).await?;
    let name = match mechanism {
        Mechanism::Sha256 => "SCRAM-SHA-256",
        Mechanism::Sha512 => "SCRAM-SHA-512",
    };
    let mut table = Table::new(&[("USER", "user"), ("MECHANISM", "mechanism"), ("ITERATIONS", "iterations")]);
    table.row(vec![json!(args.name.as_str()), json!(name), json!(iterations)]);
    Ok(table.print(args.output.output)?)
}

async fn delete(args: DeleteArgs, admin: &Admin) -> Result<(), Failure> {
    let wanted = match args.mechanism {
        Some(mechanism) => vec![mechanism],
        None => {
            let mut each = admin.describe_credentials(std::slice::from_ref(&args.name)).await?;
            let known = each.remove(&args.name).transpose()?.unwrap_or_default();
            known.iter().filter_map(|one| Mechanism::named(one.mechanism)).collect()
        }
    };
    for mechanism in wanted {
        admin.change_credential(&args.name, &CredentialChange::Delete { mechanism }).await?;
    }
    say(format_args!(
        "user {:?} can no longer log in by SCRAM; connections that are open stay open",
        args.name
    ));
    Ok(())
}
