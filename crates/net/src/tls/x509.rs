//! What of a certificate is told to people and to rules: whose it is, under which names, until when, and its public key. Whether it is to be
//! trusted is not decided here. Names are written as Java's `X500Principal.getName()` has them (RFC 2253), for ACLs are written by them.

use std::fmt::Write;
use std::net::IpAddr;

use super::der::{BadDer, Der, tag};

/// A certificate, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Whose it is, as RFC 2253 has it.
    pub subject: String,
    /// The same, as it stands.
    pub raw_subject: Vec<u8>,
    /// Whose signature it bears, as it stands.
    pub raw_issuer: Vec<u8>,
    /// Names of hosts, and common names where there is none of these.
    pub names: Names,
    /// Seconds since 1970.
    pub not_before: i64,
    /// Seconds since 1970.
    pub not_after: i64,
    /// Its public key: SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
}

/// Names of hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// `dNSName`
    pub dns: Vec<String>,
    /// `iPAddress`
    pub addresses: Vec<IpAddr>,
    /// The common names of the subject, the last (most specific) first.
    pub common: Vec<String>,
    /// All alternative names, as they stand.
    pub raw: Vec<Vec<u8>>,
}

impl Certificate {
    /// Reads a certificate.
    pub fn read(bytes: &[u8]) -> Result<Certificate, BadDer> {
        let mut outer = Der::new(bytes).sequence()?;
        let mut tbs = outer.sequence()?;
        tbs.optional(tag::context(0))?;
        tbs.expect(tag::INTEGER)?;
        tbs.sequence()?;
        let issuer = tbs.any()?;
        let mut validity = tbs.sequence()?;
        let (not_before, not_after) = (time(&mut validity)?, time(&mut validity)?);
        let subject = tbs.any()?;
        let public_key = tbs.any()?;
        tbs.optional(tag::primitive(1))?;
        tbs.optional(tag::primitive(2))?;
        let mut names = match tbs.optional(tag::context(3))? {
            Some(extensions) => alternative_names(extensions)?,
            None => Names::default(),
        };
        let (text, common) = name(subject.content)?;
        names.common = common;
        Ok(Certificate {
            subject: text,
            raw_subject: subject.whole.to_vec(),
            raw_issuer: issuer.whole.to_vec(),
            names,
            not_before,
            not_after,
            public_key: public_key.whole.to_vec(),
        })
    }

    /// It bears its own signature, or pretends to.
    pub fn is_self_issued(&self) -> bool {
        self.raw_subject == self.raw_issuer
    }

    /// It is for this host.
    pub fn is_for(&self, host: &str) -> bool {
        let names = if self.names.dns.is_empty() { &self.names.common } else { &self.names.dns };
        match host.parse::<IpAddr>() {
            Ok(address) => self.names.addresses.contains(&address),
            Err(_) => names.iter().any(|name| matches(name, host)),
        }
    }
}

/// A name of a certificate means this host: a star stands for the whole first label.
fn matches(name: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.');
    match name.strip_prefix("*.") {
        Some(domain) => {
            let below = host.split_once('.');
            domain.contains('.') && below.is_some_and(|(_, above)| above.eq_ignore_ascii_case(domain))
        }
        None => name.trim_end_matches('.').eq_ignore_ascii_case(host),
    }
}

fn alternative_names(extensions: &[u8]) -> Result<Names, BadDer> {
    const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
    let mut names = Names::default();
    let mut all = Der::new(extensions).sequence()?;
    while !all.is_empty() {
        let mut extension = all.sequence()?;
        let oid = extension.expect(tag::OID)?;
        extension.optional(tag::BOOLEAN)?;
        let content = extension.expect(tag::OCTET_STRING)?;
        if oid != SUBJECT_ALT_NAME {
            continue;
        }
        let mut each = Der::new(content).sequence()?;
        while !each.is_empty() {
            let one = each.any()?;
            names.raw.push(one.whole.to_vec());
            match one.tag {
                0x82 => names.dns.push(String::from_utf8_lossy(one.content).into_owned()),
                0x87 => names.addresses.extend(address(one.content)),
                _other_kinds => {}
            }
        }
    }
    Ok(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// Keywords of RFC 2253 by object identifier; all others are told by their numbers.
const KEYWORDS: &[(&[u8], &str)] = &[
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 6], "C"),
    (&[0x55, 4, 7], "L"),
    (&[0x55, 4, 8], "ST"),
    (&[0x55, 4, 9], "STREET"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25], "DC"),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID"),
];

/// The text of a name, and its common names.
fn name(content: &[u8]) -> Result<(String, Vec<String>), BadDer> {
    let (mut parts, mut common) = (Vec::new(), Vec::new());
    let mut sets = Der::new(content);
    while !sets.is_empty() {
        let mut set = sets.inside(tag::SET)?;
        let mut shown = String::new();
        while !set.is_empty() {
            let mut pair = set.sequence()?;
            let (oid, value) = (pair.expect(tag::OID)?, pair.any()?);
            if !shown.is_empty() {
                shown.push('+');
            }
            let keyword = KEYWORDS.iter().find(|(known, _)| *known == oid).map(|(_, keyword)| *keyword);
            // Strings: UTF-8, printable, T61, IA5, universal, general, BMP.
            let is_text = [0x0c, 0x13, 0x14, 0x16, 0x1b, 0x1c, 0x1e].contains(&value.tag);
            match keyword {
                Some(keyword) if is_text => {
                    let text = String::from_utf8_lossy(value.content);
                    let _ = write!(shown, "{keyword}={}", escaped(&text));
                    if keyword == "CN" {
                        common.push(text.into_owned());
                    }
                }
                _other => {
                    let _ = write!(shown, "{}=#", keyword.map_or_else(|| dotted(oid), str::to_owned));
                    value.whole.iter().for_each(|byte| {
                        let _ = write!(shown, "{byte:02x}");
                    });
                }
            }
        }
        parts.push(shown);
    }
    parts.reverse();
    common.reverse();
    Ok((parts.join(","), common))
}

/// As Java escapes: RFC 2253, and `=` and `#` wherever they stand.
fn escaped(text: &str) -> String {
    let spaces_before = text.len() - text.trim_start_matches([' ', '\r']).len();
    let spaces_behind = text.trim_end_matches([' ', '\r']).len();
    let mut shown = String::with_capacity(text.len());
    for (at, one) in text.char_indices() {
        match one {
            '\0' => shown.push_str("\\00"),
            ',' | '=' | '+' | '<' | '>' | '#' | ';' | '"' | '\\' => shown.extend(['\\', one]),
            ' ' | '\r' if at < spaces_before || at >= spaces_behind => shown.extend(['\\', one]),
            _plain => shown.push(one),
        }
    }
    shown
}

/// The numbers of an object identifier.
fn dotted(oid: &[u8]) -> String {
    let (mut numbers, mut number) = (Vec::new(), 0u64);
    for byte in oid {
        number = number.wrapping_shl(7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            numbers.push(number);
            number = 0;
        }
    }
    let first = numbers.first().copied().unwrap_or(0);
    let top = (first / 40).min(2);
    let mut shown = format!("{top}.{}", first - top * 40);
    numbers.iter().skip(1).for_each(|number| {
        let _ = write!(shown, ".{number}");
    });
    shown
}

/// Seconds since 1970 of a UTCTime or a GeneralizedTime.
fn time(from: &mut Der<'_>) -> Result<i64, BadDer> {
    let value = from.any()?;
    let text = std::str::from_utf8(value.content).map_err(|_| BadDer)?;
    let digits = text.strip_suffix('Z').ok_or(BadDer)?;
    if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(BadDer);
    }
    let (year, rest) = match (value.tag, digits.len()) {
        (tag::UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let year: i64 = year.parse().map_err(|_| BadDer)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (tag::GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (year.parse().map_err(|_| BadDer)?, rest)
        }
        _other => return Err(BadDer),
    };
    let part = |at: usize| rest.get(at..at + 2).and_then(|two| two.parse::<i64>().ok()).ok_or(BadDer);
    let (month, day) = (part(0)?, part(2)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return Err(BadDer);
    }
    let of_day = part(4)? * 3_600 + part(6)? * 60 + part(8)?;
    Ok(days(year, month, day) * 86_400 + of_day)
}

/// Days since 1970-01-01 in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::super::der::value;
    use super::*;

    #[test]
    fn times_are_seconds() {
        for (tag, text, expected) in [
            (tag::UTC_TIME, "700101000000Z", Some(0)),
            (tag::UTC_TIME, "261130104000Z", Some(1_796_035_200)),
            (tag::GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (tag::UTC_TIME, "7001010000Z", None),
            (tag::GENERALIZED_TIME, "20501301000000Z", None),
        ] {
            let bytes = value(tag, &[text.as_bytes()]);
            assert_eq!(time(&mut Der::new(&bytes)).ok(), expected, "{text}");
        }
    }

    #[test]
    fn names_are_javas() {
        let pair = |oid: &[u8], kind: u8, text: &str| {
            let pair = value(tag::SEQUENCE, &[&value(tag::OID, &[oid]), &value(kind, &[text.as_bytes()])]);
            value(tag::SET, &[&pair])
        };
        let cases: [(Vec<Vec<u8>>, &str); 4] = [
            (vec![pair(&[0x55, 4, 6], 0x13, "DE"), pair(&[0x55, 4, 3], 0x0c, "alice")], "CN=alice,C=DE"),
            (vec![pair(&[0x55, 4, 3], 0x0c, " a,b=\"#\\ ")], "CN=\\ a\\,b\\=\\\"\\#\\\\\\ "),
            (
                vec![pair(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], 0x16, "a@b")],
                "1.2.840.113549.1.9.1=#1603614062",
            ),
            (vec![], ""),
        ];
        for (sets, expected) in cases {
            assert_eq!(name(&sets.concat()).unwrap().0, expected);
        }
    }

    #[test]
    fn a_star_is_one_label() {
        for (name, host, expected) in [
            ("a.example.com", "A.Example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("a.example.com", "b.example.com", false),
        ] {
            assert_eq!(matches(name, host), expected, "{name} {host}");
        }
    }
}
