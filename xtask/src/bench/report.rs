//! Prints what was measured: goals with their verdicts, every figure beside the others of its cell; JSON with every value.

use super::cell::Row;
use super::goals::{Verdict, ratios, verdicts};
use super::measure::Spread;
use crate::words::say;
use serde_json::{Value, json};

/// Every goal whose figures were measured.
pub fn print_goals(rows: &[Row]) {
    let verdicts = verdicts(rows);
    if verdicts.is_empty() {
        return;
    }
    say("\n| row | what | goal | value | |\n|---|---|---|---|---|");
    for Verdict { row, text, goal, value, met } in &verdicts {
        say(format_args!(
            "| {row} | {text} | {goal} | {} | {} |",
            shown(value),
            if *met { "met" } else { "missed" }
        ));
    }
}

/// A table of its own per cell: the contenders differ.
pub fn print_cell(cell: &str, rows: &[Row]) {
    let here: Vec<&Row> = rows.iter().filter(|row| row.cell == cell).collect();
    if here.is_empty() {
        return;
    }
    let mut contenders: Vec<&str> = Vec::new();
    let mut figures: Vec<&str> = Vec::new();
    for row in &here {
        if !contenders.contains(&row.contender) {
            contenders.push(row.contender);
        }
        if !figures.contains(&row.figure) {
            figures.push(row.figure);
        }
    }
    let find = |figure: &str, contender: &str| {
        here.iter().find(|row| row.figure == figure && row.contender == contender)
    };
    let floor = contenders.contains(&"floor") && contenders.contains(&"ottla");
    let ratio_head = if floor { " ottla to floor |" } else { "" };
    say(format_args!("\n| {cell} | {} |{ratio_head}", contenders.join(" | ")));
    say(format_args!("|---|{}{}", "---|".repeat(contenders.len()), if floor { "---|" } else { "" }));
    for figure in figures {
        let mut line = format!("| {figure} |");
        for contender in &contenders {
            let text = find(figure, contender).map_or("–".to_owned(), |row| shown(&row.spread()));
            line.push_str(&format!(" {text} |"));
        }
        if let (true, Some(ours), Some(floor)) = (floor, find(figure, "ottla"), find(figure, "floor")) {
            line.push_str(&format!(" {} |", shown(&Spread::of(&ratios(&ours.values, &floor.values)))));
        }
        say(format_args!("{line}"));
    }
}

/// Median (least–most), three figures that count.
pub fn shown(spread: &Spread) -> String {
    if spread.median.is_nan() {
        return "–".to_owned();
    }
    if spread.least == spread.most {
        return number(spread.median);
    }
    format!("{} ({}–{})", number(spread.median), number(spread.least), number(spread.most))
}

fn number(value: f64) -> String {
    match value.abs() {
        1000.0.. => {
            let digits = format!("{value:.0}");
            let bytes: Vec<String> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|part| String::from_utf8_lossy(part).into_owned())
                .collect();
            bytes.join(",")
        }
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub fn json(rows: &[Row]) -> String {
    let figures = rows.iter().map(|row| {
        let spread = row.spread();
        json!({
            "cell": row.cell, "contender": row.contender, "figure": row.figure, "values": row.values,
            "median": spread.median, "least": spread.least, "most": spread.most,
        })
    });
    let goals = verdicts(rows).into_iter().map(|verdict| {
        json!({"row": verdict.row, "what": verdict.text, "goal": verdict.goal, "median": verdict.value.median, "met": verdict.met})
    });
    json!({"figures": figures.collect::<Vec<Value>>(), "goals": goals.collect::<Vec<Value>>()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_figures_and_thousands_are_set_apart() {
        let cases = [
            (0.1234, "0.12"),
            (12.34, "12.3"),
            (123.4, "123"),
            (1234.4, "1,234"),
            (1_234_567.0, "1,234,567"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
