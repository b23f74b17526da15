//! Who reads which partitions of which share group (KIP-932): a session for each member that is connected here, with an epoch that grows
//! with each request. Owns them, under one small lock; knows no records.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use wire::hash::StableMap;
use wire::{ErrorCode, Str, Uuid};

/// Epoch of a request that begins a session.
pub(crate) const INITIAL_EPOCH: i32 = 0;
/// Epoch of a request that ends one.
pub(crate) const FINAL_EPOCH: i32 = -1;

/// Whose session it is.
pub(crate) type MemberKey = (Str, Str);
/// Which partition, by its topic's id.
pub(crate) type Partition = (Uuid, i32);

/// Those of the node.
pub(crate) struct ShareSessions {
    most: usize,
    sessions: Mutex<Sessions>,
}

#[derive(Default)]
struct Sessions {
    by_member: BTreeMap<MemberKey, Session>,
    last_serial: u64,
}

struct Session {
    /// Never used twice: a connection that is gone ends only what it began.
    serial: u64,
    /// Of the next request.
    epoch: i32,
    /// In the order in which they were added.
    partitions: BTreeMap<u64, (Partition, bool)>,
    places: StableMap<Partition, u64>,
    last_place: u64,
}

/// A session that has ended, with what it was about; and whether it was the last one of its group here.
#[derive(Debug)]
pub(crate) struct Ended {
    pub partitions: Vec<Partition>,
    pub is_last_of_group: bool,
}

impl Session {
    fn add(&mut self, partition: Partition, must_tell: bool) {
        if self.places.contains_key(&partition) {
            return;
        }
        self.last_place += 1;
        self.places.insert(partition, self.last_place);
        self.partitions.insert(self.last_place, (partition, must_tell));
    }

    fn all(&self) -> Vec<Partition> {
        self.partitions.values().map(|(partition, _)| *partition).collect()
    }
}

fn next(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

impl ShareSessions {
    pub fn new(most: usize) -> ShareSessions {
        ShareSessions { most, sessions: Mutex::default() }
    }

    /// Begins a session in place of the member's old one; `Err` if there are too many. Answers its serial number.
    pub fn begin(&self, key: MemberKey, partitions: &[Partition]) -> Result<u64, ErrorCode> {
        let mut sessions = self.sessions.lock();
        sessions.by_member.remove(&key);
        if sessions.by_member.len() >= self.most {
            return Err(ErrorCode::ShareSessionLimitReached);
        }
        sessions.last_serial += 1;
        let serial = sessions.last_serial;
        let mut session = Session {
            serial,
            epoch: next(INITIAL_EPOCH),
            partitions: BTreeMap::new(),
            places: StableMap::default(),
            last_place: 0,
        };
        partitions.iter().for_each(|partition| session.add(*partition, false));
        sessions.by_member.insert(key, session);
        Ok(serial)
    }

    /// Goes on with a session; answers what it is about from now on.
    pub fn resume(
        &self,
        key: &MemberKey,
        epoch: i32,
        added: &[Partition],
        forgotten: &[Partition],
    ) -> Result<Vec<Partition>, ErrorCode> {
        let mut sessions = self.sessions.lock();
        let session = sessions.by_member.get_mut(key).ok_or(ErrorCode::ShareSessionNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        added.iter().for_each(|partition| session.add(*partition, true));
        for partition in forgotten {
            if let Some(place) = session.places.remove(partition) {
                session.partitions.remove(&place);
            }
        }
        session.epoch = next(epoch);
        Ok(session.all())
    }

    /// Acknowledges within a session; the request that ends one changes nothing yet.
    pub fn acknowledge(&self, key: &MemberKey, epoch: i32) -> Result<(), ErrorCode> {
        if epoch == INITIAL_EPOCH {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        let mut sessions = self.sessions.lock();
        let session = sessions.by_member.get_mut(key).ok_or(ErrorCode::ShareSessionNotFound)?;
        if epoch == FINAL_EPOCH {
            return Ok(());
        }
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidShareSessionEpoch);
        }
        session.epoch = next(epoch);
        Ok(())
    }

    pub fn is_known(&self, key: &MemberKey) -> bool {
        self.sessions.lock().by_member.contains_key(key)
    }

    /// Which of the results the member has to be told: records, errors, and what is told for the first time.
    /// `Err` if another request of the session came in between.
    pub fn to_tell(
        &self,
        key: &MemberKey,
        epoch: i32,
        results: &[(Partition, bool, bool)],
    ) -> Result<Vec<bool>, ErrorCode> {
        let mut sessions = self.sessions.lock();
        let session = sessions.by_member.get_mut(key).filter(|session| session.epoch == next(epoch));
        let session = session.ok_or(ErrorCode::InvalidShareSessionEpoch)?;
        let tell = |&(partition, has_records, is_error): &(Partition, bool, bool)| {
            let place = session.places.get(&partition);
            let known = place.and_then(|place| session.partitions.get_mut(place));
            let must_tell = known.map(|(_, must_tell)| std::mem::replace(must_tell, is_error));
            has_records || is_error || must_tell.unwrap_or(false)
        };
        Ok(results.iter().map(tell).collect())
    }

    /// Ends a session; one of a connection that is gone only if it is still the one that it began.
    pub fn end(&self, key: &MemberKey, serial: Option<u64>) -> Option<Ended> {
        let mut sessions = self.sessions.lock();
        let is_meant = |session: &Session| serial.is_none_or(|serial| session.serial == serial);
        sessions.by_member.get(key).filter(|session| is_meant(session))?;
        let session = sessions.by_member.remove(key)?;
        let next = sessions.by_member.range((key.0.clone(), Str::new())..).next();
        let is_last_of_group = next.is_none_or(|((group, _), _)| *group != key.0);
        Some(Ended { partitions: session.all(), is_last_of_group })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: &str, member: &str) -> MemberKey {
        (group.into(), member.into())
    }

    fn partition(number: i32) -> Partition {
        (Uuid::from_halves(1, 1), number)
    }

    #[test]
    fn a_session_goes_on_by_its_epoch_alone() {
        let sessions = ShareSessions::new(2);
        let (a, b) = (key("g", "a"), key("g", "b"));
        assert_eq!(sessions.resume(&a, 1, &[], &[]).unwrap_err(), ErrorCode::ShareSessionNotFound);
        sessions.begin(a.clone(), &[partition(0), partition(1)]).expect("there is room");
        assert_eq!(sessions.resume(&a, 2, &[], &[]).unwrap_err(), ErrorCode::InvalidShareSessionEpoch);
        let resumed =
            sessions.resume(&a, 1, &[partition(2), partition(0)], &[partition(1)]).expect("the next one");
        assert_eq!(resumed, [partition(0), partition(2)]);
        assert_eq!(sessions.acknowledge(&a, 0), Err(ErrorCode::InvalidShareSessionEpoch));
        assert_eq!(sessions.acknowledge(&a, 2), Ok(()));
        assert_eq!(sessions.acknowledge(&a, FINAL_EPOCH), Ok(()));
        sessions.begin(b.clone(), &[]).expect("there is room");
        assert_eq!(sessions.begin(key("h", "c"), &[]), Err(ErrorCode::ShareSessionLimitReached));
        assert!(sessions.begin(b.clone(), &[]).is_ok(), "its own place it has");
        assert!(!sessions.end(&a, None).expect("it is there").is_last_of_group);
        assert!(sessions.end(&b, Some(1)).is_none(), "another connection's");
        assert!(sessions.end(&b, None).expect("it is there").is_last_of_group);
    }

    #[test]
    fn what_has_nothing_new_is_not_told_again() {
        let sessions = ShareSessions::new(1);
        let a = key("g", "a");
        sessions.begin(a.clone(), &[partition(0)]).expect("there is room");
        sessions.resume(&a, 1, &[partition(1)], &[]).expect("the next one");
        let results = |is_error| [(partition(0), false, false), (partition(1), false, is_error)];
        assert_eq!(sessions.to_tell(&a, 1, &results(false)), Ok(vec![false, true]));
        assert_eq!(sessions.to_tell(&a, 1, &results(true)), Ok(vec![false, true]));
        assert_eq!(sessions.to_tell(&a, 1, &results(false)), Ok(vec![false, true]), "that the error is over");
        assert_eq!(sessions.to_tell(&a, 1, &results(false)), Ok(vec![false, false]));
        assert!(sessions.to_tell(&a, 0, &results(false)).is_err());
    }
}
