//! Where `ottla consume` begins and where it stops: the grammar of `--offset`.

use crate::time::parse_time_ms;

/// Where to begin or to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Boundary {
    /// The first record.
    Beginning,
    /// Behind the last record.
    End,
    /// What the group has committed.
    Stored,
    /// An offset.
    At(i64),
    /// So many records before the end.
    BeforeEnd(i64),
    /// Begin with the first record at or after this time, in milliseconds since the epoch.
    Since(i64),
    /// Stop with the first record at or after this time.
    Until(i64),
}

/// Reads `--offset`: kcat's and Kafka's ways to write one.
pub fn boundary(text: &str) -> Result<Boundary, String> {
    let wrong = || "write beginning, end, stored, an offset, -N, s@TIME or e@TIME".to_owned();
    match text {
        "beginning" | "earliest" | "start" => return Ok(Boundary::Beginning),
        "end" | "latest" => return Ok(Boundary::End),
        "stored" => return Ok(Boundary::Stored),
        _other => {}
    }
    if let Some(time) = text.strip_prefix("s@") {
        return parse_time_ms(time).map(Boundary::Since).ok_or_else(wrong);
    }
    if let Some(time) = text.strip_prefix("e@") {
        return parse_time_ms(time).map(Boundary::Until).ok_or_else(wrong);
    }
    match text.parse::<i64>() {
        Ok(offset) if offset >= 0 => Ok(Boundary::At(offset)),
        Ok(back) => Ok(Boundary::BeforeEnd(-back)),
        Err(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_read_as_kcat_writes_them() {
        let cases = [
            ("beginning", Boundary::Beginning),
            ("end", Boundary::End),
            ("42", Boundary::At(42)),
            ("-5", Boundary::BeforeEnd(5)),
            ("s@1000", Boundary::Since(1000)),
            ("e@2026-01-01", Boundary::Until(1_767_225_600_000)),
        ];
        for (text, expected) in cases {
            assert_eq!(boundary(text), Ok(expected), "{text}");
        }
        assert!(boundary("middle").is_err());
    }
}
