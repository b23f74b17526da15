//! From a pattern's text to what it means. Says what RE2 says of a pattern that makes no sense.

use super::class::{self, Class};
use std::sync::Arc;

/// Groups within groups: a pattern of people has a handful.
const MAX_DEPTH: usize = 200;
/// As in RE2.
const MAX_REPEAT: u32 = 1_000;

/// What a pattern means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    Empty,
    /// With regard to case, or without.
    Char(char, bool),
    /// Shared by all of its repetitions.
    Class(Arc<Class>),
    Assertion(Assertion),
    All(Vec<Node>),
    Either(Vec<Node>),
    /// At least so often; at most so often, if there is a bound.
    Repeated(Box<Node>, u32, Option<u32>),
}

/// What holds between two characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Assertion {
    BeginText,
    EndText,
    BeginLine,
    EndLine,
    WordBoundary,
    NoWordBoundary,
}

/// What is wrong, and the piece of the pattern where.
pub type Wrong = (&'static str, String);

const ESCAPE: &str = "invalid escape sequence";
const PERL: &str = "invalid or unsupported Perl syntax";
const CLASS: &str = "invalid character class range";
const REPEAT: &str = "invalid repeat count";
const NAME: &str = "invalid named capture";
const NO_BRACKET: &str = "missing closing ]";
const NO_PARENTHESIS: &str = "missing closing )";
const NO_ARGUMENT: &str = "missing argument to repetition operator";

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    any_case: bool,
    lines: bool,
    dot_is_newline: bool,
}

struct Parser<'a> {
    pattern: &'a str,
    at: usize,
    flags: Flags,
    names: Vec<&'a str>,
}

/// The pattern as a whole.
pub fn parse(pattern: &str) -> Result<Node, Wrong> {
    let mut parser = Parser { pattern, at: 0, flags: Flags::default(), names: Vec::new() };
    let node = parser.either(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(("unexpected )", pattern.to_owned())),
    }
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        self.pattern.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, text: &str) -> bool {
        let taken = self.rest().starts_with(text);
        if taken {
            self.at += text.len();
        }
        taken
    }

    fn piece(&self, from: usize) -> String {
        self.pattern.get(from..self.at).unwrap_or_default().to_owned()
    }

    fn wrong<T>(&self, what: &'static str, from: usize) -> Result<T, Wrong> {
        Err((what, self.piece(from)))
    }

    /// Until the end, or the `)` of the group around.
    fn either(&mut self, depth: usize) -> Result<Node, Wrong> {
        if depth > MAX_DEPTH {
            return Err(("expression nests too deeply", String::new()));
        }
        let mut ways = vec![self.all(depth)?];
        while self.take("|") {
            ways.push(self.all(depth)?);
        }
        Ok(if ways.len() == 1 { ways.remove(0) } else { Node::Either(ways) })
    }

    fn all(&mut self, depth: usize) -> Result<Node, Wrong> {
        let mut nodes: Vec<Node> = Vec::new();
        // Where the repetition stands that the last node has already.
        let mut repeated_at = None;
        while let Some(c) = self.peek().filter(|c| !matches!(c, '|' | ')')) {
            let from = self.at;
            if let Some((min, max)) = self.repetition()? {
                if let Some(before) = repeated_at {
                    return self.wrong("invalid nested repetition operator", before);
                }
                let Some(node) = nodes.pop() else { return self.wrong(NO_ARGUMENT, from) };
                // Which of several ways is taken makes no difference to whole texts.
                self.take("?");
                nodes.push(Node::Repeated(Box::new(node), min, max));
                repeated_at = Some(from);
                continue;
            }
            repeated_at = None;
            self.next();
            match c {
                '(' => nodes.extend(self.group(from, depth)?),
                '[' => nodes.push(self.class(from)?),
                '\\' => self.escape(from, &mut nodes)?,
                '.' => nodes.push(Node::Class(self.dot())),
                '^' if self.flags.lines => nodes.push(Node::Assertion(Assertion::BeginLine)),
                '^' => nodes.push(Node::Assertion(Assertion::BeginText)),
                '$' if self.flags.lines => nodes.push(Node::Assertion(Assertion::EndLine)),
                '$' => nodes.push(Node::Assertion(Assertion::EndText)),
                c => nodes.push(self.literal(c)),
            }
        }
        Ok(match nodes.len() {
            0 => Node::Empty,
            1 => nodes.remove(0),
            _ => Node::All(nodes),
        })
    }

    fn literal(&self, c: char) -> Node {
        if self.flags.any_case { Node::Char(class::without_case(c), true) } else { Node::Char(c, false) }
    }

    fn dot(&self) -> Arc<Class> {
        let ranges = if self.flags.dot_is_newline { Vec::new() } else { vec![('\n', '\n')] };
        Class { ranges, negated: true, any_case: false }.sealed()
    }

    /// `*`, `+`, `?` or a count in braces, if it is one; braces around anything else stand for themselves.
    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, Wrong> {
        for (sign, bounds) in [("*", (0, None)), ("+", (1, None)), ("?", (0, Some(1)))] {
            if self.take(sign) {
                return Ok(Some(bounds));
            }
        }
        let Some((inner, _)) = self.rest().strip_prefix('{').and_then(|rest| rest.split_once('}')) else {
            return Ok(None);
        };
        let (min, max) = match inner.split_once(',') {
            None => (number(inner), Some(number(inner))),
            Some((min, "")) => (number(min), None),
            Some((min, max)) => (number(min), Some(number(max))),
        };
        let (Some(min), max) = (min, max) else { return Ok(None) };
        if max == Some(None) {
            return Ok(None);
        }
        let (from, max) = (self.at, max.flatten());
        self.at += inner.len() + 2;
        if min > MAX_REPEAT || max.is_some_and(|max| max > MAX_REPEAT || max < min) {
            return self.wrong(REPEAT, from);
        }
        Ok(Some((min, max)))
    }

    /// Behind a `(`. `None` for flags alone, which are no node.
    fn group(&mut self, from: usize, depth: usize) -> Result<Option<Node>, Wrong> {
        let outer = self.flags;
        if self.rest().starts_with("?P<") || self.rest().starts_with("?<") {
            self.name(from)?;
        } else if self.take("?") && !self.flags_until_colon(from)? {
            return Ok(None);
        }
        let node = self.either(depth + 1)?;
        if !self.take(")") {
            return Err((NO_PARENTHESIS, self.pattern.to_owned()));
        }
        self.flags = outer;
        // A group is one thing, even if it is nothing.
        Ok(Some(node))
    }

    fn name(&mut self, from: usize) -> Result<(), Wrong> {
        let begin = from + if self.rest().starts_with("?P<") { 4 } else { 3 };
        let Some((name, _)) = self.pattern.get(begin..).and_then(|rest| rest.split_once('>')) else {
            self.at = self.pattern.len();
            return self.wrong(NAME, from);
        };
        self.at = begin + name.len() + 1;
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return self.wrong(NAME, from);
        }
        if self.names.contains(&name) {
            return Err(("duplicate capture group name", name.to_owned()));
        }
        self.names.push(name);
        Ok(())
    }

    /// Behind a `(?`. True where a group follows, false where the flags are for the rest of the group around.
    fn flags_until_colon(&mut self, from: usize) -> Result<bool, Wrong> {
        let (mut flags, mut value, mut seen) = (self.flags, true, false);
        while let Some(c) = self.next() {
            match c {
                'i' => flags.any_case = value,
                'm' => flags.lines = value,
                's' => flags.dot_is_newline = value,
                // Which of several ways is preferred.
                'U' => {}
                '-' if value => {
                    (value, seen) = (false, false);
                    continue;
                }
                ':' | ')' if value || seen => {
                    self.flags = flags;
                    return Ok(c == ':');
                }
                _ => return self.wrong(PERL, from),
            }
            seen = true;
        }
        self.wrong(PERL, from)
    }

    /// Behind a `\`.
    fn escape(&mut self, from: usize, nodes: &mut Vec<Node>) -> Result<(), Wrong> {
        let assertion = match self.peek() {
            Some('A') => Some(Assertion::BeginText),
            Some('z') => Some(Assertion::EndText),
            Some('b') => Some(Assertion::WordBoundary),
            Some('B') => Some(Assertion::NoWordBoundary),
            _ => None,
        };
        if let Some(assertion) = assertion {
            self.next();
            nodes.push(Node::Assertion(assertion));
            return Ok(());
        }
        if self.take("Q") {
            let rest = self.rest();
            let (quoted, behind) = rest.split_once("\\E").map_or((rest, 0), |(quoted, _)| (quoted, 2));
            nodes.extend(quoted.chars().map(|c| self.literal(c)));
            self.at += quoted.len() + behind;
            return Ok(());
        }
        let mut class = Class { any_case: self.flags.any_case, ..Class::default() };
        if self.perl_class(from, &mut class)? {
            nodes.push(Node::Class(class.sealed()));
        } else {
            let c = self.escaped_char(from)?;
            nodes.push(self.literal(c));
        }
        Ok(())
    }

    /// `\d` and its like, if it is one.
    fn perl_class(&mut self, from: usize, class: &mut Class) -> Result<bool, Wrong> {
        let Some(c) = self.peek() else { return Ok(false) };
        let ranges = match c {
            'd' | 'D' => class::DIGIT,
            's' | 'S' => class::SPACE,
            'w' | 'W' => class::WORD,
            'p' | 'P' => {
                self.next();
                if self.take("{") {
                    let name = self.rest().find('}').map_or(self.rest().len(), |end| end + 1);
                    self.at += name;
                } else {
                    self.next();
                }
                return self.wrong(CLASS, from);
            }
            _ => return Ok(false),
        };
        self.next();
        if c.is_ascii_uppercase() {
            class.add_others(ranges);
        } else {
            class.ranges.extend_from_slice(ranges);
        }
        Ok(true)
    }

    /// Behind a `\`: the one character that is meant.
    fn escaped_char(&mut self, from: usize) -> Result<char, Wrong> {
        let Some(c) = self.next() else {
            return Err(("trailing backslash at end of expression", String::new()));
        };
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            'x' => return self.hexadecimal(from),
            '0'..='7' => return self.octal(from, c),
            c if c.is_ascii_alphanumeric() => return self.wrong(ESCAPE, from),
            c => c,
        })
    }

    fn octal(&mut self, from: usize, first: char) -> Result<char, Wrong> {
        let digit = |c: char| c.to_digit(8);
        // A digit alone would be what a group has found, which RE2 does not know.
        if first != '0' && self.peek().and_then(digit).is_none() {
            return self.wrong(ESCAPE, from);
        }
        let mut number = digit(first).unwrap_or(0);
        for _ in 0..2 {
            let Some(next) = self.peek().and_then(digit) else { break };
            self.next();
            number = number * 8 + next;
        }
        char::from_u32(number).map_or_else(|| self.wrong(ESCAPE, from), Ok)
    }

    fn hexadecimal(&mut self, from: usize) -> Result<char, Wrong> {
        let (braces, mut number, mut digits) = (self.take("{"), 0u32, 0);
        while let Some(c) = self.next() {
            if braces && c == '}' && digits > 0 {
                return char::from_u32(number).map_or_else(|| self.wrong(ESCAPE, from), Ok);
            }
            let Some(digit) = c.to_digit(16) else { break };
            number = number * 16 + digit;
            digits += 1;
            if number > char::MAX as u32 {
                break;
            }
            if !braces && digits == 2 {
                return char::from_u32(number).map_or_else(|| self.wrong(ESCAPE, from), Ok);
            }
        }
        self.wrong(ESCAPE, from)
    }

    /// Behind a `[`.
    fn class(&mut self, from: usize) -> Result<Node, Wrong> {
        let mut class = Class { negated: self.take("^"), any_case: self.flags.any_case, ..Class::default() };
        let mut first = true;
        while first || !self.rest().starts_with(']') {
            first = false;
            let begin = self.at;
            if self.peek().is_none() {
                return self.wrong(NO_BRACKET, from);
            }
            if self.rest().starts_with("[:")
                && let Some(end) = self.rest().find(":]")
            {
                self.at += end + 2;
                self.named_class(begin, &mut class)?;
                continue;
            }
            if self.take("\\") {
                if self.perl_class(begin, &mut class)? {
                    continue;
                }
                self.at = begin;
            }
            let low = self.class_char(from)?;
            let mut high = low;
            if self.rest().starts_with('-') && !self.rest().starts_with("-]") {
                self.next();
                high = self.class_char(from)?;
            }
            if high < low {
                return self.wrong(CLASS, begin);
            }
            class.ranges.push((low, high));
        }
        self.next();
        Ok(Node::Class(class.sealed()))
    }

    fn named_class(&self, begin: usize, class: &mut Class) -> Result<(), Wrong> {
        let piece = self.piece(begin);
        let name = piece.trim_start_matches("[:").trim_end_matches(":]");
        let (negated, name) = name.strip_prefix('^').map_or((false, name), |name| (true, name));
        let Some(ranges) = class::named(name) else { return Err((CLASS, piece)) };
        if negated {
            class.add_others(ranges);
        } else {
            class.ranges.extend_from_slice(ranges);
        }
        Ok(())
    }

    fn class_char(&mut self, from: usize) -> Result<char, Wrong> {
        let begin = self.at;
        match self.next() {
            None => self.wrong(NO_BRACKET, from),
            Some('\\') => self.escaped_char(begin),
            Some(c) => Ok(c),
        }
    }
}

/// A count as RE2 writes it: without leading zeros. One that is too large for any use is no different from another.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let zeros = text.len() > 1 && text.starts_with('0');
    (digits && !zeros).then(|| text.parse().unwrap_or(u32::MAX))
}
