//! The life of a broker as its heartbeats drive it (KIP-631, 841, 858, 1066): unfencing when it has caught up, fencing, controlled
//! shutdown, lost and cordoned log directories; and fencing of those that went silent.

use super::decider::{Decider, FollowUp};
use super::leadership::BrokerChange;
use super::refusal::Refusal;
use crate::image::BrokerRegistration;
use std::sync::Arc;
use wire::messages::broker_heartbeat::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use wire::records::metadata::BrokerRegistrationChangeRecord;
use wire::{ErrorCode, Uuid};

/// Values of `fenced` and `in_controlled_shutdown` in a BrokerRegistrationChangeRecord.
const FENCE: i8 = 1;
const UNFENCE: i8 = -1;
const IN_CONTROLLED_SHUTDOWN: i8 = 1;

/// What a broker is to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BrokerControlState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl BrokerControlState {
    fn is_fenced(self) -> bool {
        matches!(self, BrokerControlState::Fenced | BrokerControlState::ShutdownNow)
    }
}

impl Decider<'_> {
    pub(super) fn broker_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
    ) -> Result<BrokerHeartbeatResponse, Refusal> {
        let (broker_id, epoch) = (request.broker_id, request.broker_epoch);
        self.soft.contacted(broker_id, epoch, self.at.now_ms);
        let Some(registered_at) = self.at.registration_offsets.get(&broker_id).copied() else {
            let what = format!("Receive a heartbeat from broker {broker_id} before registration");
            return Err(Refusal::new(ErrorCode::StaleBrokerEpoch, what));
        };
        self.check_broker_epoch(broker_id, epoch)?;
        let Some(broker) = self.image().cluster.broker(broker_id) else {
            return Err(Refusal::silent(ErrorCode::StaleBrokerEpoch));
        };
        let (current, next) = self.next_state(request, registered_at);
        if current != next {
            match next {
                BrokerControlState::Fenced | BrokerControlState::ShutdownNow => self.fence(broker_id, epoch),
                BrokerControlState::Unfenced => self.unfence(broker_id, epoch),
                BrokerControlState::ControlledShutdown => self.begin_controlled_shutdown(broker),
            }
        }
        self.soft.touched(broker_id, next.is_fenced(), request.current_metadata_offset);
        if self.metadata_version.has_directories() {
            self.directories_lost(broker, &request.offline_log_dirs);
        }
        if self.metadata_version.has_cordoned_directories() {
            self.directories_cordoned(broker, request.cordoned_log_dirs.as_ref());
        }
        if next == BrokerControlState::ControlledShutdown {
            self.follow_up = Some(FollowUp::NoteControlledShutdown { broker_id });
        }
        Ok(BrokerHeartbeatResponse {
            is_caught_up: request.current_metadata_offset >= registered_at,
            is_fenced: next.is_fenced(),
            should_shut_down: next == BrokerControlState::ShutdownNow,
            ..Default::default()
        })
    }

    fn next_state(
        &self,
        request: &BrokerHeartbeatRequest,
        registered_at: i64,
    ) -> (BrokerControlState, BrokerControlState) {
        let id = request.broker_id;
        let nothing =
            super::soft::Heartbeat { fenced: true, metadata_offset: -1, controlled_shutdown_offset: -1 };
        let broker = self.soft.brokers.get(&id).copied().unwrap_or(nothing);
        if broker.is_leaving() {
            let may_go = !self.has_leaderships(id)
                && broker.controlled_shutdown_offset <= self.soft.lowest_active_offset();
            let next =
                if may_go { BrokerControlState::ShutdownNow } else { BrokerControlState::ControlledShutdown };
            return (BrokerControlState::ControlledShutdown, next);
        }
        if broker.fenced {
            let caught_up = request.current_metadata_offset >= registered_at;
            let next = match (request.want_shut_down, request.want_fence) {
                (true, _) => BrokerControlState::ShutdownNow,
                (false, false) if caught_up => BrokerControlState::Unfenced,
                (false, _) => BrokerControlState::Fenced,
            };
            return (BrokerControlState::Fenced, next);
        }
        let next = match (request.want_shut_down, request.want_fence) {
            (true, true) => BrokerControlState::ShutdownNow,
            (false, true) => BrokerControlState::Fenced,
            (true, false) if self.has_leaderships(id) => BrokerControlState::ControlledShutdown,
            (true, false) => BrokerControlState::ShutdownNow,
            (false, false) => BrokerControlState::Unfenced,
        };
        (BrokerControlState::Unfenced, next)
    }

    pub(super) fn fence(&mut self, broker_id: i32, broker_epoch: i64) {
        let change = BrokerChange { removed: Some(broker_id), ..Default::default() };
        self.update_leaders(change, |partition| partition.isr.contains(&broker_id));
        self.write(
            BrokerRegistrationChangeRecord { broker_id, broker_epoch, fenced: FENCE, ..Default::default() },
            0,
        );
    }

    fn unfence(&mut self, broker_id: i32, broker_epoch: i64) {
        self.write(
            BrokerRegistrationChangeRecord { broker_id, broker_epoch, fenced: UNFENCE, ..Default::default() },
            0,
        );
        let change = BrokerChange { added: Some(broker_id), ..Default::default() };
        self.update_leaders(change, |partition| !partition.has_leader());
    }

    fn begin_controlled_shutdown(&mut self, broker: &Arc<BrokerRegistration>) {
        let (broker_id, broker_epoch) = (broker.id, broker.epoch);
        if !broker.in_controlled_shutdown {
            let in_controlled_shutdown = IN_CONTROLLED_SHUTDOWN;
            let record = BrokerRegistrationChangeRecord {
                broker_id,
                broker_epoch,
                in_controlled_shutdown,
                ..Default::default()
            };
            self.write(record, 1);
        }
        let change = BrokerChange { removed: Some(broker_id), ..Default::default() };
        self.update_leaders(change, |partition| partition.isr.contains(&broker_id));
    }

    fn directories_lost(&mut self, broker: &Arc<BrokerRegistration>, offline: &[Uuid]) {
        let (lost, left): (Vec<Uuid>, Vec<Uuid>) =
            broker.directories.iter().copied().partition(|id| offline.contains(id));
        if lost.is_empty() {
            return;
        }
        let change = BrokerChange { removed: Some(broker.id), ..Default::default() };
        for directory in lost {
            for (topic, index) in self.partitions_in_directory(directory) {
                if let Some(partition) = topic.partition(index) {
                    self.update_leader(change, &topic, index, partition);
                }
            }
        }
        let record = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            log_dirs: left,
            ..Default::default()
        };
        self.write(record, 2);
    }

    fn directories_cordoned(&mut self, broker: &Arc<BrokerRegistration>, cordoned: Option<&Vec<Uuid>>) {
        let Some(cordoned) = cordoned else { return };
        let same = |known: &Vec<Uuid>| {
            known.iter().all(|id| cordoned.contains(id)) && cordoned.iter().all(|id| known.contains(id))
        };
        if broker.cordoned_directories.as_ref().is_some_and(same) {
            return;
        }
        let record = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            cordoned_log_dirs: Some(cordoned.clone()),
            ..Default::default()
        };
        self.write(record, 3);
    }

    /// Fences one broker that has been silent for a session. True if there may be another one.
    pub(super) fn fence_one_silent_broker(&mut self) -> bool {
        let Some((broker_id, epoch)) =
            self.soft.take_expired(self.at.now_ms, self.options.session_timeout_ms)
        else {
            return false;
        };
        match self.image().cluster.broker(broker_id) {
            None => {
                self.soft.brokers.remove(&broker_id);
            }
            Some(broker) if broker.epoch == epoch => {
                self.fence(broker_id, epoch);
                if let Some(heartbeat) = self.soft.brokers.get_mut(&broker_id) {
                    heartbeat.fenced = true;
                }
            }
            Some(_) => {}
        }
        true
    }
}
