//! ApiVersions (KIP-35, KIP-511, KIP-584, KIP-1242): what this node speaks. The first request of every connection; readable
//! in any version, even one of the future.

use bytes::Bytes;
use parking_lot::Mutex;
use wire::api_versions::ApiVersionsView;
use wire::codec::{DecodeError, Rope};
use wire::messages::api_versions::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::{ApiKey, ErrorCode, Str};

use super::{Call, IntoAnswer};
use crate::rim::{Handling, Outcome};

/// Answers without an error: the same bytes for everybody who asks in the same version on the same kind of listener, as long as
/// the image stands.
#[derive(Default)]
pub(crate) struct Greetings(Mutex<Vec<Greeting>>);

struct Greeting {
    version: i16,
    controller: bool,
    image_offset: i64,
    /// With the length before it; the correlation id is whoever's came first.
    frame: Vec<u8>,
}

/// Where the correlation id stands: the header of these answers is always the plain one.
const CORRELATION_ID: std::ops::Range<usize> = 4..8;

impl Greetings {
    fn get(&self, call: &Call) -> Option<Outcome> {
        let (controller, offset) =
            (call.connection.peer().controller, call.node.image().provenance.last_offset);
        let greetings = self.0.lock();
        let fits = |it: &&Greeting| it.version == call.api_version && it.controller == controller;
        let greeting = greetings.iter().find(fits).filter(|it| it.image_offset == offset)?;
        let mut frame = greeting.frame.clone();
        frame.get_mut(CORRELATION_ID)?.copy_from_slice(&call.correlation_id.to_be_bytes());
        Some(Outcome::Answer(Rope::of(frame)))
    }

    fn keep(&self, call: &Call, image_offset: i64, frame: &[u8]) {
        let (version, controller) = (call.api_version, call.connection.peer().controller);
        let mut greetings = self.0.lock();
        // At most one per version and listener.
        greetings.retain(|it| (it.version, it.controller) != (version, controller));
        greetings.push(Greeting { version, controller, image_offset, frame: frame.to_vec() });
    }
}

pub(super) fn handle(call: Call, body: &Bytes) -> Result<Handling, DecodeError> {
    let refused = refused(&call, &ApiVersionsView::parse(body, call.api_version)?);
    if refused.is_none()
        && let Some(outcome) = call.node.apis().greetings().get(&call)
    {
        return Ok(Handling::ready(outcome));
    }
    let answer = refused.map_or_else(|| greeting(&call), refusal);
    let (offset, is_good) = (answer.finalized_features_epoch, answer.error_code == ErrorCode::None.code());
    let outcome = answer.outcome(call.api_key, call.api_version, call.correlation_id);
    if is_good
        && let Outcome::Answer(rope) = &outcome
        && let Some(frame) = rope.contiguous()
    {
        call.node.apis().greetings().keep(&call, offset, frame);
    }
    Ok(Handling::ready(outcome))
}

fn refused(call: &Call, request: &ApiVersionsView<'_>) -> Option<ErrorCode> {
    if call.api_version >= 3
        && !(is_software_name(request.client_software_name)
            && is_software_name(request.client_software_version))
    {
        return Some(ErrorCode::InvalidRequest);
    }
    check_identity(call, request).err()
}

fn greeting(call: &Call) -> ApiVersionsResponse {
    let node = &call.node;
    let controller = call.connection.peer().controller;
    let image = node.image();
    let api = |api: &super::Api| {
        let versions = api.advertised();
        ApiVersion { api_key: api.key.key(), min_version: *versions.start(), max_version: *versions.end() }
    };
    ApiVersionsResponse {
        api_keys: node.apis().on_listener(controller).map(api).collect(),
        supported_features: supported_features(call.api_version),
        finalized_features_epoch: image.provenance.last_offset,
        finalized_features: image
            .features
            .iter()
            .map(|(name, level)| FinalizedFeatureKey {
                name: name.clone(),
                max_version_level: level,
                min_version_level: level,
            })
            .collect(),
        ..ApiVersionsResponse::default()
    }
}

/// A version that nobody knows is answered in the first one, with the versions of this API alone.
pub(super) fn unsupported_version(call: &Call) -> Outcome {
    let own = ApiKey::ApiVersions.versions();
    let answer = ApiVersionsResponse {
        api_keys: vec![ApiVersion {
            api_key: ApiKey::ApiVersions.key(),
            min_version: *own.start(),
            max_version: *own.end(),
        }],
        ..refusal(ErrorCode::UnsupportedVersion)
    };
    answer.outcome(ApiKey::ApiVersions, 0, call.correlation_id)
}

fn refusal(error: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: error.code(), ..ApiVersionsResponse::default() }
}

/// Version 3 cannot carry a feature that may be switched off (its minimum is 0).
fn supported_features(api_version: i16) -> Vec<SupportedFeatureKey> {
    kraft::features::supported()
        .into_iter()
        .filter(|(_, range)| api_version >= 4 || range.min > 0)
        .map(|(name, range)| SupportedFeatureKey {
            name: Str::from_static(name),
            min_version: range.min,
            max_version: range.max,
        })
        .collect()
}

/// KIP-1242: a client that followed an address to another cluster or node than it thinks is told to begin anew. It says
/// both or neither.
fn check_identity(call: &Call, request: &ApiVersionsView<'_>) -> Result<(), ErrorCode> {
    match (request.cluster_id, request.node_id) {
        (None, -1) => Ok(()),
        (None, _) | (Some(_), -1) => Err(ErrorCode::InvalidRequest),
        (Some(cluster), node) if cluster == call.node.cluster_id() && node == call.node.node_id() => Ok(()),
        (Some(_), _) => Err(ErrorCode::RebootstrapRequired),
    }
}

/// Letters and digits, with dots and dashes between them.
fn is_software_name(name: &str) -> bool {
    let ends = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    ends(bytes.first())
        && ends(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_software_name;

    #[test]
    fn software_names_are_kafkas() {
        for good in ["a", "apache-kafka-java", "4.4.0", "a-b.c"] {
            assert!(is_software_name(good), "{good}");
        }
        for bad in ["", "-a", "a.", "a b", "ä", "a/b"] {
            assert!(!is_software_name(bad), "{bad}");
        }
    }
}
