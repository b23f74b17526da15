//! Blocks of producer ids for brokers (KIP-730). Owns the size of a block; the next free id is in the image.

use super::brokers::check_epoch;
use super::decide::Context;
use crate::image::VersionedRecord;
use wire::ErrorCode;
use wire::messages::allocate_producer_ids::{AllocateProducerIdsRequest, AllocateProducerIdsResponse};
use wire::records::metadata::{MetadataRecord, ProducerIdsRecord};

/// Ids per block, as Kafka hands them out: a broker asks once per thousand new producers.
const BLOCK: i32 = 1000;

pub(super) fn allocate(
    context: &Context<'_>,
    request: &AllocateProducerIdsRequest,
    out: &mut Vec<VersionedRecord>,
) -> AllocateProducerIdsResponse {
    let refused = |error: ErrorCode| AllocateProducerIdsResponse {
        error_code: error.code(),
        ..AllocateProducerIdsResponse::default()
    };
    if let Err(error) = check_epoch(context, request.broker_id, request.broker_epoch) {
        return refused(error);
    }
    let first = context.image.next_producer_id.unwrap_or(0);
    let Some(next_producer_id) = first.checked_add(i64::from(BLOCK)) else {
        return refused(ErrorCode::UnknownServerError);
    };
    out.push(VersionedRecord::v0(MetadataRecord::ProducerIds(ProducerIdsRecord {
        broker_id: request.broker_id,
        broker_epoch: request.broker_epoch,
        next_producer_id,
    })));
    AllocateProducerIdsResponse {
        producer_id_start: first,
        producer_id_len: BLOCK,
        ..AllocateProducerIdsResponse::default()
    }
}
