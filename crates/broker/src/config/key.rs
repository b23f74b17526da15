//! What a configuration key is: its name, type, default, bounds and state. Owns the shape of the tables beside it and the
//! checks of one value; never which value is in force (see `layers`). Messages are Kafka's own, because tools print them.

/// Kafka's value types; the number is the code in DescribeConfigs (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Boolean = 1,
    Text = 2,
    Int = 3,
    Short = 4,
    Long = 5,
    Double = 6,
    List = 7,
    Class = 8,
    Password = 9,
}

/// Which values a key takes beyond its type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Validator {
    Any,
    AtLeast(f64),
    Between(f64, f64),
    GzipLevel,
    OneOf(&'static [&'static str]),
    OneOfIgnoringCase(&'static [&'static str]),
    NonEmpty,
    NonEmptyList,
    /// `partition:broker` pairs, or `*`.
    ThrottledReplicas,
    /// earliest, latest or `by_duration:` with an ISO-8601 duration.
    ShareOffsetReset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    High,
    Medium,
    Low,
}

/// Whether a running cluster may change the key, and how widely (KIP-226).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    ReadOnly,
    PerBroker,
    ClusterWide,
    /// A key of a topic, group or client-metrics subscription.
    PerResource,
}

/// What Ottla does with the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Implemented,
    /// Read, checked, described; without effect so far or by design. The start says so once.
    Accepted,
}

/// One row of a table.
#[derive(Clone, Copy, Debug)]
pub struct ConfigKey {
    pub name: &'static str,
    pub value_type: ValueType,
    pub default: Option<&'static str>,
    pub validator: Validator,
    pub importance: Importance,
    pub update_mode: UpdateMode,
    pub state: State,
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
    state: State,
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

    /// Checks `value` against type and bounds; the error is the sentence Kafka answers with.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let trimmed = value.trim();
        if self.value_type == ValueType::List {
            self.check_list(trimmed)?;
        }
        self.check_type(trimmed)
            .and_then(|number| self.check_bounds(trimmed, number))
            .map_err(|why| self.invalid(value, &why))
    }

    fn invalid(&self, value: &str, why: &str) -> String {
        format!("Invalid value {} for configuration {}: {why}", self.shown(value), self.name)
    }

    /// A value as Kafka's sentences show it: parsed, as Java prints it.
    fn shown(&self, value: &str) -> String {
        match (self.value_type, value.trim().parse::<f64>()) {
            (ValueType::Password, _) => "[hidden]".to_owned(),
            (ValueType::Double, Ok(number)) => format!("{number:?}"),
            _ if self.validator == Validator::ThrottledReplicas => format!("[{}]", list(value).join(", ")),
            _ => value.to_owned(),
        }
    }

    /// Returns the number where the type is one.
    fn check_type(&self, value: &str) -> Result<Option<f64>, String> {
        let not_a_number = |kind: &str| format!("Not a number of type {kind}");
        match self.value_type {
            ValueType::Boolean if matches!(value.to_ascii_lowercase().as_str(), "true" | "false") => Ok(None),
            ValueType::Boolean => Err("Expected value to be either true or false".to_owned()),
            ValueType::Int => {
                value.parse::<i32>().map(|n| Some(f64::from(n))).map_err(|_| not_a_number("INT"))
            }
            ValueType::Short => {
                value.parse::<i16>().map(|n| Some(f64::from(n))).map_err(|_| not_a_number("SHORT"))
            }
            ValueType::Long => value.parse::<i64>().map(|n| Some(n as f64)).map_err(|_| not_a_number("LONG")),
            ValueType::Double => value.parse::<f64>().map(Some).map_err(|_| not_a_number("DOUBLE")),
            ValueType::Text | ValueType::List | ValueType::Class | ValueType::Password => Ok(None),
        }
    }

    fn check_bounds(&self, value: &str, number: Option<f64>) -> Result<(), String> {
        let at_least = |least: f64| match number {
            Some(n) if n < least => Err(format!("Value must be at least {least}")),
            _ => Ok(()),
        };
        let at_most = |most: f64| match number {
            Some(n) if n > most => Err(format!("Value must be no more than {most}")),
            _ => Ok(()),
        };
        match self.validator {
            Validator::Any => Ok(()),
            Validator::AtLeast(least) => at_least(least),
            Validator::Between(least, most) => at_least(least).and_then(|()| at_most(most)),
            Validator::GzipLevel if number == Some(-1.0) => Ok(()),
            Validator::GzipLevel if number.is_some_and(|n| (1.0..=9.0).contains(&n)) => Ok(()),
            Validator::GzipLevel => Err("Value must be between 1 and 9 or equal to -1".to_owned()),
            Validator::OneOf(_) if self.value_type == ValueType::List => Ok(()),
            Validator::OneOf(allowed) if allowed.contains(&value) => Ok(()),
            Validator::OneOf(allowed) => Err(format!("String must be one of: {}", allowed.join(", "))),
            Validator::OneOfIgnoringCase(allowed) => {
                if allowed.iter().any(|one| one.eq_ignore_ascii_case(value)) {
                    return Ok(());
                }
                Err(format!("String must be one of (case insensitive): {}", allowed.join(", ")))
            }
            Validator::NonEmpty if value.is_empty() => Err("String must be non-empty".to_owned()),
            Validator::NonEmpty | Validator::NonEmptyList => Ok(()),
            Validator::ThrottledReplicas => check_throttled(self.name, value),
            Validator::ShareOffsetReset => check_share_reset(value),
        }
    }

    /// KIP-1161: no duplicates, only known words; empty only where the key says so. Kafka names the entry, not the list.
    fn check_list(&self, value: &str) -> Result<(), String> {
        if self.validator == Validator::NonEmptyList && value.is_empty() {
            let name = self.name;
            return Err(format!(
                "Configuration '{name}' must not be empty. Valid values include: any non-empty value"
            ));
        }
        let Validator::OneOf(allowed) = self.validator else { return Ok(()) };
        let entries = list(value);
        for (i, entry) in entries.iter().enumerate() {
            if !allowed.contains(entry) {
                return Err(self.invalid(entry, &format!("String must be one of: {}", allowed.join(", "))));
            }
            // Kafka refuses repetitions in a file, yet takes them for a topic.
            let in_file = self.update_mode != UpdateMode::PerResource;
            if in_file && entries.iter().take(i).any(|earlier| earlier == entry) {
                return Err(format!("Configuration '{}' values must not be duplicated.", self.name));
            }
        }
        Ok(())
    }
}

/// The entries of a LIST value; an empty value has none.
pub fn list(value: &str) -> Vec<&str> {
    if value.trim().is_empty() { Vec::new() } else { value.split(',').map(str::trim).collect() }
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
    let is_duration = |d: &str| d.starts_with('P') && d.len() > 1;
    if matches!(value, "earliest" | "latest") || value.strip_prefix("by_duration:").is_some_and(is_duration) {
        return Ok(());
    }
    Err(format!(
        "Invalid value `{value}` for configuration share.auto.offset.reset. The value must be either 'earliest', \
         'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
    ))
}
