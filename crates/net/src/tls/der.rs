//! DER as far as certificates and key stores need it: what stands where. Owns bounds: a length is believed only if so many bytes are there, and
//! nothing is copied. Never knows what a value means.

use std::fmt;

/// The bytes are no DER, or another structure than was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadDer;

impl fmt::Display for BadDer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its bytes are not what they should be (DER)")
    }
}

/// Tags of what is read here.
pub mod tag {
    pub const BOOLEAN: u8 = 0x01;
    pub const INTEGER: u8 = 0x02;
    pub const OCTET_STRING: u8 = 0x04;
    pub const OID: u8 = 0x06;
    pub const SEQUENCE: u8 = 0x30;
    pub const SET: u8 = 0x31;
    pub const UTC_TIME: u8 = 0x17;
    pub const GENERALIZED_TIME: u8 = 0x18;

    /// A constructed value of a context.
    pub const fn context(number: u8) -> u8 {
        0xa0 | number
    }

    /// A primitive one.
    pub const fn primitive(number: u8) -> u8 {
        0x80 | number
    }
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// Its tag.
    pub tag: u8,
    /// What is in it.
    pub content: &'a [u8],
    /// It with its tag and its length.
    pub whole: &'a [u8],
}

/// Values one after the other.
#[derive(Debug, Clone, Copy)]
pub struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// Values in these bytes.
    pub fn new(bytes: &'a [u8]) -> Der<'a> {
        Der(bytes)
    }

    /// Nothing follows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next value, whatever it is.
    pub fn any(&mut self) -> Result<Value<'a>, BadDer> {
        let [tag, first, rest @ ..] = self.0 else { return Err(BadDer) };
        // Tags of several bytes are nowhere in what is read here.
        if tag & 0x1f == 0x1f {
            return Err(BadDer);
        }
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f)).ok_or(BadDer)?;
                (digits.iter().fold(0, |length, digit| (length << 8) | usize::from(*digit)), rest)
            }
            _indefinite_or_absurd => return Err(BadDer),
        };
        let (content, behind) = rest.split_at_checked(length).ok_or(BadDer)?;
        let whole = self.0.get(..self.0.len() - behind.len()).ok_or(BadDer)?;
        self.0 = behind;
        Ok(Value { tag: *tag, content, whole })
    }

    /// The next value, which has this tag.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], BadDer> {
        let value = self.any()?;
        if value.tag == tag { Ok(value.content) } else { Err(BadDer) }
    }

    /// The next value, if it has this tag.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, BadDer> {
        if self.0.first() == Some(&tag) { self.expect(tag).map(Some) } else { Ok(None) }
    }

    /// What is in the next value, a sequence.
    pub fn sequence(&mut self) -> Result<Der<'a>, BadDer> {
        self.expect(tag::SEQUENCE).map(Der)
    }

    /// What is in the next value, which has this tag.
    pub fn inside(&mut self, tag: u8) -> Result<Der<'a>, BadDer> {
        self.expect(tag).map(Der)
    }

    /// A small number that is not negative.
    pub fn number(&mut self) -> Result<u32, BadDer> {
        let digits = self.expect(tag::INTEGER)?;
        if digits.is_empty() || digits.len() > 5 || digits.first().is_some_and(|first| first & 0x80 != 0) {
            return Err(BadDer);
        }
        let number = digits.iter().fold(0u64, |number, digit| (number << 8) | u64::from(*digit));
        u32::try_from(number).map_err(|_| BadDer)
    }

    /// An algorithm and its parameters.
    pub fn algorithm(&mut self) -> Result<(&'a [u8], Der<'a>), BadDer> {
        let mut sequence = self.sequence()?;
        let oid = sequence.expect(tag::OID)?;
        Ok((oid, sequence))
    }
}

/// One value of so many parts.
pub fn value(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let digits = length.to_be_bytes();
    let mut written = vec![tag];
    if length < 0x80 {
        written.push(length as u8);
    } else {
        let digits: Vec<u8> = digits.into_iter().skip_while(|digit| *digit == 0).collect();
        written.push(0x80 | digits.len() as u8);
        written.extend(digits);
    }
    parts.iter().for_each(|part| written.extend_from_slice(part));
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_believed_only_if_the_bytes_are_there() {
        for length in [0usize, 1, 127, 128, 255, 256, 70_000] {
            let bytes = value(tag::OCTET_STRING, &[&vec![7; length]]);
            let mut der = Der::new(&bytes);
            assert_eq!(der.expect(tag::OCTET_STRING).unwrap().len(), length);
            assert!(der.is_empty());
            for cut in [1, bytes.len() / 2] {
                let cut = &bytes[..bytes.len() - cut];
                assert!(cut.is_empty() || Der::new(cut).any().is_err());
            }
        }
        for bad in [
            &[][..],
            &[4],
            &[4, 0x80],
            &[4, 0x85, 0, 0, 0, 0, 1],
            &[0x1f, 1, 0],
            &[4, 0x84, 255, 255, 255, 255],
        ] {
            assert_eq!(Der::new(bad).any(), Err(BadDer), "{bad:?}");
        }
    }

    #[test]
    fn numbers_are_small_and_not_negative() {
        for (bytes, expected) in [
            (&[2, 1, 5][..], Ok(5)),
            (&[2, 3, 0, 0x80, 1], Ok(0x8001)),
            (&[2, 5, 0, 255, 255, 255, 255], Ok(u32::MAX)),
            (&[2, 1, 0x80], Err(BadDer)),
            (&[2, 0], Err(BadDer)),
            (&[2, 6, 0, 1, 1, 1, 1, 1], Err(BadDer)),
        ] {
            assert_eq!(Der::new(bytes).number(), expected, "{bytes:?}");
        }
    }
}
