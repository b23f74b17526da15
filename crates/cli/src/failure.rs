//! The one error that commands return: what went wrong, why, and what to try, in three lines on stderr,
//! together with the exit code. Owns every word that goes to stderr; never panics when nobody reads it.

use crate::invocation;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

/// Exit codes, stable for scripts. 0 is success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command failed.
    Failed = 1,
    /// The command line was wrong (clap uses the same number).
    Usage = 2,
    /// A named thing does not exist.
    NotFound = 3,
    /// The cluster refused for lack of permission.
    Denied = 4,
    /// No answer in time.
    Timeout = 5,
    /// Some of several parts failed.
    Partial = 6,
}

/// One line on stderr.
pub fn say(line: impl Display) {
    // Nobody may be reading (`2>&1 | head -1`); the exit code tells all the same.
    let _ = writeln!(io::stderr(), "{line}");
}

/// A failed command.
#[derive(Debug)]
pub struct Failure {
    what: String,
    why: String,
    hint: String,
    exit: Exit,
    /// The reader of our output went away: no failure, and nobody left to tell.
    silent: bool,
}

impl Failure {
    /// What went wrong and why; `try_this` adds the third line.
    pub fn new(what: impl Display, why: impl Display) -> Failure {
        Failure {
            what: what.to_string(),
            why: why.to_string(),
            hint: String::new(),
            exit: Exit::Failed,
            silent: false,
        }
    }

    /// A wrong argument that clap could not see.
    pub fn usage(what: impl Display, why: impl Display) -> Failure {
        Failure::new(what, why).exit(Exit::Usage)
    }

    /// The next thing to try.
    pub fn try_this(mut self, hint: impl Display) -> Failure {
        self.hint = hint.to_string();
        self
    }

    /// Another exit code than `Exit::Failed`.
    pub fn exit(mut self, exit: Exit) -> Failure {
        self.exit = exit;
        self
    }

    /// Prints the three lines and gives the exit code.
    pub fn report(self) -> ExitCode {
        if self.silent {
            return ExitCode::SUCCESS;
        }
        say(format_args!("error: {}", self.what));
        say(format_args!("  why: {}", self.why));
        let hint = if self.hint.is_empty() { "ottla --help" } else { &self.hint };
        say(format_args!("  try: {}", invocation::as_called(hint)));
        ExitCode::from(self.exit as u8)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        let silent = error.kind() == io::ErrorKind::BrokenPipe;
        Failure { silent, ..Failure::new("could not read or write", error) }
    }
}
