//! Any bytes as what a stranger may send first: request headers, and records of the logs.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use wire::frame::HeaderView;
use wire::records::{group, metadata, share, transaction};

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    let _ = HeaderView::parse(&bytes);
    let _ = metadata::MetadataRecord::decode(bytes.clone());
    let _ = group::GroupKey::decode(bytes.clone());
    let _ = transaction::TransactionKey::decode(bytes.clone());
    let _ = share::ShareKey::decode(bytes.clone());
    for kind in 0..24 {
        let _ = group::GroupValue::decode(kind, bytes.clone());
    }
});
