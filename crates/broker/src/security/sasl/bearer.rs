//! Whom a token of OAUTHBEARER names: what a listener asks of tokens, and the keys that sign them at the moment. Owns the keys in force, which
//! the rim brings (it alone reads files and asks servers); never a socket, never a clock. KIP-768; RFC 7515, 7517, 7519.

mod jwks;
mod jwt;
mod rules;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::OnceLock;

use arc_swap::ArcSwapOption;
use wire::sasl::server::Who;

pub use jwks::Jwks;
use jwt::Bad;
pub use rules::Source;
use rules::{Rules, Signed};

use crate::config::OfListener;

type Bell = Box<dyn Fn() + Send + Sync>;

/// What one listener asks of tokens.
pub struct Verifier {
    rules: Rules,
    /// Until the rim has brought some, no token is good.
    keys: ArcSwapOption<Jwks>,
    /// Rung when a token names a key that is not among them.
    bell: OnceLock<Bell>,
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({:?})", self.rules)
    }
}

impl Verifier {
    /// What the file says of a listener, and the options of its JAAS entry. The error is a sentence.
    pub(super) fn read(of: &OfListener<'_>, options: &BTreeMap<String, String>) -> Result<Verifier, String> {
        let rules = Rules::read(of, options)?;
        Ok(Verifier { rules, keys: ArcSwapOption::empty(), bell: OnceLock::new() })
    }

    /// Where the keys come from; `None` where unsecured tokens are let in.
    pub fn source(&self) -> Option<&Source> {
        match &self.rules.signed {
            Signed::By(source) => Some(source),
            Signed::Nobody => None,
        }
    }

    /// What is not checked, though it could be: a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        self.rules.warnings()
    }

    /// These sign from now on, and no others.
    pub fn trust(&self, keys: Jwks) {
        self.keys.store(Some(keys.into()));
    }

    /// Rung when a token names a key that is not known: the issuer may have a new one. Set once.
    pub fn on_unknown_key(&self, bell: impl Fn() + Send + Sync + 'static) {
        let _ = self.bell.set(Box::new(bell));
    }

    /// Whom the token names, if all of it is good at this time of the wall clock. The error says what is wrong, for this side's log alone.
    pub(super) fn verify(&self, token: &str, wall_ms: i64) -> Result<Who, String> {
        let verified = match &self.rules.signed {
            Signed::Nobody => jwt::unsecured(token),
            Signed::By(_) => match &*self.keys.load() {
                Some(keys) => jwt::signed(token, keys),
                None => Err(Bad::Wrong("the keys that sign tokens are not known yet".to_owned())),
            },
        };
        let claims = verified.map_err(|bad| match bad {
            Bad::UnknownKey(why) => {
                self.bell.get().inspect(|bell| bell());
                why
            }
            Bad::Wrong(why) => why,
        })?;
        self.rules.check(&claims, wall_ms)
    }
}

#[cfg(test)]
mod tests;
