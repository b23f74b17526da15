//! An active controller, damaged for the tests of what must hold of it.

use super::*;
use crate::hosted::MetadataQuorum;
use crate::image::Provenance;
use wire::records::metadata::ProducerIdsRecord;

/// What a test may break of an active controller.
#[derive(Clone, Copy)]
pub(in crate::hosted) enum Damage {
    Epoch,
    Later,
    Ahead,
    Behind,
    Tail,
    Order,
    Twin,
    NoTail,
    Late,
    Overdue,
    Never,
}

impl Damage {
    pub(in crate::hosted) fn inflict(self, quorum: &mut MetadataQuorum) {
        let Some(active) = &mut quorum.active else { panic!("not active") };
        let at = |last_offset| {
            let records = Piece { decision: Arc::default(), range: 0..0 };
            Appended { last_offset, timestamp_ms: 0, size_bytes: 0, records }
        };
        let parked = |last_offset| {
            let command = ControllerCommand::UnregisterBroker(Default::default());
            let answer = command.refused(&Refusal::not_controller());
            Parked { last_offset, token: 1, command, answer }
        };
        let end = active.pending.next_offset;
        match self {
            Damage::Epoch => active.epoch += 1,
            Damage::Later => active.pending.replay.advance(Provenance {
                last_offset: end,
                last_epoch: active.epoch + 1,
                last_timestamp_ms: 0,
            }),
            Damage::Ahead => active.pending.next_offset += 1,
            Damage::Behind => active.pending.next_offset -= 1,
            Damage::Tail => active.tail.push_back(at(end)),
            Damage::Order => (0..2).for_each(|_| active.await_commit(at(end))),
            Damage::Twin => {
                let record = ProducerIdsRecord { next_producer_id: 7, ..Default::default() };
                let applied = active.pending.replay.apply(end, &record.into());
                applied.unwrap_or_else(|contradiction| panic!("{contradiction}"));
            }
            Damage::NoTail => {
                let appended = quorum.raft.append(1_000, data_batch([Bytes::new()], 1_000));
                appended.unwrap_or_else(|fault| panic!("{fault}")).unwrap_or_else(|no| panic!("{no:?}"));
                active.pending.next_offset += 1;
            }
            Damage::Late => active.tail.push_back(at(end - 1)),
            Damage::Overdue => active.parked.push_back(parked(0)),
            Damage::Never => active.parked.push_back(parked(end)),
        }
    }
}
