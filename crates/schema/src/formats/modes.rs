//! The seven modes of compatibility: which earlier schemas a new one is held against, and in which direction. Pure.

use super::parsed::Parsed;
use super::terms::{Incompatibility, Policy, Roles};

/// A mode, in Confluent's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Anything goes.
    None,
    /// The new one reads what the latest wrote.
    #[default]
    Backward,
    /// The new one reads what all wrote.
    BackwardTransitive,
    /// The latest reads what the new one writes.
    Forward,
    /// All read what the new one writes.
    ForwardTransitive,
    /// Both, with the latest.
    Full,
    /// Both, with all.
    FullTransitive,
}

impl Level {
    pub(super) const ALL: [(Level, &'static str); 7] = [
        (Level::None, "NONE"),
        (Level::Backward, "BACKWARD"),
        (Level::BackwardTransitive, "BACKWARD_TRANSITIVE"),
        (Level::Forward, "FORWARD"),
        (Level::ForwardTransitive, "FORWARD_TRANSITIVE"),
        (Level::Full, "FULL"),
        (Level::FullTransitive, "FULL_TRANSITIVE"),
    ];

    /// The mode of this name, in any case.
    pub fn of(name: &str) -> Option<Level> {
        Level::ALL.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|(level, _)| *level)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Level::ALL.iter().find(|(level, _)| *level == self).map_or("", |(_, name)| name)
    }

    fn directions(self) -> &'static [Direction] {
        match self {
            Level::None => &[],
            Level::Backward | Level::BackwardTransitive => &[Direction::Backward],
            Level::Forward | Level::ForwardTransitive => &[Direction::Forward],
            Level::Full | Level::FullTransitive => &[Direction::Backward, Direction::Forward],
        }
    }

    fn is_transitive(self) -> bool {
        matches!(self, Level::BackwardTransitive | Level::ForwardTransitive | Level::FullTransitive)
    }

    /// Which of these are to be looked at, the oldest first.
    pub fn relevant<T>(self, earlier: &[T]) -> &[T] {
        match (self, self.is_transitive()) {
            (Level::None, _) => &[],
            (_, true) => earlier,
            (_, false) => &earlier[earlier.len().saturating_sub(1)..],
        }
    }

    /// Why `new` may not stand beside `old`. Full: the reader's side first, each reason once.
    pub fn check(self, new: &Parsed, old: &Parsed, policy: Policy) -> Vec<Incompatibility> {
        let mut all: Vec<Incompatibility> = Vec::new();
        for direction in self.directions() {
            all.extend(match direction {
                Direction::Backward => new.cannot_read(old, Roles::BACKWARD, policy),
                Direction::Forward => old.cannot_read(new, Roles::FORWARD, policy),
            });
        }
        all
    }
}

#[derive(Debug, Clone, Copy)]
enum Direction {
    Backward,
    Forward,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::SchemaType;

    /// Of two schemas: which reads which, and what each mode makes of it.
    #[test]
    fn each_mode_asks_in_its_own_direction() {
        let parse = |text| Parsed::parse(SchemaType::Avro, text, &[], false).expect("a schema");
        let (int, long, string) = (parse("\"int\""), parse("\"long\""), parse("\"string\""));
        let all = Level::ALL.map(|(_, name)| name);
        let cases = [
            (&long, &int, ["NONE", "BACKWARD", "BACKWARD_TRANSITIVE"].as_slice()),
            (&int, &long, ["NONE", "FORWARD", "FORWARD_TRANSITIVE"].as_slice()),
            (&int, &int, all.as_slice()),
            (&string, &int, ["NONE"].as_slice()),
        ];
        for (new, old, passing) in cases {
            for (level, name) in Level::ALL {
                let reasons = level.check(new, old, Policy::Strict);
                assert_eq!(reasons.is_empty(), passing.contains(&name), "{name}: {reasons:?}");
            }
        }
    }

    #[test]
    fn transitive_modes_look_at_all_others_at_the_latest() {
        let earlier = [1, 2, 3];
        for (level, name) in Level::ALL {
            let expected: &[i32] = match name {
                "NONE" => &[],
                _ if name.ends_with("TRANSITIVE") => &earlier,
                _ => &[3],
            };
            assert_eq!(level.relevant(&earlier), expected, "{name}");
        }
        assert!(Level::Full.relevant::<i32>(&[]).is_empty());
        assert_eq!(Level::of("full_transitive"), Some(Level::FullTransitive));
    }
}
