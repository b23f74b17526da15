//! From [`File`] to text, in the layout that Confluent's registry stores: messages before enums, two spaces, a blank line between the
//! sections of a message.

use super::model::{
    Enum, Extend, Field, FieldKind, File, Group, ImportKind, Label, Message, OneOf, Opt, Reserved, Service,
    Syntax, TAG_MAX, Type, Value,
};
use std::fmt::Write;

/// The text of a file.
pub fn print(file: &File) -> String {
    let mut out = String::new();
    match &file.syntax {
        Syntax::Unsaid => {}
        Syntax::Proto2 => out.push_str("syntax = \"proto2\";\n"),
        Syntax::Proto3 => out.push_str("syntax = \"proto3\";\n"),
        Syntax::Edition(edition) => push(&mut out, format_args!("edition = {};\n", quoted(edition))),
    }
    if let Some(package) = &file.package {
        push(&mut out, format_args!("package {package};\n"));
    }
    if !file.imports.is_empty() {
        out.push('\n');
    }
    for public in [false, true] {
        for import in file.imports.iter().filter(|import| (import.kind == ImportKind::Public) == public) {
            let word = match import.kind {
                ImportKind::Plain => "",
                ImportKind::Public => "public ",
                ImportKind::Weak => "weak ",
            };
            push(&mut out, format_args!("import {word}{};\n", quoted(&import.file)));
        }
    }
    section(&mut out, file.options.iter().map(option_statement));
    types(&mut out, &file.types, "");
    section(&mut out, file.extends.iter().map(extend));
    section(&mut out, file.services.iter().map(service));
    out
}

fn push(out: &mut String, what: std::fmt::Arguments) {
    // Writing to a String does not fail.
    let _ = out.write_fmt(what);
}

/// A newline, then the pieces; nothing without any.
fn section(out: &mut String, pieces: impl Iterator<Item = String>) {
    indented_section(out, pieces, "");
}

fn indented_section(out: &mut String, pieces: impl Iterator<Item = String>, indent: &str) {
    let mut first = true;
    for piece in pieces {
        if std::mem::take(&mut first) {
            out.push('\n');
        }
        indented(out, &piece, indent);
    }
}

fn indented(out: &mut String, piece: &str, indent: &str) {
    for line in piece.lines() {
        if !line.is_empty() {
            out.push_str(indent);
        }
        out.push_str(line);
        out.push('\n');
    }
}

fn types(out: &mut String, types: &[Type], indent: &str) {
    if types.is_empty() {
        return;
    }
    out.push('\n');
    for one in types {
        if let Type::Message(inner) = one {
            indented(out, &message(inner), indent);
        }
    }
    for one in types {
        if let Type::Enum(inner) = one {
            indented(out, &r#enum(inner), indent);
        }
    }
}

fn message(message: &Message) -> String {
    let mut out = format!("message {} {{", message.name);
    indented_section(&mut out, message.reserved.iter().map(|all| reserved(all)), "  ");
    indented_section(&mut out, message.options.iter().map(option_statement), "  ");
    indented_section(&mut out, message.fields.iter().map(field), "  ");
    indented_section(&mut out, message.oneofs.iter().map(oneof), "  ");
    indented_section(&mut out, message.groups.iter().map(group), "  ");
    let extensions = message.extensions.iter().map(|one| {
        let ranges: Vec<String> = one.ranges.iter().map(|(from, to)| range(*from, *to)).collect();
        format!("extensions {}{};\n", ranges.join(", "), bracketed(&one.options))
    });
    indented_section(&mut out, extensions, "  ");
    indented_section(&mut out, message.extends.iter().map(extend), "  ");
    types(&mut out, &message.types, "  ");
    out.push_str("}\n");
    out
}

fn r#enum(one: &Enum) -> String {
    let mut out = format!("enum {} {{", one.name);
    indented_section(&mut out, one.reserved.iter().map(|all| reserved(all)), "  ");
    if one.reserved.is_empty() {
        out.push('\n');
    }
    for option in &one.options {
        indented(&mut out, &option_statement(option), "  ");
    }
    for value in &one.values {
        let line = format!("{} = {}{};\n", value.name, value.number, bracketed(&value.options));
        indented(&mut out, &line, "  ");
    }
    out.push_str("}\n");
    out
}

fn label(label: Option<Label>) -> String {
    label.map(|label| format!("{} ", label.word())).unwrap_or_default()
}

fn field(field: &Field) -> String {
    let kind = match &field.kind {
        FieldKind::Named(name) => name.clone(),
        FieldKind::Map(key, value) => format!("map<{key}, {value}>"),
    };
    format!("{}{kind} {} = {}{};\n", label(field.label), field.name, field.tag, bracketed(&field.options))
}

fn oneof(oneof: &OneOf) -> String {
    let mut out = format!("oneof {} {{", oneof.name);
    indented_section(&mut out, oneof.options.iter().map(option_statement), "  ");
    indented_section(&mut out, oneof.fields.iter().map(field), "  ");
    indented_section(&mut out, oneof.groups.iter().map(group), "  ");
    out.push_str("}\n");
    out
}

fn group(group: &Group) -> String {
    let mut out = format!("{}group {} = {} {{", label(group.label), group.name, group.tag);
    indented_section(&mut out, group.fields.iter().map(field), "  ");
    out.push_str("}\n");
    out
}

fn extend(extend: &Extend) -> String {
    let mut out = format!("extend {} {{", extend.name);
    indented_section(&mut out, extend.fields.iter().map(field), "  ");
    out.push_str("}\n");
    out
}

fn service(service: &Service) -> String {
    let mut out = format!("service {} {{", service.name);
    indented_section(&mut out, service.options.iter().map(option_statement), "  ");
    let methods = service.methods.iter().map(|method| {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        let mut line = format!(
            "rpc {} ({}{}) returns ({}{})",
            method.name,
            stream(method.request_streams),
            method.request,
            stream(method.response_streams),
            method.response
        );
        if !method.options.is_empty() {
            line.push_str(" {\n");
            for option in &method.options {
                indented(&mut line, &option_statement(option), "  ");
            }
            line.push('}');
        }
        line.push_str(";\n");
        line
    });
    indented_section(&mut out, methods, "  ");
    out.push_str("}\n");
    out
}

fn range(from: i32, to: i32) -> String {
    match to {
        _ if from == to => from.to_string(),
        TAG_MAX => format!("{from} to max"),
        to => format!("{from} to {to}"),
    }
}

fn reserved(all: &[Reserved]) -> String {
    let one = |reserved: &Reserved| match reserved {
        Reserved::Number(number) => number.to_string(),
        Reserved::Range(from, to) => range(*from, *to),
        Reserved::Name(name) => format!("\"{name}\""),
    };
    format!("reserved {};\n", all.iter().map(one).collect::<Vec<_>>().join(", "))
}

fn option_statement(option: &Opt) -> String {
    format!("option {};\n", assignment(option))
}

fn assignment(option: &Opt) -> String {
    format!("{} = {}", option.name, value(&option.value))
}

/// ` [a = 1]`, several on lines of their own; nothing without any.
fn bracketed(options: &[Opt]) -> String {
    match options {
        [] => String::new(),
        [one] => format!(" [{}]", assignment(one)),
        several => {
            let mut out = String::from(" [\n");
            lines(&mut out, several.iter().map(assignment));
            out.push(']');
            out
        }
    }
}

/// Indented, with commas between.
fn lines(out: &mut String, all: impl ExactSizeIterator<Item = String>) {
    let last = all.len().saturating_sub(1);
    for (index, line) in all.enumerate() {
        let comma = if index < last { "," } else { "" };
        indented(out, &format!("{line}{comma}"), "  ");
    }
}

fn value(one: &Value) -> String {
    match one {
        Value::String(text) => quoted(text),
        Value::Word(word) => word.clone(),
        Value::Number(number) => number.clone(),
        Value::Map(members) => {
            let mut out = String::from("{\n");
            lines(&mut out, members.iter().map(|(key, inner)| format!("{key}: {}", value(inner))));
            out.push('}');
            out
        }
        Value::List(all) => {
            let mut out = String::from("[\n");
            lines(&mut out, all.iter().map(value));
            out.push(']');
            out
        }
    }
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' | '"' => out.extend(['\\', c]),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}
