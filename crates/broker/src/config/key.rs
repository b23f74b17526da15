//! What a configuration key is: its name, type, default, bounds and state. Owns the shape of the tables beside it and the
//! checks of one value; never which value is in force (see `layers`). Messages are Kafka's own, because tools print them.

use super::value::{Parsed, ValueType, is_duration, list};

/// Which values a key takes beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    /// Whatever its type takes.
    Any,
    /// This number or more.
    AtLeast(f64),
    /// From the first number to the second, both taken.
    Between(f64, f64),
    /// A level of gzip: -1 (its default) or 1 to 9.
    GzipLevel,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words, in any case.
    OneOfIgnoringCase(&'static [&'static str]),
    /// A text that is not empty.
    NonEmpty,
    /// A list whose entries are not empty; a repetition is dropped (KIP-1161).
    AnyList,
    /// At least one entry, none of them empty.
    NonEmptyList,
    /// At least one, each one of these.
    ListOf(&'static [&'static str]),
    /// Each entry one of these; none is fine.
    ListOfOrNone(&'static [&'static str]),
    /// `partition:broker` pairs, or `*`.
    ThrottledReplicas,
    /// earliest, latest or `by_duration:` with an ISO-8601 duration.
    ShareOffsetReset,
    /// `id@host:port`.
    QuorumVoters,
    /// `host:port`.
    BootstrapServers,
}

/// How much Kafka's documentation makes of a key (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Look at it.
    High,
    /// Worth a look.
    Medium,
    /// Rarely changed.
    Low,
}

/// Whether a running cluster may change the key, and how widely (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only a start reads it.
    ReadOnly,
    /// A dynamic value of one broker.
    PerBroker,
    /// A dynamic value of one broker, or of all.
    ClusterWide,
    /// A key of a topic, group or client-metrics subscription.
    PerResource,
}

/// What Ottla does with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Its value is obeyed.
    Implemented,
    /// Read, checked, described; without effect so far or by design. The start says so once.
    Accepted,
    /// Nothing that it promises is kept: refused where its value promises something (see `refusals`), else without effect.
    Refused,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    /// As it stands in a file.
    pub name: &'static str,
    /// What its text is read as.
    pub value_type: ValueType,
    /// The text of its default; `None` where it has none.
    pub default: Option<&'static str>,
    /// Which values it takes.
    pub validator: Validator,
    /// As Kafka has it.
    pub importance: Importance,
    /// Who may change it while the node runs.
    pub update_mode: UpdateMode,
    /// What the node does with it.
    pub state: KeyState,
    /// One sentence for people.
    pub doc: &'static str,
    /// Kafka hides it from DescribeConfigs.
    pub internal: bool,
    /// Exists only as a dynamic value, never in a file.
    pub dynamic_only: bool,
    /// Kafka does not know it.
    pub ours: bool,
}

#[allow(clippy::too_many_arguments, reason = "a table row, read column by column")]
pub(super) const fn key(
    name: &'static str,
    value_type: ValueType,
    default: Option<&'static str>,
    validator: Validator,
    importance: Importance,
    update_mode: UpdateMode,
    state: KeyState,
    doc: &'static str,
) -> ConfigKey {
    ConfigKey {
        name,
        value_type,
        default,
        validator,
        importance,
        update_mode,
        state,
        doc,
        internal: false,
        dynamic_only: false,
        ours: false,
    }
}

impl ConfigKey {
    pub(super) const fn internal(mut self) -> Self {
        self.internal = true;
        self
    }

    pub(super) const fn dynamic_only(mut self) -> Self {
        self.dynamic_only = true;
        self
    }

    pub(super) const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// Passwords are never shown.
    pub fn is_sensitive(&self) -> bool {
        self.value_type == ValueType::Password
    }

    /// Whether a list forgets entries that it has already (KIP-1161).
    pub fn drops_repetitions(&self) -> bool {
        matches!(
            self.validator,
            Validator::AnyList | Validator::NonEmptyList | Validator::ListOf(_) | Validator::ListOfOrNone(_)
        )
    }

    /// Checks `value` against type and bounds; the error is the sentence Kafka answers with.
    pub fn check(&self, value: &str) -> Result<(), String> {
        self.parse(value).map(drop)
    }

    /// A value as Kafka shows it: parsed, as Java prints it. What does not parse stays as it is.
    pub fn shown(&self, value: &str) -> String {
        self.read(value).map_or_else(|_| value.to_owned(), |parsed| parsed.to_string())
    }

    /// Reads `value`, which must be of the key's type and within its bounds; the error is the sentence Kafka answers with.
    pub fn parse(&self, value: &str) -> Result<Parsed, String> {
        let parsed = self.read(value).map_err(|why| self.invalid(value, &why))?;
        self.check_bounds(&parsed)?;
        Ok(parsed)
    }

    fn read(&self, value: &str) -> Result<Parsed, String> {
        let parsed = Parsed::read(self.value_type, value)?;
        Ok(match parsed {
            Parsed::List(entries) if self.drops_repetitions() => Parsed::List(distinct(entries)),
            parsed => parsed,
        })
    }

    fn invalid(&self, value: &str, why: &str) -> String {
        let value = if self.is_sensitive() { "[hidden]" } else { value };
        format!("Invalid value {value} for configuration {}: {why}", self.name)
    }

    fn check_bounds(&self, value: &Parsed) -> Result<(), String> {
        let number = value.number();
        let text = value.to_string();
        let invalid = |why: String| Err(self.invalid(&text, &why));
        let in_range = |least: f64, most: f64| match number {
            Some(n) if n < least => invalid(format!("Value must be at least {least}")),
            Some(n) if n > most => invalid(format!("Value must be no more than {most}")),
            _ => Ok(()),
        };
        match self.validator {
            Validator::Any => Ok(()),
            Validator::AtLeast(least) => in_range(least, f64::INFINITY),
            Validator::Between(least, most) => in_range(least, most),
            Validator::GzipLevel if number.is_some_and(|n| n == -1.0 || (1.0..=9.0).contains(&n)) => Ok(()),
            Validator::GzipLevel => invalid("Value must be between 1 and 9 or equal to -1".to_owned()),
            Validator::OneOf(allowed) if allowed.contains(&text.as_str()) => Ok(()),
            Validator::OneOf(allowed) => invalid(format!("String must be one of: {}", allowed.join(", "))),
            Validator::OneOfIgnoringCase(allowed) => {
                if allowed.iter().any(|one| one.eq_ignore_ascii_case(&text)) {
                    return Ok(());
                }
                invalid(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
            }
            Validator::NonEmpty if text.is_empty() => invalid("String must be non-empty".to_owned()),
            Validator::NonEmpty => Ok(()),
            Validator::AnyList => self.check_list(value, true, &[]),
            Validator::NonEmptyList => self.check_list(value, false, &[]),
            Validator::ListOf(allowed) => self.check_list(value, false, allowed),
            Validator::ListOfOrNone(allowed) => self.check_list(value, true, allowed),
            Validator::ThrottledReplicas => check_throttled(self.name, &text)
                .map_err(|why| self.invalid(&format!("[{}]", list(&text).join(", ")), &why)),
            Validator::ShareOffsetReset => check_share_reset(&text).map_err(|why| self.invalid(&text, &why)),
            Validator::QuorumVoters => check_voters(self.name, &text),
            Validator::BootstrapServers => check_servers(self.name, &text),
        }
    }

    /// KIP-1161: only known words, none of them empty; no entry at all only where the key says so. Kafka names the entry, not the list.
    fn check_list(&self, value: &Parsed, may_be_empty: bool, allowed: &[&str]) -> Result<(), String> {
        let name = self.name;
        let Parsed::List(entries) = value else { return Ok(()) };
        if entries.is_empty() && !may_be_empty {
            let words = if allowed.is_empty() {
                "any non-empty value".to_owned()
            } else {
                format!("[{}]", allowed.join(", "))
            };
            return Err(format!("Configuration '{name}' must not be empty. Valid values include: {words}"));
        }
        for entry in entries {
            if entry.is_empty() {
                return Err(format!("Configuration '{name}' values must not be empty."));
            }
            if !allowed.is_empty() && !allowed.contains(&entry.as_str()) {
                return Err(self.invalid(entry, &format!("String must be one of: {}", allowed.join(", "))));
            }
        }
        Ok(())
    }
}

fn distinct(entries: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    let mut seen = std::collections::BTreeSet::new();
    for entry in entries {
        if seen.insert(entry.clone()) {
            kept.push(entry);
        }
    }
    kept
}

fn check_throttled(name: &str, value: &str) -> Result<(), String> {
    let is_pair = |pair: &str| {
        pair.split_once(':').is_some_and(|(p, b)| p.parse::<i32>().is_ok() && b.parse::<i32>().is_ok())
    };
    let entries = list(value);
    if matches!(entries.as_slice(), ["*"]) || entries.iter().all(|entry| is_pair(entry)) {
        return Ok(());
    }
    Err(format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    ))
}

fn check_share_reset(value: &str) -> Result<(), String> {
    if matches!(value, "earliest" | "latest") || value.strip_prefix("by_duration:").is_some_and(is_duration) {
        return Ok(());
    }
    Err(format!(
        "Invalid value `{value}` for configuration share.auto.offset.reset. The value must be either 'earliest', \
         'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
    ))
}

fn check_voters(name: &str, value: &str) -> Result<(), String> {
    const FORM: &str = "Each entry should be in the form `{id}@{host}:{port}`.";
    for entry in list(value) {
        let Some((id, address)) = entry.split_once('@') else {
            return Err(format!("Invalid configuration value for {name}. {FORM}"));
        };
        if id.parse::<i32>().is_err() {
            return Err(format!("Failed to parse voter ID as an integer from {id}"));
        }
        if !is_address(address) {
            return Err(format!(
                "Failed to parse host name from entry {entry} for the configuration {name}. {FORM}"
            ));
        }
    }
    Ok(())
}

fn check_servers(name: &str, value: &str) -> Result<(), String> {
    match list(value).into_iter().find(|entry| !is_address(entry)) {
        None => Ok(()),
        Some(entry) => Err(format!(
            "Failed to parse host name from {entry} for the configuration {name}. Each entry should be in the form \
             \"{{host}}:{{port}}\""
        )),
    }
}

/// `host:port`, an IPv6 address in brackets.
fn is_address(text: &str) -> bool {
    let is_host = |host: &str| host.chars().all(|c| c.is_ascii_alphanumeric() || "-%._:".contains(c));
    text.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = host.strip_prefix('[').unwrap_or(host);
        is_host(bare.strip_suffix(']').unwrap_or(bare)) && port.parse::<u16>().is_ok()
    })
}
