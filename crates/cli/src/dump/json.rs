//! Messages as JSON in Kafka's form: fields in the schema's order, names in camel case, ids as text, bytes in base64.

use bytes::Bytes;
use wire::base64::STANDARD;
use wire::codec::Viewer;
use wire::{Str, Uuid};

/// Writes what it is told as JSON text.
#[derive(Debug, Default)]
pub(super) struct JsonText {
    text: String,
    /// A comma is due before the next element or field.
    comma: bool,
    /// Bytes of these fields are something that can be read further.
    embedded: Option<Embedded>,
    field: &'static str,
}

/// What bytes of a field mean: JSON text for them, or `None` to leave them as bytes.
type Embedded = fn(field: &str, bytes: &Bytes) -> Option<String>;

impl JsonText {
    /// With a reader for embedded bytes.
    pub(super) fn with_embedded(embedded: Embedded) -> JsonText {
        JsonText { embedded: Some(embedded), ..JsonText::default() }
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// An object of these text fields and, last, a message.
    pub(super) fn wrap(fields: &[(&str, String)], data: &str) -> String {
        let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{},\"data\":{data}}}", fields.join(","))
    }

    fn value(&mut self, text: &str) {
        self.text.push_str(text);
        self.comma = true;
    }

    fn separate(&mut self) {
        if std::mem::replace(&mut self.comma, false) {
            self.text.push(',');
        }
    }
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

impl Viewer for JsonText {
    fn null(&mut self) {
        self.value("null");
    }

    fn boolean(&mut self, value: bool) {
        self.value(if value { "true" } else { "false" });
    }

    fn integer(&mut self, value: i64) {
        self.value(&value.to_string());
    }

    fn float(&mut self, value: f64) {
        self.value(&serde_json::json!(value).to_string());
    }

    fn text(&mut self, value: &str) {
        self.value(&quoted(value));
    }

    fn bytes(&mut self, value: &Bytes) {
        let read = self.embedded.and_then(|embedded| embedded(self.field, value));
        self.value(&read.unwrap_or_else(|| format!("\"{}\"", STANDARD.encode(value))));
    }

    fn uuid(&mut self, value: Uuid) {
        self.value(&format!("\"{value}\""));
    }

    fn begin_list(&mut self) {
        self.text.push('[');
        self.comma = false;
    }

    fn element(&mut self) {
        self.separate();
    }

    fn end_list(&mut self) {
        self.value("]");
    }

    fn begin_fields(&mut self) {
        self.text.push('{');
        self.comma = false;
    }

    fn field(&mut self, name: &'static str) {
        self.separate();
        self.field = name;
        self.text.push('"');
        self.text.push_str(&camel_case(name));
        self.text.push_str("\":");
    }

    fn end_fields(&mut self) {
        self.value("}");
    }
}

/// `topic_id` as Kafka spells it: `topicId`.
fn camel_case(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let mut parts = name.split('_');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let mut chars = part.chars();
        out.extend(chars.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(chars.as_str());
    }
    out
}

/// `TopicRecord` as Kafka's metadata decoder spells it: `TOPIC_RECORD`.
pub(super) fn upper_snake_case(name: &str) -> Str {
    let mut out = String::with_capacity(name.len() + 4);
    for (at, c) in name.char_indices() {
        if c.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(c.to_ascii_uppercase());
    }
    Str::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_as_kafka_spells_them() {
        assert_eq!(camel_case("topic_id"), "topicId");
        assert_eq!(camel_case("r#type"), "type");
        assert_eq!(upper_snake_case("RegisterBrokerRecord"), "REGISTER_BROKER_RECORD");
        assert_eq!(upper_snake_case("NoOpRecord"), "NO_OP_RECORD");
    }
}
