//! Types that have a JSON of their own: times, durations, wrappers, anything of JSON, masks (Protobuf's guide "ProtoJSON Format"). Turns one JSON into
//! the other; knows no bytes. `Any` is the codec's, because it needs other types.

use super::known::WRAPPERS;
use crate::json::{Json, Object};

pub const ANY: &str = "google.protobuf.Any";
pub const VALUE: &str = "google.protobuf.Value";
pub const NULL: &str = "google.protobuf.NullValue";
const STRUCT: &str = "google.protobuf.Struct";
const LIST: &str = "google.protobuf.ListValue";
const TIMESTAMP: &str = "google.protobuf.Timestamp";
const DURATION: &str = "google.protobuf.Duration";
const MASK: &str = "google.protobuf.FieldMask";

/// From the first of the year 1 to the last of the year 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// Ten thousand years.
const DURATION_SECONDS_MAX: i64 = 315_576_000_000;

/// Whether an Any has such a message under `value`.
pub fn is_special(name: &str) -> bool {
    [ANY, VALUE, STRUCT, LIST, TIMESTAMP, DURATION, MASK].contains(&name) || WRAPPERS.contains(&name)
}

/// An Any with what is in it.
pub fn tagged(url: &str, inner: Json, special: bool) -> Json {
    let mut object = Object::new();
    object.push("@type", url);
    match inner {
        Json::Object(members) if !special => {
            members.iter().for_each(|(name, value)| object.push(name, value.clone()))
        }
        other => object.push("value", other),
    }
    Json::Object(object)
}

/// What a message that was decoded field by field looks like in JSON.
pub fn shaped(name: &str, generic: Json) -> Result<Json, String> {
    let number = |member: &str| {
        let value = generic.get(member);
        value.and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok())).unwrap_or(0)
    };
    match name {
        TIMESTAMP => timestamp(number("seconds"), number("nanos")).map(Json::String),
        DURATION => Ok(Json::String(duration(number("seconds"), number("nanos"))?)),
        STRUCT => Ok(generic.get("fields").cloned().unwrap_or_else(|| Json::Object(Object::new()))),
        LIST => Ok(generic.get("values").cloned().unwrap_or_else(|| Json::Array(Vec::new()))),
        // Of a oneof; one that holds nothing is nothing.
        VALUE => Ok(generic
            .as_object()
            .and_then(|members| members.iter().next())
            .map_or(Json::Null, |(_, value)| value.clone())),
        MASK => {
            let paths = generic.get("paths").and_then(Json::as_array).unwrap_or_default();
            let paths: Vec<String> =
                paths.iter().filter_map(Json::as_str).map(super::descriptor::json_name).collect();
            Ok(Json::String(paths.join(",")))
        }
        _wrapper if WRAPPERS.contains(&name) => Ok(generic.get("value").cloned().unwrap_or(Json::Null)),
        _plain => Ok(generic),
    }
}

/// The fields of a message of such a type; `None` of any other type, whose JSON is its fields.
pub fn generic(name: &str, value: &Json) -> Result<Option<Json>, String> {
    let no = || format!("{value} is no {name}");
    let parts = |(seconds, nanos): (i64, i32)| {
        let mut object = Object::new();
        object.push("seconds", Json::Number(seconds.to_string()));
        object.push("nanos", nanos);
        Some(Json::Object(object))
    };
    match name {
        TIMESTAMP => value.as_str().and_then(read_timestamp).map(parts).ok_or_else(no),
        DURATION => value.as_str().and_then(read_duration).map(parts).ok_or_else(no),
        STRUCT => value.as_object().map(|_| Some(with("fields", value))).ok_or_else(no),
        LIST => value.as_array().map(|_| Some(with("values", value))).ok_or_else(no),
        VALUE => Ok(Some(match value {
            Json::Null => with("nullValue", value),
            Json::Bool(_) => with("boolValue", value),
            Json::Number(_) => with("numberValue", value),
            Json::String(_) => with("stringValue", value),
            Json::Array(_) => with("listValue", value),
            Json::Object(_) => with("structValue", value),
        })),
        MASK => {
            let text = value.as_str().ok_or_else(no)?;
            let paths: Vec<String> = text.split(',').filter(|path| !path.is_empty()).map(snake).collect();
            Ok(Some(with("paths", &Json::from(paths))))
        }
        _wrapper if WRAPPERS.contains(&name) => Ok(Some(with("value", value))),
        _plain => Ok(None),
    }
}

fn with(member: &str, value: &Json) -> Json {
    let mut object = Object::new();
    object.push(member, value.clone());
    Json::Object(object)
}

fn snake(path: &str) -> String {
    let mut name = String::new();
    for letter in path.chars() {
        if letter.is_ascii_uppercase() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// `.5`, in three, six or nine digits; nothing of nothing.
fn fraction(nanos: i64) -> String {
    let digits = format!("{nanos:09}");
    match () {
        () if nanos == 0 => String::new(),
        () if nanos % 1_000_000 == 0 => format!(".{}", &digits[..3]),
        () if nanos % 1_000 == 0 => format!(".{}", &digits[..6]),
        () => format!(".{digits}"),
    }
}

fn timestamp(seconds: i64, nanos: i64) -> Result<String, String> {
    if !SECONDS.contains(&seconds) || !(0..1_000_000_000).contains(&nanos) {
        return Err(format!("{seconds} s and {nanos} ns since 1970 is no time"));
    }
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date(day);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Ok(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z", fraction(nanos)))
}

fn duration(seconds: i64, nanos: i64) -> Result<String, String> {
    let agree = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
    if seconds.abs() > DURATION_SECONDS_MAX || nanos.abs() >= 1_000_000_000 || !agree {
        return Err(format!("{seconds} s and {nanos} ns is no duration"));
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    Ok(format!("{sign}{}{}s", seconds.abs(), fraction(nanos.abs())))
}

fn read_timestamp(text: &str) -> Option<(i64, i32)> {
    let (date, rest) = text.split_once(['T', 't'])?;
    let at = rest.rfind(['Z', 'z', '+', '-'])?;
    let (clock, zone) = rest.split_at(at);
    let offset = match zone {
        "Z" | "z" => 0,
        _offset => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let minutes = two(hours)? * 60 + two(minutes)?;
            if zone.starts_with('-') { -minutes } else { minutes }
        }
    };
    let (clock, nanos) = split_fraction(clock)?;
    let parts: Vec<&str> = clock.split(':').collect();
    let [hour, minute, second] = <[&str; 3]>::try_from(parts).ok()?;
    let (hour, minute, second) = (two(hour)?, two(minute)?, two(second)?);
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = <[&str; 3]>::try_from(parts).ok()?;
    let year: i64 = (year.len() == 4).then(|| digits(year))??;
    let (month, day) = (two(month)?, two(day)?);
    let days = days_since_1970(year, month, day);
    let is_one = hour < 24 && minute < 60 && second < 60 && self::date(days) == (year, month, day);
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60;
    (is_one && SECONDS.contains(&seconds)).then_some((seconds, nanos))
}

fn read_duration(text: &str) -> Option<(i64, i32)> {
    let text = text.strip_suffix('s')?;
    let (sign, text) = text.strip_prefix('-').map_or((1, text), |text| (-1, text));
    let (whole, nanos) = split_fraction(text)?;
    let seconds = digits(whole).filter(|seconds| *seconds <= DURATION_SECONDS_MAX)?;
    Some((i64::from(sign) * seconds, sign * nanos))
}

/// Whole and nanoseconds.
fn split_fraction(text: &str) -> Option<(&str, i32)> {
    let Some((whole, fraction)) = text.split_once('.') else { return Some((text, 0)) };
    let nanos = (1..=9).contains(&fraction.len()).then(|| digits(&format!("{fraction:0<9}")))??;
    Some((whole, i32::try_from(nanos).ok()?))
}

fn two(text: &str) -> Option<i64> {
    (text.len() == 2).then(|| digits(text))?
}

fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// Days of the civil calendar, by eras of 400 years that begin in March.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let of_era = year.rem_euclid(400);
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let years = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * years + years / 4 - years / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + years + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_durations_are_written_and_read() {
        let times = [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_709_210_096, 5_000_000, "2024-02-29T12:34:56.005Z"),
            (-62_135_596_800, 0, "0001-01-01T00:00:00Z"),
            (253_402_300_799, 999_999_999, "9999-12-31T23:59:59.999999999Z"),
            (-1, 1_000, "1969-12-31T23:59:59.000001Z"),
        ];
        for (seconds, nanos, text) in times {
            assert_eq!(timestamp(seconds, nanos).as_deref(), Ok(text));
            assert_eq!(read_timestamp(text), Some((seconds, nanos as i32)), "{text}");
        }
        assert_eq!(read_timestamp("1970-01-01T01:30:00+01:30"), Some((0, 0)));
        for bad in [
            "",
            "1970-01-01",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(read_timestamp(bad), None, "{bad}");
        }
        for (seconds, nanos, text) in
            [(0, 0, "0s"), (-1, -500_000_000, "-1.500s"), (0, -1, "-0.000000001s"), (3, 1, "3.000000001s")]
        {
            assert_eq!(duration(seconds, nanos).as_deref(), Ok(text));
            assert_eq!(read_duration(text), Some((seconds, nanos as i32)), "{text}");
        }
        assert!(timestamp(0, -1).is_err() && duration(1, -1).is_err() && read_duration("1").is_none());
    }
}
