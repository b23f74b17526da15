//! Schemas: the three formats (parse, print, compare, encode values), a client of any schema registry, and the serializers and deserializers
//! that stand on both. `formats` is pure; `rest` asks registries and blocks its thread. Knows neither brokers nor clients of Kafka: bytes and
//! headers come in and go out as plain data.
#![warn(missing_docs)]
// The rim: whoever asks a registry waits for it by the clock.
#![allow(clippy::disallowed_methods)]

pub mod formats;
pub mod json;
pub mod percent;
pub mod rest;
pub mod serdes;
