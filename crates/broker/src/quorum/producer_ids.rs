//! Producer ids (KIP-98): handed out from blocks that the controller allocates to this broker. Lock-free: a block is a
//! counter with an end. Two who find a block empty may both fetch one; ids are plenty, order does not matter.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;

/// The ids that this broker may hand out.
#[derive(Debug, Default)]
pub(crate) struct ProducerIds {
    block: ArcSwapOption<Block>,
}

#[derive(Debug)]
struct Block {
    next: AtomicI64,
    end: i64,
}

impl ProducerIds {
    /// The next id, or `None` if a new block is needed.
    pub fn take(&self) -> Option<i64> {
        let block = self.block.load();
        let block = block.as_ref()?;
        let id = block.next.fetch_add(1, Ordering::Relaxed);
        (id < block.end).then_some(id)
    }

    /// A few of the next ids, those of them that the block has; empty if a new block is needed.
    pub fn take_some(&self, count: u32) -> Range<i64> {
        let block = self.block.load();
        let Some(block) = block.as_ref() else { return 0..0 };
        let start = block.next.fetch_add(i64::from(count), Ordering::Relaxed);
        start..start.saturating_add(i64::from(count)).min(block.end)
    }

    /// A new block arrived; answers its first id, the others follow.
    pub fn refill(&self, start: i64, length: i32) -> i64 {
        let end = start.saturating_add(i64::from(length));
        self.block.store(Some(Arc::new(Block { next: AtomicI64::new(start.saturating_add(1)), end })));
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_gives_each_id_once() {
        let ids = ProducerIds::default();
        assert_eq!(ids.take(), None);
        assert_eq!(ids.refill(1000, 3), 1000);
        assert_eq!([ids.take(), ids.take(), ids.take(), ids.take()], [Some(1001), Some(1002), None, None]);
        ids.refill(2000, 6);
        assert_eq!([ids.take_some(4), ids.take_some(4)], [2001..2005, 2005..2006]);
        assert!(ids.take_some(4).is_empty());
    }
}
