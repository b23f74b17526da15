//! The brokers as the newest image has them, for those who ask whether one may be in sync.

use std::sync::Arc;

use kraft::image::ClusterImage;

use crate::replica::isr::Eligible;

pub(super) struct Brokers(pub Arc<ClusterImage>);

impl Eligible for Brokers {
    fn is_eligible(&self, broker_id: i32, broker_epoch: i64) -> bool {
        let broker = self.0.broker(broker_id);
        broker.is_some_and(|it| it.is_active() && (broker_epoch == -1 || it.epoch == broker_epoch))
    }
}
