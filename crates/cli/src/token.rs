//! `ottla token`: delegation tokens (KIP-48). Whoever has a token's HMAC has the token, so that it is printed only where a token is made or where
//! it is asked for, and never taken from the command line: a token is renewed and ended by its id.

use crate::args::{ConnectArgs, OutputArgs, duration};
use crate::connect::ask;
use crate::failure::{Failure, say};
use crate::output::Table;
use crate::time::format_time_ms;
use clap::{Args, Subcommand};
use client::admin::DelegationToken;
use client::{Admin, Str};
use serde_json::json;
use std::time::Duration;
use wire::base64::STANDARD;

/// Arguments of `ottla token`.
#[derive(Debug, Args)]
pub struct TokenCommand {
    #[command(subcommand)]
    verb: TokenVerb,
    #[command(flatten)]
    connection: ConnectArgs,
}

/// The verbs of `ottla token`.
#[derive(Debug, Subcommand)]
enum TokenVerb {
    /// List the tokens that one owns, may renew or may describe
    #[command(visible_alias = "ls", after_help = AFTER_LIST)]
    List(ListArgs),
    /// Make a token
    #[command(after_help = AFTER_CREATE)]
    Create(CreateArgs),
    /// Give a token a later end
    Renew(RenewArgs),
    /// End a token
    Expire(ExpireArgs),
}

const AFTER_LIST: &str = r#"JSON: an array of
  {"token":"fK2...","owner":"User:alice","requester":"User:alice","renewers":"User:bob","issued":"2026-03-01T12:00:00.000Z",
   "expires":"2026-03-02T12:00:00.000Z","max":"2026-03-08T12:00:00.000Z"}
  with --hmac also "hmac"; times are UTC."#;

const AFTER_CREATE: &str = r#"Whoever has the token logs in by SCRAM, with its id as the name and its HMAC as the password:
  sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username="ID" password="HMAC" tokenauth="true";

Examples:
  ottla token create --max-lifetime 2d --renewer User:scheduler

JSON: an array as ottla token list --hmac has it"#;

#[derive(Debug, Args)]
struct ListArgs {
    /// Only of these owners
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    owner: Vec<String>,
    /// Show what logs in, too
    #[arg(long)]
    hmac: bool,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// Whom it logs in, if it is somebody else
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    owner: Option<String>,
    /// Who may renew it beside its owner
    #[arg(long, value_name = "PRINCIPAL", value_parser = principal)]
    renewer: Vec<String>,
    /// However often it is renewed, it ends after this (e.g. 2d)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    max_lifetime: Option<Duration>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct RenewArgs {
    /// The token's id
    #[arg(value_name = "ID")]
    token: Str,
    /// From now on (e.g. 12h); the cluster's own period without it
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    period: Option<Duration>,
}

#[derive(Debug, Args)]
struct ExpireArgs {
    /// The token's id
    #[arg(value_name = "ID")]
    token: Str,
    /// From now on (e.g. 1h); at once without it
    #[arg(long, value_name = "TIME", value_parser = duration)]
    after: Option<Duration>,
}

fn principal(text: &str) -> Result<String, String> {
    let is_one = text.split_once(':').is_some_and(|(kind, name)| !kind.is_empty() && !name.is_empty());
    if is_one { Ok(text.to_owned()) } else { Err("a principal is written User:name".to_owned()) }
}

/// Runs one verb.
pub fn run(command: TokenCommand) -> Result<(), Failure> {
    let connection = &command.connection;
    match command.verb {
        TokenVerb::List(args) => ask(connection, async |admin| list(args, admin).await),
        TokenVerb::Create(args) => ask(connection, async |admin| create(args, admin).await),
        TokenVerb::Renew(args) => ask(connection, async |admin| renew(args, admin).await),
        TokenVerb::Expire(args) => ask(connection, async |admin| expire(args, admin).await),
    }
}

async fn list(args: ListArgs, admin: &Admin) -> Result<(), Failure> {
    let tokens = admin.describe_tokens(&args.owner).await?;
    Ok(table(&tokens, args.hmac).print_or_say(args.output.output, "(no tokens)")?)
}

async fn create(args: CreateArgs, admin: &Admin) -> Result<(), Failure> {
    let longest = args.max_lifetime.map(millis);
    let token = admin.create_token(args.owner.as_deref(), &args.renewer, longest).await?;
    Ok(table(&[token], true).print(args.output.output)?)
}

async fn renew(args: RenewArgs, admin: &Admin) -> Result<(), Failure> {
    let token = known(&args.token, admin).await?;
    let expires_ms = admin.renew_token(&token, args.period.map(millis)).await?;
    say(format_args!("token {} ends {}", token.token_id, format_time_ms(expires_ms)));
    Ok(())
}

async fn expire(args: ExpireArgs, admin: &Admin) -> Result<(), Failure> {
    let token = known(&args.token, admin).await?;
    let expires_ms = admin.expire_token(&token, args.after.map(millis)).await?;
    say(format_args!(
        "token {} ends {}; who came by it goes then",
        token.token_id,
        format_time_ms(expires_ms)
    ));
    Ok(())
}

/// A token by its id: the cluster knows tokens by their HMACs.
async fn known(token_id: &Str, admin: &Admin) -> Result<DelegationToken, Failure> {
    let tokens = admin.describe_tokens(&[]).await?;
    let found = tokens.into_iter().find(|token| token.token_id == *token_id);
    found.ok_or_else(|| {
        Failure::new(
            format!("token {token_id}"),
            "there is none with this id that you own, may renew or may describe",
        )
        .try_this("ottla token list")
    })
}

fn table(tokens: &[DelegationToken], with_hmac: bool) -> Table {
    let mut columns = vec![
        ("TOKEN", "token"),
        ("OWNER", "owner"),
        ("REQUESTER", "requester"),
        ("RENEWERS", "renewers"),
        ("ISSUED", "issued"),
        ("EXPIRES", "expires"),
        ("MAX", "max"),
    ];
    if with_hmac {
        columns.push(("HMAC", "hmac"));
    }
    let mut table = Table::new(&columns);
    for token in tokens {
        let times = [token.issued_ms, token.expires_ms, token.max_ms].map(|ms| json!(format_time_ms(ms)));
        let who = [json!(token.token_id.as_str()), json!(token.owner), json!(token.requester)];
        let mut row: Vec<_> = who.into_iter().chain([json!(token.renewers.join(","))]).chain(times).collect();
        if with_hmac {
            row.push(json!(STANDARD.encode(&token.hmac)));
        }
        table.row(row);
    }
    table
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
