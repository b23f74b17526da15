//! What must hold of a connection whenever it waits, in release too: answers in another order than their requests would be taken for each
//! other, and a connection that waits for nothing never goes on. The list stands at [`Gateway`]. Some comparisons: every request
//! passes here.

use net::Stream;

use super::{Gateway, Progress, REQUESTS_IN_FLIGHT, Service, UNSENT_BYTES_MAX};

impl<S: Service, C: Stream> Gateway<S, C> {
    /// Panics with the name of the invariant that is broken.
    pub(super) fn check(&self) {
        if self.queue.is_empty() {
            assert!(self.started == 0, "order: more is begun than there is");
            assert!(self.queued_bytes == 0, "bytes: some are counted that are gone");
            assert!(
                self.lease.is_empty() || self.reader.own_memory() > 0,
                "bytes: some are leased for nothing"
            );
        } else {
            self.check_queue();
        }
    }

    fn check_queue(&self) {
        let (started, waiting) = (self.started, self.queue.len());
        assert!(started <= waiting, "order: more is begun than there is");
        assert!(waiting <= REQUESTS_IN_FLIGHT, "queue: more is in flight than may be");
        assert!(started <= 1 || self.overlapping, "order: one is begun that may not overlap");
        let progress = |at| self.queue.get(at).map(|request| &request.progress);
        if started > 0 {
            assert!(
                matches!(progress(0), Some(Progress::Running(_) | Progress::Pause(_))),
                "order: the first is answered and stays"
            );
        } else {
            let is_held_back = self.ending.is_some() || self.writer.queued_bytes() > UNSENT_BYTES_MAX;
            assert!(is_held_back, "order: the first waits for nothing");
        }
        assert!(
            matches!(progress(started), None | Some(Progress::Waiting(_))),
            "order: one is begun out of turn"
        );
    }
}
