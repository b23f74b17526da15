//! An active controller, damaged for the tests of what must hold of it.

use super::*;
use crate::hosted::MetadataQuorum;

/// What a test may break of an active controller.
#[derive(Clone, Copy)]
pub(in crate::hosted) enum Damage {
    Epoch,
    Ahead,
    Behind,
    Tail,
    Overdue,
}

impl Damage {
    pub(in crate::hosted) fn inflict(self, quorum: &mut MetadataQuorum) {
        let Some(active) = &mut quorum.active else { panic!("not active") };
        let nothing = || Piece { decision: Arc::default(), range: 0..0 };
        match self {
            Damage::Epoch => active.epoch += 1,
            Damage::Ahead => active.pending.next_offset += 1,
            Damage::Behind => active.pending.next_offset -= 1,
            Damage::Tail => active.tail.push_back(Appended {
                last_offset: active.pending.next_offset,
                timestamp_ms: 0,
                size_bytes: 0,
                records: nothing(),
            }),
            Damage::Overdue => {
                let command = ControllerCommand::UnregisterBroker(Default::default());
                let answer = command.refused(&Refusal::not_controller());
                active.parked.push_back(Parked { last_offset: 0, token: 1, command, answer });
            }
        }
    }
}
