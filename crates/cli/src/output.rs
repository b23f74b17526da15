//! Prints rows either as aligned columns or as JSON with stable keys: one declaration serves both. Never
//! panics when the reader goes away (`ottla … | head`).

use crate::args::OutputFormat;
use serde_json::{Map, Value};
use std::io::{self, IsTerminal, Write};

/// Rows under named columns.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Debug, Clone)]
struct Column {
    heading: &'static str,
    key: &'static str,
}

impl Table {
    /// Columns as (heading in the table, key in JSON).
    pub fn new(columns: &[(&'static str, &'static str)]) -> Table {
        let columns = columns.iter().map(|&(heading, key)| Column { heading, key }).collect();
        Table { columns, rows: Vec::new() }
    }

    /// Adds a row: one value per column, in order.
    pub fn row(&mut self, values: Vec<Value>) {
        assert_eq!(values.len(), self.columns.len(), "a row has one value per column");
        self.rows.push(values);
    }

    /// The rows as a JSON array of objects.
    pub fn to_json(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let pairs = self.columns.iter().zip(row);
            Value::Object(
                pairs.map(|(column, value)| (column.key.to_owned(), value.clone())).collect::<Map<_, _>>(),
            )
        };
        Value::Array(self.rows.iter().map(object).collect())
    }

    /// Prints to standard output.
    pub fn print(&self, format: OutputFormat) -> io::Result<()> {
        match format {
            OutputFormat::Json => print_json(&self.to_json()),
            OutputFormat::Table => {
                let mut out = io::stdout().lock();
                out.write_all(self.render(bold_headings()).as_bytes())?;
                out.flush()
            }
        }
    }

    /// Prints, but no bare headings; JSON is always a document.
    pub fn print_unless_empty(&self, format: OutputFormat) -> io::Result<()> {
        if self.rows.is_empty() && format == OutputFormat::Table {
            return Ok(());
        }
        self.print(format)
    }

    /// The aligned form. Numbers to the right, all else to the left, two spaces between columns.
    fn render(&self, bold: bool) -> String {
        let cells: Vec<Vec<String>> =
            self.rows.iter().map(|row| row.iter().map(cell_text).collect()).collect();
        let width = |index: usize| {
            let widest = cells.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
            widest.max(self.columns[index].heading.chars().count())
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let numeric: Vec<bool> = (0..self.columns.len()).map(|index| self.is_numeric(index)).collect();
        let headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        let mut text = String::new();
        let heading = render_line(&headings, &widths, &numeric);
        text.push_str(&if bold { format!("\u{1b}[1m{heading}\u{1b}[0m") } else { heading });
        text.push('\n');
        for row in &cells {
            text.push_str(&render_line(row, &widths, &numeric));
            text.push('\n');
        }
        text
    }

    fn is_numeric(&self, index: usize) -> bool {
        let mut values = self.rows.iter().map(|row| &row[index]).filter(|value| !value.is_null()).peekable();
        values.peek().is_some() && values.all(Value::is_number)
    }
}

fn render_line(cells: &[String], widths: &[usize], numeric: &[bool]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        let padding = " ".repeat(widths[index].saturating_sub(cell.chars().count()));
        let (before, after) = if numeric[index] { (padding.as_str(), "") } else { ("", padding.as_str()) };
        let gap = if index == 0 { "" } else { "  " };
        line.push_str(&format!("{gap}{before}{cell}{after}"));
    }
    line.truncate(line.trim_end().len());
    line
}

/// A value as a cell: `-` for nothing, lists with commas.
fn cell_text(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) if text.is_empty() => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(values) if values.is_empty() => "-".to_owned(),
        Value::Array(values) => values.iter().map(cell_text).collect::<Vec<_>>().join(","),
        Value::Object(map) => {
            map.iter().map(|(key, value)| format!("{key}={}", cell_text(value))).collect::<Vec<_>>().join(",")
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Prints one JSON document.
pub fn print_json(value: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints one line of text.
pub fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

/// Colours only for a person: on a terminal and without NO_COLOR (no-color.org: any non-empty value).
fn bold_headings() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sample() -> Table {
        let mut table = Table::new(&[("TOPIC", "topic"), ("PARTITIONS", "partitions"), ("ISR", "isr")]);
        table.row(vec![json!("orders"), json!(12), json!([1, 2])]);
        table.row(vec![json!("x"), json!(3), Value::Null]);
        table
    }

    #[test]
    fn aligns_text_left_and_numbers_right() {
        let expected = "TOPIC   PARTITIONS  ISR\norders          12  1,2\nx                3  -\n";
        assert_eq!(sample().render(false), expected);
    }

    #[test]
    fn the_same_rows_are_json_objects() {
        let expected = json!([
            {"topic": "orders", "partitions": 12, "isr": [1, 2]},
            {"topic": "x", "partitions": 3, "isr": null},
        ]);
        assert_eq!(sample().to_json(), expected);
    }
}
