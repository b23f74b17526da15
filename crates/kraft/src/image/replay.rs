//! Replays records in log order, with the transactions of the metadata log (KIP-868): what is inside an open transaction is
//! not yet the state of the cluster, and an abort takes it back. Owns one image and, inside a transaction, the one before it.

use super::contradiction::{Contradiction, contradiction};
use super::{MetadataImage, Provenance};
use std::collections::BTreeMap;
use wire::records::metadata::MetadataRecord;

/// An image in the making.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Replay {
    image: MetadataImage,
    /// Where each broker's registration lies: a broker is caught up once it has read up to there. Not part of the image, since a
    /// snapshot does not keep it; after one it is the snapshot's end.
    registration_offsets: BTreeMap<i32, i64>,
    open: Option<OpenTransaction>,
}

#[derive(Clone, Debug, PartialEq)]
struct OpenTransaction {
    start_offset: i64,
    before: Box<MetadataImage>,
    registration_offsets: BTreeMap<i32, i64>,
}

impl Replay {
    /// Goes on from an image, e.g. one that was read from a snapshot.
    pub fn from_image(image: MetadataImage) -> Self {
        let last_offset = image.provenance.last_offset;
        let registration_offsets = image.cluster.brokers().map(|broker| (broker.id, last_offset)).collect();
        Replay { image, registration_offsets, open: None }
    }

    /// The image with everything applied, transactions still open among it. What the controller decides on.
    pub fn latest(&self) -> &MetadataImage {
        &self.image
    }

    /// The image that others may see: as it was before an open transaction.
    pub fn stable(&self) -> &MetadataImage {
        self.open.as_ref().map_or(&self.image, |open| &open.before)
    }

    /// Offset of the begin record of the open transaction.
    pub fn open_transaction(&self) -> Option<i64> {
        self.open.as_ref().map(|open| open.start_offset)
    }

    /// Where each broker's registration lies in the log.
    pub fn registration_offsets(&self) -> &BTreeMap<i32, i64> {
        &self.registration_offsets
    }

    /// Applies the record at an offset.
    pub fn apply(&mut self, offset: i64, record: &MetadataRecord) -> Result<(), Contradiction> {
        match record {
            MetadataRecord::BeginTransaction(_) => self.begin(offset),
            MetadataRecord::EndTransaction(_) => self.end(offset, false),
            MetadataRecord::AbortTransaction(_) => self.end(offset, true),
            other => {
                self.image.apply(other)?;
                if let MetadataRecord::RegisterBroker(record) = other {
                    self.registration_offsets.insert(record.broker_id, offset);
                } else if let MetadataRecord::UnregisterBroker(record) = other {
                    self.registration_offsets.remove(&record.broker_id);
                }
                Ok(())
            }
        }
    }

    /// A whole batch has been applied.
    pub fn advance(&mut self, provenance: Provenance) {
        let before = self.image.provenance.last_offset;
        assert!(provenance.last_offset > before, "provenance: an image only grows");
        self.image.provenance = provenance;
    }

    /// Panics with the name of the invariant that is broken: between what is kept beside the image and the image. A few comparisons.
    pub(crate) fn check(&self) {
        let brokers = self.image.cluster.brokers.len();
        assert!(self.registration_offsets.len() == brokers, "registrations: not one offset for each broker");
        if let Some(open) = &self.open {
            assert!(
                open.start_offset > open.before.provenance.last_offset,
                "transaction: it began in the past"
            );
        }
    }

    #[cfg(test)]
    pub(super) fn forget_registration(&mut self, broker: i32) {
        self.registration_offsets.remove(&broker);
    }

    fn begin(&mut self, offset: i64) -> Result<(), Contradiction> {
        if let Some(open) = &self.open {
            return contradiction(format!(
                "a transaction begins at {offset} inside the one that began at {}",
                open.start_offset
            ));
        }
        self.open = Some(OpenTransaction {
            start_offset: offset,
            before: Box::new(self.image.clone()),
            registration_offsets: self.registration_offsets.clone(),
        });
        Ok(())
    }

    fn end(&mut self, offset: i64, aborted: bool) -> Result<(), Contradiction> {
        let Some(open) = self.open.take() else {
            return contradiction(format!("a transaction ends at {offset}, but none is open"));
        };
        if aborted {
            self.image = *open.before;
            self.registration_offsets = open.registration_offsets;
        }
        Ok(())
    }
}
