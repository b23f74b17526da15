//! What a script is: its name, how it is asked, what it does.

use super::joptsimple::{Opt, Read};
use super::terms::End;

/// How a script's options are spelled, and what it does with them.
pub enum Style {
    /// Options by joptsimple.
    Options {
        /// All of them.
        options: &'static [Opt],
        /// The first line of `--help`.
        about: &'static str,
        /// Does it; what was typed is complete and well-formed.
        run: fn(&Read) -> Result<(), End>,
    },
    /// Words that the script reads itself.
    Words(fn(&[String]) -> Result<(), End>),
    /// It is not here: why, and what does it instead.
    NotHere(&'static str),
}

/// One script.
pub struct Script {
    /// `kafka-topics`.
    pub name: &'static str,
    /// How it is asked.
    pub style: Style,
}
