//! Faults of a replica and of its seat, put there where a turn is about to look whether all is well. For tests alone: no other build
//! has this.

use super::seat::Seat;
use crate::disks::moving::{Move, Stage};
use crate::replica::ReplicaState;
use crate::replica::pending::Parked;
use crate::tests::planted::{Fault, planted, struck};

impl Seat {
    /// Does the damage that is planted, if it can be done to this one.
    pub fn plant(&mut self) {
        let Some(fault) = planted() else { return };
        let Seat { replica, coordinator, .. } = self;
        let end = replica.log.log_end_offset();
        let is_topic = &*replica.topic == "t" && end > 0;
        let (waits, follows) =
            (!replica.acks.is_empty(), ReplicaState::Follower { leader_epoch: 9, leader: 9 });
        let mut park = |offset, produce| replica.acks.park(Parked { offset, produce, index: 0 });
        match fault {
            Fault::AckForNothing if is_topic => park(end + 9, 0),
            Fault::AckKept if waits => park(0, 0),
            Fault::AckOfNobody if waits => park(end, 0),
            Fault::AcksOfAFollower if waits => {
                replica.state = follows;
                replica.show_role();
            }
            Fault::RoleUntold if is_topic && !waits => replica.state = follows,
            Fault::DirectoryUntold if is_topic => replica.directory = 7,
            Fault::LogLost if is_topic => {
                assert!(replica.log.truncate_fully_and_start_at(0, None).is_ok(), "the disk holds");
            }
            Fault::EpochOfBefore if is_topic => {
                let ReplicaState::Leader(leader) = &mut replica.state else { return };
                leader.leader_epoch -= 1;
                replica.show_role();
            }
            Fault::MoveToItself if is_topic => {
                replica.moving = Some(Box::new(Move {
                    serial: 0,
                    target: replica.directory,
                    stage: Stage::Copying,
                    is_told: false,
                    state: log::future::FutureState::default(),
                    waiting: None,
                }));
            }
            Fault::LeftUnsettled if is_topic => replica.unsettled = true,
            Fault::CellAstray if is_topic => replica.cell.set_slot(Some(99)),
            Fault::CoordinatorOfAFollower if coordinator.is_some() => {
                replica.state = follows;
                replica.show_role();
            }
            _ => return,
        }
        struck();
    }
}
