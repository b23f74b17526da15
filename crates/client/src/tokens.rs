//! Where a client of OAUTHBEARER has its tokens from: a file, or an issuer that gives one for an id and a secret (the client-credentials grant
//! of RFC 6749). In Java's and librdkafka's spelling. Owns the secret and the token in use, and shows them to nobody; who believes a token is
//! the server's affair. KIP-255, KIP-342, KIP-768.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use net::http::{Question, Url, ask, form_value};
use net::tls::{ClientTls, TlsOptions, TrustSource};
use parking_lot::Mutex;
use tokio::time::Instant;
use wire::ErrorCode;
use wire::base64::STANDARD;
use wire::sasl::bearer::{are_extensions, is_token};
use wire::sasl::jaas::{self, BEARER_MODULE};

use crate::error::{Error, Result};

const URL: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT_ID: &str = "sasl.oauthbearer.client.credentials.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.credentials.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
const METHOD: &str = "sasl.oauthbearer.method";
const HANDLER: &str = "sasl.login.callback.handler.class";

/// A token whose issuer does not say for how long it is good.
const UNTOLD: Duration = Duration::from_secs(60);

/// No token is longer; the server's bound for a message is 512 KiB.
const TOKEN_BYTES_MAX: usize = 256 * 1024;

/// The properties of tokens as they were given.
#[derive(Clone, Default)]
pub(crate) struct TokenProperties {
    given: BTreeMap<&'static str, String>,
    /// One source for all connections, so that they share a token.
    opened: Arc<Mutex<Option<Arc<Tokens>>>>,
}

impl TokenProperties {
    /// Sets one property. False: it is none of these.
    pub(crate) fn set(&mut self, key: &str, value: &str) -> Result<bool> {
        let known = match key {
            URL => URL,
            CLIENT_ID | "sasl.oauthbearer.client.id" => CLIENT_ID,
            CLIENT_SECRET | "sasl.oauthbearer.client.secret" => CLIENT_SECRET,
            SCOPE => SCOPE,
            EXTENSIONS => EXTENSIONS,
            METHOD if value.eq_ignore_ascii_case("oidc") => METHOD,
            METHOD => {
                let why = "tokens come from a file or from an issuer here: oidc, and sasl.oauthbearer.token.endpoint.url";
                return Err(Error::configuration(key, why));
            }
            // Java's own get the token as it is got here.
            HANDLER if value.trim().starts_with("org.apache.kafka.") => HANDLER,
            _ => return Ok(false),
        };
        self.given.insert(known, value.trim().to_owned());
        self.opened = Arc::default();
        Ok(true)
    }

    /// Where tokens come from.
    pub(crate) fn open(&self, jaas_config: Option<&str>) -> Result<Arc<Tokens>> {
        let mut opened = self.opened.lock();
        if let Some(tokens) = &*opened {
            return Ok(tokens.clone());
        }
        let tokens = Arc::new(self.read(jaas_config)?);
        *opened = Some(tokens.clone());
        Ok(tokens)
    }

    fn read(&self, jaas_config: Option<&str>) -> Result<Tokens> {
        let options = jaas_config.map(options).transpose()?.unwrap_or_default();
        let text = |key: &str, option: &str| {
            let own = self.given.get(key).filter(|text| !text.is_empty());
            own.or_else(|| options.get(option).filter(|text| !text.is_empty())).cloned()
        };
        let wrong = |key: &str, why: String| Err(Error::configuration(key, why));
        let extensions = self.extensions(&options);
        if !are_extensions(&extensions) {
            return wrong(
                EXTENSIONS,
                "names of extensions are letters, their values are printable".to_owned(),
            );
        }
        let Some(url) = text(URL, "") else {
            let why =
                "OAUTHBEARER needs a token: file:///path of one, or the URL of an issuer that gives them"
                    .to_owned();
            return wrong(URL, why);
        };
        if let Some(path) = url.strip_prefix("file://") {
            return Ok(Tokens { origin: Origin::File(path.into()), extensions });
        }
        let url = Url::parse(&url).map_err(|why| Error::configuration(URL, why))?;
        let (Some(id), Some(secret)) = (text(CLIENT_ID, "clientId"), text(CLIENT_SECRET, "clientSecret"))
        else {
            return wrong(
                CLIENT_ID,
                "the issuer is to be told an id and a secret, and one is not given".to_owned(),
            );
        };
        let scope = text(SCOPE, "scope").map(|scope| format!("&scope={}", form_value(&scope)));
        let issuer = Issuer {
            tls: if url.is_tls() { Some(tls(&options)?) } else { None },
            url,
            form: format!("grant_type=client_credentials{}", scope.unwrap_or_default()),
            authorization: format!("Basic {}", STANDARD.encode(format!("{id}:{secret}").as_bytes())),
        };
        Ok(Tokens { origin: Origin::Issuer(Arc::new(issuer), tokio::sync::Mutex::new(None)), extensions })
    }

    /// Those of librdkafka's key, and those of the JAAS entry.
    fn extensions(&self, options: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let owned = |(key, value): (&str, &str)| (key.to_owned(), value.to_owned());
        let named =
            options.iter().filter_map(|(key, value)| Some((key.strip_prefix("extension_")?, value.as_str())));
        let listed = self.given.get(EXTENSIONS).map_or("", String::as_str).split(',');
        let listed =
            listed.filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        named.chain(listed).map(owned).collect()
    }
}

fn options(text: &str) -> Result<BTreeMap<String, String>> {
    const KEY: &str = "sasl.jaas.config";
    let entries = jaas::parse_config(text).map_err(|why| Error::configuration(KEY, why))?;
    let entry = entries.into_iter().find(|entry| entry.module == BEARER_MODULE);
    let needs = || Error::configuration(KEY, format!("OAUTHBEARER needs the login module {BEARER_MODULE}"));
    entry.map(|entry| entry.options).ok_or_else(needs)
}

/// Whom an issuer is believed by: what the JAAS entry says, else what this machine trusts.
fn tls(options: &BTreeMap<String, String>) -> Result<ClientTls> {
    let read = || {
        let given = |key: &str| options.get(key).cloned();
        let mut terms = TlsOptions::read(&given)?.identify_by("https")?;
        terms.trust.get_or_insert(TrustSource::System);
        ClientTls::open(&terms)
    };
    read().map_err(|why| Error::configuration(URL, why))
}

/// Where tokens come from.
pub(crate) struct Tokens {
    origin: Origin,
    /// What goes with each.
    pub(crate) extensions: BTreeMap<String, String>,
}

enum Origin {
    File(PathBuf),
    /// With the token in use, and until when it is; whoever needs one waits for whoever fetches it.
    Issuer(Arc<Issuer>, tokio::sync::Mutex<Option<(String, Instant)>>),
}

struct Issuer {
    url: Url,
    tls: Option<ClientTls>,
    form: String,
    authorization: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens [hidden]")
    }
}

impl Tokens {
    /// A token that is good now.
    pub(crate) async fn token(&self, timeout: Duration) -> Result<String> {
        let wrong = |why: String| Error::configuration(URL, why);
        match &self.origin {
            Origin::File(path) => {
                let failed =
                    |error| wrong(format!("the token in {} cannot be read: {error}", path.display()));
                let text = std::fs::read_to_string(path).map_err(failed)?;
                checked(text.trim()).map_err(|why| wrong(format!("{}: {why}", path.display())))
            }
            Origin::Issuer(issuer, held) => {
                let mut held = held.lock().await;
                if let Some((token, until)) = &*held
                    && Instant::now() < *until
                {
                    return Ok(token.clone());
                }
                let issuer = issuer.clone();
                let asked = tokio::task::spawn_blocking(move || issuer.ask(timeout)).await;
                let refused = |why: String| Error::Refused {
                    code: ErrorCode::SaslAuthenticationFailed,
                    doing: "get a token of the issuer".to_owned(),
                    message: Some(why),
                };
                let (token, good_for) =
                    asked.map_err(|error| refused(error.to_string()))?.map_err(refused)?;
                // Not to its very end: the way takes time.
                *held = Some((token.clone(), Instant::now() + good_for.mul_f64(0.8)));
                Ok(token)
            }
        }
    }
}

impl Issuer {
    /// A token, and how long it is good.
    fn ask(&self, timeout: Duration) -> std::result::Result<(String, Duration), String> {
        let question = Question { form: Some(&self.form), authorization: Some(&self.authorization), timeout };
        let body = ask(&self.url, self.tls.as_ref(), &question)?;
        let answer: serde_json::Value =
            serde_json::from_slice(&body).map_err(|_| format!("{:?} does not answer with JSON", self.url))?;
        let token = answer.get("access_token").and_then(serde_json::Value::as_str);
        let token = checked(token.ok_or_else(|| format!("{:?} answers without an access_token", self.url))?)?;
        let seconds = answer.get("expires_in").and_then(serde_json::Value::as_u64);
        Ok((token, seconds.map_or(UNTOLD, |seconds| Duration::from_secs(seconds.min(1 << 31)))))
    }
}

fn checked(token: &str) -> std::result::Result<String, String> {
    if is_token(token) && token.len() <= TOKEN_BYTES_MAX {
        return Ok(token.to_owned());
    }
    Err("what is there is no token, or too long for one".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    fn properties(pairs: &[(&str, &str)]) -> TokenProperties {
        let mut properties = TokenProperties::default();
        for (key, value) in pairs {
            assert_eq!(properties.set(key, value), Ok(true), "{key}");
        }
        properties
    }

    fn block_on<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    #[test]
    fn an_issuer_is_asked_once_for_as_long_as_its_token_is_good() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/token", listener.local_addr().unwrap());
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut heard = String::new();
            let mut block = [0; 1024];
            while !heard.ends_with("scope=a+b") {
                let count = socket.read(&mut block).unwrap();
                heard.push_str(std::str::from_utf8(&block[..count]).unwrap());
            }
            let body = "{\"access_token\":\"a.b.c\",\"expires_in\":3600}";
            write!(socket, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
            heard
        });
        let jaas =
            format!("{BEARER_MODULE} required clientId=me clientSecret=\"my-secret\" extension_traceId=7;");
        let given = properties(&[(URL, &url), (SCOPE, "a b"), (METHOD, "oidc"), (EXTENSIONS, "x=y")]);
        let tokens = given.open(Some(&jaas)).unwrap();
        assert_eq!(tokens.extensions.len(), 2);
        block_on(async {
            for _ in 0..2 {
                assert_eq!(tokens.token(Duration::from_secs(20)).await, Ok("a.b.c".to_owned()));
            }
        });
        let heard = server.join().unwrap();
        assert!(
            heard.contains("POST /token HTTP/1.1\r\n") && heard.contains("Basic bWU6bXktc2VjcmV0\r\n"),
            "{heard}"
        );
        assert!(heard.contains("grant_type=client_credentials&scope=a+b"), "{heard}");
        assert!(Arc::ptr_eq(&tokens, &given.clone().open(Some(&jaas)).unwrap()));
    }

    #[test]
    fn what_is_missing_or_wrong_is_said_without_the_secret() {
        let id = ("sasl.oauthbearer.client.id", "me");
        let secret = ("sasl.oauthbearer.client.secret", "my-secret");
        type Given<'a> = (&'a [(&'a str, &'a str)], Option<&'a str>);
        let cases: [Given<'_>; 6] = [
            (&[], None),
            (&[(URL, "ftp://x"), id, secret], None),
            (&[(URL, "http://x"), id], None),
            (&[(URL, "http://x"), secret], None),
            (&[(URL, "file:///x"), (EXTENSIONS, "auth=x")], None),
            (&[(URL, "file:///x")], Some("a.B required password=\"my-secret\";")),
        ];
        for (pairs, jaas) in cases {
            let why = properties(pairs).open(jaas).unwrap_err().to_string();
            assert!(!why.contains("my-secret"), "{why}");
        }
        let gone = properties(&[(URL, "file:///nonexistent/x")]).open(None).unwrap();
        assert!(block_on(gone.token(Duration::from_secs(1))).is_err());
        assert!(TokenProperties::default().set(METHOD, "default").is_err());
        assert_eq!(TokenProperties::default().set(HANDLER, "my.Handler"), Ok(false));
        assert!(checked("a b").is_err() && checked("").is_err() && checked("a.b-_").is_ok());
    }
}
