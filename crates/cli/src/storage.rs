//! `ottla storage`: format and inspect data directories, as kafka-storage does: same flags, same printed words, same exit codes.
//! Owns the arguments only.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::configuration;
use crate::failure::Failure;
use ::server::format::{self, FormatOptions, QuorumChoice};
use ::server::random;
use ::server::settings::{Refused, Settings};
use ::server::takeover;
use clap::{Args, Subcommand};
use log::{Disk, RealDisk};

/// The verbs of `ottla storage`.
#[derive(Debug, Subcommand)]
pub enum StorageCommand {
    /// Format the log directories of this node
    Format(FormatArgs),
    /// Show what the log directories of this node hold
    Info(ConfigArgs),
    /// Say whether this node can live on its log directories, whoever wrote them; changes nothing
    Check(CheckArgs),
    /// Look up the features that belong to a metadata version
    VersionMapping {
        /// A release such as 4.4, or an exact version such as 4.4-IV2
        #[arg(short = 'r', long)]
        release_version: Option<String>,
    },
    /// Look up what feature levels depend on
    FeatureDependencies {
        /// A feature and its level, such as share.version=2; may be repeated
        #[arg(short = 'f', long, required = true, value_name = "FEATURE=LEVEL")]
        feature: Vec<String>,
    },
    /// Print a new random cluster id
    RandomUuid,
}

/// Which node.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Kafka's own configuration file
    #[arg(short = 'c', long, value_name = "FILE")]
    pub config: PathBuf,
}

/// Arguments of `ottla storage check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Kafka's own configuration file
    #[arg(short = 'c', long, value_name = "FILE", required_unless_present = "data_dir")]
    pub config: Option<PathBuf>,
    /// The data of a node without a configuration file
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub data_dir: Option<PathBuf>,
}

/// Arguments of `ottla storage format`.
#[derive(Debug, Args)]
pub struct FormatArgs {
    #[command(flatten)]
    pub node: ConfigArgs,
    /// The cluster id, equal on all nodes
    #[arg(short = 't', long, value_name = "ID", allow_hyphen_values = true)]
    pub cluster_id: String,
    /// A SCRAM credential, such as 'SCRAM-SHA-256=[name=alice,password=alice-secret]'; may be repeated
    #[arg(short = 'S', long, value_name = "CREDENTIAL")]
    pub add_scram: Vec<String>,
    /// Skip directories that are formatted already, instead of failing
    #[arg(short = 'g', long)]
    pub ignore_formatted: bool,
    /// The release whose feature levels the cluster begins with
    #[arg(short = 'r', long)]
    pub release_version: Option<String>,
    /// The level of one feature; may be repeated
    #[arg(short = 'f', long, value_name = "FEATURE=LEVEL")]
    pub feature: Vec<String>,
    /// Begin a dynamic quorum of this one controller
    #[arg(short = 's', long, group = "quorum")]
    pub standalone: bool,
    /// Begin without saying who votes
    #[arg(short = 'N', long, group = "quorum")]
    pub no_initial_controllers: bool,
    /// Begin a dynamic quorum of these controllers
    #[arg(short = 'I', long, group = "quorum", value_name = "ID@HOST:PORT:DIRECTORY,...")]
    pub initial_controllers: Option<String>,
}

/// Runs one verb.
pub fn run(command: StorageCommand) -> Result<(), Failure> {
    let out = &mut io::stdout();
    match command {
        StorageCommand::Format(args) => run_format(args, out),
        StorageCommand::Info(node) => {
            let (settings, disk) = (settings(&node)?, disk());
            if !format::info(&settings, &*disk, out)? {
                process::exit(1);
            }
            Ok(())
        }
        StorageCommand::Check(args) => run_check(args, out),
        StorageCommand::VersionMapping { release_version } => {
            print(out, format::version_mapping(release_version.as_deref()))
        }
        StorageCommand::FeatureDependencies { feature } => print(out, format::feature_dependencies(&feature)),
        StorageCommand::RandomUuid => Ok(writeln!(out, "{}", random::uuid()?)?),
    }
}

fn run_check(args: CheckArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let data_dir = args.data_dir.map(|directory| format!("log.dirs={}", directory.display()));
    let all = configuration::read(args.config.as_deref(), data_dir.as_slice())?;
    let place = args
        .config
        .as_deref()
        .map_or("--data-dir DIR or a KAFKA_ variable".to_owned(), |file| file.display().to_string());
    let read = configuration::settings(args.config.as_deref(), all);
    let (settings, warnings) = read.map_err(|why| configuration::refused(&why, &place))?;
    for line in broker::config::told(&warnings) {
        writeln!(out, "warning: {line}")?;
    }
    let report = takeover::check(&settings, &disk()).map_err(crate::server::failed)?;
    for finding in &report.0 {
        writeln!(out, "{finding}")?;
    }
    let obstacles = report.obstacles().count();
    if obstacles > 0 {
        writeln!(out, "The node must not start on these directories.")?;
        process::exit(1);
    }
    Ok(writeln!(out, "The node can start on these directories.")?)
}

fn run_format(args: FormatArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let settings = settings(&args.node)?;
    let quorum = match (args.standalone, args.no_initial_controllers, args.initial_controllers) {
        (true, ..) => QuorumChoice::Standalone,
        (_, true, _) => QuorumChoice::NoInitialControllers,
        (.., Some(controllers)) => QuorumChoice::InitialControllers(controllers),
        (.., None) => QuorumChoice::FromConfiguration,
    };
    let options = FormatOptions {
        cluster_id: args.cluster_id,
        release_version: args.release_version,
        features: args.feature,
        scram: args.add_scram,
        ignore_formatted: args.ignore_formatted,
        quorum,
        starts_at_once: false,
    };
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as i64);
    format::format(&settings, &options, &disk(), now_ms, out).map_err(refused)
}

fn print(out: &mut dyn Write, text: Result<String, String>) -> Result<(), Failure> {
    Ok(out.write_all(text.map_err(refused)?.as_bytes())?)
}

/// Kafka's own sentence, alone on stderr: scripts compare it.
fn refused(sentence: String) -> Failure {
    crate::failure::say(sentence);
    process::exit(1)
}

/// What a start with this file would see, the images' environment included.
fn settings(node: &ConfigArgs) -> Result<Settings, Failure> {
    let properties = configuration::read(Some(&node.config), &[])?;
    Settings::new(properties)
        .map(|(settings, _)| settings)
        .map_err(|why| told(why, &node.config.display().to_string()))
}

/// Kafka's sentence where Kafka refuses, too; else ours, in three lines.
fn told(why: Refused, place: &str) -> Failure {
    match why.hint {
        None => refused(why.why),
        Some(_) => configuration::refused(&why, place),
    }
}

fn disk() -> Arc<dyn Disk> {
    Arc::new(RealDisk::default())
}
