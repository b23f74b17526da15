//! Patterns that clients choose: RE2's syntax, whole texts, in time that is linear in pattern times text (KIP-848, KIP-1152).
//!
//! Owns what a pattern means. Texts are never looked at within a turn: whoever asks has them, and all the time that it takes. Bounded whatever
//! the pattern says: its steps, and how deep it nests.
//!
//! DIVERGES: classes of Unicode properties (`\pL`, `\p{Greek}`) are refused; a pattern of more steps than [`MAX_STEPS`] too.

mod class;
mod parse;
mod program;
#[cfg(test)]
mod tests;

use program::Program;

pub use program::MAX_STEPS;

/// A pattern that makes sense.
#[derive(Debug, Clone)]
pub struct Pattern {
    program: Program,
}

/// Why a pattern makes none; shown in RE2's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    what: &'static str,
    piece: String,
}

impl std::fmt::Display for PatternError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "error parsing regexp: {}", self.what)?;
        if self.piece.is_empty() { Ok(()) } else { write!(f, ": `{}`", self.piece) }
    }
}

impl std::error::Error for PatternError {}

impl PatternError {
    /// What is wrong, without the piece that it is wrong with.
    pub fn what(&self) -> &'static str {
        self.what
    }
}

impl Pattern {
    /// Reads a pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let node = parse::parse(text).map_err(|(what, piece)| PatternError { what, piece })?;
        let program = Program::of(&node)
            .ok_or_else(|| PatternError { what: "expression too large", piece: String::new() })?;
        Ok(Pattern { program })
    }

    /// Whether it is a pattern of the whole text.
    pub fn matches(&self, text: &str) -> bool {
        self.program.matches(text)
    }
}
