//! TLS of this node: the keys and the trust of each listener, and what it shows where it is a client of others. Owns reading them at the start,
//! where whatever cannot be in force refuses it, and again when a file or a dynamic value changes: a connection keeps what it began with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use broker::config::{BrokerLayers, Values, broker_key};
use net::tls::{ClientAuth, ClientTls, KeyFiles, ServerTls, TlsOptions, TrustSource};
use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::settings::Settings;
use crate::start_error::StartError;

const TRY: &str = "listener.name.LISTENER.ssl.keystore.location and ssl.keystore.password, or ssl.keystore.type=PEM and a file with key and certificates";

/// How often files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How often the time that certificates have left is looked at.
const LOOK_AT_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A certificate with less time than this is warned of.
const DAYS_WARNED_OF: i64 = 30;

const STRICT: &str = "security.strict";

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// TLS of all listeners.
#[derive(Default)]
pub struct Tls {
    served: BTreeMap<String, Arc<ServerTls>>,
    outward: BTreeMap<String, Arc<ClientTls>>,
    /// Until somebody watches them.
    entries: Mutex<Vec<Entry>>,
    watched: Arc<Watched>,
}

/// The certificates that listeners show, for whoever watches when they end.
pub struct Certificates(BTreeMap<String, Arc<ServerTls>>);

impl Certificates {
    /// Listener and end, in seconds since the Unix epoch.
    pub fn ends(&self) -> Vec<(String, i64)> {
        self.0.iter().map(|(listener, tls)| (listener.clone(), tls.certificate().not_after)).collect()
    }
}

/// What the broker's values say, and who waits for that. Locked for moments only: the node tells it.
#[derive(Default)]
struct Watched {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    /// `ssl.*` by listener, as the values have them.
    texts: BTreeMap<String, Values>,
    stopping: bool,
}

/// One reading of keys and trust.
struct Entry {
    listener: String,
    role: Role,
    /// `ssl.*` as they were read last.
    texts: Values,
    files: KeyFiles,
}

#[derive(Clone)]
enum Role {
    Served { tls: Arc<ServerTls>, sasl: bool },
    Outward(Arc<ClientTls>),
}

impl Tls {
    /// Reads what listeners need, and what this node needs where it asks others on one of `outward`.
    pub fn read(settings: &Settings, outward: &[&str]) -> Result<Tls, StartError> {
        let none = Values::new();
        let layers = BrokerLayers { per_broker: &none, cluster_wide: &none, file: settings.file.values() };
        let mut tls = Tls::default();
        let mut entries = Vec::new();
        for endpoint in settings.listeners.iter().filter(|endpoint| endpoint.protocol.ends_with("SSL")) {
            let name = &endpoint.name;
            let failed = |why| StartError::new(format!("cannot serve TLS on listener {name}"), why, TRY);
            let (texts, sasl) = (texts(&layers, name), endpoint.protocol.starts_with("SASL_"));
            let options = served_options(&texts, sasl).map_err(failed)?;
            let served = Arc::new(ServerTls::open(&options).map_err(failed)?);
            tls.served.insert(name.clone(), served.clone());
            entries.push(Entry::new(name, Role::Served { tls: served, sasl }, texts, &options));
        }
        for name in outward.iter().filter(|name| settings.protocol_of(name).ends_with("SSL")) {
            let failed = |why| {
                StartError::new(format!("cannot reach other nodes by TLS on listener {name}"), why, TRY)
            };
            let texts = texts(&layers, name);
            let options = outward_options(&texts).map_err(failed)?;
            let client = Arc::new(ClientTls::open(&options).map_err(failed)?);
            tls.outward.insert((*name).to_owned(), client.clone());
            entries.push(Entry::new(name, Role::Outward(client), texts, &options));
        }
        let texts = entries.iter().map(|entry| (entry.listener.clone(), entry.texts.clone()));
        tls.watched.state.lock().texts = texts.collect();
        tls.entries = Mutex::new(entries);
        Ok(tls)
    }

    /// That of a listener, if it has one.
    pub fn of(&self, listener: &str) -> Option<Arc<ServerTls>> {
        self.served.get(listener).cloned()
    }

    /// What the listeners show, at any time.
    pub fn certificates(&self) -> Certificates {
        Certificates(self.served.clone())
    }

    /// That of links to other nodes, by the listener where they go.
    pub fn outward(&self) -> BTreeMap<String, Arc<ClientTls>> {
        self.outward.clone()
    }

    /// Takes note of the broker's values; whoever watches reads again what they say otherwise.
    pub fn values(&self) -> impl Fn(&BrokerLayers<'_>) + Send + Sync + 'static {
        let watched = self.watched.clone();
        move |layers| {
            let mut state = watched.state.lock();
            state.texts.iter_mut().for_each(|(listener, known)| *known = texts(layers, listener));
            watched.rung.notify_all();
        }
    }

    /// Watches on a thread of its own, where there is anything to watch.
    pub fn watch(&self) -> std::io::Result<Option<TlsWatch>> {
        let entries = std::mem::take(&mut *self.entries.lock());
        if entries.is_empty() {
            return Ok(None);
        }
        let watched = self.watched.clone();
        let run = move || watch(&watched, entries);
        let thread = std::thread::Builder::new().name("keys".to_owned()).spawn(run)?;
        Ok(Some(TlsWatch { watched: self.watched.clone(), thread: Some(thread) }))
    }
}

/// The thread that watches; ends when dropped.
pub struct TlsWatch {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for TlsWatch {
    fn drop(&mut self) {
        self.watched.state.lock().stopping = true;
        self.watched.rung.notify_all();
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn watch(watched: &Watched, mut entries: Vec<Entry>) {
    let mut told: Option<Instant> = None;
    let mut state = watched.state.lock();
    while !state.stopping {
        let texts = state.texts.clone();
        MutexGuard::unlocked(&mut state, || {
            for entry in &mut entries {
                entry.look(texts.get(&entry.listener));
            }
            if told.is_none_or(|told| told.elapsed() >= LOOK_AT_TIME) {
                entries.iter().for_each(Entry::tell_time);
                told = Some(Instant::now());
            }
        });
        if !state.stopping && state.texts == texts {
            watched.rung.wait_for(&mut state, LOOK);
        }
    }
}

impl Entry {
    fn new(listener: &str, role: Role, texts: Values, options: &TlsOptions) -> Entry {
        let files = KeyFiles::of(options);
        Entry { listener: listener.to_owned(), role, texts, files }
    }

    /// Reads again, if a file or what the values say has changed.
    fn look(&mut self, wanted: Option<&Values>) {
        let wanted = wanted.unwrap_or(&self.texts);
        if !self.files.have_changed() && *wanted == self.texts {
            return;
        }
        // What fails is tried again with the next change.
        let texts = wanted.clone();
        self.texts = texts.clone();
        let listener = &self.listener;
        match self.role.reload(&texts) {
            Ok(options) => {
                *self = Entry::new(listener, self.role.clone(), texts, &options);
                match &self.role {
                    Role::Served { tls, .. } => {
                        let certificate = tls.certificate();
                        tracing::info!("listener {}: new keys: {}", self.listener, certificate.subject);
                        self.tell_time();
                    }
                    Role::Outward(_) => tracing::info!("links to listener {}: new keys", self.listener),
                }
            }
            Err(why) => {
                tracing::error!(
                    "listener {listener}: changed keys are not in force, those before are: {why}"
                );
            }
        }
    }

    fn tell_time(&self) {
        let Role::Served { tls, .. } = &self.role else { return };
        let certificate = tls.certificate();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let left = certificate.not_after - i64::try_from(now).unwrap_or(i64::MAX);
        let (listener, subject) = (&self.listener, &certificate.subject);
        if left <= 0 {
            tracing::error!(
                "listener {listener}: its certificate ({subject}) has expired: no client takes it any more"
            );
        } else if left < DAYS_WARNED_OF * DAY_SECONDS {
            tracing::warn!(
                "listener {listener}: its certificate ({subject}) expires in {} days",
                left / DAY_SECONDS
            );
        }
    }
}

impl Role {
    fn reload(&self, texts: &Values) -> Result<TlsOptions, String> {
        match self {
            Role::Served { tls, sasl } => {
                let options = served_options(texts, *sasl)?;
                tls.reload(&options).map(|()| options)
            }
            Role::Outward(tls) => {
                let options = outward_options(texts)?;
                tls.reload(&options).map(|()| options)
            }
        }
    }
}

/// Every `ssl.*` of a listener: its own, else that of all, and of which it is said that it is its own; and how strict the file is.
fn texts(layers: &BrokerLayers<'_>, listener: &str) -> Values {
    let prefix = format!("listener.name.{}.", listener.to_lowercase());
    let mut texts = Values::new();
    for values in [layers.file, layers.cluster_wide, layers.per_broker] {
        for (name, value) in values.iter().filter(|(name, _)| name.starts_with("ssl.")) {
            texts.insert(name.clone(), value.clone());
        }
    }
    for values in [layers.file, layers.cluster_wide, layers.per_broker] {
        for (name, value) in values {
            if let Some(own) = name.strip_prefix(&prefix).filter(|own| own.starts_with("ssl.")) {
                texts.insert(own.to_owned(), value.clone());
                texts.insert(format!("own.{own}"), value.clone());
            }
        }
    }
    texts.extend(layers.file.get(STRICT).map(|value| (STRICT.to_owned(), value.clone())));
    texts
}

fn options(texts: &Values, hidden: &[&str]) -> Result<TlsOptions, String> {
    let text = |name: &str| {
        if hidden.contains(&name) {
            return None;
        }
        let default = || broker_key(name).and_then(|key| key.default).map(str::to_owned);
        texts.get(name).cloned().or_else(default)
    };
    let algorithm = text("ssl.endpoint.identification.algorithm").unwrap_or_default();
    TlsOptions::read(&text)?.identify_by(&algorithm)
}

fn served_options(texts: &Values, sasl: bool) -> Result<TlsOptions, String> {
    // Where SASL says who it is, certificates are asked for only if this very listener is told so (KIP-684).
    let own = texts.contains_key("own.ssl.client.auth");
    let options = options(texts, if sasl && !own { &["ssl.client.auth"] } else { &[] })?;
    // Changes are refused where they are asked for; this is for values that the metadata held before.
    if is_strict(texts) && !sasl && options.client_auth != ClientAuth::Required {
        return Err("ssl.client.auth must be required where security.strict=true".to_owned());
    }
    Ok(options)
}

fn is_strict(texts: &Values) -> bool {
    texts.get(STRICT).is_some_and(|value| value.trim().eq_ignore_ascii_case("true"))
}

/// Whoever asks others and is told of no trust asks what this machine trusts, as Java does.
fn outward_options(texts: &Values) -> Result<TlsOptions, String> {
    let mut options = options(texts, &[])?;
    options.trust.get_or_insert(TrustSource::System);
    if is_strict(texts) && !options.verifies_host {
        return Err(
            "ssl.endpoint.identification.algorithm must be https where security.strict=true".to_owned()
        );
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listeners_own_value_goes_before_that_of_all_in_any_layer() {
        let of = |pairs: &[(&str, &str)]| -> Values {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let file = of(&[
            ("ssl.keystore.location", "/all"),
            ("listener.name.secure.ssl.keystore.location", "/own"),
            ("ssl.client.auth", "required"),
            ("log.dirs", "/x"),
        ]);
        let cluster_wide = of(&[("ssl.keystore.type", "PEM")]);
        let per_broker = of(&[("listener.name.secure.ssl.keystore.type", "PKCS12")]);
        let layers = BrokerLayers { per_broker: &per_broker, cluster_wide: &cluster_wide, file: &file };
        let own = texts(&layers, "SECURE");
        assert_eq!(
            (own["ssl.keystore.location"].as_str(), own["ssl.keystore.type"].as_str()),
            ("/own", "PKCS12")
        );
        let other = texts(&layers, "OTHER");
        assert_eq!(
            (other["ssl.keystore.location"].as_str(), other["ssl.keystore.type"].as_str()),
            ("/all", "PEM")
        );
        assert!(!other.contains_key("log.dirs"));
        let asked = |sasl| served_options(&other, sasl).unwrap().client_auth;
        assert_eq!((asked(false), asked(true)), (net::tls::ClientAuth::Required, net::tls::ClientAuth::None));
    }
}
