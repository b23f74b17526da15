//! Sets of characters, with or without regard to case.

use std::sync::Arc;

/// A set of characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Class {
    /// From the first to the last, both included; sorted and apart once it is [`Class::sealed`].
    pub ranges: Vec<(char, char)>,
    /// Every other character.
    pub negated: bool,
    /// Whatever differs in its case only is as good.
    pub any_case: bool,
}

impl Class {
    /// Nothing comes to it any more.
    pub fn sealed(mut self) -> Arc<Class> {
        self.ranges.sort_unstable();
        let mut apart: Vec<(char, char)> = Vec::with_capacity(self.ranges.len());
        for (first, last) in self.ranges {
            match apart.last_mut() {
                Some((_, end)) if first <= after(*end) => *end = last.max(*end),
                _ => apart.push((first, last)),
            }
        }
        apart.shrink_to_fit();
        Arc::new(Class { ranges: apart, ..self })
    }

    /// Asked of a sealed one.
    pub fn contains(&self, c: char) -> bool {
        let among = |c: char| {
            let at = self.ranges.partition_point(|(_, last)| *last < c);
            self.ranges.get(at).is_some_and(|(first, _)| *first <= c)
        };
        let found = if self.any_case { cases(c).into_iter().any(among) } else { among(c) };
        found != self.negated
    }

    /// Adds all characters that are not in these ranges, which are sorted and apart.
    pub fn add_others(&mut self, ranges: &[(char, char)]) {
        let mut from = '\0';
        for (first, last) in ranges {
            if let Some(before) = before(*first).filter(|before| *before >= from) {
                self.ranges.push((from, before));
            }
            from = after(*last);
        }
        self.ranges.push((from, char::MAX));
    }
}

fn before(c: char) -> Option<char> {
    char::from_u32((c as u32).checked_sub(1)?)
}

fn after(c: char) -> char {
    char::from_u32(c as u32 + 1).unwrap_or(char::MAX)
}

pub const DIGIT: &[(char, char)] = &[('0', '9')];
pub const SPACE: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
pub const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

/// The classes that have a name between `[:` and `:]`.
pub fn named(name: &str) -> Option<&'static [(char, char)]> {
    Some(match name {
        "alnum" => &[('0', '9'), ('A', 'Z'), ('a', 'z')],
        "alpha" => &[('A', 'Z'), ('a', 'z')],
        "ascii" => &[('\0', '\x7f')],
        "blank" => &[('\t', '\t'), (' ', ' ')],
        "cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "digit" => DIGIT,
        "graph" => &[('!', '~')],
        "lower" => &[('a', 'z')],
        "print" => &[(' ', '~')],
        "punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "space" => &[('\t', '\r'), (' ', ' ')],
        "upper" => &[('A', 'Z')],
        "word" => WORD,
        "xdigit" => &[('0', '9'), ('A', 'F'), ('a', 'f')],
        _ => return None,
    })
}

/// The same character in its other cases, where each is one character.
fn cases(c: char) -> [char; 5] {
    let (small, large) = (lower(c), upper(c));
    [c, small, large, lower(large), upper(small)]
}

/// What characters that differ in their case only have in common.
pub fn without_case(c: char) -> char {
    lower(upper(c))
}

fn lower(c: char) -> char {
    one(c, c.to_lowercase())
}

fn upper(c: char) -> char {
    one(c, c.to_uppercase())
}

fn one(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(other), None) => other,
        _ => c,
    }
}
