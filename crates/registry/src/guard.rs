//! Who somebody is and what is known of their rights: passwords are proved by logging in to the cluster with them, entries are read from
//! the cluster again and again. Owns what is remembered of both, and forgets it; what an entry means is `access.rs`'s.

use crate::access::{Caller, Entries, Rights};
use crate::rest::Refusal;
use crate::{Fault, Options};
use client::admin::EntryFilter;
use client::{Client, ClientOptions, Error, ErrorCode};
use hyper::header::{AUTHORIZATION, HeaderMap};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Semaphore, watch};
use wire::sasl::scram::Mechanism;

/// A password that was right is taken again without asking the cluster for so long: it may have been changed meanwhile.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Users that are remembered at once.
const USERS_MAX: usize = 4_096;

/// Logins to the cluster at once, on behalf of those who ask: guessing passwords is no faster than this.
const LOGINS: usize = 8;

/// A login takes no longer.
const LOGIN_TIME: Duration = Duration::from_secs(5);

/// Between two looks at the cluster's entries.
const LOOK: Duration = Duration::from_secs(5);

/// Entries that are older say nothing any more: nobody may anything.
const STALE: Duration = Duration::from_secs(60);

/// Names and passwords are shorter.
const CREDENTIAL_BYTES_MAX: usize = 4_096;

/// What is known of everybody's rights.
#[derive(Debug, Clone)]
enum Known {
    /// The cluster has no authorizer, or is not asked.
    Open,
    /// As of then.
    Entries(Arc<Entries>, Instant),
}

/// Looks at everybody who asks.
pub(crate) struct Guard {
    /// How the registry itself logs in; somebody's name and password take the place of its own. `None`: nobody says who they are.
    login: Option<ClientOptions>,
    realm: String,
    known: watch::Receiver<Known>,
    remembered: Mutex<BTreeMap<String, (Vec<u8>, Instant)>>,
    logins: Semaphore,
    salt: [u8; 16],
}

impl Guard {
    /// Asks the cluster for its entries, and then until it is stopped.
    pub async fn open(
        client: &Client,
        own: &ClientOptions,
        options: &Options,
        stop: watch::Receiver<bool>,
    ) -> Result<Guard, Fault> {
        let topic = options.topic.clone();
        let first = if options.authorizes { look(client, options, &topic).await } else { Ok(Known::Open) };
        let first = first.map_err(|error| match error.code() {
            Some(ErrorCode::ClusterAuthorizationFailed) => Fault::new(
                "the schema registry cannot know who may do what",
                "the cluster has an authorizer and does not show its entries",
                "the registry's principal may DESCRIBE the cluster; or authorizer=none, and everybody may everything",
            ),
            _other => error.into(),
        })?;
        match (&first, options.authenticates) {
            (Known::Open, true) => tracing::info!("schema registry: whoever logs in may everything"),
            (Known::Open, false) => {
                tracing::warn!(
                    "schema registry: whoever reaches it may register and delete; authentication.method=BASIC"
                );
            }
            (Known::Entries(..), true) => tracing::info!("schema registry: rights are the cluster's ACLs"),
            (Known::Entries(..), false) => {
                tracing::info!(
                    "schema registry: rights are the cluster's ACLs, and everybody is User:ANONYMOUS"
                );
            }
        }
        let asks = matches!(first, Known::Entries(..));
        let (told, known) = watch::channel(first);
        if asks {
            tokio::spawn(go_on_looking(client.clone(), options.clone(), told, stop));
        }
        // Two draws of the process's randomness: what is remembered of passwords is of no use elsewhere.
        let draw = || RandomState::new().build_hasher().finish().to_be_bytes();
        let mut salt = [0; 16];
        salt[..8].copy_from_slice(&draw());
        salt[8..].copy_from_slice(&draw());
        Ok(Guard {
            login: options.authenticates.then(|| own.clone()),
            realm: options.realm.clone(),
            known,
            remembered: Mutex::default(),
            logins: Semaphore::new(LOGINS),
            salt,
        })
    }

    /// What a refused stranger is asked for.
    pub fn challenge(&self) -> String {
        format!("Basic realm=\"{}\"", self.realm.replace(['"', '\\'], ""))
    }

    /// What whoever sent these headers may do.
    pub async fn admit(&self, headers: &HeaderMap, host: Option<IpAddr>) -> Result<Rights, Refusal> {
        let principal = match &self.login {
            None => "User:ANONYMOUS".to_owned(),
            Some(own) => {
                let unknown = || Refusal::new(401, "Unauthorized");
                let (name, password) = credentials(headers).ok_or_else(unknown)?;
                self.prove(own, &name, &password).await?;
                format!("User:{name}")
            }
        };
        match &*self.known.borrow() {
            Known::Open => Ok(Rights::default()),
            Known::Entries(entries, since) if since.elapsed() < STALE => {
                Ok(Rights::of(Caller { principal, host }, entries.clone()))
            }
            Known::Entries(..) => {
                Err(Refusal::new(50001, "Rights are not known: the cluster does not answer"))
            }
        }
    }

    /// Somebody is who they say if the cluster lets them in.
    async fn prove(&self, own: &ClientOptions, name: &str, password: &str) -> Result<(), Refusal> {
        let hash = Mechanism::Sha256.salt(password.as_bytes(), &self.salt, 1);
        let is_known = |known: &(Vec<u8>, Instant)| known.0 == hash && known.1.elapsed() < REMEMBERED;
        if self.remembered.lock().get(name).is_some_and(is_known) {
            return Ok(());
        }
        let _turn = self.logins.acquire().await;
        let mut options = own.clone();
        options.security.jaas_config = None;
        options.security.username = Some(name.to_owned());
        options.security.password = Some(password.to_owned());
        options.client_id = format!("{}-login", own.client_id);
        let entered = tokio::time::timeout(LOGIN_TIME, Client::with_options(options)).await;
        match entered {
            Ok(Ok(_client)) => {
                let mut remembered = self.remembered.lock();
                if remembered.len() >= USERS_MAX {
                    remembered.retain(|_, (_, since)| since.elapsed() < REMEMBERED);
                }
                if remembered.len() < USERS_MAX {
                    remembered.insert(name.to_owned(), (hash, Instant::now()));
                }
                Ok(())
            }
            Ok(Err(error)) if error.code() == Some(ErrorCode::SaslAuthenticationFailed) => {
                self.remembered.lock().remove(name);
                Err(Refusal::new(401, "Unauthorized"))
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot ask the cluster who somebody is");
                Err(Refusal::new(50001, "The cluster cannot be asked who you are"))
            }
            Err(_slow) => Err(Refusal::new(50002, "The cluster does not say in time who you are")),
        }
    }
}

/// `Authorization: Basic BASE64(name:password)`
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok().filter(|text| text.len() <= CREDENTIAL_BYTES_MAX)?;
    let (scheme, encoded) = text.split_once(' ')?;
    let bytes = wire::base64::STANDARD.decode(encoded.trim())?;
    let (name, password) = std::str::from_utf8(&bytes).ok()?.split_once(':')?;
    // PLAIN separates them by a byte of zero.
    let is_word = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    (scheme.eq_ignore_ascii_case("basic") && is_word(name) && is_word(password))
        .then(|| (name.to_owned(), password.to_owned()))
}

async fn look(client: &Client, options: &Options, topic: &str) -> Result<Known, Error> {
    match client.admin().describe_acls(&EntryFilter::default()).await {
        Ok(all) => {
            Ok(Known::Entries(Arc::new(Entries::new(topic, &options.superusers, all)), Instant::now()))
        }
        Err(error) if error.code() == Some(ErrorCode::SecurityDisabled) => Ok(Known::Open),
        Err(error) => Err(error),
    }
}

/// A cluster that had an authorizer once is never taken for one without: that takes a restart.
async fn go_on_looking(
    client: Client,
    options: Options,
    told: watch::Sender<Known>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match look(&client, &options, &options.topic).await {
            Ok(known @ Known::Entries(..)) => drop(told.send_replace(known)),
            Ok(Known::Open) => tracing::debug!("the cluster has no authorizer any more"),
            Err(error) => tracing::debug!(%error, "cannot read the cluster's entries"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_passwords_are_read_or_nobody_is_there() {
        let cases = [
            ("Basic YW5uOnNlY3JldA==", Some(("ann", "secret"))),
            ("basic YW5uOmE6Yg==", Some(("ann", "a:b"))),
            ("Bearer YW5uOnNlY3JldA==", None),
            ("Basic", None),
            ("Basic !!!", None),
            ("Basic YW5u", None),
            ("Basic OnNlY3JldA==", None),
        ];
        for (text, expected) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, text.parse().expect("a header"));
            let expected = expected.map(|(name, word)| (name.to_owned(), word.to_owned()));
            assert_eq!(credentials(&headers), expected, "{text}");
        }
        assert_eq!(credentials(&HeaderMap::new()), None);
    }
}
