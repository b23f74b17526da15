//! Lines as Java's `printf` lays them out: columns padded to the right, never cut.

use std::io::{self, Write};

/// What `--version` prints.
pub const VERSION_LINE: &str = concat!(env!("CARGO_PKG_VERSION"), " (Ottla)");

/// One line on standard output; what nobody reads ends the script.
pub fn print_line(line: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{line}")
}

/// Cells in columns of these widths, a blank between two; a width of 0 pads nothing.
pub fn columns(cells: &[&str], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}", width = *width));
    padded.collect::<Vec<_>>().join(" ")
}

/// The widest of a column's cells, at least so much.
pub fn widest<'a>(cells: impl Iterator<Item = &'a str>, least: usize) -> usize {
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(least)
}

/// `1,2,3`.
pub fn list(ids: &[i32]) -> String {
    ids.iter().map(i32::to_string).collect::<Vec<_>>().join(",")
}
