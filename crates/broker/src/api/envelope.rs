//! Envelope (KIP-590): a client's request that a broker passes on, carried out as if it had come from the client. Whatever goes wrong with
//! the envelope itself is the broker's to hear; what the request is answered with is the client's.

use bytes::Bytes;
use wire::ErrorCode;
use wire::messages::envelope::{EnvelopeRequest, EnvelopeResponse};

use crate::call::Call;
use crate::forwarding::{Here, opened, unless_moved};
use crate::rim::{CloseReason, Outcome};

pub(super) async fn handle(call: Call, request: EnvelopeRequest, here: Here) -> EnvelopeResponse {
    match carried_out(&call, &request, here).await {
        Ok(frame) => EnvelopeResponse { response_data: Some(frame), error_code: ErrorCode::None.code() },
        Err(error) => EnvelopeResponse { response_data: None, error_code: error.code() },
    }
}

async fn carried_out(call: &Call, request: &EnvelopeRequest, here: Here) -> Result<Bytes, ErrorCode> {
    let (inner, body) = opened(call, request)?;
    match unless_moved(inner, body, here).await {
        None => Err(ErrorCode::NotController),
        // Without the length in front: it stands in the envelope.
        Some(Outcome::Answer(rope) | Outcome::Entered(rope)) => Ok(Bytes::from(rope.concat()).slice(4..)),
        Some(Outcome::Close(CloseReason::Malformed(_))) => Err(ErrorCode::InvalidRequest),
        Some(Outcome::Close(CloseReason::Unsupported { .. })) => Err(ErrorCode::UnsupportedVersion),
        Some(Outcome::Close(_) | Outcome::Farewell(..) | Outcome::NoAnswer | Outcome::Muted(_)) => {
            Err(ErrorCode::UnknownServerError)
        }
    }
}
