//! What stands before a persisted record's body: the metadata log's frame (KIP-631), and the coordinators' two-byte
//! versions. Reads and writes frames; the bodies are generated.

use bytes::Bytes;

use crate::codec::{DecodeError, Decoder, Encoder, Message};

/// The only frame version there is.
const FRAME_VERSION: u32 = 1;

/// The enum over all record types of the metadata log. A frame is: frame version, record type, record version (all
/// unsigned varints), body.
macro_rules! records {
    ($enum:ident $($key:literal $variant:ident($record:ident);)*) => {
        /// Any record of this log.
        #[derive(Debug, Clone, PartialEq)]
        pub enum $enum {
            $(#[doc = concat!("Record type ", $key, ".")] $variant($record),)*
        }

        impl $enum {
            /// Reads a record's value. A type or version that this build does not know is
            /// [`UnknownRecord`](crate::codec::DecodeError::UnknownRecord), which the caller may pass over or stop at.
            pub fn decode(value: bytes::Bytes) -> Result<$enum, $crate::codec::DecodeError> {
                let (mut from, api_key, version) = $crate::records::framing::open(value)?;
                let record = match api_key {
                    $($key => $enum::$variant($crate::records::framing::body(&mut from, api_key, version)?),)*
                    _ => return Err($crate::codec::DecodeError::UnknownRecord { api_key, version }),
                };
                // Kafka stops at such a record in the metadata log; in the coordinators' logs it reads on.
                from.finish()?;
                Ok(record)
            }

            /// The record's value in the newest version.
            pub fn encode(&self) -> bytes::Bytes {
                match self {
                    $($enum::$variant(record) => $crate::records::framing::close($key, $record::MAX_VERSION, record),)*
                }
            }

            /// The record's value in this version, for a cluster that has not finalised the newest.
            pub fn encode_as(&self, version: i16) -> bytes::Bytes {
                match self {
                    $($enum::$variant(record) => $crate::records::framing::close($key, version, record),)*
                }
            }

            /// Reads the record aloud in this version.
            pub fn show<V: $crate::codec::Viewer>(&self, to: &mut V, version: i16) {
                match self {
                    $($enum::$variant(record) => $crate::codec::Show::show(record, to, version),)*
                }
            }

            /// The record type's number.
            pub fn api_key(&self) -> i16 {
                match self {
                    $($enum::$variant(_) => $key,)*
                }
            }

            /// Kafka's name of the record type.
            pub fn name(&self) -> &'static str {
                match self {
                    $($enum::$variant(_) => stringify!($record),)*
                }
            }
        }

        $(impl From<$record> for $enum {
            fn from(record: $record) -> $enum {
                $enum::$variant(record)
            }
        })*
    };
}

/// The enum over the keys of a coordinator's log: two bytes of record type, then the key.
macro_rules! keys {
    ($enum:ident $($kind:literal $variant:ident($key:ident);)*) => {
        /// Any key of this log.
        #[derive(Debug, Clone, PartialEq)]
        pub enum $enum {
            $(#[doc = concat!("Record type ", $kind, ".")] $variant($key),)*
        }

        impl $enum {
            /// Reads a record's key. A type that this build does not know is [`UnknownRecord`](crate::codec::DecodeError::UnknownRecord).
            pub fn decode(key: bytes::Bytes) -> Result<$enum, $crate::codec::DecodeError> {
                let (mut from, kind) = $crate::records::framing::prefix(key)?;
                match kind {
                    $($kind => Ok($enum::$variant($crate::records::framing::body(&mut from, kind, 0)?)),)*
                    _ => Err($crate::codec::DecodeError::UnknownRecord { api_key: kind, version: 0 }),
                }
            }

            /// The record's key.
            pub fn encode(&self) -> bytes::Bytes {
                match self {
                    $($enum::$variant(key) => $crate::records::framing::prefixed(self.kind(), 0, key),)*
                }
            }

            /// Reads the key aloud.
            pub fn show<V: $crate::codec::Viewer>(&self, to: &mut V) {
                match self {
                    $($enum::$variant(key) => $crate::codec::Show::show(key, to, 0),)*
                }
            }

            /// The record type's number.
            pub fn kind(&self) -> i16 {
                match self {
                    $($enum::$variant(_) => $kind,)*
                }
            }
        }

        $(impl From<$key> for $enum {
            fn from(key: $key) -> $enum {
                $enum::$variant(key)
            }
        })*
    };
}

/// The enum over the values of a coordinator's log: two bytes of version, then the value; its type is the key's.
macro_rules! values {
    ($enum:ident $($kind:literal $variant:ident($value:ident);)*) => {
        /// Any value of this log.
        #[derive(Debug, Clone, PartialEq)]
        pub enum $enum {
            $(#[doc = concat!("Record type ", $kind, ".")] $variant($value),)*
        }

        impl $enum {
            /// Reads the value that belongs to a key of record type `kind`.
            pub fn decode(kind: i16, value: bytes::Bytes) -> Result<$enum, $crate::codec::DecodeError> {
                let (mut from, version) = $crate::records::framing::prefix(value)?;
                match kind {
                    $($kind => Ok($enum::$variant($crate::records::framing::body(&mut from, kind, version)?)),)*
                    _ => Err($crate::codec::DecodeError::UnknownRecord { api_key: kind, version }),
                }
            }

            /// The record's value in this version.
            pub fn encode(&self, version: i16) -> bytes::Bytes {
                match self {
                    $($enum::$variant(value) => $crate::records::framing::prefixed(version, version, value),)*
                }
            }

            /// Reads the value aloud in this version.
            pub fn show<V: $crate::codec::Viewer>(&self, to: &mut V, version: i16) {
                match self {
                    $($enum::$variant(value) => $crate::codec::Show::show(value, to, version),)*
                }
            }

            /// The highest version that the record type's value has.
            pub fn latest_version(&self) -> i16 {
                match self {
                    $($enum::$variant(_) => $value::MAX_VERSION,)*
                }
            }

            /// The record type's number.
            pub fn kind(&self) -> i16 {
                match self {
                    $($enum::$variant(_) => $kind,)*
                }
            }
        }

        $(impl From<$value> for $enum {
            fn from(value: $value) -> $enum {
                $enum::$variant(value)
            }
        })*
    };
}

pub(super) use {keys, records, values};

/// Reads a metadata record's frame: what is left, the record type, its version.
pub(super) fn open(value: Bytes) -> Result<(Decoder, i16, i16), DecodeError> {
    let mut from = Decoder::of(value);
    if from.unsigned_varint()? != FRAME_VERSION {
        return Err(DecodeError::UnsupportedVersion);
    }
    let mut number = || i16::try_from(from.unsigned_varint()?).map_err(|_| DecodeError::InvalidLength);
    let (api_key, version) = (number()?, number()?);
    Ok((from, api_key, version))
}

/// Reads a body; a version beyond ours is an unknown record.
pub(super) fn body<M: Message>(from: &mut Decoder, api_key: i16, version: i16) -> Result<M, DecodeError> {
    M::decode(from, version).map_err(|error| match error {
        DecodeError::UnsupportedVersion => DecodeError::UnknownRecord { api_key, version },
        error => error,
    })
}

/// Writes a metadata record with its frame.
pub(super) fn close<M: Message>(api_key: u32, version: i16, record: &M) -> Bytes {
    let mut to = Encoder::with_capacity(96);
    to.unsigned_varint(FRAME_VERSION);
    to.unsigned_varint(api_key);
    to.unsigned_varint(u32::from(version.unsigned_abs()));
    record.encode(&mut to, version);
    to.into_bytes()
}

/// Reads the two bytes before a coordinator's key or value.
pub(super) fn prefix(bytes: Bytes) -> Result<(Decoder, i16), DecodeError> {
    let mut from = Decoder::of(bytes);
    let number = from.i16()?;
    Ok((from, number))
}

/// Writes a coordinator's key or value after its two bytes.
pub(super) fn prefixed<M: Message>(number: i16, version: i16, body: &M) -> Bytes {
    let mut to = Encoder::with_capacity(96);
    to.i16(number);
    body.encode(&mut to, version);
    to.into_bytes()
}
