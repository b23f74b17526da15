//! What of a configuration is open to whoever comes: said in one line at the start, and refused point by point where `security.strict=true`
//! asks for that. Owns the points and their sentences. Pure: it looks at no file, and at no password but for its length.

use broker::config::list;

use super::addresses::is_loopback;
use super::{Refused, Settings};
use crate::listeners::Endpoint;

/// What a start that refuses its own openness says to try.
const TRY: &str =
    "docs/operators/security.md closes one after the other; security.strict=false starts with them open";

/// A shared secret below this can be guessed by whoever has seen a token: 128 bits.
const SECRET_BYTES_MIN: usize = 16;

/// One thing that is open.
#[derive(Debug, PartialEq, Eq)]
struct Open {
    /// What, and to whom.
    what: String,
    /// Somebody on another machine can use it.
    from_elsewhere: bool,
}

impl Settings {
    /// With `security.strict=true`: refuses whatever is open, naming each.
    pub(super) fn check_strict(&self) -> Result<(), Refused> {
        let open = if self.file.flag("security.strict") { self.open() } else { Vec::new() };
        if open.is_empty() {
            return Ok(());
        }
        let each: Vec<String> = open.into_iter().map(|one| one.what).collect();
        Err(Refused { why: format!("security.strict=true, and {}", each.join("; ")), hint: Some(TRY) })
    }

    /// What is open, in one line; and whether anybody beyond this machine can use it.
    pub fn told_open(&self) -> Option<(String, bool)> {
        let open = self.open();
        let from_elsewhere = open.iter().any(|one| one.from_elsewhere);
        let each: Vec<String> = open.into_iter().map(|one| one.what).collect();
        let line =
            || format!("open: {} (security.strict=true refuses a start with any of it)", each.join("; "));
        (!each.is_empty()).then(|| (line(), from_elsewhere))
    }

    fn open(&self) -> Vec<Open> {
        let is_reached = self.listeners.iter().any(is_reached);
        let mut open: Vec<Open> = self.listeners.iter().flat_map(|one| self.open_listener(one)).collect();
        let of_node = self.open_to_principals().into_iter().chain(self.open_to_forgers());
        open.extend(of_node.map(|what| Open { what, from_elsewhere: is_reached }));
        for address in &self.metrics.addresses {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            if !is_loopback(host.trim_matches(['[', ']'])) {
                let what = format!(
                    "metrics.listeners: http://{address} tells names of topics and groups to whoever asks"
                );
                open.push(Open { what, from_elsewhere: true });
            }
        }
        open
    }

    /// What a listener hides from nobody, and whom it does not ask who he is.
    fn open_listener(&self, endpoint: &Endpoint) -> Vec<Open> {
        let (name, at, from_elsewhere) = (&endpoint.name, endpoint.authority(), is_reached(endpoint));
        let of = self.file.of_listener(name);
        let mut open = Vec::new();
        let mut tell = |what: String| {
            open.push(Open { what: format!("listener {name} ({at}) {what}"), from_elsewhere });
        };
        match endpoint.protocol.as_str() {
            // What does not leave the machine is seen by nobody else; who it is from is another matter, of the authorizer.
            "PLAINTEXT" | "SASL_PLAINTEXT" if !from_elsewhere => {}
            "PLAINTEXT" => tell(
                "speaks PLAINTEXT: whoever reaches it comes in, and whoever is between reads along".into(),
            ),
            "SASL_PLAINTEXT" => {
                let mechanisms = list(of.text("sasl.enabled.mechanisms").unwrap_or_default());
                let told = mechanisms.into_iter().find(|one| matches!(*one, "PLAIN" | "OAUTHBEARER"));
                let how = told
                    .map_or_else(String::new, |one| format!(", and by {one} has what it takes to come in"));
                tell(format!("speaks SASL_PLAINTEXT: whoever is between reads along{how}"));
            }
            "SSL"
                if !of
                    .text("ssl.client.auth")
                    .is_some_and(|asked| asked.eq_ignore_ascii_case("required")) =>
            {
                tell("speaks SSL without ssl.client.auth=required: nobody has to say who he is".into());
            }
            _ => {}
        }
        open
    }

    /// What somebody may do who was never given it.
    fn open_to_principals(&self) -> Vec<String> {
        if self.file.text("authorizer.class.name").unwrap_or_default().is_empty() {
            return vec!["authorizer.class.name names none: whoever is in may do everything".to_owned()];
        }
        // Kafka's authorizer has them as keys of its own.
        let said = |name: &str| self.file.values().get(name).map_or("", |value| value.trim());
        let mut open = Vec::new();
        if said("allow.everyone.if.no.acl.found").eq_ignore_ascii_case("true") {
            open.push("allow.everyone.if.no.acl.found=true: what no ACL speaks of is everybody's".to_owned());
        }
        if said("super.users").split(';').any(|one| one.trim() == "User:ANONYMOUS") {
            open.push(
                "super.users has User:ANONYMOUS: whoever has not said who he is may do everything".to_owned(),
            );
        }
        open
    }

    /// By what somebody could pass for another.
    fn open_to_forgers(&self) -> Vec<String> {
        let mut open = Vec::new();
        for (name, value) in self.file.values() {
            let (is, value) = (|key: &str| *name == key || name.ends_with(&format!(".{key}")), value.trim());
            if is("sasl.oauthbearer.allow.unsecured.tokens") && value.eq_ignore_ascii_case("true") {
                open.push(format!("{name}=true: whoever writes a token is whom it names"));
            }
            if is("sasl.oauthbearer.jwks.endpoint.url") && is_http_from_elsewhere(value) {
                open.push(format!("{name}={value}: whoever is between gives this node other keys"));
            }
            if is("ssl.endpoint.identification.algorithm") && value.is_empty() {
                open.push(format!("{name} is empty: the names of other hosts are not looked at"));
            }
        }
        const SECRET: &str = "delegation.token.secret.key";
        if self.file.text(SECRET).is_some_and(|secret| secret.len() < SECRET_BYTES_MIN) {
            open.push(format!(
                "{SECRET} is shorter than {SECRET_BYTES_MIN} bytes: whoever guesses it makes tokens of anybody"
            ));
        }
        open
    }
}

/// Whether somebody on another machine can connect.
fn is_reached(endpoint: &Endpoint) -> bool {
    endpoint.host.as_deref().is_none_or(|host| !is_loopback(host))
}

fn is_http_from_elsewhere(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => authority.split(':').next().unwrap_or_default(),
    };
    !is_loopback(host)
}

#[cfg(test)]
mod tests;
