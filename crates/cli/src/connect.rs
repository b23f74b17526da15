//! From command line to cluster: properties, time limits, the runtime that commands run on.

use crate::args::ConnectArgs;
use crate::failure::{Exit, Failure, say};
use crate::invocation;
use crate::refusal::split;
use crate::time::spelled;
use client::{
    Admin, Client, ClientOptions, ConsumerOptions, Error, ProducerOptions, Properties, Remark,
    ShareConsumerOptions,
};
use std::future::Future;
use std::path::Path;
use std::time::Duration;

/// How long the cluster may keep silent where nobody says otherwise.
const DEFAULT_LIMIT: Duration = Duration::from_secs(30);

/// The same of commands that only look: what comes later than this is no look any more.
const DEFAULT_LOOK_LIMIT: Duration = Duration::from_secs(10);

/// After so long a silence a person is told what is waited for.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// What is left to the client beyond the limit, so that its own, better reason comes first.
const GRACE: Duration = Duration::from_millis(300);

/// Runs a command.
pub fn block_on<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("could not start", error))?;
    runtime.block_on(command)
}

/// Runs a command that asks the cluster and is done, within the limit.
pub fn ask<T>(
    args: &ConnectArgs,
    command: impl AsyncFnOnce(&Admin) -> Result<T, Failure>,
) -> Result<T, Failure> {
    ask_at(&Cluster::new(args)?, command)
}

/// The same of a command that only looks, and need not wait for what may come back one day.
pub fn look<T>(
    args: &ConnectArgs,
    command: impl AsyncFnOnce(&Admin) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut cluster = Cluster::new(args)?;
    if args.timeout.is_none() && cluster.limit == DEFAULT_LIMIT {
        cluster.limit = DEFAULT_LOOK_LIMIT;
    }
    ask_at(&cluster, command)
}

fn ask_at<T>(
    cluster: &Cluster,
    command: impl AsyncFnOnce(&Admin) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(cluster.within_limit(async {
        let admin = cluster.connect().await?.admin();
        command(&admin).await
    }))
}

/// The cluster that the arguments name, before anybody has spoken to it.
pub struct Cluster {
    properties: Properties,
    limit: Duration,
}

impl Cluster {
    /// Reads and checks every property. The later wins: file, `-X`, `-b`.
    pub fn new(args: &ConnectArgs) -> Result<Cluster, Failure> {
        invocation::talking_to(args);
        let mut properties = Properties::new();
        if let Some(file) = &args.command_config {
            properties.extend(from_file(file)?);
        }
        let typed = typed(&args.properties)?;
        properties.extend(typed);
        let named = args.bootstrap_server.clone();
        let environment =
            || std::env::var("OTTLA_BOOTSTRAP_SERVER").ok().filter(|text| !text.trim().is_empty());
        match named {
            Some(named) => drop(properties.insert("bootstrap.servers".to_owned(), named)),
            None if properties
                .keys()
                .any(|key| key == "bootstrap.servers" || key == "metadata.broker.list") => {}
            None => {
                let fallback = environment().unwrap_or_else(|| "localhost:9092".to_owned());
                properties.insert("bootstrap.servers".to_owned(), fallback);
            }
        }
        let limit = match args.timeout {
            Some(limit) => limit,
            None => limit_of(&properties)?,
        };
        Ok(Cluster { properties, limit })
    }

    /// How long it may keep silent.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// How to connect, for who keeps the connection for long: within the properties' own limits.
    pub fn client_options(&self) -> Result<ClientOptions, Failure> {
        let mut options =
            ClientOptions { client_id: "ottla-registry".to_owned(), ..ClientOptions::default() };
        options.set_all(&self.properties)?;
        Ok(options)
    }

    /// Connects.
    pub async fn connect(&self) -> Result<Client, Failure> {
        let mut options = ClientOptions { client_id: "ottla-cli".to_owned(), ..ClientOptions::default() };
        options.request_timeout = self.limit;
        options.api_timeout = self.limit;
        options.set_all(&self.properties)?;
        options.request_timeout = options.request_timeout.min(self.limit);
        options.api_timeout = options.api_timeout.min(self.limit);
        options.connect_timeout = options.connect_timeout.min(self.limit);
        Ok(Client::with_options(options).await?)
    }

    /// A producer's options, as far as properties say.
    pub fn producer_options(&self) -> Result<ProducerOptions, Failure> {
        let mut options = ProducerOptions {
            delivery_timeout: self.limit,
            max_block: self.limit,
            ..ProducerOptions::default()
        };
        self.properties.iter().try_for_each(|(key, value)| options.set(key, value).map(drop))?;
        Ok(options)
    }

    /// A consumer's options, as far as properties say.
    pub fn consumer_options(&self) -> Result<ConsumerOptions, Failure> {
        let mut options = ConsumerOptions::default();
        self.properties.iter().try_for_each(|(key, value)| options.set(key, value).map(drop))?;
        Ok(options)
    }

    /// A share consumer's options, as far as properties say.
    pub fn share_options(&self) -> Result<ShareConsumerOptions, Failure> {
        let mut options = ShareConsumerOptions::default();
        self.properties.iter().try_for_each(|(key, value)| options.set(key, value).map(drop))?;
        Ok(options)
    }

    /// What must be over within the limit; says after a while what is waited for.
    pub async fn within_limit<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let bounded = tokio::time::timeout(self.limit + GRACE, work);
        let mut bounded = std::pin::pin!(bounded);
        let in_time = tokio::select! {
            in_time = &mut bounded => in_time,
            () = tokio::time::sleep(FIRST_WORD) => {
                say(format_args!("waiting for {}, up to {} in all", self.address(), spelled(self.limit)));
                bounded.await
            }
        };
        in_time.unwrap_or_else(|_elapsed| Err(self.silence()))
    }

    fn silence(&self) -> Failure {
        let what = format!("not done within {}", spelled(self.limit));
        Failure::new(what, format!("{} keeps silent, or is too slow", self.address()))
            .exit(Exit::Timeout)
            .try_this("a longer --timeout, such as 2m; the broker's own log")
    }

    fn address(&self) -> &str {
        self.properties.get("bootstrap.servers").map_or("the cluster", String::as_str)
    }
}

/// Without `--timeout` the properties' own limits count.
fn limit_of(properties: &Properties) -> Result<Duration, Failure> {
    let mut options = ClientOptions {
        request_timeout: DEFAULT_LIMIT,
        api_timeout: Duration::ZERO,
        ..ClientOptions::default()
    };
    options.set_all(properties)?;
    Ok(if options.api_timeout.is_zero() {
        options.request_timeout.max(DEFAULT_LIMIT)
    } else {
        options.api_timeout
    })
}

/// The properties of a file, with a word about those that do nothing.
fn from_file(file: &Path) -> Result<Properties, Failure> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|error| unreadable(file, &error))?;
    let properties = client::parse_properties(&bytes).map_err(|error| {
        Failure::usage(format!("{shown} is not a properties file"), split(&error).1)
            .try_this(r"a \ that is meant literally is written \\")
    })?;
    let remarks = client::vet(&properties).map_err(|error| not_obeyed(&error, &format!(" of {shown}")))?;
    tell(&remarks, &shown.to_string());
    Ok(properties)
}

/// A file that the user named and that cannot be read.
pub fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    let here = std::env::current_dir().map_or_else(|_| ".".to_owned(), |here| here.display().to_string());
    let exit = if error.kind() == std::io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Failed };
    let hint = match error.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("ls -l {}", invocation::quoted(&file.to_string_lossy()))
        }
        std::io::ErrorKind::IsADirectory => "the path of a file in it".to_owned(),
        _other if file.is_relative() => format!("a path that begins in {here}, or with /"),
        _other => "a path that exists".to_owned(),
    };
    Failure::new(format!("cannot read {}", file.display()), error).exit(exit).try_this(hint)
}

/// `-X` by `-X`. What nobody knows is a slip of the pen, and refused.
fn typed(pairs: &[String]) -> Result<Properties, Failure> {
    let mut properties = Properties::new();
    for pair in pairs {
        let (key, value) =
            pair.split_once('=').filter(|(key, _)| !key.trim().is_empty()).ok_or_else(|| {
                Failure::usage(format!("-X {pair}"), "it is not KEY=VALUE")
                    .try_this("-X request.timeout.ms=5000")
            })?;
        properties.insert(key.trim().to_owned(), value.to_owned());
    }
    let remarks = client::vet(&properties).map_err(|error| not_obeyed(&error, ""))?;
    if let Some(Remark::Unknown { key, nearest }) =
        remarks.iter().find(|remark| matches!(remark, Remark::Unknown { .. }))
    {
        let hint = nearest.map_or_else(
            || "a property of Kafka's producer, consumer or admin configuration".to_owned(),
            |nearest| format!("-X {nearest}=VALUE"),
        );
        return Err(Failure::usage(
            format!("unknown property {key}"),
            "no client has a property of this name",
        )
        .try_this(hint));
    }
    tell(&remarks, "-X");
    Ok(properties)
}

/// A property that cannot be obeyed, and where it stands.
fn not_obeyed(error: &Error, place: &str) -> Failure {
    let Error::Configuration { key, why } = error else {
        return Failure::usage("a property is wrong", error);
    };
    let hint = match key.as_str() {
        "security.protocol" => "a PLAINTEXT or SASL_PLAINTEXT listener of the cluster, or Kafka's own tools",
        "sasl.mechanism" => {
            "sasl.mechanism=SCRAM-SHA-512, or PLAIN, SCRAM-SHA-256 or OAUTHBEARER, as the listener has it"
        }
        "sasl.oauthbearer.token.endpoint.url" => {
            "sasl.oauthbearer.token.endpoint.url=file:///path/of/token, or https://issuer/token"
        }
        "sasl.jaas.config" => {
            "sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"...\" password=\"...\"; or \
             sasl.username=... and sasl.password=..."
        }
        "bootstrap.servers" | "metadata.broker.list" => "bootstrap.servers=HOST:PORT,HOST:PORT",
        _other => "another value, or leave it out",
    };
    Failure::usage(format!("{key}{place} cannot be obeyed"), why).try_this(hint)
}

/// One line for each kind of property that does nothing.
fn tell(remarks: &[Remark], place: &str) {
    let (mut idle, mut unprotecting) = (Vec::new(), Vec::new());
    for remark in remarks {
        match remark {
            Remark::Unknown { key, nearest: Some(nearest) } => {
                say(format_args!("warning: {place}: unknown property {key}; did you mean {nearest}?"));
            }
            Remark::Unknown { key, nearest: None } => {
                say(format_args!("warning: {place}: unknown property {key}"))
            }
            Remark::WithoutEffect { key } => idle.push(key.as_str()),
            Remark::NotProtecting { key } => unprotecting.push(key.as_str()),
        }
    }
    if !idle.is_empty() {
        say(format_args!("warning: {place}: without effect here: {}", idle.join(", ")));
    }
    if !unprotecting.is_empty() {
        let list = unprotecting.join(", ");
        say(format_args!(
            "warning: {place}: nothing is protected while security.protocol is PLAINTEXT: {list}"
        ));
    }
}
