//! Base64 (RFC 4648) in the two forms that Kafka uses: the standard one, padded, of keys and blobs, and the one for URLs, unpadded, of
//! ids. Reads what Java's decoders read.

/// A set of digits, and what follows from it.
#[derive(Clone, Copy)]
pub struct Base64 {
    digits: &'static [u8; 64],
    /// Fills the last group up with `=`.
    padded: bool,
}

/// `+` and `/`, padded.
pub const STANDARD: Base64 =
    Base64 { digits: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", padded: true };
/// `-` and `_`, unpadded.
pub const URL_SAFE: Base64 =
    Base64 { digits: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", padded: false };

impl Base64 {
    /// The text of bytes.
    pub fn encode(&self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
        for chunk in bytes.chunks(3) {
            let place = |(at, byte): (usize, &u8)| u32::from(*byte) << (16 - 8 * at);
            let group = chunk.iter().enumerate().map(place).sum::<u32>();
            for at in 0..4 {
                if at <= chunk.len() {
                    text.push(char::from(self.digits[(group >> (18 - 6 * at)) as usize & 63]));
                } else if self.padded {
                    text.push('=');
                }
            }
        }
        text
    }

    /// The bytes of a text, with or without padding; `None` if it is no base64. Bits beyond the last whole byte are ignored.
    pub fn decode(&self, text: &str) -> Option<Vec<u8>> {
        let digits = text.trim_end_matches('=');
        let padding = text.len() - digits.len();
        if (padding > 0 && !text.len().is_multiple_of(4)) || padding > 2 || digits.len() % 4 == 1 {
            return None;
        }
        let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
        let (mut bits, mut held) = (0u32, 0);
        for byte in digits.bytes() {
            bits = (bits << 6) | u32::from(self.digit(byte)?);
            held += 6;
            if held >= 8 {
                held -= 8;
                bytes.push((bits >> held) as u8);
            }
        }
        Some(bytes)
    }

    fn digit(&self, byte: u8) -> Option<u8> {
        match byte {
            b'A'..=b'Z' => Some(byte - b'A'),
            b'a'..=b'z' => Some(byte - b'a' + 26),
            b'0'..=b'9' => Some(byte - b'0' + 52),
            _ if byte == self.digits[62] => Some(62),
            _ if byte == self.digits[63] => Some(63),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 4648, and one that uses the last digits.
    #[test]
    fn both_forms_write_and_read() {
        let examples: [(&[u8], &str); 7] = [
            (b"", ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"foob", "Zm9vYg=="),
            (b"fooba", "Zm9vYmE="),
            (b"\xfb\xff\xfe", "+//+"),
        ];
        for (bytes, text) in examples {
            assert_eq!(STANDARD.encode(bytes), text);
            assert_eq!(STANDARD.decode(text).as_deref(), Some(bytes));
            let url = text.trim_end_matches('=').replace('+', "-").replace('/', "_");
            assert_eq!(URL_SAFE.encode(bytes), url);
            assert_eq!(URL_SAFE.decode(&url).as_deref(), Some(bytes));
            assert_eq!(STANDARD.decode(text.trim_end_matches('=')).as_deref(), Some(bytes));
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["Z", "Zg=", "Z===", "Zm9v=", "Zm9v====", "Zm 9", "Zm-_", "Zg==Zg==", "ä"] {
            assert_eq!(STANDARD.decode(text), None, "{text}");
        }
        assert_eq!(URL_SAFE.decode("+//+"), None);
    }
}
