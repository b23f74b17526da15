//! Decryption by a password, as key stores and encrypted keys have it: PBES2 (RFC 8018), the schemes of PKCS#12 (RFC 7292), and Sun's own of
//! JKS. Owns no store; says nothing of a password.

use aes::cipher::array::Array;
use aes::cipher::{BlockCipherDecrypt, KeyInit};
use ring::{digest, hmac, pbkdf2};
use std::num::NonZeroU32;

use super::der::{BadDer, Der, tag};

/// Nobody honest asks for more, and a file is not to hold up a start for hours (Java's limit).
const ITERATIONS_MAX: u32 = 5_000_000;

/// Why something is not decrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// Most likely by another password.
    WrongPassword,
    /// By a scheme that is not read here.
    Unknown(String),
    /// It is no DER.
    Damaged,
}

impl From<BadDer> for Locked {
    fn from(_: BadDer) -> Self {
        Locked::Damaged
    }
}

const PKCS: [u8; 6] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d];
const AES: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1];

/// Below PKCS, if it is.
fn pkcs(oid: &[u8]) -> &[u8] {
    oid.strip_prefix(&PKCS).unwrap_or_default()
}

/// The plain bytes of an EncryptedPrivateKeyInfo: PKCS#8.
pub fn private_key(encrypted: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    const SUNS_OWN: &[u8] = &[0x2b, 6, 1, 4, 1, 0x2a, 2, 17, 1, 1];
    let mut info = Der::new(encrypted).sequence()?;
    let (oid, parameters) = info.algorithm()?;
    let bytes = info.expect(tag::OCTET_STRING)?;
    if oid == SUNS_OWN { suns_own(bytes, password) } else { decrypt(oid, parameters, bytes, password) }
}

/// Decrypts by the scheme of an AlgorithmIdentifier.
pub fn decrypt(oid: &[u8], parameters: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    match pkcs(oid) {
        [1, 5, 13] => pbes2(parameters, bytes, password),
        [1, 12, 1, scheme @ 3..=6] => of_pkcs12(*scheme, parameters, bytes, password),
        _other => Err(Locked::Unknown("its scheme is neither PBES2 nor one of PKCS#12".to_owned())),
    }
}

fn pbes2(mut parameters: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    let mut both = parameters.sequence()?;
    let (kdf, mut of_kdf) = both.algorithm()?;
    let (cipher, mut of_cipher) = both.algorithm()?;
    if pkcs(kdf) != [1, 5, 12] {
        return Err(Locked::Unknown("its key is not derived by PBKDF2".to_owned()));
    }
    let mut of_kdf = of_kdf.sequence()?;
    let salt = of_kdf.expect(tag::OCTET_STRING)?;
    let iterations = iterations(of_kdf.number()?)?;
    of_kdf.optional(tag::INTEGER)?;
    let algorithm = if of_kdf.is_empty() { pbkdf2::PBKDF2_HMAC_SHA1 } else { prf(of_kdf.algorithm()?.0)? };
    let iv = of_cipher.expect(tag::OCTET_STRING)?;
    let key_bytes = match cipher {
        [prefix @ .., 2] if *prefix == AES => 16,
        [prefix @ .., 22] if *prefix == AES => 24,
        [prefix @ .., 42] if *prefix == AES => 32,
        _other if pkcs(cipher) == [3, 7] => 24,
        _other => return Err(Locked::Unknown("its cipher is neither AES-CBC nor 3DES-CBC".to_owned())),
    };
    let mut key = [0; 32];
    let key = key.get_mut(..key_bytes).unwrap_or_default();
    pbkdf2::derive(algorithm, iterations, salt, password.as_bytes(), key);
    if pkcs(cipher) == [3, 7] { cbc::<des::TdesEde3>(key, iv, bytes) } else { aes_cbc(key, iv, bytes) }
}

fn prf(oid: &[u8]) -> Result<pbkdf2::Algorithm, Locked> {
    Ok(match pkcs(oid) {
        [2, 7] => pbkdf2::PBKDF2_HMAC_SHA1,
        [2, 9] => pbkdf2::PBKDF2_HMAC_SHA256,
        [2, 10] => pbkdf2::PBKDF2_HMAC_SHA384,
        [2, 11] => pbkdf2::PBKDF2_HMAC_SHA512,
        _other => {
            return Err(Locked::Unknown("its PBKDF2 rests on another hash than SHA-1 or SHA-2".to_owned()));
        }
    })
}

fn iterations(wanted: u32) -> Result<NonZeroU32, Locked> {
    let known = NonZeroU32::new(wanted).filter(|count| count.get() <= ITERATIONS_MAX);
    known.ok_or_else(|| Locked::Unknown(format!("it asks for {wanted} rounds of its derivation")))
}

fn of_pkcs12(scheme: u8, mut parameters: Der<'_>, bytes: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    let mut both = parameters.sequence()?;
    let salt = both.expect(tag::OCTET_STRING)?;
    let rounds = iterations(both.number()?)?;
    let derived = |id, length| {
        let sha1 = &digest::SHA1_FOR_LEGACY_USE_ONLY;
        pkcs12_derive(sha1, id, &bmp(password), salt, rounds, length)
    };
    let iv = derived(2, 8);
    match scheme {
        3 => cbc::<des::TdesEde3>(&derived(1, 24), &iv, bytes),
        4 => cbc::<des::TdesEde2>(&derived(1, 16), &iv, bytes),
        5 => rc2_cbc(&derived(1, 16), &iv, bytes),
        _rc2_of_40_bits => rc2_cbc(&derived(1, 5), &iv, bytes),
    }
}

/// A password as PKCS#12 takes it: UTF-16 with its end.
pub fn bmp(password: &str) -> Vec<u8> {
    password.encode_utf16().chain([0]).flat_map(u16::to_be_bytes).collect()
}

/// Derives `length` bytes for a purpose: 1 keys, 2 first blocks, 3 authentication (RFC 7292, B.2).
pub fn pkcs12_derive(
    hash: &'static digest::Algorithm,
    id: u8,
    password: &[u8],
    salt: &[u8],
    rounds: NonZeroU32,
    length: usize,
) -> Vec<u8> {
    let block = hash.block_len();
    let filled = |bytes: &[u8]| -> Vec<u8> {
        bytes.iter().copied().cycle().take(bytes.len().div_ceil(block) * block).collect()
    };
    let mut input = [filled(salt), filled(password)].concat();
    let mut derived = Vec::new();
    while derived.len() < length {
        let mut first = digest::Context::new(hash);
        first.update(&vec![id; block]);
        first.update(&input);
        let mut round = first.finish();
        for _ in 1..rounds.get() {
            round = digest::digest(hash, round.as_ref());
        }
        derived.extend_from_slice(round.as_ref());
        let addend: Vec<u8> = round.as_ref().iter().copied().cycle().take(block).collect();
        for part in input.chunks_mut(block) {
            let mut carry = 1u16;
            for (digit, more) in part.iter_mut().zip(&addend).rev() {
                carry += u16::from(*digit) + u16::from(*more);
                *digit = carry as u8;
                carry >>= 8;
            }
        }
    }
    derived.truncate(length);
    derived
}

/// The authentication of a PKCS#12 store holds.
pub fn pkcs12_is_authentic(
    hash_oid: &[u8],
    password: &str,
    salt: &[u8],
    rounds: u32,
    content: &[u8],
    expected: &[u8],
) -> Result<bool, Locked> {
    let (hash, mac) = match hash_oid {
        [0x2b, 0x0e, 3, 2, 0x1a] => (&digest::SHA1_FOR_LEGACY_USE_ONLY, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1] => (&digest::SHA256, hmac::HMAC_SHA256),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2] => (&digest::SHA384, hmac::HMAC_SHA384),
        [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3] => (&digest::SHA512, hmac::HMAC_SHA512),
        _other => {
            return Err(Locked::Unknown(
                "its authentication rests on another hash than SHA-1 or SHA-2".to_owned(),
            ));
        }
    };
    let rounds = iterations(rounds)?;
    let is_it = |password: &[u8]| {
        let key = pkcs12_derive(hash, 3, password, salt, rounds, hash.output_len());
        hmac::verify(&hmac::Key::new(mac, &key), content, expected).is_ok()
    };
    // Without a password some write none, and others the end of one.
    Ok(is_it(&bmp(password)) || (password.is_empty() && is_it(&[])))
}

/// Sun's: a stream of SHA-1 over the password and what came before.
fn suns_own(bytes: &[u8], password: &str) -> Result<Vec<u8>, Locked> {
    const HASH: usize = 20;
    let sha1 = |parts: [&[u8]; 2]| {
        let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
        parts.into_iter().for_each(|part| context.update(part));
        context.finish()
    };
    let password: Vec<u8> = password.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let (salt, rest) = bytes.split_at_checked(HASH).ok_or(Locked::Damaged)?;
    let end = rest.len().checked_sub(HASH).ok_or(Locked::Damaged)?;
    let (hidden, check) = rest.split_at(end);
    let (mut plain, mut before) = (Vec::with_capacity(hidden.len()), salt.to_vec());
    for part in hidden.chunks(HASH) {
        let stream = sha1([&password, &before]);
        plain.extend(part.iter().zip(stream.as_ref()).map(|(a, b)| a ^ b));
        before = stream.as_ref().to_vec();
    }
    if sha1([&password, &plain]).as_ref() == check { Ok(plain) } else { Err(Locked::WrongPassword) }
}

fn aes_cbc(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Locked> {
    match key.len() {
        16 => cbc::<aes::Aes128>(key, iv, bytes),
        24 => cbc::<aes::Aes192>(key, iv, bytes),
        _whole => cbc::<aes::Aes256>(key, iv, bytes),
    }
}

fn rc2_cbc(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Locked> {
    let cipher = rc2::Rc2::new_with_eff_key_len(key, key.len() * 8);
    unchain(&cipher, iv, bytes)
}

fn cbc<C: KeyInit + BlockCipherDecrypt>(key: &[u8], iv: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Locked> {
    let cipher = C::new_from_slice(key).map_err(|_| Locked::Damaged)?;
    unchain(&cipher, iv, bytes)
}

/// Cipher block chaining, and the padding of PKCS#7 off: what is not padded so was encrypted by another password.
fn unchain<C: BlockCipherDecrypt>(cipher: &C, iv: &[u8], bytes: &[u8]) -> Result<Vec<u8>, Locked> {
    let size = C::block_size();
    if iv.len() != size || bytes.is_empty() || !bytes.len().is_multiple_of(size) {
        return Err(Locked::Damaged);
    }
    let (mut plain, mut before) = (Vec::with_capacity(bytes.len()), iv);
    for part in bytes.chunks(size) {
        let mut block = Array::try_from(part).map_err(|_| Locked::Damaged)?;
        cipher.decrypt_block(&mut block);
        plain.extend(block.iter().zip(before).map(|(a, b)| a ^ b));
        before = part;
    }
    let padding = usize::from(plain.last().copied().unwrap_or(0));
    let kept = plain.len().checked_sub(padding).filter(|_| (1..=size).contains(&padding));
    let kept = kept.filter(|kept| plain.iter().skip(*kept).all(|byte| usize::from(*byte) == padding));
    plain.truncate(kept.ok_or(Locked::WrongPassword)?);
    Ok(plain)
}
