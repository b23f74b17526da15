//! Requests that only the active controller answers, from a broker's listener (KIP-590): carried out here if it is here, otherwise brought
//! to it in an envelope, and the other way round. Owns the envelope's content; never who the controller is, nor when it is asked again.

use core::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use wire::codec::{Encoder, Message, Rope};
use wire::frame::{HeaderView, RequestHeader, decode_response};
use wire::messages::envelope::EnvelopeRequest;
use wire::{ErrorCode, Str};

use crate::call::{Call, Verdict};
use crate::connection::Peer;
use crate::quorum::Forwarded;
use crate::rim::{CloseReason, Handling, Outcome};
use crate::security::principal::Principal;

/// Handles a request as the controller in this node does.
pub(crate) type Here = fn(Call, Bytes) -> Handling;

/// The answer of the active controller to a request that came to this broker, wherever that controller is.
pub(crate) async fn forward(call: Call, body: Bytes, here: Here) -> Outcome {
    let patience_ms = call.node.controller_patience_ms();
    let deadline_ms = call.now_ms.saturating_add(patience_ms);
    let mut is_here = call.node.quorum_status().is_active;
    loop {
        if !is_here {
            match call.node.forward(envelope(&call, &body), deadline_ms).await {
                Ok(Forwarded::Here) => {}
                Ok(Forwarded::Answered(frame)) => {
                    return answered(&frame, call.correlation_id).unwrap_or_else(|| call.is_gone());
                }
                Ok(Forwarded::Refused(ErrorCode::UnsupportedVersion)) => return unsupported(&call),
                Ok(Forwarded::Refused(error)) => {
                    return here(Call { verdict: Verdict::Refused(error), ..call }, body).await;
                }
                Err(_) => return call.is_gone(),
            }
        }
        match unless_moved(call.clone(), body.clone(), here).await {
            Some(outcome) => return outcome,
            None => is_here = false,
        }
    }
}

/// The same for a request of the handler's own making; `None` if nothing came that can be read.
pub(crate) async fn ask<Q: Message, A: Message>(call: &Call, request: &Q, here: Here) -> Option<A> {
    let body = request.to_bytes(call.api_version);
    let Outcome::Answer(rope) = forward(call.clone(), body, here).await else { return None };
    let frame = Bytes::from(rope.concat()).slice(4..);
    decode_response(frame, call.api_key, call.api_version).ok().map(|(_, answer)| answer)
}

/// What the controller in this node answers; `None` if it is not the active one.
pub(crate) async fn unless_moved(call: Call, body: Bytes, here: Here) -> Option<Outcome> {
    let moved = Arc::new(AtomicBool::new(false));
    let verdict = Verdict::UnlessMoved(Arc::clone(&moved));
    let outcome = here(Call { verdict, ..call }, body).await;
    (!moved.load(Ordering::SeqCst)).then_some(outcome)
}

/// The controller knows no such version: Kafka's brokers hang up, so that the client asks anew what is spoken here.
fn unsupported(call: &Call) -> Outcome {
    let (api_key, api_version) = (call.api_key.key(), call.api_version);
    Outcome::Close(CloseReason::Unsupported { api_key, api_version })
}

/// The controller's frame as this broker's: it answers the client's own number.
fn answered(frame: &[u8], correlation_id: i32) -> Option<Outcome> {
    let length = i32::try_from(frame.len()).ok()?;
    let number = frame.first_chunk::<4>().map(|number| i32::from_be_bytes(*number));
    if number != Some(correlation_id) {
        tracing::warn!(
            "the controller's answer belongs to another request: the client's connection is closed"
        );
        return None;
    }
    let mut bytes = Vec::with_capacity(4 + frame.len());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(frame);
    Some(Outcome::Answer(Rope::of(bytes)))
}

fn envelope(call: &Call, body: &Bytes) -> EnvelopeRequest {
    let header = RequestHeader {
        api_key: call.api_key,
        api_version: call.api_version,
        correlation_id: call.correlation_id,
        client_id: call.client_id.clone(),
    };
    let mut to = Encoder::new();
    header.encode(&mut to);
    to.raw(body);
    let peer = call.connection.peer();
    EnvelopeRequest {
        request_data: to.into_bytes(),
        request_principal: Some(peer.principal.to_bytes()),
        client_host_address: address_bytes(&peer.host),
    }
}

/// The address without its port, four bytes or sixteen.
fn address_bytes(host: &str) -> Bytes {
    match host.trim_start_matches('/').parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Bytes::copy_from_slice(&address.octets()),
        Ok(IpAddr::V6(address)) => Bytes::copy_from_slice(&address.octets()),
        Err(_) => Bytes::from_static(&[0; 4]),
    }
}

/// As connections name the other side; `None` for what is no address.
fn host_of(address: &[u8]) -> Option<String> {
    let address = match address.len() {
        4 => IpAddr::from(*address.first_chunk::<4>()?),
        16 => IpAddr::from(*address.first_chunk::<16>()?),
        _ => return None,
    };
    Some(format!("/{address}"))
}

/// The call that an envelope holds, as if it came from the client itself, and its body.
pub(crate) fn opened(call: &Call, envelope: &EnvelopeRequest) -> Result<(Call, Bytes), ErrorCode> {
    let principal = envelope.request_principal.as_ref().map(Principal::from_bytes);
    let Some(Ok(principal)) = principal else { return Err(ErrorCode::PrincipalDeserializationFailure) };
    let host = host_of(&envelope.client_host_address).ok_or(ErrorCode::InvalidRequest)?;
    let frame = &envelope.request_data;
    let header = HeaderView::parse(frame).map_err(|_| ErrorCode::InvalidRequest)?;
    let HeaderView { api_key, api_version, correlation_id, client_id, length } = header;
    if !api_key.is_forwardable() {
        return Err(ErrorCode::InvalidRequest);
    }
    if !api_key.versions().contains(&api_version) {
        return Err(ErrorCode::UnsupportedVersion);
    }
    let listener = call.connection.peer().listener.clone();
    let client = Peer { listener, controller: true, host, port: 0, principal };
    let inner = Call {
        node: call.node.clone(),
        connection: call.node.connection(client),
        api_key,
        api_version,
        correlation_id,
        client_id: client_id.map(|id| Str::from(String::from_utf8_lossy(id).as_ref())),
        is_admin_client: false,
        now_ms: call.now_ms,
        // Where it came in it is held to that.
        metered: None,
        verdict: Verdict::Final,
    };
    Ok((inner, frame.slice(length..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_back_as_they_went() {
        for host in ["/127.0.0.1", "/10.1.2.3", "/::1", "/fe80::1"] {
            assert_eq!(host_of(&address_bytes(host)).as_deref(), Some(host));
        }
        assert_eq!(host_of(&[1, 2, 3]), None);
        assert_eq!(host_of(&[]), None);
    }

    #[test]
    fn an_answer_to_another_request_is_no_answer() {
        assert!(answered(&[0, 0, 0, 7, 1], 7).is_some());
        assert!(answered(&[0, 0, 0, 8, 1], 7).is_none());
        assert!(answered(&[0, 0], 7).is_none());
    }
}
