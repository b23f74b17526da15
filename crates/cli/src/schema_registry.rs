//! `ottla registry`: a schema registry of its own beside any Kafka cluster. Owns the arguments and the words around a start; what a
//! registry is lives in the crate `registry`.

use crate::args::{ConnectArgs, LogArgs};
use crate::connect::{Cluster, unreadable};
use crate::failure::{Failure, say};
use ::server::logs;
use clap::Args;
use client::ClientOptions;
use registry::{Doors, Fault, Options};
use std::io::{self, Write};
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

const AFTER: &str = r#"Examples:
  ottla registry                                                    http://0.0.0.0:8081 over localhost:9092
  ottla registry -b broker-1:9092 --listeners http://0.0.0.0:8081
  ottla registry -c schema-registry.properties                      Confluent's own file
  ottla registry --listeners https://0.0.0.0:8081 --set ssl.keystore.type=PEM --set ssl.keystore.location=key-and-chain.pem

Keys of the file, or of --set: listeners, host.name, schema.registry.group.id, leader.eligibility, schema.compatibility.level,
mode.mutability, authentication.{method, realm}, authorizer, super.users, ssl.*, kafkastore.{bootstrap.servers, topic, topic.replication.factor, timeout.ms, init.timeout.ms, security.protocol,
sasl.*, ssl.*}. Several registries on one topic elect one that writes."#;

/// Arguments of `ottla registry`.
#[derive(Debug, Clone, Args)]
#[command(after_help = AFTER)]
pub struct RegistryArgs {
    /// Confluent's schema-registry.properties
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the REST API listens; http://0.0.0.0:8081 without it
    #[arg(long, value_name = "http://HOST:PORT,...")]
    pub listeners: Option<String>,
    /// A key of the file; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    #[command(flatten)]
    pub log: LogArgs,
}

/// Runs a registry until a signal.
pub fn run(args: &RegistryArgs, connection: &ConnectArgs) -> Result<(), Failure> {
    let _levels = logs::start(args.log.log_level.as_deref())
        .map_err(|why| Failure::usage("cannot read the log level", why).try_this("--log-level info"))?;
    let mut connection = connection.clone();
    let mut options = Options::default();
    for (key, value) in pairs(args)? {
        set(&mut options, &mut connection, &key, &value)?;
    }
    if let Some(listeners) = &args.listeners {
        set(&mut options, &mut connection, "listeners", listeners)?;
    }
    let client = Cluster::new(&connection)?.client_options()?;
    let doors = Doors::bind(&options).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("could not start", error))?;
    runtime.block_on(serve(client, options, doors))
}

async fn serve(client: ClientOptions, options: Options, doors: Doors) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let topic = options.topic.clone();
    let running = tokio::select! {
        started = registry::start(client, options, &doors) => started.map_err(failed)?,
        _ = terminate.recv() => return Ok(()),
        _ = interrupt.recv() => return Ok(()),
    };
    let line = format!(
        "ottla {} schema registry is ready: {}, topic {topic}\n",
        env!("CARGO_PKG_VERSION"),
        running.urls()
    );
    // Nobody may be reading; the registry runs all the same.
    let _ = io::stdout().write_all(line.as_bytes()).and_then(|()| io::stdout().flush());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    running.stop().await;
    Ok(())
}

/// What a start says when it refuses.
pub fn failed(fault: Fault) -> Failure {
    Failure::new(fault.what, fault.why).try_this(fault.hint)
}

/// The file, then `--set`.
fn pairs(args: &RegistryArgs) -> Result<Vec<(String, String)>, Failure> {
    let mut all = Vec::new();
    if let Some(file) = &args.config {
        let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
        let properties = client::parse_properties(&bytes).map_err(|error| {
            Failure::usage(format!("{} is not a properties file", file.display()), error)
                .try_this(r"a \ that is meant literally is written \\")
        })?;
        all.extend(properties);
    }
    for pair in &args.set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Failure::usage(format!("--set {pair}"), "it is not KEY=VALUE")
                .try_this("--set kafkastore.topic=_schemas")
        })?;
        all.push((key.trim().to_owned(), value.to_owned()));
    }
    Ok(all)
}

/// Keys that would protect or change something that is not there: believing in them is worse than a refusal.
const REFUSED: [&str; 8] = [
    "authentication.",
    "ssl.",
    "authorizer",
    "security.protocol",
    "rest.servlet",
    "resource.extension",
    "confluent.",
    "metadata.encoder.",
];

/// Takes a key of Confluent's.
pub fn set(
    options: &mut Options,
    connection: &mut ConnectArgs,
    key: &str,
    value: &str,
) -> Result<(), Failure> {
    let wrong = |why: String| Failure::usage("the configuration of the registry cannot be used", why);
    if options.set(key, value).map_err(wrong)? {
        return Ok(());
    }
    match key.strip_prefix("kafkastore.") {
        Some("bootstrap.servers") => {
            if connection.bootstrap_server.is_none() {
                connection.bootstrap_server = Some(value.to_owned());
            }
        }
        Some(of_client)
            if ["security.protocol", "sasl.", "ssl."].iter().any(|own| of_client.starts_with(own)) =>
        {
            connection.properties.push(format!("{of_client}={value}"));
        }
        _other if REFUSED.iter().any(|refused| key.starts_with(refused)) => {
            return Err(wrong(format!("{key}: the REST API has nothing of the kind, and would be less protected than it says"))
                .try_this("leave it out; authentication.method=BASIC, listeners=https://..., and the cluster's ACLs are there"));
        }
        _other => say(format_args!("warning: {key} is without effect here")),
    }
    Ok(())
}
