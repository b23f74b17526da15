//! The one binary: a command per file.

fn main() {}
