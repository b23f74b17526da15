//! Logging in on a connection that is open: a handshake, then the messages of the mechanism (KIP-43, KIP-152).

use std::time::Duration;

use bytes::Bytes;
use wire::messages::sasl_authenticate::SaslAuthenticateRequest;
use wire::messages::sasl_handshake::SaslHandshakeRequest;
use wire::sasl::client::{Exchange, Step};
use wire::{ErrorCode, Str};

use super::connection::Connection;
use crate::error::{Error, Result};
use crate::options::random_seed;
use crate::security::Login;

/// Logs in. How long the session lasts, if that is limited (KIP-368).
pub(super) async fn log_in(
    connection: &Connection,
    login: &Login,
    timeout: Duration,
) -> Result<Option<Duration>> {
    let name = login.mechanism().name();
    let doing = || format!("log in to {} as {} by {name}", connection.address(), login.username());
    // Before a word is said: the server waits for nobody who has to ask for a token first.
    let mut exchange = match login {
        Login::Password { mechanism, username, password, by_token } => {
            let nonce = format!("{:016x}{:016x}", random_seed(), random_seed());
            Exchange::new(*mechanism, username, password, nonce).by_token(*by_token)
        }
        Login::Bearer(tokens) => {
            let token = tokens.token(timeout).await?;
            Exchange::bearer(&token, tokens.extensions.clone())
        }
    };
    let shaken =
        connection.call(&SaslHandshakeRequest { mechanism: Str::from_static(name) }, timeout).await?;
    if shaken.error_code != ErrorCode::None.code() {
        let offered: Vec<&str> = shaken.mechanisms.iter().map(|name| &**name).collect();
        let message = Some(format!("it takes {}", offered.join(", ")));
        return Err(Error::Refused {
            code: ErrorCode::from_code(shaken.error_code),
            doing: doing(),
            message,
        });
    }
    let mut message = exchange.begin();
    loop {
        let request = SaslAuthenticateRequest { auth_bytes: Bytes::from(message) };
        let answer = connection.call(&request, timeout).await?;
        Error::check(answer.error_code, answer.error_message.as_deref(), doing)?;
        match exchange.step(&answer.auth_bytes) {
            Step::Send(next) => message = next,
            Step::Done => {
                let lifetime_ms = u64::try_from(answer.session_lifetime_ms).unwrap_or(0);
                return Ok((lifetime_ms > 0).then(|| Duration::from_millis(lifetime_ms)));
            }
            Step::Refused(why) => {
                let code = ErrorCode::SaslAuthenticationFailed;
                return Err(Error::Refused { code, doing: doing(), message: Some(why) });
            }
        }
    }
}
