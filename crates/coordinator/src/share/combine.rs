//! State batches of two writes as one list: sorted, without overlap, neighbours of one state joined, nothing below the start offset.
//!
//! Where batches overlap the higher delivery count wins, among equal counts the higher state: what is written later of a record is never less.

use std::collections::BTreeMap;

/// Records of one state and one delivery count, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateBatch {
    /// The first one.
    pub first_offset: i64,
    /// The last one.
    pub last_offset: i64,
    /// 0 available, 2 acknowledged, 4 archived; others are passed on as they came.
    pub delivery_state: i8,
    /// How often they were delivered.
    pub delivery_count: i16,
}

/// A batch's claim to the records that it covers.
type Claim = (i16, i8);

/// `start_offset` −1: nothing is cut off. Batches that end before they begin are left out.
pub fn combine(
    so_far: &[StateBatch],
    news: impl IntoIterator<Item = StateBatch>,
    start_offset: i64,
) -> Vec<StateBatch> {
    let from_start = |mut batch: StateBatch| {
        if start_offset != -1 {
            batch.first_offset = batch.first_offset.max(start_offset);
        }
        (batch.last_offset >= batch.first_offset).then_some(batch)
    };
    let batches: Vec<StateBatch> = so_far.iter().copied().chain(news).filter_map(from_start).collect();
    if batches.len() <= 1 {
        return batches;
    }
    // At each offset where something begins or ends: who claims the records from there on.
    let mut borders: BTreeMap<i64, Vec<(Claim, isize)>> = BTreeMap::new();
    for batch in &batches {
        let claim = (batch.delivery_count, batch.delivery_state);
        borders.entry(batch.first_offset).or_default().push((claim, 1));
        borders.entry(batch.last_offset.saturating_add(1)).or_default().push((claim, -1));
    }
    let mut claims: BTreeMap<Claim, isize> = BTreeMap::new();
    let mut combined: Vec<StateBatch> = Vec::new();
    let mut open: Option<(i64, Claim)> = None;
    for (offset, changes) in borders {
        if let Some((first_offset, (delivery_count, delivery_state))) = open {
            let last_offset = offset - 1;
            match combined.last_mut() {
                Some(last)
                    if last.last_offset + 1 == first_offset
                        && (last.delivery_count, last.delivery_state) == (delivery_count, delivery_state) =>
                {
                    last.last_offset = last_offset;
                }
                Some(_) | None => {
                    combined.push(StateBatch { first_offset, last_offset, delivery_state, delivery_count });
                }
            }
        }
        for (claim, change) in changes {
            let count = claims.entry(claim).or_default();
            *count += change;
            if *count == 0 {
                claims.remove(&claim);
            }
        }
        open = claims.last_key_value().map(|(claim, _)| (offset, *claim));
    }
    combined
}
