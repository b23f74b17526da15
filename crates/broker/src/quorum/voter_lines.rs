//! What people are told of who votes: a line for each voter that came, went or moved, once that is committed.

use kraft::raft::{VoterNode, VoterSet};

/// What was told last, and where in the log that stands.
#[derive(Debug, Default)]
pub(crate) struct VoterLines {
    told: Option<(i64, VoterSet)>,
}

#[derive(Debug, PartialEq, Eq)]
enum News {
    Came(i32),
    Went(i32),
    Moved(i32),
}

impl VoterLines {
    /// Tells what has changed; of the first voters there is nothing to tell.
    pub fn look(&mut self, committed: Option<(i64, &VoterSet)>) {
        for news in self.news(committed) {
            match news {
                News::Came(id) => tracing::info!("node {id} votes in the quorum now"),
                News::Went(id) => tracing::info!("node {id} votes in the quorum no more"),
                News::Moved(id) => tracing::info!("voter {id} has told the quorum a new address or version"),
            }
        }
    }

    fn news(&mut self, committed: Option<(i64, &VoterSet)>) -> Vec<News> {
        let Some((offset, now)) = committed else { return Vec::new() };
        if self.told.as_ref().is_some_and(|(at, _)| *at == offset) {
            return Vec::new();
        }
        let before = self.told.replace((offset, now.clone()));
        let Some((_, before)) = before else { return Vec::new() };
        let went = before.voters.values().filter(|voter| !is_in(now, voter));
        let came = now.voters.values().filter(|voter| !is_in(&before, voter));
        let stays = now.voters.values().filter(|voter| is_in(&before, voter));
        let moved = stays.filter(|voter| before.voters.get(&voter.key.id) != Some(voter));
        let went = went.map(|voter| News::Went(voter.key.id));
        went.chain(came.map(|voter| News::Came(voter.key.id)))
            .chain(moved.map(|voter| News::Moved(voter.key.id)))
            .collect()
    }
}

/// A voter with another directory is another one.
fn is_in(voters: &VoterSet, voter: &VoterNode) -> bool {
    voters.voters.get(&voter.key.id).is_some_and(|known| known.key == voter.key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Str, Uuid};

    #[test]
    fn each_change_is_told_once() {
        let set = |ids: &[(i32, u16)]| {
            let voter = |(id, port): &(i32, u16)| (*id, Str::from("localhost"), *port);
            VoterSet::fixed(&Str::from("CONTROLLER"), ids.iter().map(voter))
        };
        let mut lines = VoterLines::default();
        let first = set(&[(1, 9093), (2, 9093)]);
        assert_eq!(lines.news(None), [], "not committed yet");
        assert_eq!(lines.news(Some((3, &first))), [], "at the start all is new");
        let (more, fewer) = (set(&[(1, 9093), (2, 9093), (3, 9093)]), set(&[(1, 9093), (3, 9094)]));
        assert_eq!(lines.news(Some((7, &more))), [News::Came(3)]);
        assert_eq!(lines.news(Some((7, &more))), []);
        assert_eq!(lines.news(Some((9, &fewer))), [News::Went(2), News::Moved(3)]);
        let mut replaced = fewer.clone();
        let another = Some(Uuid([7; 16]));
        replaced.voters.values_mut().take(1).for_each(|voter| voter.key.directory_id = another);
        assert_eq!(lines.news(Some((11, &replaced))), [News::Went(1), News::Came(1)]);
    }
}
