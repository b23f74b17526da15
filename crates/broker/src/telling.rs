//! What lines of the log share where strangers decide how many there are and what they name: a bound on their number, and texts that stay
//! on their line. Never writes a line itself.

use std::fmt;

/// Lines of one kind: so many a second. The next one that is told says how many were left out before it.
#[derive(Debug)]
pub struct Ration {
    per_second: u32,
    second_began_ms: i64,
    told: u32,
    left_out: u64,
}

const SECOND_MS: i64 = 1_000;

impl Ration {
    /// At most `per_second` lines in any one second, counted from the first.
    pub const fn new(per_second: u32) -> Ration {
        Ration { per_second, second_began_ms: i64::MIN, told: 0, left_out: 0 }
    }

    /// Whether a line may be told now.
    pub fn take(&mut self, now_ms: i64) -> Option<LeftOut> {
        if now_ms.saturating_sub(self.second_began_ms) >= SECOND_MS {
            self.second_began_ms = now_ms;
            self.told = 0;
        }
        if self.told == self.per_second {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.told += 1;
        Some(LeftOut(std::mem::take(&mut self.left_out)))
    }
}

/// How many lines of this kind were not told before this one; nothing where none was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeftOut(u64);

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " (and {count} more like it before)"),
        }
    }
}

/// Characters of a text from outside that a line shows: names of groups may have 32,767.
const SHOWN_MAX: usize = 120;

/// A text from outside, within its line: quoted, without control characters, and cut where it is long.
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((cut, _)) = self.0.char_indices().nth(SHOWN_MAX) else { return write!(f, "{:?}", self.0) };
        write!(f, "{:?}...", &self.0[..cut])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_a_line_a_second_with_a_count() {
        let mut ration = Ration::new(1);
        let told: Vec<_> = (0..10_000).filter_map(|at_ms| ration.take(at_ms)).collect();
        assert_eq!(told, [[LeftOut(0)].as_slice(), &[LeftOut(999); 9]].concat());
        assert_eq!(ration.take(100_000), Some(LeftOut(999)));
        assert_eq!(ration.take(200_000), Some(LeftOut(0)));
    }

    #[test]
    fn a_second_has_its_number_of_lines() {
        let mut ration = Ration::new(3);
        assert_eq!((0..10).filter_map(|_| ration.take(0)).count(), 3);
        assert_eq!(ration.take(1_000), Some(LeftOut(7)));
        assert_eq!(LeftOut(7).to_string(), " (and 7 more like it before)");
        assert_eq!(LeftOut(0).to_string(), "");
    }

    #[test]
    fn a_text_from_outside_stays_on_its_line() {
        assert_eq!(Shown("g\n2026 INFO forged\x1b[31m").to_string(), r#""g\n2026 INFO forged\u{1b}[31m""#);
        let long = Shown(&"é".repeat(40_000)).to_string();
        assert_eq!(long.chars().count(), SHOWN_MAX + "\"\"...".len());
    }
}
