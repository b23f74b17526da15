//! What the active controller remembers beside the image: when brokers were last heard, when it last wrote, its dice. Dies with
//! leadership by design; nothing here may decide what a replay would have to know.

use crate::image::MetadataImage;
use crate::rng::Rng;
use std::collections::BTreeMap;
use wire::Uuid;

/// Soft state of one term.
#[derive(Clone, Debug)]
pub struct Soft {
    pub(super) rng: Rng,
    /// Last contact of every unfenced broker.
    pub(super) last_contact_ms: BTreeMap<i32, i64>,
    /// When records were last decided; idle time counts from here.
    pub(super) last_write_ms: i64,
}

impl Soft {
    /// A new term: every unfenced broker is given a full session, as if it had just been heard.
    pub fn activate(image: &MetadataImage, now_ms: i64, seed: u64) -> Soft {
        let unfenced = image.cluster.brokers().filter(|broker| !broker.fenced);
        Soft {
            rng: Rng::new(seed),
            last_contact_ms: unfenced.map(|broker| (broker.id, now_ms)).collect(),
            last_write_ms: now_ms,
        }
    }

    /// A fresh id that is none of the reserved ones.
    pub(super) fn new_uuid(&mut self) -> Uuid {
        loop {
            if let Some(id) = Uuid::from_random(u128::from_be_bytes(self.rng.uuid_bytes())) {
                return id;
            }
        }
    }
}
