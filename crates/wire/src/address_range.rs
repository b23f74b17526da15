//! Ranges of addresses in CIDR notation, as hosts of access control entries have them. Owns the notation; never who may do what.

use core::net::IpAddr;

/// `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    prefix_bits: u32,
}

impl AddressRange {
    /// Reads the notation; why not in Kafka's words.
    pub fn parse(text: &str) -> Result<AddressRange, String> {
        let unreadable = |why: &str| format!("Could not parse [{text}]{why}");
        let is_v6 = text.contains(':');
        let Some((address, bits)) = text.split_once('/') else {
            return Err(unreadable(if is_v6 { " - missing prefix length" } else { "" }));
        };
        let (address, most) = if is_v6 {
            let address = address.parse().map_err(|_| unreadable(""))?;
            (IpAddr::V6(address), 128)
        } else {
            // Four decimal numbers, however they are padded.
            let numbers: Option<Vec<u32>> = address.split('.').map(number).collect();
            let numbers: Option<[u32; 4]> = numbers.and_then(|numbers| numbers.try_into().ok());
            let numbers = numbers.filter(|_| (1..=2).contains(&bits.len()) && number(bits).is_some());
            let numbers = numbers.ok_or_else(|| unreadable(""))?;
            if let Some(beyond) = numbers.iter().find(|one| **one > 255) {
                return Err(format!("Value [{beyond}] not in range [0,255]"));
            }
            let octets = numbers.map(|one| u8::try_from(one).unwrap_or(u8::MAX));
            (IpAddr::from(octets), 32)
        };
        match number(bits) {
            Some(prefix_bits) if prefix_bits <= most => Ok(AddressRange { address, prefix_bits }),
            Some(_) if is_v6 => Err(unreadable(" - prefix length must be between 0 and 128")),
            Some(beyond) => Err(format!("Value [{beyond}] not in range [0,32]")),
            None => Err(unreadable(" - invalid prefix length")),
        }
    }

    /// Whether an address lies in it; one of the other family does not.
    pub fn contains(&self, address: IpAddr) -> bool {
        let same = |one: u128, other: u128, width: u32| {
            let shift = width - self.prefix_bits;
            shift == 128 || one >> shift == other >> shift
        };
        match (self.address, address) {
            (IpAddr::V4(range), IpAddr::V4(address)) => {
                same(u128::from(range.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(range), IpAddr::V6(address)) => same(range.to_bits(), address.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// One to three digits.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_lie_in_their_ranges_and_in_no_others() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3/16", "10.1.9.9", true),
            ("127.0.0.1/32", "127.0.0.1", true),
            ("127.0.0.1/32", "127.0.0.2", false),
            ("0.0.0.0/0", "255.1.2.3", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "::1", true),
            ("::/0", "127.0.0.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe00::1", false),
            ("::1/128", "::1", true),
        ];
        for (range, address, lies) in cases {
            let range = AddressRange::parse(range).expect(range);
            assert_eq!(range.contains(address.parse().expect(address)), lies, "{range:?} {address}");
        }
    }

    #[test]
    fn whatever_is_read_as_a_range_ends_without_a_panic() {
        let pieces = [
            "10.0.0.1",
            "fd00::1",
            "/8",
            "10",
            ".",
            "0",
            "255",
            "/",
            "8",
            "33",
            "::",
            ":",
            "fd00",
            "é",
            "-1",
            "99999999999",
            " ",
            "%lo",
        ];
        let mut random = crate::random::SplitMix64::new(46);
        let mut ranges = 0;
        for _ in 0..200_000 {
            let count = random.below(6);
            let text: String =
                (0..count).map(|_| pieces[random.below(pieces.len() as u64) as usize]).collect();
            if let Ok(range) = AddressRange::parse(&text) {
                ranges += 1;
                let own = text.split_once('/').and_then(|(own, _)| own.parse().ok());
                // With leading zeros, as in 010.0.0.1, it is no address to Rust.
                assert!(own.is_none_or(|own| range.contains(own)), "{text}");
            }
        }
        assert!(ranges > 100, "{ranges} were ranges");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            "/",
            "10.0.0.0",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.256/8",
            "a/8",
            "::/129",
            "::/-1",
            "::",
            "1.2.3.4/+8",
            "10.0.0.0.0/8",
        ] {
            assert!(AddressRange::parse(text).is_err(), "{text}");
        }
    }
}
