//! Points in time and durations as people write them, without a calendar library: milliseconds since the epoch, or ISO 8601 with
//! `Z` or an offset. Knows the proleptic Gregorian calendar and nothing of time zones by name.

use std::time::Duration;

/// Milliseconds since the epoch of `text`: a number, or YYYY-MM-DD[THH:MM[:SS[.fff]]][Z|±HH:MM] (UTC without a zone).
pub fn parse_time_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse::<i64>() {
        return (ms >= 0).then_some(ms);
    }
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time),
        None => (text, "00:00"),
    };
    let mut parts = date.splitn(3, '-');
    let (year, month, day) =
        (number(parts.next()?, 4)?, number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if !(1..=12).contains(&month) || !(1..=days_in_month(year, month)).contains(&day) {
        return None;
    }
    let (clock, zone_ms) = split_zone(time)?;
    Some(days_from_epoch(year, month, day) * 86_400_000 + clock_ms(clock)? - zone_ms)
}

/// `2026-03-01T12:00:00.000Z`.
pub fn format_time_ms(ms: i64) -> String {
    let (days, in_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = date_of(days);
    let (seconds, millis) = (in_day / 1000, in_day % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

fn split_zone(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let Some(at) = time.rfind(['+', '-']) else { return Some((time, 0)) };
    let (clock, zone) = time.split_at(at);
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    let minutes = match digits.len() {
        2 => number(&digits, 2)? * 60,
        4 => number(&digits[..2], 2)? * 60 + number(&digits[2..], 2)?,
        _other => return None,
    };
    Some((clock, if zone.starts_with('-') { -minutes } else { minutes } * 60_000))
}

fn clock_ms(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':');
    let (hour, minute) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    let seconds = parts.next().unwrap_or("00");
    let (second, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let second = number(second, 2)?;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction =
        number(fraction, fraction.len()).filter(|_| fraction.len() <= 9 && !fraction.is_empty())?;
    let millis = fraction * 1000 / 10_i64.pow(fraction_digits(clock));
    Some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
}

fn fraction_digits(clock: &str) -> u32 {
    clock.split_once('.').map_or(1, |(_, fraction)| fraction.len() as u32)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(is_leap(year)),
        _long => 31,
    }
}

/// Days since 1970-01-01: counts in years that begin in March, so that the leap day is the last.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// The other way round.
fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year_of_era + carry, month, day)
}

/// `30 s`, `500 ms`.
pub fn spelled(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        // Values of `date -u -d ... +%s`.
        let cases = [
            ("0", 0),
            ("1767225600000", 1_767_225_600_000),
            ("2026-01-01", 1_767_225_600_000),
            ("2026-01-01T00:00:00Z", 1_767_225_600_000),
            ("2024-02-29T12:30:15.250Z", 1_709_209_815_250),
            ("2024-02-29T12:30:15.25+01:30", 1_709_204_415_250),
            ("1969-12-31T23:59:59.999Z", -1),
            ("2000-03-01 00:00", 951_868_800_000),
        ];
        for (text, ms) in cases {
            assert_eq!(parse_time_ms(text), Some(ms), "{text}");
        }
        for text in ["", "-5", "2026-13-01", "2025-02-29", "2026-01-01T24:00", "yesterday", "2026-1-1"] {
            assert_eq!(parse_time_ms(text), None, "{text}");
        }
    }

    #[test]
    fn printing_is_the_inverse_of_reading() {
        for ms in [0, -1, 1_709_209_815_250, 951_868_799_999, 4_102_444_800_000] {
            assert_eq!(parse_time_ms(&format_time_ms(ms)), Some(ms), "{}", format_time_ms(ms));
        }
        assert_eq!(format_time_ms(1_709_209_815_250), "2024-02-29T12:30:15.250Z");
    }
}
