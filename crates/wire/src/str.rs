//! `Str`: an immutable UTF-8 string that is a slice of the receive buffer, so decoding a name copies nothing.
//! Never validates twice: the check happens once, when bytes become a `Str`.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

/// A cheap-to-clone string. A clone keeps the buffer it was cut from alive: whoever stores one for long takes
/// [`Str::detached`] instead.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Str(ByteString);

impl Str {
    /// The empty string.
    pub const fn new() -> Str {
        Str(ByteString::from_static(""))
    }

    /// A string that lives in the binary; no allocation.
    pub const fn from_static(text: &'static str) -> Str {
        Str(ByteString::from_static(text))
    }

    /// Checks that `bytes` are UTF-8 and takes them over without a copy; `None` when they are not.
    pub fn from_utf8(bytes: Bytes) -> Option<Str> {
        ByteString::try_from(bytes).ok().map(Str)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text's bytes, sharing the buffer.
    pub fn to_bytes(&self) -> Bytes {
        self.0.as_bytes().clone()
    }

    /// A copy with a buffer of its own, for state that outlives the request.
    pub fn detached(&self) -> Str {
        Str::from(self.as_str())
    }
}

impl Deref for Str {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Str {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Str {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Str {
        if text.is_empty() { Str::new() } else { Str(ByteString::from(text)) }
    }
}

impl From<String> for Str {
    fn from(text: String) -> Str {
        Str(ByteString::from(text))
    }
}

impl From<&String> for Str {
    fn from(text: &String) -> Str {
        Str::from(text.as_str())
    }
}

impl From<&Str> for Str {
    fn from(text: &Str) -> Str {
        text.clone()
    }
}

impl PartialEq<str> for Str {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Str {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn is_found_by_plain_text_in_ordered_and_hashed_maps() {
        let tree = BTreeMap::from([(Str::from("orders"), 1)]);
        assert_eq!(tree.get("orders"), Some(&1));
        let mut hashed = crate::hash::StableMap::default();
        hashed.insert(Str::from("orders"), 1);
        assert_eq!(hashed.get("orders"), Some(&1));
    }

    #[test]
    fn shares_the_buffer_until_detached() {
        let buffer = Bytes::from_static(b"xxtopicxx");
        let shared = Str::from_utf8(buffer.slice(2..7)).unwrap();
        assert_eq!(shared, "topic");
        assert_eq!(shared.as_ptr(), buffer[2..].as_ptr());
        assert_ne!(shared.detached().as_ptr(), buffer[2..].as_ptr());
    }

    #[test]
    fn refuses_what_is_not_utf8() {
        assert!(Str::from_utf8(Bytes::from_static(b"\xff\xfe")).is_none());
    }
}
