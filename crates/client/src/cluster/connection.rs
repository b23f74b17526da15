//! One connection to one broker with the versions that both sides speak. Sends typed requests; knows nothing of
//! retries. Negotiates by ApiVersions (KIP-511 sends name and version, KIP-584's features are left alone) and falls
//! back to version 0 as brokers that are older than the first try ask for.

use super::call::Call;
use crate::error::{Error, Result};
use crate::options::ClientOptions;
use bytes::Bytes;
use net::{Peer, PeerOptions, PeerRequest};
use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use wire::codec::{Decoder, Encoder, Message};
use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::{ApiKey, ErrorCode, Str};

/// A live connection; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    peer: Peer,
    address: Arc<str>,
    /// API key → the broker's range.
    versions: Arc<BTreeMap<i16, (i16, i16)>>,
    /// The finalized level of `transaction.version` (KIP-890), as the broker told when it was connected.
    transaction_version: i16,
    /// From then on nothing new is sent: its session is about to end.
    fresh_until: Option<Instant>,
}

impl Connection {
    /// Connects and asks for the broker's versions. Cancel-safe: dropping it drops the socket.
    pub(crate) async fn open(address: &str, options: &ClientOptions) -> Result<Connection> {
        let peer_options = PeerOptions {
            client_id: Some(options.client_id.clone()),
            connect_timeout: options.connect_timeout,
            tls: options.security.tls()?,
            ..PeerOptions::default()
        };
        let network = |cause| Error::Network { address: address.to_owned(), cause };
        let peer = Peer::connect(address, peer_options).await.map_err(network)?;
        let mut connection = Connection {
            peer,
            address: Arc::from(address),
            versions: Arc::default(),
            transaction_version: 0,
            fresh_until: None,
        };
        let told = connection.ask_versions(options.request_timeout).await?;
        let ranges = told.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version)));
        connection.versions = Arc::new(ranges.collect());
        let transactions =
            told.finalized_features.iter().find(|feature| feature.name == "transaction.version");
        connection.transaction_version = transactions.map_or(0, |feature| feature.max_version_level);
        Ok(connection)
    }

    /// Its session ends after so long: nothing new is sent in the last quarter of it, and what is under way ends in time.
    pub(super) fn ends_after(&mut self, lifetime: Duration) {
        self.fresh_until = Some(Instant::now() + lifetime / 4 * 3);
    }

    /// HOST:PORT of the other end.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// False once the socket has failed, or the session is about to end.
    pub(crate) fn is_alive(&self) -> bool {
        self.peer.is_alive() && self.fresh_until.is_none_or(|until| Instant::now() < until)
    }

    /// The version in which a request of this kind would go, at most `cap`.
    pub(crate) fn version(&self, api: ApiKey, cap: i16) -> Result<i16> {
        let unsupported = |why: String| Error::Unsupported { api, address: self.address.to_string(), why };
        let ours = api.versions();
        let (low, high) = (*ours.start(), (*ours.end()).min(cap));
        let Some(&(their_low, their_high)) = self.versions.get(&api.key()) else {
            return Err(unsupported("the broker does not offer this API".to_owned()));
        };
        let chosen = high.min(their_high);
        if chosen < low.max(their_low) {
            let why = format!("the broker speaks versions {their_low} to {their_high}, we {low} to {high}");
            return Err(unsupported(why));
        }
        Ok(chosen)
    }

    /// All API ranges that the broker offers.
    pub(crate) fn versions(&self) -> &BTreeMap<i16, (i16, i16)> {
        &self.versions
    }

    /// How the cluster does transactions: 2 for those that add their partitions by themselves and end with a new epoch.
    pub(crate) fn transaction_version(&self) -> i16 {
        self.transaction_version
    }

    /// Queues a request at once: the order of calls is the order on the wire.
    pub(crate) fn send<R: Call>(&self, request: &R, version: i16, timeout: Duration) -> Pending<R::Answer> {
        let answer = self.peer.send(self.frame(request, version, timeout));
        Pending { answer, version, address: self.address.clone(), kind: PhantomData }
    }

    /// Queues a request that has no answer (Produce with acks=0).
    pub(crate) fn send_one_way<R: Call>(&self, request: &R, version: i16, timeout: Duration) -> Result<()> {
        let sent = self.peer.send_one_way(&self.frame(request, version, timeout));
        sent.map_err(|cause| Error::Network { address: self.address.to_string(), cause })
    }

    /// Sends in the newest common version and waits. Dropping it does not recall the request.
    pub(crate) async fn call<R: Call>(&self, request: &R, timeout: Duration) -> Result<R::Answer> {
        let version = self.version(R::API, i16::MAX)?;
        self.send(request, version, timeout).await
    }

    fn frame<R: Call>(&self, request: &R, version: i16, timeout: Duration) -> PeerRequest {
        let mut encoder = Encoder::new();
        request.encode(&mut encoder, version);
        PeerRequest {
            api_key: R::API.key(),
            api_version: version,
            request_header_version: R::API.request_header_version(version),
            response_header_version: R::API.response_header_version(version),
            body: encoder.finish(),
            timeout,
        }
    }

    async fn ask_versions(&self, timeout: Duration) -> Result<ApiVersionsResponse> {
        let request = ApiVersionsRequest {
            client_software_name: Str::from("ottla"),
            client_software_version: Str::from(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        };
        let mut version = *ApiKey::ApiVersions.versions().end();
        loop {
            let frame = self.frame(&request, version, timeout);
            let network = |cause| Error::Network { address: self.address.to_string(), cause };
            let body = self.peer.send(frame).await.map_err(network)?;
            // The error code leads the body in every version; a broker that does not know ours answers in version 0.
            let code = body
                .first_chunk::<2>()
                .map_or(ErrorCode::None, |code| ErrorCode::from_code(i16::from_be_bytes(*code)));
            let told_in = if code == ErrorCode::UnsupportedVersion { 0 } else { version };
            let answer: ApiVersionsResponse = decode(body, told_in, &self.address)?;
            match code {
                ErrorCode::None => return Ok(answer),
                ErrorCode::UnsupportedVersion if version > 0 => {
                    let own = answer.api_keys.iter().find(|api| api.api_key == ApiKey::ApiVersions.key());
                    let offered = own.map_or(0, |api| api.max_version);
                    version = offered.clamp(0, version - 1);
                }
                refused => {
                    return Err(Error::refused(refused, format!("ask {} for its versions", self.address)));
                }
            }
        }
    }
}

/// An answer to come. Dropping it does not recall the request.
pub(crate) struct Pending<A> {
    answer: net::peer::AwaitedAnswer,
    version: i16,
    address: Arc<str>,
    kind: PhantomData<fn() -> A>,
}

impl<A: Message> Future for Pending<A> {
    type Output = Result<A>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<A>> {
        let answer = std::task::ready!(Pin::new(&mut self.answer).poll(cx));
        let network = |cause| Error::Network { address: self.address.to_string(), cause };
        Poll::Ready(answer.map_err(network).and_then(|body| decode(body, self.version, &self.address)))
    }
}

fn decode<A: Message>(body: Bytes, version: i16, address: &str) -> Result<A> {
    let mut decoder = Decoder::of(body);
    A::decode(&mut decoder, version)
        .map_err(|error| Error::Malformed { what: format!("an answer of {address}"), why: error.to_string() })
}
