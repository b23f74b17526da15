//! What people are told of who leads the quorum: one line for each change, and none for the steps of an election; and of a leader that
//! asks for what it may not.

use kraft::hosted::QuorumStatus;
use kraft::raft::RefusedCut;

use crate::telling::Ration;

/// What was told last.
#[derive(Debug)]
pub(crate) struct LeaderLines {
    told: Option<Leader>,
    refused: Ration,
}

/// A leader that means it is asked again several times a second.
const REFUSED_LINES_PER_SECOND: u32 = 1;

impl Default for LeaderLines {
    fn default() -> LeaderLines {
        LeaderLines { told: None, refused: Ration::new(REFUSED_LINES_PER_SECOND) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leader {
    Here { epoch: i32 },
    At { id: i32, epoch: i32 },
    Nobody,
}

impl LeaderLines {
    /// Tells what has changed.
    pub fn look(&mut self, node_id: i32, status: &QuorumStatus) {
        let Some(news) = self.news(node_id, status) else { return };
        match news {
            Leader::Here { epoch } => tracing::info!(epoch, "this node is the active controller"),
            Leader::At { id, epoch } => tracing::info!(epoch, "the active controller is node {id}"),
            Leader::Nobody => tracing::info!(
                epoch = status.leader.epoch,
                "no active controller is known: whatever it decides waits until one is elected"
            ),
        }
    }

    /// The leader asked to cut what is committed.
    pub fn refused(&mut self, now_ms: i64, cut: &RefusedCut) {
        let Some(more) = self.refused.take(now_ms) else { return };
        let RefusedCut { leader_id, offset, high_watermark } = *cut;
        tracing::error!(
            leader_id,
            offset,
            high_watermark,
            "the quorum's leader asks to cut the metadata log below what is committed; refused{more}. Its answer was spoiled on the way, or it \
             lost its disk and was elected all the same: if this goes on, compare the metadata logs of the controllers"
        );
    }

    fn news(&mut self, node_id: i32, status: &QuorumStatus) -> Option<Leader> {
        let epoch = status.leader.epoch;
        let leader = match status.leader.leader {
            _ if status.is_active => Leader::Here { epoch },
            Some(id) if id != node_id => Leader::At { id, epoch },
            // Elected, and not sure yet of what came before; or it leads no more.
            Some(_) | None => Leader::Nobody,
        };
        // Before the first one is known there is nothing to miss.
        let is_first = self.told.is_none() && leader == Leader::Nobody;
        (!is_first && self.told.replace(leader) != Some(leader)).then_some(leader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kraft::hosted::LeaderAndEpoch;

    fn status(leader: Option<i32>, epoch: i32, is_active: bool) -> QuorumStatus {
        QuorumStatus { leader: LeaderAndEpoch { leader, epoch }, is_active, ..QuorumStatus::default() }
    }

    #[test]
    fn each_leader_is_told_once_and_so_is_that_there_is_none() {
        let mut lines = LeaderLines::default();
        let mut news = |leader, epoch, is_active| lines.news(1, &status(leader, epoch, is_active));
        assert_eq!(news(None, 0, false), None, "at the start nobody is known");
        assert_eq!(news(Some(2), 3, false), Some(Leader::At { id: 2, epoch: 3 }));
        assert_eq!(news(Some(2), 3, false), None);
        assert_eq!(news(None, 4, false), Some(Leader::Nobody));
        assert_eq!(news(None, 5, false), None);
        assert_eq!(news(Some(1), 6, false), None, "it is elected, and decides nothing yet");
        assert_eq!(news(Some(1), 6, true), Some(Leader::Here { epoch: 6 }));
        assert_eq!(news(Some(2), 7, false), Some(Leader::At { id: 2, epoch: 7 }));
        assert_eq!(news(Some(2), 8, false), Some(Leader::At { id: 2, epoch: 8 }), "elected once more");
    }
}
