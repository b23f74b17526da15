//! What chores say. Owns the two streams, and that a reader who goes away (`cargo xtask test --list | head -3`) costs a chore
//! its words and nothing else: `println!` would end it there.

use std::fmt::Display;
use std::io::{self, Write};

/// A line to standard output.
pub fn say(line: impl Display) {
    let _nobody_reads = writeln!(io::stdout(), "{line}");
}

/// The same without the end of the line.
pub fn say_part(text: impl Display) {
    let _nobody_reads = write!(io::stdout(), "{text}");
}

/// A line to standard error.
pub fn complain(line: impl Display) {
    let _nobody_reads = writeln!(io::stderr(), "{line}");
}
