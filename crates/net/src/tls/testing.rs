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
        let sequence = |parts: &[&[u8]]| value(tag::SEQUENCE, parts);
        let algorithm = sequence(&[&value(tag::OID, &[ECDSA_WITH_SHA256])]);
        let name = |text: &str| {
            let pair = sequence(&[&value(tag::OID, &[&[0x55, 4, 3]]), &value(0x0c, &[text.as_bytes()])]);
            sequence(&[&value(tag::SET, &[&pair])])
        };
        let until = format!("{}0101000000Z", says.until);
        let validity = sequence(&[
            &value(tag::UTC_TIME, &[b"200101000000Z"]),
            &value(tag::GENERALIZED_TIME, &[until.as_bytes()]),
        ]);
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
        let signature = signer.pair.sign(&SystemRandom::new(), &tbs).unwrap();
        sequence(&[&tbs, &algorithm, &value(0x03, &[&[0], signature.as_ref()])])
    }
}

/// A PEM block.
pub fn pem(label: &str, bytes: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(bytes))
}
