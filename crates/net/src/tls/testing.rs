//! Certificates for tests, made on the spot: an authority, and keys that it vouches for.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use wire::base64::STANDARD;

use super::der::{tag, value};

const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// A key on P-256.
pub struct TestKey {
    pub pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
}

/// What a certificate says.
#[derive(Clone, Copy)]
pub struct Says<'a> {
    pub subject: &'a str,
    pub issuer: &'a str,
    pub is_authority: bool,
    pub hosts: &'a [&'a str],
    /// The year in which it ends.
    pub until: u32,
}

impl TestKey {
    pub fn new() -> TestKey {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &random).unwrap();
        TestKey { pkcs8: pkcs8.as_ref().to_vec(), pair }
    }

    /// A certificate of this key, signed by another.
    pub fn certificate(&self, says: Says<'_>, signer: &TestKey) -> Vec<u8> {
        let algorithm = algorithm();
        let validity = sequence(&[&value(tag::UTC_TIME, &[b"200101000000Z"]), &beginning_of(says.until)]);
        let ec = sequence(&[&value(tag::OID, &[EC]), &value(tag::OID, &[P256])]);
        let point = value(0x03, &[&[0], self.pair.public_key().as_ref()]);
        let public = sequence(&[&ec, &point]);
        let mut extensions = Vec::new();
        if says.is_authority {
            let basic = sequence(&[&value(tag::BOOLEAN, &[&[0xff]])]);
            extensions.push(sequence(&[
                &value(tag::OID, &[&[0x55, 0x1d, 0x13]]),
                &value(tag::BOOLEAN, &[&[0xff]]),
                &value(tag::OCTET_STRING, &[&basic]),
            ]));
        }
        if !says.hosts.is_empty() {
            let names: Vec<Vec<u8>> = says.hosts.iter().map(|host| value(0x82, &[host.as_bytes()])).collect();
            let names = sequence(&names.iter().map(Vec::as_slice).collect::<Vec<_>>());
            extensions.push(sequence(&[
                &value(tag::OID, &[&[0x55, 0x1d, 0x11]]),
                &value(tag::OCTET_STRING, &[&names]),
            ]));
        }
        let extensions = sequence(&extensions.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let tbs = sequence(&[
            &value(tag::context(0), &[&value(tag::INTEGER, &[&[2]])]),
            &value(tag::INTEGER, &[&[1]]),
            &algorithm,
            &name(says.issuer),
            &validity,
            &name(says.subject),
            &public,
            &value(tag::context(3), &[&extensions]),
        ]);
        signer.signed(&tbs)
    }

    /// A list of revoked certificates, by their serial numbers, that ends with the beginning of a year.
    pub fn revocation_list(&self, issuer: &str, serials: &[u8], until: u32) -> Vec<u8> {
        let since = value(tag::UTC_TIME, &[b"200101000000Z"]);
        let revoked: Vec<Vec<u8>> =
            serials.iter().map(|serial| sequence(&[&value(tag::INTEGER, &[&[*serial]]), &since])).collect();
        let revoked = match revoked.as_slice() {
            [] => Vec::new(),
            some => sequence(&some.iter().map(Vec::as_slice).collect::<Vec<_>>()),
        };
        let number = value(tag::OCTET_STRING, &[&value(tag::INTEGER, &[&[1]])]);
        let number = sequence(&[&value(tag::OID, &[&[0x55, 0x1d, 0x14]]), &number]);
        let tbs = sequence(&[
            &value(tag::INTEGER, &[&[1]]),
            &algorithm(),
            &name(issuer),
            &since,
            &beginning_of(until),
            &revoked,
            &value(tag::context(0), &[&sequence(&[&number])]),
        ]);
        self.signed(&tbs)
    }

    fn signed(&self, tbs: &[u8]) -> Vec<u8> {
        let signature = self.pair.sign(&SystemRandom::new(), tbs).unwrap();
        sequence(&[tbs, &algorithm(), &value(0x03, &[&[0], signature.as_ref()])])
    }
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    value(tag::SEQUENCE, parts)
}

fn algorithm() -> Vec<u8> {
    sequence(&[&value(tag::OID, &[ECDSA_WITH_SHA256])])
}

/// A common name.
fn name(text: &str) -> Vec<u8> {
    let pair = sequence(&[&value(tag::OID, &[&[0x55, 4, 3]]), &value(0x0c, &[text.as_bytes()])]);
    sequence(&[&value(tag::SET, &[&pair])])
}

/// A year's; until 2049 as UTCTime, as RFC 5280 wants it of lists.
fn beginning_of(year: u32) -> Vec<u8> {
    match year {
        2000..2050 => value(tag::UTC_TIME, &[format!("{:02}0101000000Z", year - 2000).as_bytes()]),
        _ => value(tag::GENERALIZED_TIME, &[format!("{year}0101000000Z").as_bytes()]),
    }
}

/// A PEM block.
pub fn pem(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}
