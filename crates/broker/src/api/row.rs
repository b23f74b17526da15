//! One row of the table of APIs: which versions are served, who may ask, and the ways in which a handler is asked. Owns the order of things for
//! every request: reading, the right to ask, the handler, and what becomes of one that panics. Never which APIs there are.

use std::future::Future;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use kraft::controller::{ControllerCommand, Refusal};
use wire::codec::{DecodeError, Decoder, Message};
use wire::{ApiKey, Str};

use crate::call::{Call, IntoAnswer};
use crate::quorum::errands::answer_frame;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::authorizer::{Operation, Resource};
use crate::security::denied::Denied;

/// Why a body was not read.
pub(super) enum Unread {
    Malformed(DecodeError),
    /// A text that is no UTF-8 cannot be lent from where it lies: the same body with U+FFFD in its place, as Java reads it.
    NotText(Bytes),
}

impl From<DecodeError> for Unread {
    fn from(error: DecodeError) -> Unread {
        Unread::Malformed(error)
    }
}

/// Who may ask: every row says it.
pub(super) enum Needs {
    /// Whoever may connect.
    Nothing,
    /// Whoever may do this to the cluster; looked at before the handler runs.
    Cluster(Operation),
    /// Whoever the active controller lets, which is asked in the name of the client (KIP-590).
    Forwarded,
    /// Whoever may do something to what the request names; the handler asks [`Call::authorize`] for each, here in short.
    Each(#[allow(dead_code)] &'static str),
}

/// The answer to whoever may not ask.
pub(super) type Deny = dyn Fn(&Call, Bytes, Refusal) -> Result<Handling, Unread> + Send + Sync;

pub(super) type Run = dyn Fn(Call, Bytes) -> Result<Handling, Unread> + Send + Sync;

/// One row of the table.
pub(super) struct Api {
    pub key: ApiKey,
    /// What is served.
    pub versions: RangeInclusive<i16>,
    /// What ApiVersions tells, if it is not the same.
    pub advertised: RangeInclusive<i16>,
    /// The handler may ask what the client calls itself.
    pub asks_client_id: bool,
    pub needs: Needs,
    /// Of a row that needs something of the cluster.
    pub deny: Option<Box<Deny>>,
    pub run: Box<Run>,
}

pub(super) fn row(
    key: ApiKey,
    needs: Needs,
    run: impl Fn(Call, Bytes) -> Result<Handling, Unread> + Send + Sync + 'static,
) -> Api {
    let (versions, advertised) = (key.versions(), key.advertised_versions());
    Api { key, versions, advertised, asks_client_id: false, needs, deny: None, run: Box::new(run) }
}

/// A handler that needs to wait for nobody.
pub(super) fn direct<Q: Message + 'static, A: IntoAnswer + 'static>(
    key: ApiKey,
    needs: Needs,
    handler: fn(&Call, Q) -> A,
) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        let answer = handler(&call, request);
        Ok(Handling::ready(answer.outcome(call.api_key, call.api_version, call.correlation_id)))
    };
    row(key, needs, run)
}

/// A handler that may wait for a shard, the quorum or bytes.
pub(super) fn waiting<Q, A, F>(key: ApiKey, needs: Needs, handler: fn(Call, Q) -> F) -> Api
where
    Q: Message + Send + 'static,
    A: IntoAnswer + 'static,
    F: Future<Output = A> + Send + 'static,
{
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        let (api_key, api_version, correlation_id) = (call.api_key, call.api_version, call.correlation_id);
        let answer = handler(call, request);
        Ok(Handling::running(async move { answer.await.outcome(api_key, api_version, correlation_id) }))
    };
    Api { asks_client_id: true, ..row(key, needs, run) }
}

/// A handler that mostly has its answer at once, and else says what it waits for.
pub(super) fn prompt<Q: Message + 'static>(
    key: ApiKey,
    needs: Needs,
    handler: fn(Call, Q) -> Handling,
) -> Api {
    let run = move |call: Call, body: Bytes| {
        let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
        Ok(handler(call, request))
    };
    row(key, needs, run)
}

/// A handler that reads its request where it lies.
pub(super) fn in_place<Q: Message + 'static>(
    key: ApiKey,
    needs: Needs,
    handler: fn(Call, &Bytes) -> Result<Handling, DecodeError>,
) -> Api {
    let run = move |call: Call, body: Bytes| {
        let version = call.api_version;
        handler(call, &body).map_err(|error| match error {
            DecodeError::InvalidUtf8 => as_text::<Q>(body, version),
            error => Unread::Malformed(error),
        })
    };
    row(key, needs, run)
}

#[cold]
fn as_text<Q: Message>(body: Bytes, version: i16) -> Unread {
    match Q::decode(&mut Decoder::of(body), version) {
        Ok(request) => Unread::NotText(request.to_bytes(version)),
        Err(error) => Unread::Malformed(error),
    }
}

impl Api {
    /// Whoever may not ask hears this answer's error.
    pub(super) fn denied<A: Denied>(self) -> Api {
        let deny = |call: &Call, _: Bytes, why: Refusal| {
            let answer = A::denied(&why);
            Ok(Handling::ready(answer.outcome(call.api_key, call.api_version, call.correlation_id)))
        };
        Api { deny: Some(Box::new(deny)), ..self }
    }

    /// Whoever may not ask hears what the command is refused with.
    pub(super) fn refused<Q: Message + 'static>(self, command: fn(Q, i16) -> ControllerCommand) -> Api {
        let deny = move |call: &Call, body: Bytes, why: Refusal| {
            let request = Q::decode(&mut Decoder::of(body), call.api_version)?;
            let answer = command(request, call.api_version).refused(&why);
            let frame = answer_frame(&answer, call.api_version, call.correlation_id);
            Ok(Handling::ready(Outcome::Answer(frame)))
        };
        Api { deny: Some(Box::new(deny)), ..self }
    }

    /// Runs the handler, if the client may ask.
    fn run(&self, call: Call, body: Bytes) -> Result<Handling, Unread> {
        if let Needs::Cluster(operation) = self.needs
            && let Err(error) = call.authorize(operation, Resource::Cluster)
        {
            let Some(deny) = &self.deny else { return Ok(close(CloseReason::Panicked)) };
            let why = format!("Request {:?} needs {} permission.", self.key, operation.constant());
            return deny(&call, body, Refusal::new(error, why));
        }
        (self.run)(call, body)
    }

    /// Handlers hold no state: a panic costs its connection, not the node.
    pub(super) fn handle(
        &self,
        call: impl Fn(Option<Str>) -> Call,
        client_id: Option<Str>,
        body: Bytes,
    ) -> Handling {
        let run = |call, body| catch_unwind(AssertUnwindSafe(|| self.run(call, body)));
        let outcome = match run(call(client_id), body) {
            // Who reads in place does not ask what the client calls itself.
            Ok(Err(Unread::NotText(body))) => run(call(None), body),
            outcome => outcome,
        };
        match outcome {
            Ok(Ok(handling)) => handling,
            Ok(Err(Unread::Malformed(error))) => close(CloseReason::Malformed(error.to_string())),
            Ok(Err(Unread::NotText(_))) => {
                close(CloseReason::Malformed(DecodeError::InvalidUtf8.to_string()))
            }
            Err(_) => close(CloseReason::Panicked),
        }
    }
}

pub(super) fn close(reason: CloseReason) -> Handling {
    Handling::ready(Outcome::Close(reason))
}
