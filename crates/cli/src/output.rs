//! Prints rows either as aligned columns or as JSON with stable keys: one declaration serves both. Never
//! panics when the reader goes away (`ottla … | head`).

use crate::args::OutputFormat;
use crate::failure::say;
use serde_json::{Map, Value};
use std::io::{self, IsTerminal, Write};

/// A column that is cut keeps so many letters, or its heading.
const LEAST_WIDTH: usize = 8;

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
    /// Not shown to people while no row has anything to say in it.
    quiet: bool,
}

impl Table {
    /// Columns as (heading in the table, key in JSON).
    pub fn new(columns: &[(&'static str, &'static str)]) -> Table {
        let columns = columns.iter().map(|&(heading, key)| Column { heading, key, quiet: false }).collect();
        Table { columns, rows: Vec::new() }
    }

    /// These columns, by their keys in JSON, are for people only where some row has something in them: not 0, false or
    /// nothing.
    pub fn quiet(mut self, keys: &[&str]) -> Table {
        self.columns.iter_mut().for_each(|column| column.quiet |= keys.contains(&column.key));
        self
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
                let sheet = self.sheet();
                let (text, cut) = sheet.render(terminal_width(), bold_headings());
                let mut out = io::stdout().lock();
                out.write_all(text.as_bytes())?;
                out.flush()?;
                if cut {
                    say("(cut to fit this terminal: -o json, or a pipe, has everything)");
                }
                Ok(())
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

    /// The same; what an empty table means goes to people in words.
    pub fn print_or_say(&self, format: OutputFormat, nothing: &str) -> io::Result<()> {
        if self.rows.is_empty() && format == OutputFormat::Table {
            say(nothing);
            return Ok(());
        }
        self.print(format)
    }

    /// What people see: text, without the quiet columns.
    fn sheet(&self) -> Sheet {
        let speaks = |index: usize| self.rows.iter().any(|row| says_something(&row[index]));
        let shown: Vec<usize> =
            (0..self.columns.len()).filter(|&index| !self.columns[index].quiet || speaks(index)).collect();
        let is_numeric = |index: usize| {
            let mut values =
                self.rows.iter().map(|row| &row[index]).filter(|value| !value.is_null()).peekable();
            values.peek().is_some() && values.all(Value::is_number)
        };
        Sheet {
            headings: shown.iter().map(|&index| self.columns[index].heading.to_owned()).collect(),
            numeric: shown.iter().map(|&index| is_numeric(index)).collect(),
            rows: self
                .rows
                .iter()
                .map(|row| shown.iter().map(|&index| cell_text(&row[index])).collect())
                .collect(),
        }
    }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) => true,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(values) => !values.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

/// Cells of text.
struct Sheet {
    headings: Vec<String>,
    numeric: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    /// Aligned, within `width` if there is a limit: columns of text are cut, and where that is not enough each row
    /// stands as a block of lines. Numbers to the right, all else to the left. True where something was cut.
    fn render(&self, width: Option<usize>, bold: bool) -> (String, bool) {
        let natural = self.widths();
        let Some(widths) = self.fitted(natural.clone(), width) else { return (self.blocks(), false) };
        let mut text = String::new();
        let heading = self.line(&self.headings, &widths);
        text.push_str(&if bold { format!("\u{1b}[1m{heading}\u{1b}[0m") } else { heading });
        text.push('\n');
        for row in &self.rows {
            text.push_str(&self.line(row, &widths));
            text.push('\n');
        }
        (text, widths != natural)
    }

    fn widths(&self) -> Vec<usize> {
        let width = |index: usize| {
            let widest = self.rows.iter().map(|row| row[index].chars().count()).max().unwrap_or(0);
            widest.max(self.headings[index].chars().count())
        };
        (0..self.headings.len()).map(width).collect()
    }

    /// Takes from the widest column of text, letter by letter; `None` where that cannot be enough.
    fn fitted(&self, mut widths: Vec<usize>, limit: Option<usize>) -> Option<Vec<usize>> {
        let Some(limit) = limit else { return Some(widths) };
        let gaps = 2 * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > limit {
            let may_shrink =
                |&index: &usize| widths[index] > self.headings[index].chars().count().max(LEAST_WIDTH);
            let widest = (0..widths.len())
                .filter(|&index| !self.numeric[index])
                .filter(may_shrink)
                .max_by_key(|&index| widths[index])?;
            widths[widest] -= 1;
        }
        Some(widths)
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (index, cell) in cells.iter().enumerate() {
            let length = cell.chars().count();
            let cell = if length > widths[index] {
                format!("{}…", cell.chars().take(widths[index].saturating_sub(1)).collect::<String>())
            } else {
                cell.clone()
            };
            let padding = " ".repeat(widths[index].saturating_sub(length));
            let (before, after) =
                if self.numeric[index] { (padding.as_str(), "") } else { ("", padding.as_str()) };
            let gap = if index == 0 { "" } else { "  " };
            line.push_str(&format!("{gap}{before}{cell}{after}"));
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// One line for each cell, a blank line between rows.
    fn blocks(&self) -> String {
        let widest = self.headings.iter().map(|heading| heading.chars().count()).max().unwrap_or(0);
        let block = |row: &Vec<String>| {
            let cells = self.headings.iter().zip(row);
            cells.map(|(heading, cell)| format!("{heading:<widest$}  {cell}\n")).collect::<String>()
        };
        self.rows.iter().map(block).collect::<Vec<_>>().join("\n")
    }
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

/// `1 node`, `2 nodes`.
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
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

/// Columns of the terminal that standard output is; `None` for a pipe or a file, which take lines of any length.
fn terminal_width() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse::<usize>().ok());
    let asked = || rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    told.or_else(asked).filter(|&columns| columns > 0)
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

    fn rendered(table: &Table, width: Option<usize>) -> (String, bool) {
        table.sheet().render(width, false)
    }

    #[test]
    fn aligns_text_left_and_numbers_right() {
        let expected = "TOPIC   PARTITIONS  ISR\norders          12  1,2\nx                3  -\n";
        assert_eq!(rendered(&sample(), None), (expected.to_owned(), false));
        assert_eq!(rendered(&sample(), Some(23)), (expected.to_owned(), false));
    }

    #[test]
    fn a_narrow_terminal_cuts_text_and_never_numbers() {
        let mut table = Table::new(&[("NAME", "name"), ("RECORDS", "records")]);
        table.row(vec![json!("a-topic-of-a-long-name"), json!(1_234_567)]);
        let cut = "NAME        RECORDS\na-topic-o…  1234567\n".to_owned();
        assert_eq!(rendered(&table, Some(19)), (cut, true));
        let blocks = "NAME     a-topic-of-a-long-name\nRECORDS  1234567\n";
        assert_eq!(rendered(&table, Some(12)), (blocks.to_owned(), false));
    }

    #[test]
    fn quiet_columns_are_shown_once_they_have_something_to_say() {
        let mut table = Table::new(&[("NAME", "name"), ("LEADERLESS", "leaderless")]).quiet(&["leaderless"]);
        table.row(vec![json!("a"), json!(0)]);
        assert_eq!(rendered(&table, None).0, "NAME\na\n");
        table.row(vec![json!("b"), json!(2)]);
        assert_eq!(rendered(&table, None).0, "NAME  LEADERLESS\na              0\nb              2\n");
        assert_eq!(table.to_json()[0]["leaderless"], json!(0));
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
