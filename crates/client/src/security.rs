//! Who a client is, and by which protocol it says so: the properties of SASL in Java's and librdkafka's spelling, and what follows of all of
//! them together; those of TLS are `tls.rs`'s, those of tokens `tokens.rs`'s. Owns the password, and shows it to nobody; the exchange is `cluster/log_in.rs`'s.

use std::fmt;
use std::sync::Arc;

use net::tls::ClientTls;
use wire::sasl::jaas::{self, PLAIN_MODULE, SCRAM_MODULE};
use wire::sasl::server::Mechanism;

use crate::error::{Error, Result};
use crate::tls::TlsProperties;
use crate::tokens::{TokenProperties, Tokens};

/// The protocol of connections and what is said on them.
#[derive(Clone, Default)]
pub struct SecurityOptions {
    /// `security.protocol`: SASL_PLAINTEXT or SASL_SSL.
    pub sasl: bool,
    /// SSL or SASL_SSL.
    pub ssl: bool,
    /// `sasl.mechanism`
    pub mechanism: Option<String>,
    /// `sasl.jaas.config`
    pub jaas_config: Option<String>,
    /// `sasl.username`, librdkafka's
    pub username: Option<String>,
    /// `sasl.password`, librdkafka's
    pub password: Option<String>,
    /// `sasl.oauthbearer.*`
    pub(crate) tokens: TokenProperties,
    /// `ssl.*`
    pub(crate) tls: TlsProperties,
}

/// Who logs in.
#[derive(Clone)]
pub(crate) enum Login {
    /// By PLAIN or SCRAM.
    Password {
        mechanism: Mechanism,
        username: String,
        password: String,
        /// Both are a delegation token's (KIP-48).
        by_token: bool,
    },
    /// By a token of OAUTHBEARER.
    Bearer(Arc<Tokens>),
}

impl Login {
    /// By which mechanism.
    pub(crate) fn mechanism(&self) -> Mechanism {
        match self {
            Login::Password { mechanism, .. } => *mechanism,
            Login::Bearer(_) => Mechanism::OauthBearer,
        }
    }

    /// Who, as far as this side knows.
    pub(crate) fn username(&self) -> &str {
        match self {
            Login::Password { username, .. } => username,
            Login::Bearer(_) => "whom its token names",
        }
    }
}

impl fmt::Debug for SecurityOptions {
    /// Passwords never reach a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecurityOptions(sasl {}, ssl {}, {:?} [hidden])", self.sasl, self.ssl, self.mechanism)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} as {}", self.mechanism().name(), self.username())
    }
}

impl SecurityOptions {
    /// Sets one field by its Java name. False: not a property of this part.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let text = || Some(value.to_owned()).filter(|text| !text.is_empty());
        match key {
            "security.protocol" => (self.sasl, self.ssl) = protocol(key, value)?,
            "sasl.mechanism" => self.mechanism = text(),
            "sasl.jaas.config" => self.jaas_config = text(),
            "sasl.username" => self.username = text(),
            "sasl.password" => self.password = text(),
            other => return Ok(self.tokens.set(other, value)? || self.tls.set(other, value)?),
        }
        Ok(true)
    }

    /// What connections go over; `None` where they go as they are. The files are read once.
    pub(crate) fn tls(&self) -> Result<Option<Arc<ClientTls>>> {
        if self.ssl { self.tls.open().map(Some) } else { Ok(None) }
    }

    /// Who logs in; `None` on PLAINTEXT. The error says what is missing.
    pub(crate) fn login(&self) -> Result<Option<Login>> {
        if !self.sasl {
            return Ok(None);
        }
        let wrong = |key: &str, why: String| Err(Error::configuration(key, why));
        let name = self.mechanism.as_deref().unwrap_or("GSSAPI");
        let Some(mechanism) = Mechanism::named(name) else {
            let why = format!(
                "this client logs in by PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 and OAUTHBEARER, not by {name}"
            );
            return wrong("sasl.mechanism", why);
        };
        let module = match mechanism {
            Mechanism::OauthBearer => {
                return self
                    .tokens
                    .open(self.jaas_config.as_deref())
                    .map(|tokens| Some(Login::Bearer(tokens)));
            }
            Mechanism::Plain => PLAIN_MODULE,
            Mechanism::ScramSha256 | Mechanism::ScramSha512 => SCRAM_MODULE,
        };
        let Some(text) = &self.jaas_config else {
            return match (&self.username, &self.password) {
                (Some(username), Some(password)) => {
                    let (username, password) = (username.clone(), password.clone());
                    Ok(Some(Login::Password { mechanism, username, password, by_token: false }))
                }
                _other => wrong(
                    "sasl.jaas.config",
                    format!("{name} needs a name and a password, and none is given"),
                ),
            };
        };
        let entries =
            jaas::parse_config(text).map_err(|why| Error::configuration("sasl.jaas.config", why))?;
        let Some(entry) = entries.into_iter().find(|entry| entry.module == module) else {
            return wrong("sasl.jaas.config", format!("{name} needs the login module {module}"));
        };
        let tokenauth =
            entry.options.get("tokenauth").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        match (entry.options.get("username"), entry.options.get("password")) {
            (Some(username), Some(password)) => Ok(Some(Login::Password {
                mechanism,
                username: username.clone(),
                password: password.clone(),
                by_token: tokenauth && mechanism != Mechanism::Plain,
            })),
            _other => wrong("sasl.jaas.config", "the entry has no username, or no password".to_owned()),
        }
    }
}

/// Whether it has SASL, and whether TLS.
fn protocol(key: &str, value: &str) -> Result<(bool, bool)> {
    match value.trim().to_ascii_uppercase().as_str() {
        "PLAINTEXT" => Ok((false, false)),
        "SSL" => Ok((false, true)),
        "SASL_PLAINTEXT" => Ok((true, false)),
        "SASL_SSL" => Ok((true, true)),
        _unheard_of => {
            let why = format!(
                "there is no protocol {value:?}; this client speaks PLAINTEXT, SSL, SASL_PLAINTEXT and SASL_SSL"
            );
            Err(Error::configuration(key, why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(pairs: &[(&str, &str)]) -> Result<Option<Login>> {
        let mut options = SecurityOptions::default();
        for (key, value) in pairs {
            assert!(options.set(key, value)?, "{key}");
        }
        assert!(!format!("{options:?}").contains("secret"));
        options.login()
    }

    const SASL: (&str, &str) = ("security.protocol", "sasl_plaintext");

    #[test]
    fn both_spellings_say_who_logs_in() {
        let java = format!("{SCRAM_MODULE} required username=\"ali\" password=\"secret\";");
        let scram = ("sasl.mechanism", "SCRAM-SHA-512");
        let by_java = login(&[SASL, scram, ("sasl.jaas.config", &java)]).unwrap().unwrap();
        let by_name = login(&[SASL, scram, ("sasl.username", "ali"), ("sasl.password", "secret")]).unwrap();
        for login in [by_java, by_name.unwrap()] {
            assert_eq!(format!("{login:?}"), "SCRAM-SHA-512 as ali");
            assert!(
                matches!(login, Login::Password { password, by_token: false, .. } if password == "secret")
            );
        }
        assert!(login(&[scram, ("sasl.username", "ali")]).unwrap().is_none());
        let token =
            format!("{SCRAM_MODULE} required username=\"id\" password=\"secret\" tokenauth=\"true\";");
        let by_token = login(&[SASL, scram, ("sasl.jaas.config", &token)]).unwrap();
        assert!(matches!(by_token, Some(Login::Password { by_token: true, .. })));
        let url = ("sasl.oauthbearer.token.endpoint.url", "file:///token");
        let bearer = login(&[SASL, ("sasl.mechanism", "OAUTHBEARER"), url]).unwrap();
        assert!(matches!(bearer, Some(Login::Bearer(_))));
    }

    #[test]
    fn what_is_missing_is_said_without_the_password() {
        let plain = ("sasl.mechanism", "PLAIN");
        let scram = format!("{SCRAM_MODULE} required username=a password=secret;");
        let cases: [&[(&str, &str)]; 6] = [
            &[SASL],
            &[SASL, ("sasl.mechanism", "OAUTHBEARER")],
            &[SASL, plain],
            &[SASL, plain, ("sasl.jaas.config", &scram)],
            &[SASL, plain, ("sasl.jaas.config", "a.B required password=\"secret")],
            &[("security.protocol", "TLS")],
        ];
        for pairs in cases {
            let why = login(pairs).unwrap_err().to_string();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
