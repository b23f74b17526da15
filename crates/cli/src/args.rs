//! Arguments that several commands share: where the cluster is, how long to wait for it, how to print the answer.

use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

/// How to reach the cluster. Accepted before or after the command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// Brokers to ask first; else $OTTLA_BOOTSTRAP_SERVER, else localhost:9092
    #[arg(
        short = 'b',
        long = "bootstrap-server",
        aliases = ["bootstrap-servers", "broker-list"],
        global = true,
        value_name = "HOST:PORT,..."
    )]
    pub bootstrap_server: Option<String>,
    /// A client property in Kafka's spelling, such as request.timeout.ms=5000
    #[arg(
        short = 'X',
        long = "command-property",
        aliases = ["consumer-property", "producer-property"],
        global = true,
        value_name = "KEY=VALUE"
    )]
    pub properties: Vec<String>,
    /// A file of client properties
    #[arg(
        long,
        aliases = ["consumer.config", "producer.config", "consumer-config", "producer-config"],
        global = true,
        value_name = "FILE"
    )]
    pub command_config: Option<PathBuf>,
    /// How long the cluster may keep silent, such as 10s or 500ms; 30s without it
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
}

/// What is told of the node's life.
#[derive(Debug, Clone, Args)]
pub struct LogArgs {
    /// What the log on stderr tells: off, error, warn, info, debug, trace, or a list such as info,broker=debug.
    /// Without it OTTLA_LOG says so, or RUST_LOG; else it is info
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// `500ms`, `10s`, `2m`, `3h`, `4d`; a bare number is milliseconds, as in Kafka's tools.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "write a time such as 10s, 500ms, 2m, 3h or 4d".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let unit_ms = match &text[digits.len()..] {
        "" | "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _other => return Err(wrong()),
    };
    match number.checked_mul(unit_ms) {
        Some(0) => Err("no time at all is too short".to_owned()),
        Some(ms) => Ok(Duration::from_millis(ms)),
        None => Err(wrong()),
    }
}

/// How to print the answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// Aligned columns for people
    #[default]
    Table,
    /// One JSON document with stable keys
    Json,
}

/// The `-o` of every command that prints a table.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// How to print the answer: table or json
    #[arg(
        short = 'o',
        long = "output",
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_possible_values = true,
        hide_default_value = true
    )]
    pub output: OutputFormat,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_bare_numbers_are_milliseconds() {
        for (text, ms) in [
            ("500", 500),
            ("500ms", 500),
            ("10s", 10_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("2d", 172_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1", "0", "0s", "1w", "1.5s", "99999999999999999999", "18446744073709551615m"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
