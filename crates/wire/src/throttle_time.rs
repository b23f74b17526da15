//! How long an answer says that its client is throttled (KIP-219): read from an answer that has been written, and put into it. Every API has a
//! place of its own for that; answers that are written in place need not know of it.

use bytes::Bytes;

use crate::ApiKey;
use crate::api_key::Throttle;
use crate::codec::{Message, Rope};
use crate::frame::{decode_response, encode_response};
use crate::messages::api_versions::ApiVersionsResponse;
use crate::messages::create_delegation_token::CreateDelegationTokenResponse;
use crate::messages::describe_delegation_token::DescribeDelegationTokenResponse;
use crate::messages::produce::ProduceResponse;

/// Before the body: the length, the correlation id, and in flexible versions the tags of the header.
fn body(api_key: ApiKey, version: i16) -> usize {
    8 + usize::from(api_key.response_header_version(version) > 0)
}

/// What the answer says, its length prefix in it; 0 where it has no fixed place for it.
pub fn told_ms(answer: &Rope, api_key: ApiKey, version: i16) -> i32 {
    let Throttle::At(offset, _) = api_key.throttle(version) else { return 0 };
    let place = answer.head().get(body(api_key, version) + offset..).and_then(<[u8]>::first_chunk::<4>);
    place.map_or(0, |bytes| i32::from_be_bytes(*bytes))
}

/// The answer with that in its place; as it was where it has none.
pub fn tell(mut answer: Rope, api_key: ApiKey, version: i16, throttle_time_ms: i32) -> Rope {
    match api_key.throttle(version) {
        Throttle::Nowhere => answer,
        Throttle::At(offset, _) => {
            let place = body(api_key, version) + offset;
            let written = answer.overwrite_head(place, &throttle_time_ms.to_be_bytes());
            assert!(written, "throttle time: an answer of {api_key} is shorter than its first fields");
            answer
        }
        Throttle::Behind(_) => written_anew(answer, api_key, version, throttle_time_ms),
    }
}

/// Whose place is behind lists: rare, or small.
#[cold]
fn written_anew(answer: Rope, api_key: ApiKey, version: i16, throttle_time_ms: i32) -> Rope {
    fn anew<M: Message>(answer: Rope, key: ApiKey, version: i16, amend: impl FnOnce(&mut M)) -> Rope {
        let frame = Bytes::from(answer.concat());
        match decode_response::<M>(frame.slice(4.min(frame.len())..), key, version) {
            Ok((correlation_id, mut body)) => {
                amend(&mut body);
                encode_response(key, version, correlation_id, &body)
            }
            // Nobody of ours writes such.
            Err(_) => Rope::of(frame.into()),
        }
    }
    match api_key {
        ApiKey::Produce => anew(answer, api_key, version, |body: &mut ProduceResponse| {
            body.throttle_time_ms = throttle_time_ms;
        }),
        ApiKey::ApiVersions => anew(answer, api_key, version, |body: &mut ApiVersionsResponse| {
            body.throttle_time_ms = throttle_time_ms;
        }),
        ApiKey::CreateDelegationToken => {
            anew(answer, api_key, version, |body: &mut CreateDelegationTokenResponse| {
                body.throttle_time_ms = throttle_time_ms;
            })
        }
        ApiKey::DescribeDelegationToken => {
            anew(answer, api_key, version, |body: &mut DescribeDelegationTokenResponse| {
                body.throttle_time_ms = throttle_time_ms;
            })
        }
        other => unreachable!("throttle time: {other} has its place behind fields of unknown length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::fetch::{FetchResponse, FetchableTopicResponse, PartitionData};
    use crate::messages::heartbeat::HeartbeatResponse;

    #[test]
    fn every_answer_that_has_a_place_for_it_is_told() {
        let check = |answer: Rope, key: ApiKey, version: i16| {
            let told = tell(answer.clone(), key, version, 0x0102_0304);
            assert_eq!(told.length(), answer.length(), "{key} {version}");
            let changed = told.clone().concat().windows(4).filter(|bytes| bytes == &[1, 2, 3, 4]).count();
            let has_place = key.throttle(version) != Throttle::Nowhere;
            assert_eq!(changed, usize::from(has_place), "{key} {version}");
            let read = matches!(key.throttle(version), Throttle::At(..));
            assert_eq!(told_ms(&told, key, version), if read { 0x0102_0304 } else { 0 }, "{key} {version}");
        };
        for version in ApiKey::Produce.versions() {
            check(
                encode_response(ApiKey::Produce, version, 7, &ProduceResponse::default()),
                ApiKey::Produce,
                version,
            );
        }
        for version in ApiKey::Heartbeat.versions() {
            check(
                encode_response(ApiKey::Heartbeat, version, 7, &HeartbeatResponse::default()),
                ApiKey::Heartbeat,
                version,
            );
        }
        for version in ApiKey::ApiVersions.versions() {
            let answer = encode_response(ApiKey::ApiVersions, version, 7, &ApiVersionsResponse::default());
            check(answer, ApiKey::ApiVersions, version);
        }
        let records = Some(Bytes::from(vec![0; 5_000]));
        let partitions = vec![PartitionData { records, ..PartitionData::default() }];
        let topic = FetchableTopicResponse { partitions, ..FetchableTopicResponse::default() };
        let fetched = FetchResponse { responses: vec![topic], ..FetchResponse::default() };
        for version in ApiKey::Fetch.versions() {
            check(encode_response(ApiKey::Fetch, version, 7, &fetched), ApiKey::Fetch, version);
        }
    }

    #[test]
    fn every_place_behind_others_is_known() {
        for key in ApiKey::ALL {
            for version in key.versions() {
                if matches!(key.throttle(version), Throttle::Behind(_)) {
                    // Nothing that can be read: it comes back as it was, from an arm of its own.
                    assert_eq!(tell(Rope::of(vec![0; 4]), *key, version, 1).concat(), vec![0; 4], "{key}");
                }
            }
        }
    }
}
