//! Keys and values as they were given, and how one lot goes over another.
//!
//! How a file is read is `wire::properties`' business, what variables say `environment`'s. Never knows what a key means.

use std::collections::BTreeMap;

pub use wire::properties::MalformedEscape;

/// Keys and values; a later one replaces an earlier one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties(pub BTreeMap<String, String>);

impl Properties {
    /// Reads a whole file.
    pub fn parse(bytes: &[u8]) -> Result<Self, MalformedEscape> {
        wire::properties::parse(bytes).map(Self)
    }

    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// Sets `key`.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.0.insert(key.into(), value.into());
    }

    /// Everything of `other` replaces what is here.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// `key=value` of a `--set` or `--override`.
    pub fn set_pair(&mut self, pair: &str) -> Result<(), String> {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => {
                self.set(key.trim(), value.trim());
                Ok(())
            }
            _ => Err(format!("`{pair}` is not of the form key=value")),
        }
    }
}

#[cfg(test)]
mod tests;
