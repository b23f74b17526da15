//! ApiVersions (KIP-35, KIP-511, KIP-584, KIP-1242): what this node speaks. The first request of every connection; readable
//! in any version, even one of the future.

use bytes::Bytes;
use kraft::image::ResourceType;
use wire::api_versions::ApiVersionsView;
use wire::codec::{DecodeError, Rope};
use wire::messages::api_versions::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use wire::{ApiKey, ErrorCode, Str};

use crate::call::{Call, IntoAnswer};
use crate::greetings::GreetingKey;
use crate::rim::{Handling, Outcome};

/// What is served on a kind of listener (true: a controller's).
pub(super) type Advertised = fn(bool) -> Vec<ApiVersion>;

pub(super) fn handle(call: Call, body: &Bytes, advertised: Advertised) -> Result<Handling, DecodeError> {
    let request = ApiVersionsView::parse(body, call.api_version)?;
    let refused = refused(&call, &request);
    if refused.is_none() && call.api_version >= 3 && call.connection.software().is_none() {
        let ApiVersionsView { client_software_name: name, client_software_version: version, .. } = request;
        call.connection.is_of(call.node.greetings().software(name, version));
    }
    let asked = GreetingKey { version: call.api_version, controller: call.connection.peer().controller };
    let image_offset = call.node.image().provenance.last_offset;
    if refused.is_none()
        && let Some(frame) = call.node.greetings().get(asked, image_offset, call.correlation_id)
    {
        return Ok(Handling::ready(Outcome::Answer(Rope::of(frame))));
    }
    let answer = refused.map_or_else(|| greeting(&call, advertised(asked.controller)), refusal);
    let (offset, is_good) = (answer.finalized_features_epoch, answer.error_code == ErrorCode::None.code());
    let outcome = answer.outcome(call.api_key, call.api_version, call.correlation_id);
    if is_good
        && let Outcome::Answer(rope) = &outcome
        && let Some(frame) = rope.contiguous()
    {
        call.node.greetings().keep(asked, offset, frame);
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

fn greeting(call: &Call, mut api_keys: Vec<ApiVersion>) -> ApiVersionsResponse {
    let image = call.node.image();
    // Clients that hear of telemetry ask for it and some log that they do (KIP-714): they hear of it where somebody wants their figures.
    if !image.configs.has_any(ResourceType::ClientMetrics) {
        let telemetry = [ApiKey::GetTelemetrySubscriptions.key(), ApiKey::PushTelemetry.key()];
        api_keys.retain(|it| !telemetry.contains(&it.api_key));
    }
    ApiVersionsResponse {
        api_keys,
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
