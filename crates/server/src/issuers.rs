//! The keys by which issuers sign tokens of OAUTHBEARER: fetched from a file or a server at the start, which none of them survives without,
//! and again whenever they may have changed. Owns the one thread that waits for them; who is let in by them is the broker's business. What
//! cannot be fetched changes nothing: the keys before stay in force, and the log says so.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use broker::security::sasl::{Jwks, Source, Verifier};
use net::http::{Question, Url, ask};
use net::tls::{ClientTls, TlsOptions, TrustSource};
use parking_lot::{Condvar, Mutex};

/// How often a file is looked at.
const LOOK: Duration = Duration::from_secs(5);

/// For a whole answer of an issuer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Strangers may name keys that nobody has: no issuer is asked more often than this for their sake.
const PAUSE: Duration = Duration::from_secs(10);

/// A refresh of 0, which Kafka takes, is not a question without end.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// A set of keys in a file is not longer than one that comes by HTTP.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// The issuers of all listeners.
#[derive(Default)]
pub struct Issuers {
    all: Mutex<Vec<Issuer>>,
    watched: Arc<Watched>,
}

#[derive(Default)]
struct Watched {
    state: Mutex<State>,
    rung: Condvar,
}

#[derive(Default)]
struct State {
    /// A token named a key that nobody knows.
    is_wanted: bool,
    stopping: bool,
}

/// One listener's.
struct Issuer {
    listener: String,
    verifier: Arc<Verifier>,
    origin: Origin,
    source: Source,
    keys: Jwks,
    /// It is asked again then.
    due: Instant,
    asked: Instant,
    failures: u32,
}

enum Origin {
    File(PathBuf),
    Server(Url, Option<ClientTls>),
}

impl Issuers {
    /// Fetches the keys of a listener's issuer, if it has one. The error is a sentence.
    pub fn add(&self, listener: &str, verifier: &Arc<Verifier>) -> Result<(), String> {
        for warning in verifier.warnings() {
            tracing::warn!("listener {listener}: {warning}");
        }
        let Some(source) = verifier.source().cloned() else { return Ok(()) };
        let origin = Origin::of(&source)?;
        let keys = origin
            .fetch()
            .map_err(|why| format!("the keys that sign tokens cannot be had from {source:?}: {why}"))?;
        tracing::info!("listener {listener}: {} keys of {source:?} sign tokens", keys.len());
        verifier.trust(keys.clone());
        let (asked, listener, verifier) = (Instant::now(), listener.to_owned(), verifier.clone());
        let watched = self.watched.clone();
        verifier.on_unknown_key(move || {
            watched.state.lock().is_wanted = true;
            watched.rung.notify_all();
        });
        let mut issuer = Issuer { listener, verifier, origin, source, keys, due: asked, asked, failures: 0 };
        issuer.due = asked + issuer.rest();
        self.all.lock().push(issuer);
        Ok(())
    }

    /// Watches on a thread of its own, where there is anything to watch.
    pub fn watch(&self) -> std::io::Result<Option<IssuersWatch>> {
        let issuers = std::mem::take(&mut *self.all.lock());
        if issuers.is_empty() {
            return Ok(None);
        }
        let watched = self.watched.clone();
        let run = move || watch(&watched, issuers);
        let thread = std::thread::Builder::new().name("issuers".to_owned()).spawn(run)?;
        Ok(Some(IssuersWatch { watched: self.watched.clone(), thread: Some(thread) }))
    }
}

/// The thread that watches; ends when dropped.
pub struct IssuersWatch {
    watched: Arc<Watched>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for IssuersWatch {
    fn drop(&mut self) {
        self.watched.state.lock().stopping = true;
        self.watched.rung.notify_all();
        // Not waited for: it may be asking somebody who does not answer, and owns nothing that a stop needs.
        drop(self.thread.take());
    }
}

fn watch(watched: &Watched, mut issuers: Vec<Issuer>) {
    loop {
        let now = Instant::now();
        issuers.iter_mut().filter(|issuer| issuer.due <= now).for_each(Issuer::look);
        let Some(due) = issuers.iter().map(|issuer| issuer.due).min() else { return };
        let mut state = watched.state.lock();
        if !state.stopping && !state.is_wanted {
            watched.rung.wait_until(&mut state, due);
        }
        if state.stopping {
            return;
        }
        if std::mem::take(&mut state.is_wanted) {
            issuers.iter_mut().for_each(|issuer| issuer.due = issuer.due.min(issuer.asked + PAUSE));
        }
    }
}

impl Issuer {
    fn look(&mut self) {
        self.asked = Instant::now();
        let (listener, source) = (&self.listener, &self.source);
        match self.origin.fetch() {
            Ok(keys) => {
                if keys != self.keys || self.failures > 0 {
                    tracing::info!("listener {listener}: {} keys of {source:?} sign tokens", keys.len());
                }
                self.keys = keys.clone();
                self.verifier.trust(keys);
                self.failures = 0;
            }
            Err(why) => {
                if self.failures == 0 {
                    tracing::error!(
                        "listener {listener}: the keys that sign tokens cannot be had from {source:?}, those before stay in force: {why}"
                    );
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.due = Instant::now() + self.rest();
    }

    /// Until it is asked again.
    fn rest(&self) -> Duration {
        let ms = Duration::from_millis;
        let usual = match self.origin {
            Origin::File(_) => LOOK,
            Origin::Server(..) => ms(self.source.refresh_ms).max(REFRESH_MIN),
        };
        match self.failures {
            0 => usual,
            failures => {
                let longest = ms(self.source.backoff_max_ms).max(REFRESH_MIN);
                ms(self.source.backoff_ms)
                    .max(ms(100))
                    .saturating_mul(1 << failures.min(16))
                    .min(longest)
                    .min(usual)
            }
        }
    }
}

impl Origin {
    fn of(source: &Source) -> Result<Origin, String> {
        if let Some(path) = source.url.strip_prefix("file://") {
            return Ok(Origin::File(PathBuf::from(path)));
        }
        let wrong = |why| format!("sasl.oauthbearer.jwks.endpoint.url={source:?}: {why}");
        let url = Url::parse(&source.url).map_err(wrong)?;
        let tls = if url.is_tls() { Some(tls(source).map_err(wrong)?) } else { None };
        Ok(Origin::Server(url, tls))
    }

    fn fetch(&self) -> Result<Jwks, String> {
        let bytes = match self {
            Origin::File(path) => {
                let about = std::fs::metadata(path).map_err(|error| error.to_string())?;
                if !about.is_file() || about.len() > FILE_BYTES_MAX {
                    return Err("it is no file, or longer than a set of keys is".to_owned());
                }
                std::fs::read(path).map_err(|error| error.to_string())?
            }
            Origin::Server(url, tls) => {
                let question = Question { form: None, authorization: None, timeout: TIMEOUT };
                ask(url, tls.as_ref(), &question)?
            }
        };
        Jwks::parse(&bytes)
    }
}

/// As Kafka: what the JAAS entry says, else what this machine trusts.
fn tls(source: &Source) -> Result<ClientTls, String> {
    let mut options = TlsOptions::read(&|name: &str| source.tls.get(name).cloned())?.identify_by("https")?;
    options.trust.get_or_insert(TrustSource::System);
    ClientTls::open(&options)
}
