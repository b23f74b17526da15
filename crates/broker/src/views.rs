//! What everybody may read of the topics on this node without entering a shard: per topic its settings, per partition who
//! leads it and its newest [`LogView`]. The *structure* (which topics there are) has one writer, the publication of a new
//! image; a cell's *content* has one writer, the partition's shard. No reader ever waits for a turn: a view is a few numbers, copied
//! under a lock that nobody holds longer than that copy takes.

use arc_swap::ArcSwap;
use log::{Log, LogView};
use parking_lot::Mutex;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use wire::hash::StableMap;
use wire::topic::TopicIdPartition;
use wire::{ErrorCode, Str, Uuid};

use crate::metrics::traffic::{Passed, Traffic};
use crate::topic_settings::TopicSettings;

/// The shard that owns a partition. Partitions of one topic go round, so that a topic spreads evenly.
pub(crate) fn shard_of(key: &TopicIdPartition, shards: usize) -> usize {
    let start = StableMap::<(), ()>::default().hasher().hash_one(key.topic_id);
    let spread = start.wrapping_add(u64::from(key.partition.unsigned_abs()));
    (spread % shards as u64) as usize
}

/// What this node is for a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// No replica here, or not opened yet.
    Absent,
    /// It leads in this epoch.
    Leader {
        /// Of its leadership.
        leader_epoch: i32,
    },
    /// It follows in this epoch.
    Follower {
        /// Of the leadership that it follows.
        leader_epoch: i32,
    },
    /// Its log directory is dead.
    Offline,
}

impl Role {
    /// Kind and epoch, in the low 34 bits.
    fn to_word(self) -> u64 {
        let (kind, epoch) = match self {
            Role::Absent => (0, 0),
            Role::Leader { leader_epoch } => (1, leader_epoch),
            Role::Follower { leader_epoch } => (2, leader_epoch),
            Role::Offline => (3, 0),
        };
        (kind << 32) | u64::from(epoch.cast_unsigned())
    }

    fn from_word(word: u64) -> Role {
        let leader_epoch = ((word & u64::from(u32::MAX)) as u32).cast_signed();
        match (word >> 32) & 3 {
            1 => Role::Leader { leader_epoch },
            2 => Role::Follower { leader_epoch },
            3 => Role::Offline,
            _ => Role::Absent,
        }
    }
}

/// Whose logs somebody may read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Only where this node leads.
    OfTheLeader,
    /// Where it follows as well, up to what it knows to be committed (KIP-392).
    OfAnyReplica,
}

/// The slot of a partition without a replica here.
const NO_SLOT: u32 = u32::MAX;
/// Where the index of the log directory begins in the word of the role; 0 stands for none.
const DIRECTORY_SHIFT: u32 = 40;
/// Set in the slot of a partition that sleeps; the rest says where among the sleepers.
const ASLEEP: u32 = 1 << 31;
const _: () = {
    assert!(DIRECTORY_SHIFT >= 34, "kind and epoch of a role have the 34 bits below");
    assert!(NO_SLOT & ASLEEP != 0, "a partition without a slot has none that could be taken for one");
};

/// A partition's view: a pointer, for most partitions of a large cluster are never written.
#[derive(Debug)]
enum Shown {
    Nothing,
    Unwritten(Arc<LogView>),
    Own(Box<LogView>),
}

/// One partition as readers see it.
#[derive(Debug)]
pub struct PartitionCell {
    /// Which partition it is.
    pub key: TopicIdPartition,
    /// Index of the owning shard.
    pub(crate) shard: usize,
    /// Where the shard keeps the replica; [`NO_SLOT`] without one. Only the shard writes it.
    slot: AtomicU32,
    /// The role, and from [`DIRECTORY_SHIFT`] on the log directory, counted from 1.
    role: AtomicU64,
    /// In place, not behind a swapped pointer: a produce publishes one view a batch, and that swap alone cost 700 instructions.
    view: Mutex<Shown>,
    /// What came and what left.
    pub(crate) traffic: Traffic,
}

impl PartitionCell {
    pub(crate) fn new(key: TopicIdPartition, shards: usize) -> PartitionCell {
        PartitionCell {
            key,
            shard: shard_of(&key, shards),
            slot: AtomicU32::new(NO_SLOT),
            role: AtomicU64::new(Role::Absent.to_word()),
            view: Mutex::new(Shown::Nothing),
            traffic: Traffic::default(),
        }
    }

    /// What this node is for the partition.
    pub fn role(&self) -> Role {
        Role::from_word(self.role.load(Ordering::Acquire))
    }

    /// The newest view, whatever the role.
    pub fn view(&self) -> Option<LogView> {
        match &*self.view.lock() {
            Shown::Nothing => None,
            Shown::Unwritten(view) => Some(LogView::clone(view)),
            Shown::Own(view) => Some(LogView::clone(view)),
        }
    }

    /// Start, last stable offset, high watermark and end of the newest view.
    pub fn offsets(&self) -> Option<[i64; 4]> {
        let of = |view: &LogView| {
            [view.log_start_offset, view.last_stable_offset, view.high_watermark, view.log_end_offset]
        };
        match &*self.view.lock() {
            Shown::Nothing => None,
            Shown::Unwritten(view) => Some(of(view)),
            Shown::Own(view) => Some(of(view)),
        }
    }

    /// What the newest view measures.
    pub(crate) fn extent(&self) -> Option<Extent> {
        let of = |view: &LogView| Extent {
            log_start_offset: view.log_start_offset,
            last_stable_offset: view.last_stable_offset,
            high_watermark: view.high_watermark,
            log_end_offset: view.log_end_offset,
            size_bytes: view.size_bytes(),
            segments: view.segment_count(),
        };
        match &*self.view.lock() {
            Shown::Nothing => None,
            Shown::Unwritten(view) => Some(of(view)),
            Shown::Own(view) => Some(of(view)),
        }
    }

    /// The epoch in which this node leads (or follows, where `reader` may read there), if it is the one that the client knows (-1: it
    /// says none).
    fn leader_epoch(&self, current_leader_epoch: i32, reader: Reader) -> Result<i32, ErrorCode> {
        let role = self.role();
        let epoch = match role {
            Role::Absent => return Err(ErrorCode::NotLeaderOrFollower),
            Role::Offline => return Err(ErrorCode::KafkaStorageError),
            Role::Leader { leader_epoch } | Role::Follower { leader_epoch } => leader_epoch,
        };
        check_epoch(current_leader_epoch, epoch)?;
        let may_read = reader == Reader::OfAnyReplica || matches!(role, Role::Leader { .. });
        if may_read { Ok(epoch) } else { Err(ErrorCode::NotLeaderOrFollower) }
    }

    /// The newest view, if this node leads and the epoch that the client knows (-1: it says none) is the current one.
    pub fn leader_view(&self, current_leader_epoch: i32) -> Result<LeaderView, ErrorCode> {
        let leader_epoch = self.leader_epoch(current_leader_epoch, Reader::OfTheLeader)?;
        let log = self.view().ok_or(ErrorCode::NotLeaderOrFollower)?;
        Ok(LeaderView { leader_epoch, log })
    }

    /// A look at the same view where it stands, for who may have seen enough by then. The shard that wants to show a newer one waits
    /// meanwhile: a look is a few comparisons, and at most a copy.
    pub(crate) fn look<T>(
        &self,
        (current_leader_epoch, reader): (i32, Reader),
        look: impl FnOnce(&LogView) -> T,
    ) -> Result<T, ErrorCode> {
        self.leader_epoch(current_leader_epoch, reader)?;
        match &*self.view.lock() {
            Shown::Nothing => Err(ErrorCode::NotLeaderOrFollower),
            Shown::Unwritten(view) => Ok(look(view)),
            Shown::Own(view) => Ok(look(view)),
        }
    }

    /// Where the owning shard keeps the replica.
    pub(crate) fn slot(&self) -> Option<usize> {
        let slot = self.slot.load(Ordering::Relaxed);
        if slot & ASLEEP == 0 { Some(slot as usize) } else { None }
    }

    /// Where it stands among the owning shard's sleepers, if its log was found on disk and is not open yet.
    pub(crate) fn unopened(&self) -> Option<usize> {
        let place = self.asleep()?;
        matches!(*self.view.lock(), Shown::Nothing).then_some(place)
    }

    /// Where it stands among the owning shard's sleepers.
    pub(crate) fn asleep(&self) -> Option<usize> {
        let slot = self.slot.load(Ordering::Relaxed);
        if slot != NO_SLOT && slot & ASLEEP != 0 { Some((slot & !ASLEEP) as usize) } else { None }
    }

    /// The owning shard put it there among its sleepers.
    pub(crate) fn set_asleep(&self, place: usize) {
        let place = u32::try_from(place).ok().filter(|place| place & ASLEEP == 0);
        self.slot.store(place.map_or(NO_SLOT, |place| place | ASLEEP), Ordering::Relaxed);
    }

    /// The owning shard put the replica there, or dropped it.
    pub(crate) fn set_slot(&self, slot: Option<usize>) {
        let slot = slot.and_then(|slot| u32::try_from(slot).ok()).filter(|slot| slot & ASLEEP == 0);
        let slot = slot.unwrap_or(NO_SLOT);
        self.slot.store(slot, Ordering::Relaxed);
    }

    /// The owning shard shows a new state.
    pub(crate) fn publish(&self, log: &Log) {
        let mut shown = self.view.lock();
        if let Shown::Own(view) = &mut *shown {
            let old = log.refresh(view);
            drop(shown);
            // Outside of the lock: its end may be that of a list of segments.
            drop(old);
        } else {
            *shown = Shown::Own(Box::new(log.view()));
        }
    }

    /// The owning shard shows a log that was never written, as many are: they share one view.
    pub(crate) fn publish_unwritten(&self, view: Arc<LogView>) {
        *self.view.lock() = Shown::Unwritten(view);
    }

    /// The owning shard changes what this node is. The view goes first, so that a leader always has one.
    pub(crate) fn set_role(&self, role: Role) {
        let directory = self.role.load(Ordering::Relaxed) >> DIRECTORY_SHIFT << DIRECTORY_SHIFT;
        self.role.store(role.to_word() | directory, Ordering::Release);
    }

    /// The log directory in which the replica lies, or will.
    pub(crate) fn directory(&self) -> Option<usize> {
        (self.role.load(Ordering::Acquire) >> DIRECTORY_SHIFT).checked_sub(1).map(|index| index as usize)
    }

    /// Whether readers know this role and this log directory.
    pub(crate) fn shows(&self, role: Role, directory: usize) -> bool {
        let counted = (directory as u64).saturating_add(1);
        self.role.load(Ordering::Acquire) == role.to_word() | counted << DIRECTORY_SHIFT
    }

    /// The owning shard puts the replica there.
    pub(crate) fn set_directory(&self, directory: Option<usize>) {
        let role = self.role.load(Ordering::Relaxed) & ((1 << DIRECTORY_SHIFT) - 1);
        let counted = directory.map_or(0, |index| (index as u64).saturating_add(1));
        self.role.store(role | counted << DIRECTORY_SHIFT, Ordering::Release);
    }
}

/// What a log measures at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub log_start_offset: i64,
    pub last_stable_offset: i64,
    pub high_watermark: i64,
    pub log_end_offset: i64,
    pub size_bytes: u64,
    pub segments: usize,
}

/// KIP-320: what a client that knows `asked` (-1: none) hears from a partition in `current`.
pub(crate) fn check_epoch(asked: i32, current: i32) -> Result<(), ErrorCode> {
    match asked {
        -1 => Ok(()),
        older if older < current => Err(ErrorCode::FencedLeaderEpoch),
        newer if newer > current => Err(ErrorCode::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

/// A leader's log at one instant.
pub struct LeaderView {
    /// Of whoever leads.
    pub leader_epoch: i32,
    log: LogView,
}

impl LeaderView {
    /// Where the leader's own epoch begins in its log.
    pub fn epoch_start(&self) -> i64 {
        let latest = self.log.epochs().latest();
        latest.filter(|latest| latest.epoch == self.leader_epoch).map_or(0, |latest| latest.start_offset)
    }
}

impl std::ops::Deref for LeaderView {
    type Target = LogView;

    fn deref(&self) -> &LogView {
        &self.log
    }
}

/// One topic as readers see it.
#[derive(Debug)]
pub struct TopicViews {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: Str,
    /// `__consumer_offsets` and its like: producers other than the broker's own may not write there.
    pub internal: bool,
    /// Shared with the views of the same topic before it grew.
    pub(crate) settings: Arc<ArcSwap<TopicSettings>>,
    /// By partition number, without gaps.
    pub partitions: Vec<Arc<PartitionCell>>,
}

impl TopicViews {
    /// What passed through all of its partitions here.
    pub(crate) fn passed(&self) -> Passed {
        let each = self.partitions.iter().map(|cell| cell.traffic.passed());
        each.fold(Passed::default(), |all, one| all.plus(&one))
    }

    /// The partition, if there is one of that number.
    pub fn partition(&self, partition: i32) -> Option<&Arc<PartitionCell>> {
        self.partitions.get(usize::try_from(partition).ok()?)
    }
}

/// Buckets per index: with 100,000 topics a new topic copies two tables of 400 pointers.
const BUCKETS: usize = 256;

type Table<K> = StableMap<K, Arc<TopicViews>>;

/// All topics that this node knows of, by id and by name.
#[derive(Debug)]
pub struct Views {
    /// Counts publications: who remembers a topic asks whether it stands still.
    publications: AtomicU64,
    by_id: Box<[ArcSwap<Table<Uuid>>]>,
    by_name: Box<[ArcSwap<Table<Str>>]>,
}

impl Default for Views {
    fn default() -> Self {
        // One empty table stands for all until a topic arrives.
        let (ids, names) = (Arc::default(), Arc::default());
        Views {
            publications: AtomicU64::new(0),
            by_id: (0..BUCKETS).map(|_| ArcSwap::new(Arc::clone(&ids))).collect(),
            by_name: (0..BUCKETS).map(|_| ArcSwap::new(Arc::clone(&names))).collect(),
        }
    }
}

fn bucket<K: Hash + ?Sized>(key: &K) -> usize {
    // The high bits: the table inside the bucket uses the low ones.
    (StableMap::<(), ()>::default().hasher().hash_one(key) >> 56) as usize % BUCKETS
}

impl Views {
    /// The topic of that name.
    pub fn by_name(&self, name: &str) -> Option<Arc<TopicViews>> {
        self.by_name[bucket(name)].load().get(name).cloned()
    }

    /// The topic of that id.
    pub fn by_id(&self, id: Uuid) -> Option<Arc<TopicViews>> {
        self.by_id[bucket(&id)].load().get(&id).cloned()
    }

    /// All topics, in no particular order.
    pub fn all(&self) -> Vec<Arc<TopicViews>> {
        self.by_id.iter().flat_map(|table| table.load().values().cloned().collect::<Vec<_>>()).collect()
    }

    /// Publishes added and grown topics and withdraws deleted ones, even if there are none. Only the publication of an image calls this.
    pub(crate) fn change(&self, set: &[Arc<TopicViews>], gone: &[Arc<TopicViews>]) {
        let ids: Vec<_> =
            set.iter().map(|t| (t.id, Some(t))).chain(gone.iter().map(|t| (t.id, None))).collect();
        change_table(&self.by_id, ids, |_, _| true);
        // Deleted first: a topic of the same name may have been made in the same image.
        let names: Vec<_> = gone
            .iter()
            .map(|t| (t.name.clone(), None))
            .chain(set.iter().map(|t| (t.name.clone(), Some(t))))
            .collect();
        change_table(&self.by_name, names, |old, name| {
            old.is_none_or(|old| gone.iter().any(|t| t.id == old.id && t.name == *name))
        });
        // Settings were exchanged before.
        self.publications.fetch_add(1, Ordering::Release);
    }
}

/// The topic that one connection produced to last: to find it again costs a comparison, and touches nothing that other
/// connections use.
#[derive(Debug, Default)]
pub(crate) struct LastTopic {
    /// As it stood when the topic was looked up.
    publications: u64,
    found: Option<FoundTopic>,
}

/// A topic and the settings in force.
#[derive(Debug)]
pub(crate) struct FoundTopic {
    pub views: Arc<TopicViews>,
    pub settings: Arc<TopicSettings>,
}

impl LastTopic {
    /// The topic of that id, if one is given, or else of that name.
    pub fn find(&mut self, views: &Views, id: Option<Uuid>, name: &str) -> Option<&FoundTopic> {
        // Before the look-up: what is published meanwhile makes it old.
        let publications = views.publications.load(Ordering::Acquire);
        let fits =
            |found: &FoundTopic| id.map_or_else(|| found.views.name == *name, |id| found.views.id == id);
        if self.publications != publications || !self.found.as_ref().is_some_and(fits) {
            let topic = id.map_or_else(|| views.by_name(name), |id| views.by_id(id));
            self.found = topic.map(|views| FoundTopic { settings: views.settings.load_full(), views });
            self.publications = publications;
        }
        self.found.as_ref()
    }
}

/// Copies each bucket that changes once. `may_remove` says whether the entry found is the one meant.
fn change_table<K: Hash + Eq + Clone>(
    buckets: &[ArcSwap<Table<K>>],
    mut changes: Vec<(K, Option<&Arc<TopicViews>>)>,
    may_remove: impl Fn(Option<&Arc<TopicViews>>, &K) -> bool,
) {
    changes.sort_by_key(|(key, _)| bucket(key));
    for group in changes.chunk_by(|(a, _), (b, _)| bucket(a) == bucket(b)) {
        let Some((first, _)) = group.first() else { continue };
        let cell = &buckets[bucket(first)];
        let mut table = Table::clone(&cell.load());
        for (key, topic) in group {
            match topic {
                Some(topic) => drop(table.insert(key.clone(), Arc::clone(topic))),
                None if may_remove(table.get(key), key) => drop(table.remove(key)),
                None => {}
            }
        }
        cell.store(Arc::new(table));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(name: &str, id: u64) -> Arc<TopicViews> {
        Arc::new(TopicViews {
            id: Uuid::from_halves(id, id),
            name: Str::from(name),
            internal: false,
            settings: Arc::default(),
            partitions: Vec::new(),
        })
    }

    #[test]
    fn a_topic_made_again_under_its_old_name_is_found_by_name_and_by_its_new_id_only() {
        let views = Views::default();
        let (old, new) = (topic("t", 1), topic("t", 2));
        views.change(&[Arc::clone(&old)], &[]);
        views.change(&[Arc::clone(&new)], &[Arc::clone(&old)]);
        assert_eq!(views.by_name("t").map(|t| t.id), Some(new.id));
        assert!(views.by_id(old.id).is_none());
        assert!(views.by_id(new.id).is_some());
        views.change(&[], &[new]);
        assert!(views.by_name("t").is_none());
        assert!(views.all().is_empty());
    }

    #[test]
    fn the_last_topic_is_remembered_until_something_is_published() {
        let (views, mut last) = (Views::default(), LastTopic::default());
        let mut find = |name: &str| last.find(&views, None, name).map(|found| found.views.id);
        assert_eq!(find("t"), None);
        let (old, new) = (topic("t", 1), topic("t", 2));
        views.change(&[Arc::clone(&old), topic("u", 3)], &[]);
        assert_eq!([find("t"), find("t"), find("u"), find("t")].map(|id| id.is_some()), [true; 4]);
        views.change(&[Arc::clone(&new)], &[old]);
        assert_eq!(find("t"), Some(new.id));
        assert_eq!(
            last.find(&views, Some(Uuid::from_halves(3, 3)), "").map(|it| it.views.name.clone()),
            Some("u".into())
        );
        views.change(&[], &[new]);
        assert!(last.find(&views, None, "t").is_none());
    }

    #[test]
    fn settings_that_change_are_seen_with_the_publication_that_follows() {
        let (views, mut last) = (Views::default(), LastTopic::default());
        let topic = topic("t", 1);
        views.change(&[Arc::clone(&topic)], &[]);
        let least =
            |last: &mut LastTopic| last.find(&views, None, "t").map(|it| it.settings.min_insync_replicas);
        assert_eq!(least(&mut last), Some(1));
        topic.settings.store(Arc::new(TopicSettings { min_insync_replicas: 2, ..TopicSettings::default() }));
        views.change(&[], &[]);
        assert_eq!(least(&mut last), Some(2));
    }

    #[test]
    fn roles_survive_the_word_they_are_packed_into() {
        for role in [
            Role::Absent,
            Role::Offline,
            Role::Leader { leader_epoch: 0 },
            Role::Leader { leader_epoch: i32::MAX },
            Role::Follower { leader_epoch: 7 },
        ] {
            assert_eq!(Role::from_word(role.to_word()), role);
            let cell = PartitionCell::new(TopicIdPartition::new(Uuid::from_halves(5, 9), 0), 1);
            assert_eq!(cell.directory(), None);
            cell.set_directory(Some(3));
            cell.set_role(role);
            assert_eq!((cell.role(), cell.directory()), (role, Some(3)));
            cell.set_directory(None);
            assert_eq!((cell.role(), cell.directory()), (role, None));
        }
    }

    #[test]
    fn partitions_of_a_topic_spread_over_all_shards() {
        let count = |shard| {
            (0..16)
                .filter(|&partition| {
                    shard_of(&TopicIdPartition::new(Uuid::from_halves(5, 9), partition), 4) == shard
                })
                .count()
        };
        assert_eq!([count(0), count(1), count(2), count(3)], [4; 4]);
    }
}
