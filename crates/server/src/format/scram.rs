//! `--add-scram`: a SCRAM credential from a password on the command line (RFC 5802, KIP-900).
//!
//! Owns the argument's little grammar, in Kafka's sentences where it refuses; the keys are derived in `wire::sasl::scram`. Never keeps
//! a password.

use std::collections::BTreeMap;

use wire::base64::STANDARD;
use wire::records::metadata::UserScramCredentialRecord;
use wire::sasl::scram::{MAX_ITERATIONS, MIN_ITERATIONS, Mechanism};

/// Reads one argument, such as `SCRAM-SHA-256=[name=alice,password=alice-secret]`.
pub fn parse(argument: &str, fresh_salt: &[u8]) -> Result<UserScramCredentialRecord, String> {
    let argument = argument.trim();
    let (mechanism, settings) = argument
        .split_once('=')
        .ok_or_else(|| format!("Failed to find equals sign in SCRAM argument '{argument}'"))?;
    let mechanism = Mechanism::named(mechanism)
        .ok_or_else(|| format!("The add-scram mechanism {mechanism} is not supported."))?;
    let settings = settings.strip_prefix('[').ok_or("Expected configuration string to start with [")?;
    let settings = settings.strip_suffix(']').ok_or("Expected configuration string to end with ]")?;
    let mut parts = components(settings)?;
    let name = parts.remove("name").ok_or("You must supply 'name' to add-scram")?;
    let salt = match parts.remove("salt") {
        Some(text) => {
            Some(STANDARD.decode(&text).ok_or_else(|| format!("Failed to decode given salt: {text}"))?)
        }
        None => None,
    };
    let iterations = match parts.remove("iterations") {
        Some(text) => text.parse().map_err(|_| format!("Failed to parse iterations count: {text}"))?,
        None => MIN_ITERATIONS,
    };
    let password = parts.remove("password");
    let salted = match (&password, parts.remove("saltedpassword")) {
        (Some(_), _) => None,
        (None, None) => {
            return Err("You must supply one of 'password' or 'saltedpassword' to add-scram".into());
        }
        (None, Some(_)) if salt.is_none() => {
            return Err("You must supply 'salt' with 'saltedpassword' to add-scram".into());
        }
        (None, Some(text)) => Some(
            STANDARD.decode(&text).ok_or_else(|| format!("Failed to decode given saltedPassword: {text}"))?,
        ),
    };
    if !parts.is_empty() {
        let unknown: Vec<&str> = parts.keys().map(String::as_str).collect();
        return Err(format!("Unknown SCRAM configurations: {}", unknown.join(", ")));
    }
    check_iterations(iterations, mechanism)?;
    let salt = salt.unwrap_or_else(|| fresh_salt.to_vec());
    let salted =
        salted.unwrap_or_else(|| mechanism.salt(password.unwrap_or_default().as_bytes(), &salt, iterations));
    let keys = mechanism.keys(&salted);
    Ok(UserScramCredentialRecord {
        name: name.into(),
        mechanism: mechanism.id(),
        salt: salt.into(),
        stored_key: keys.stored.into(),
        server_key: keys.server.into(),
        iterations,
    })
}

fn check_iterations(iterations: i32, mechanism: Mechanism) -> Result<(), String> {
    let (relation, bound) = if iterations < MIN_ITERATIONS {
        (">=", MIN_ITERATIONS)
    } else if iterations > MAX_ITERATIONS {
        ("<=", MAX_ITERATIONS)
    } else {
        return Ok(());
    };
    let constant = mechanism.constant();
    Err(format!("The 'iterations' value must be {relation} {bound} for add-scram using {constant}"))
}

fn components(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut found = BTreeMap::new();
    for part in text.split(',') {
        let (key, value) =
            part.split_once('=').ok_or_else(|| format!("No equals sign found in SCRAM component: {part}"))?;
        let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        found.insert(key.to_owned(), quoted.unwrap_or(value).to_owned());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_that_kafka_derives() {
        let got =
            parse("SCRAM-SHA-512=[name=alice,iterations=8192,salt=\"N3E=\",password=\"YCE=\"]", b"").unwrap();
        let stored =
            "3FRtaSCJihITGucPFGVTWd1ti6hVFfSsqAmSb4ZhhaUfX577Ostb+xOr7jLKwQ71w01iSzH5kyk/G976kT4ldA==";
        let server =
            "jvWt261XNnW5yZlfC6KvV+2iASttbs7QAapZPJdvH8UZd7bIbiL8o+Htwg5sN3buQHZNzatvjQXOQT68k8JUZQ==";
        assert_eq!(got.stored_key, STANDARD.decode(stored).unwrap());
        assert_eq!(got.server_key, STANDARD.decode(server).unwrap());
        assert_eq!((got.mechanism, got.iterations, got.salt.as_ref()), (2, 8192, b"7q".as_ref()));
        let got = parse(
            "SCRAM-SHA-256=[name=alice,iterations=8192,salt=\"MWx2NHBkbnc0ZndxN25vdGN4bTB5Mmw=\",\
             saltedpassword=\"mT0yyUUxnlJaC99HXgRTSYlbuqa4FSGtJCJfTMvjYCE=\"]",
            b"",
        )
        .unwrap();
        assert_eq!(got.stored_key, STANDARD.decode("XTIqoHHo3sscdYxycL07uh8utmHn9fXtjqyDF67CjSU=").unwrap());
        assert_eq!(got.server_key, STANDARD.decode("Za53R2yENISN7fHL7WUxriFkV7cfbrO3+CtEptMbTPE=").unwrap());
    }

    #[test]
    fn refusals_are_kafkas() {
        let cases = [
            ("SCRAM-SHA-256", "Failed to find equals sign in SCRAM argument 'SCRAM-SHA-256'"),
            ("SCRAM-SHA-1=[name=a,password=b]", "The add-scram mechanism SCRAM-SHA-1 is not supported."),
            ("SCRAM-SHA-256=name=a,password=b", "Expected configuration string to start with ["),
            ("SCRAM-SHA-256=[name=a", "Expected configuration string to end with ]"),
            ("SCRAM-SHA-256=[password=b]", "You must supply 'name' to add-scram"),
            ("SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
            (
                "SCRAM-SHA-256=[name=a,saltedpassword=\"YCE=\"]",
                "You must supply 'salt' with 'saltedpassword' to add-scram",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,iterations=100]",
                "The 'iterations' value must be >= 4096 for add-scram using SCRAM_SHA_256",
            ),
            (
                "SCRAM-SHA-256=[name=a,password=b,iterations=999999]",
                "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_256",
            ),
            ("SCRAM-SHA-256=[name=a,password=b,foo=1]", "Unknown SCRAM configurations: foo"),
            ("SCRAM-SHA-256=[name]", "No equals sign found in SCRAM component: name"),
        ];
        for (argument, sentence) in cases {
            assert_eq!(parse(argument, b"salt").unwrap_err(), sentence);
        }
    }
}
