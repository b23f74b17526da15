//! Keys and values of records as people can read them: text, or the records of an internal topic as JSON.

use super::json::{JsonText, quoted, upper_snake_case};
use bytes::Bytes;
use wire::codec::{Decoder as Cursor, Message, Show};
use wire::records::client::{ConsumerProtocolAssignment, ConsumerProtocolSubscription};
use wire::records::group::{GroupKey, GroupValue};
use wire::records::metadata::MetadataRecord;
use wire::records::share::{ShareKey, ShareValue};
use wire::records::transaction::{TransactionKey, TransactionValue};

/// What a key or a value is that is no record of Kafka's own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plain {
    /// UTF-8, or what can be read of it.
    #[default]
    Text,
    /// A number of 4 bytes.
    Integer,
    /// A number of 8 bytes.
    Long,
}

impl Plain {
    fn show(self, bytes: &Bytes) -> String {
        let shown = match self {
            Plain::Text => Some(text(bytes)),
            Plain::Integer => bytes.first_chunk().map(|bytes| i32::from_be_bytes(*bytes).to_string()),
            Plain::Long => bytes.first_chunk().map(|bytes| i64::from_be_bytes(*bytes).to_string()),
        };
        shown.unwrap_or_else(|| format!("too short for a number: {}", text(bytes)))
    }
}

/// What records are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decoder {
    Plain(Plain, Plain),
    ClusterMetadata,
    Offsets,
    Transactions,
    ShareGroups,
}

impl Decoder {
    /// Key and value as they are printed; `None` where nothing is.
    pub(super) fn decode(
        self,
        key: Option<&Bytes>,
        value: Option<&Bytes>,
    ) -> (Option<String>, Option<String>) {
        match self {
            Decoder::Plain(of_key, of_value) => {
                (key.map(|key| of_key.show(key)), value.map(|value| of_value.show(value)))
            }
            Decoder::ClusterMetadata => (key.map(text), value.map(metadata)),
            Decoder::Offsets => coordinator(key, value, group_key, group_value),
            Decoder::Transactions => coordinator(key, value, transaction_key, transaction_value),
            Decoder::ShareGroups => coordinator(key, value, share_key, share_value),
        }
    }
}

/// A topic of Kafka's own, as the formatters of kafka-console-consumer tell it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Internal {
    /// Committed offsets in `__consumer_offsets`.
    Offsets,
    /// Classic groups there.
    GroupMetadata,
    /// `__transaction_state`.
    Transactions,
}

impl Internal {
    /// The record as one JSON object; `None` for those of other kinds.
    pub fn show(self, key: Option<&Bytes>, value: Option<&Bytes>) -> Option<String> {
        let key = key?;
        let kind = leading_number(key)?;
        let (kinds, data): (&[i16], _) = match self {
            Internal::Offsets => (&[0, 1], group_key(key)?),
            Internal::GroupMetadata => (&[2], group_key(key)?),
            Internal::Transactions => (&[0], transaction_key(key)?),
        };
        if !kinds.contains(&kind) {
            return None;
        }
        let key = JsonText::wrap(&[("type", kind.to_string())], &data);
        let value = match value {
            None => "null".to_owned(),
            Some(value) => {
                let version = leading_number(value)?;
                let mut json = JsonText::default();
                match self {
                    Internal::Transactions => {
                        TransactionValue::decode(kind, value.clone()).ok()?.show(&mut json, version);
                    }
                    Internal::Offsets | Internal::GroupMetadata => {
                        GroupValue::decode(kind, value.clone()).ok()?.show(&mut json, version);
                    }
                }
                JsonText::wrap(&[("version", version.to_string())], &json.into_text())
            }
        };
        Some(format!("{{\"key\":{key},\"value\":{value}}}"))
    }
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn metadata(value: &Bytes) -> String {
    let version = || -> Option<i16> {
        let mut cursor = Cursor::of(value.clone());
        let _frame_and_type = (cursor.unsigned_varint().ok()?, cursor.unsigned_varint().ok()?);
        i16::try_from(cursor.unsigned_varint().ok()?).ok()
    };
    match (MetadataRecord::decode(value.clone()), version()) {
        (Ok(record), Some(version)) => {
            let mut json = JsonText::default();
            record.show(&mut json, version);
            let name = quoted(&upper_snake_case(record.name()));
            JsonText::wrap(&[("type", name), ("version", version.to_string())], &json.into_text())
        }
        (Err(error), _) => format!("Error at this record: {error}"),
        (Ok(_), None) => "Error at this record: no version".to_owned(),
    }
}

/// A coordinator's record: the key tells the type, both begin with two bytes of version.
fn coordinator(
    key: Option<&Bytes>,
    value: Option<&Bytes>,
    read_key: fn(&Bytes) -> Option<String>,
    read_value: fn(i16, i16, &Bytes) -> Option<String>,
) -> (Option<String>, Option<String>) {
    let Some(key) = key else {
        return (None, Some("<none>".to_owned()));
    };
    let Some(kind) = leading_number(key) else {
        return (Some(text(key)), value.map(text));
    };
    let Some(data) = read_key(key) else {
        let unknown = format!("Unknown record type {kind} at this offset, skipping...");
        return (Some(unknown), None);
    };
    let key_text = JsonText::wrap(&[("type", quoted(&kind.to_string()))], &data);
    let value_text = value.map(|value| {
        let version = leading_number(value).unwrap_or(-1);
        let data = read_value(kind, version, value).unwrap_or_else(|| quoted("unreadable"));
        JsonText::wrap(&[("version", quoted(&version.to_string()))], &data)
    });
    (Some(key_text), Some(value_text.unwrap_or_else(|| "<DELETE>".to_owned())))
}

fn leading_number(bytes: &Bytes) -> Option<i16> {
    bytes.first_chunk::<2>().map(|chunk| i16::from_be_bytes(*chunk))
}

fn group_key(key: &Bytes) -> Option<String> {
    let mut json = JsonText::default();
    GroupKey::decode(key.clone()).ok()?.show(&mut json);
    Some(json.into_text())
}

fn group_value(kind: i16, version: i16, value: &Bytes) -> Option<String> {
    let value = GroupValue::decode(kind, value.clone()).ok()?;
    let is_consumer_group =
        matches!(&value, GroupValue::GroupMetadata(group) if &*group.protocol_type == "consumer");
    let mut json = if is_consumer_group { JsonText::with_embedded(embedded) } else { JsonText::default() };
    value.show(&mut json, version);
    Some(json.into_text())
}

/// What members of classic consumer groups say to each other.
fn embedded(field: &str, bytes: &Bytes) -> Option<String> {
    match field {
        "subscription" => embedded_message::<ConsumerProtocolSubscription>(bytes),
        "assignment" => embedded_message::<ConsumerProtocolAssignment>(bytes),
        _other => None,
    }
}

fn embedded_message<M: Message + Show>(bytes: &Bytes) -> Option<String> {
    let mut cursor = Cursor::of(bytes.clone());
    let version = cursor.i16().ok()?.min(M::MAX_VERSION);
    let mut json = JsonText::default();
    M::decode(&mut cursor, version).ok()?.show(&mut json, version);
    Some(json.into_text())
}

fn transaction_key(key: &Bytes) -> Option<String> {
    let mut json = JsonText::default();
    TransactionKey::decode(key.clone()).ok()?.show(&mut json);
    Some(json.into_text())
}

fn transaction_value(kind: i16, version: i16, value: &Bytes) -> Option<String> {
    let mut json = JsonText::default();
    TransactionValue::decode(kind, value.clone()).ok()?.show(&mut json, version);
    Some(json.into_text())
}

fn share_key(key: &Bytes) -> Option<String> {
    let mut json = JsonText::default();
    ShareKey::decode(key.clone()).ok()?.show(&mut json);
    Some(json.into_text())
}

fn share_value(kind: i16, version: i16, value: &Bytes) -> Option<String> {
    let mut json = JsonText::default();
    ShareValue::decode(kind, value.clone()).ok()?.show(&mut json, version);
    Some(json.into_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::records::group::{OffsetCommitKey, OffsetCommitValue};
    use wire::records::metadata::FeatureLevelRecord;

    #[test]
    fn metadata_records_read_as_in_kafka_dump_log() {
        let record = FeatureLevelRecord { name: "group.version".into(), feature_level: 1 };
        let value = MetadataRecord::from(record).encode();
        let expected = "{\"type\":\"FEATURE_LEVEL_RECORD\",\"version\":0,\
                        \"data\":{\"name\":\"group.version\",\"featureLevel\":1}}";
        assert_eq!(Decoder::ClusterMetadata.decode(None, Some(&value)), (None, Some(expected.to_owned())));
    }

    #[test]
    fn offset_commits_read_as_in_kafka_dump_log() {
        let key =
            GroupKey::from(OffsetCommitKey { group: "g".into(), topic: "t".into(), partition: 3 }).encode();
        let value = OffsetCommitValue {
            offset: 15,
            leader_epoch: 0,
            commit_timestamp: 7,
            ..OffsetCommitValue::default()
        };
        let value = GroupValue::from(value).encode(3);
        let (key_text, value_text) = Decoder::Offsets.decode(Some(&key), Some(&value));
        let expected = "{\"type\":\"1\",\"data\":{\"group\":\"g\",\"topic\":\"t\",\"partition\":3}}";
        assert_eq!(key_text.as_deref(), Some(expected));
        let expected = "{\"version\":\"3\",\"data\":{\"offset\":15,\"leaderEpoch\":0,\"metadata\":\"\",\"commitTimestamp\":7}}";
        assert_eq!(value_text.as_deref(), Some(expected));
        assert_eq!(Decoder::Offsets.decode(Some(&key), None).1.as_deref(), Some("<DELETE>"));
    }
}
