//! PKCS#12 stores (RFC 7292), as keytool and openssl write them. Owns the format: a password opens what is encrypted as a whole, keys stay
//! encrypted until somebody has theirs.

use super::der::{BadDer, Der, Value, tag};
use super::entry::{Entry, StoreFault};
use super::pbe::{self, Locked};
use super::x509::Certificate;

const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];
const LOCAL_KEY_ID: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 21];
/// Java's mark of a certificate that is trusted; those without it belong to chains.
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1];

/// Longer chains are circles.
const CHAIN_MAX: usize = 16;

/// Bags in bags are no deeper than this.
const DEPTH_MAX: usize = 4;

impl From<BadDer> for StoreFault {
    fn from(bad: BadDer) -> Self {
        StoreFault::Damaged(bad.to_string())
    }
}

impl From<Locked> for StoreFault {
    fn from(locked: Locked) -> Self {
        match locked {
            Locked::WrongPassword => StoreFault::WrongPassword,
            Locked::Unknown(why) => StoreFault::Damaged(why),
            Locked::Damaged => StoreFault::Damaged(BadDer.to_string()),
        }
    }
}

/// What lies in a store, before keys have found their chains.
#[derive(Default)]
struct Bags {
    keys: Vec<(Attributes, bool, Vec<u8>)>,
    certificates: Vec<(Attributes, Vec<u8>)>,
}

#[derive(Default)]
struct Attributes {
    name: Option<String>,
    key_id: Option<Vec<u8>>,
    is_trusted: bool,
}

/// Entries of a store.
pub fn entries(bytes: &[u8], password: Option<&str>) -> Result<Vec<Entry>, StoreFault> {
    let password = password.unwrap_or_default();
    let mut store = Der::new(bytes).sequence()?;
    store.number()?;
    let mut content = store.sequence()?;
    if content.expect(tag::OID)? != DATA {
        return Err(StoreFault::Damaged("it is signed by a certificate, not by a password".to_owned()));
    }
    let safe = content.inside(tag::context(0))?.expect(tag::OCTET_STRING)?;
    if !store.is_empty() {
        authenticate(&mut store, password, safe)?;
    }
    let mut bags = Bags::default();
    let mut parts = Der::new(safe).sequence()?;
    while !parts.is_empty() {
        let mut part = parts.sequence()?;
        let kind = part.expect(tag::OID)?;
        let mut inside = part.inside(tag::context(0))?;
        match kind {
            DATA => bags.read(inside.expect(tag::OCTET_STRING)?, 0)?,
            ENCRYPTED_DATA => {
                let mut data = inside.sequence()?;
                data.number()?;
                let mut content = data.sequence()?;
                content.expect(tag::OID)?;
                let (scheme, parameters) = content.algorithm()?;
                let hidden = content.expect(tag::primitive(0))?;
                bags.read(&pbe::decrypt(scheme, parameters, hidden, password)?, 0)?;
            }
            _other => {
                return Err(StoreFault::Damaged("a part of it is encrypted for a certificate".to_owned()));
            }
        }
    }
    Ok(bags.entries())
}

fn authenticate(store: &mut Der<'_>, password: &str, safe: &[u8]) -> Result<(), StoreFault> {
    let mut mac = store.sequence()?;
    let mut digest = mac.sequence()?;
    let (hash, _) = digest.algorithm()?;
    let expected = digest.expect(tag::OCTET_STRING)?;
    let salt = mac.expect(tag::OCTET_STRING)?;
    let rounds = if mac.is_empty() { 1 } else { mac.number()? };
    let is_authentic = pbe::pkcs12_is_authentic(hash, password, salt, rounds, safe, expected)?;
    if is_authentic { Ok(()) } else { Err(StoreFault::WrongPassword) }
}

impl Bags {
    fn read(&mut self, contents: &[u8], depth: usize) -> Result<(), StoreFault> {
        if depth > DEPTH_MAX {
            return Err(StoreFault::Damaged("its bags are in one another without end".to_owned()));
        }
        let mut bags = Der::new(contents).sequence()?;
        while !bags.is_empty() {
            let mut bag = bags.sequence()?;
            let kind = bag.expect(tag::OID)?;
            let mut inside = bag.inside(tag::context(0))?;
            let attributes = attributes(&mut bag)?;
            match kind.strip_prefix(BAGS) {
                Some([1]) => self.keys.push((attributes, false, inside.any()?.whole.to_vec())),
                Some([2]) => self.keys.push((attributes, true, inside.any()?.whole.to_vec())),
                Some([3]) => {
                    let mut certificate = inside.sequence()?;
                    certificate.expect(tag::OID)?;
                    let bytes = certificate.inside(tag::context(0))?.expect(tag::OCTET_STRING)?;
                    self.certificates.push((attributes, bytes.to_vec()));
                }
                Some([6]) => self.read(inside.any()?.whole, depth + 1)?,
                // Revocations and secrets of others.
                _other => {}
            }
        }
        Ok(())
    }

    /// Keys with their chains, trusted certificates.
    fn entries(self) -> Vec<Entry> {
        let Bags { keys, certificates } = self;
        let mut entries = Vec::new();
        for (at, (attributes, encrypted, key)) in keys.iter().enumerate() {
            let own =
                |(of, _): &&(Attributes, Vec<u8>)| of.key_id.is_some() && of.key_id == attributes.key_id;
            let first =
                certificates.iter().find(own).or_else(|| certificates.first().filter(|_| keys.len() == 1));
            let chain = first.map(|(_, first)| chain(first, &certificates)).unwrap_or_default();
            let alias = attributes.name.clone().unwrap_or_else(|| (at + 1).to_string());
            entries.push(Entry::Key { alias, encrypted: *encrypted, key: key.clone(), chain });
        }
        let trusted = certificates.into_iter().filter(|(of, _)| of.is_trusted);
        entries.extend(trusted.map(|(_, certificate)| Entry::Trusted { certificate }));
        entries
    }
}

/// A certificate, and those that vouch for it, one after the other.
fn chain(first: &[u8], all: &[(Attributes, Vec<u8>)]) -> Vec<Vec<u8>> {
    let mut chain = vec![first.to_vec()];
    while chain.len() < CHAIN_MAX {
        let Some(last) = chain.last().and_then(|last| Certificate::read(last).ok()) else { break };
        if last.is_self_issued() {
            break;
        }
        let vouches =
            |bytes: &Vec<u8>| Certificate::read(bytes).is_ok_and(|one| one.raw_subject == last.raw_issuer);
        let Some((_, next)) = all.iter().find(|(_, bytes)| vouches(bytes)) else { break };
        chain.push(next.clone());
    }
    chain
}

fn attributes(bag: &mut Der<'_>) -> Result<Attributes, BadDer> {
    let mut found = Attributes::default();
    let Some(set) = bag.optional(tag::SET)? else { return Ok(found) };
    let mut set = Der::new(set);
    while !set.is_empty() {
        let mut pair = set.sequence()?;
        let kind = pair.expect(tag::OID)?;
        let mut values = pair.inside(tag::SET)?;
        match kind {
            FRIENDLY_NAME => found.name = values.any().ok().map(bmp_text),
            LOCAL_KEY_ID => found.key_id = Some(values.expect(tag::OCTET_STRING)?.to_vec()),
            TRUSTED_KEY_USAGE => found.is_trusted = true,
            _other => {}
        }
    }
    Ok(found)
}

fn bmp_text(value: Value<'_>) -> String {
    let units = value.content.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|one| one.unwrap_or('?')).collect()
}
