//! What the text of a configuration value means: parsed as Java parses it, printed as Java prints it. Owns the spellings
//! that a type takes; bounds and words are the key's (see `key`).

use std::collections::BTreeMap;
use std::fmt;

/// Names to values, as they are stored in configs and metadata.
pub type Values = BTreeMap<String, String>;

/// Kafka's value types; the number is the code in DescribeConfigs (KIP-569).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    /// true or false.
    Boolean = 1,
    /// STRING.
    Text = 2,
    /// 32 bits.
    Int = 3,
    /// 16 bits.
    Short = 4,
    /// 64 bits.
    Long = 5,
    /// A floating-point number as Java reads it.
    Double = 6,
    /// Entries between commas.
    List = 7,
    /// The name of a Java class.
    Class = 8,
    /// A text that is never shown.
    Password = 9,
}

/// A value of one of Kafka's types.
#[derive(Clone, Debug, PartialEq)]
pub enum Parsed {
    /// BOOLEAN.
    Flag(bool),
    /// INT, SHORT and LONG.
    Whole(i64),
    /// DOUBLE.
    Real(f64),
    /// STRING, CLASS and PASSWORD.
    Text(String),
    /// LIST, its entries trimmed.
    List(Vec<String>),
}

impl Parsed {
    /// Reads `text` as a value of `value_type`; the error is the end of the sentence that Kafka answers with.
    pub fn read(value_type: ValueType, text: &str) -> Result<Parsed, String> {
        let text = trim(text);
        let whole = |range: std::ops::RangeInclusive<i64>, kind: &str| {
            let number = text.parse::<i64>().ok().filter(|number| range.contains(number));
            number.map(Parsed::Whole).ok_or_else(|| not_a_number(kind))
        };
        match value_type {
            ValueType::Boolean if text.eq_ignore_ascii_case("true") => Ok(Parsed::Flag(true)),
            ValueType::Boolean if text.eq_ignore_ascii_case("false") => Ok(Parsed::Flag(false)),
            ValueType::Boolean => Err("Expected value to be either true or false".to_owned()),
            // DIVERGES: Java also takes the digits of other scripts; in a configuration they are a slip.
            ValueType::Int => whole(i64::from(i32::MIN)..=i64::from(i32::MAX), "INT"),
            ValueType::Short => whole(i64::from(i16::MIN)..=i64::from(i16::MAX), "SHORT"),
            ValueType::Long => whole(i64::MIN..=i64::MAX, "LONG"),
            ValueType::Double => real(text).map(Parsed::Real).ok_or_else(|| not_a_number("DOUBLE")),
            ValueType::List => Ok(Parsed::List(list(text).into_iter().map(str::to_owned).collect())),
            ValueType::Text | ValueType::Class | ValueType::Password => Ok(Parsed::Text(text.to_owned())),
        }
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Parsed::Whole(number) => Some(*number as f64),
            Parsed::Real(number) => Some(*number),
            Parsed::Flag(_) | Parsed::Text(_) | Parsed::List(_) => None,
        }
    }
}

/// As `ConfigDef.convertToString` says it.
impl fmt::Display for Parsed {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Parsed::Flag(flag) => write!(to, "{flag}"),
            Parsed::Whole(number) => write!(to, "{number}"),
            Parsed::Real(number) => to.write_str(&java_double(*number)),
            Parsed::Text(text) => to.write_str(text),
            Parsed::List(entries) => to.write_str(&entries.join(",")),
        }
    }
}

fn not_a_number(kind: &str) -> String {
    format!("Not a number of type {kind}")
}

/// `String.trim`: spaces and everything below.
fn trim(text: &str) -> &str {
    text.trim_matches(|character| character <= ' ')
}

/// The entries of a LIST value; an empty value has none.
pub fn list(text: &str) -> Vec<&str> {
    let text = trim(text);
    if text.is_empty() { Vec::new() } else { text.split(',').map(str::trim_ascii).collect() }
}

/// `Double.parseDouble`: a type suffix and hexadecimal are allowed, Rust's own words for infinity are not.
fn real(text: &str) -> Option<f64> {
    let (negative, magnitude) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = match magnitude {
        "NaN" => f64::NAN,
        "Infinity" => f64::INFINITY,
        _ => {
            let digits = magnitude.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(magnitude);
            match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
                Some(hexadecimal) => real_of_hexadecimal(hexadecimal)?,
                None => digits
                    .starts_with(|first: char| first.is_ascii_digit() || first == '.')
                    .then(|| digits.parse().ok())
                    .flatten()?,
            }
        }
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// `1.8p3`: digits of sixteen, an exponent of two.
fn real_of_hexadecimal(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['p', 'P'])?;
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()? * 4)?;
    Some(value * f64::powi(2.0, shift))
}

/// `Double.toString`: plain between a thousandth and ten millions, else with an exponent; always with a fraction.
fn java_double(number: f64) -> String {
    let magnitude = number.abs();
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() }
    } else if magnitude == 0.0 || (1e-3..1e7).contains(&magnitude) {
        format!("{number:?}")
    } else {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let fraction = if digits.contains('.') { "" } else { ".0" };
        format!("{digits}{fraction}E{exponent}")
    }
}

/// An ISO-8601 duration as `Duration.parse` takes it, not negative: `P1DT2H30M4.5S`.
pub fn is_duration(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some(parts) = upper.strip_prefix('+').unwrap_or(&upper).strip_prefix('P') else { return false };
    let (days, time) = match parts.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (parts, None),
    };
    let whole = |digits: &str| {
        let digits = digits.strip_prefix('+').unwrap_or(digits);
        !digits.is_empty() && digits.len() <= 18 && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let seconds = |digits: &str| {
        let (integer, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
        whole(integer) && fraction.len() <= 9 && fraction.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !days.is_empty() && !days.strip_suffix('D').is_some_and(whole) {
        return false;
    }
    let Some(time) = time else { return !days.is_empty() };
    let mut rest = time;
    for unit in ['H', 'M', 'S'] {
        if let Some((digits, after)) = rest.split_once(unit) {
            if !(if unit == 'S' { seconds(digits) } else { whole(digits) }) {
                return false;
            }
            rest = after;
        }
    }
    !time.is_empty() && rest.is_empty()
}

/// How long that is; `None` for what is no duration, or is longer than can be counted.
pub fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: [(char, i64); 3] = [('H', 3_600_000), ('M', 60_000), ('S', 1_000)];
    if !is_duration(text) {
        return None;
    }
    let upper = text.to_ascii_uppercase();
    let parts = upper.strip_prefix('+').unwrap_or(&upper).strip_prefix('P')?;
    let (days, mut rest) = parts.split_once('T').unwrap_or((parts, ""));
    let mut total: i64 = match days.strip_suffix('D') {
        Some(days) => days.parse::<i64>().ok()?.checked_mul(86_400_000)?,
        None => 0,
    };
    for (unit, unit_ms) in UNITS {
        let Some((digits, after)) = rest.split_once(unit) else { continue };
        let (whole, fraction) = digits.split_once(['.', ',']).unwrap_or((digits, ""));
        let milliseconds: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
        total =
            total.checked_add(whole.parse::<i64>().ok()?.checked_mul(unit_ms)?)?.checked_add(milliseconds)?;
        rest = after;
    }
    Some(total)
}
