//! What must hold, one function each, named as a failing seed prints it. Pure: facts in, verdict out.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kraft::image::MetadataImage;
use wire::Str;
use wire::topic::{TopicIdPartition, TopicPartition};

use crate::history::Verdict;
use crate::model::{Committed, Model, PartitionModel, Promise};

/// An invariant that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the function that says so.
    pub invariant: &'static str,
    /// What was seen, for people.
    pub detail: String,
}

/// The verdict.
pub type Checked = Result<(), Violation>;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.invariant, self.detail)
    }
}

fn violated(invariant: &'static str, detail: String) -> Checked {
    Err(Violation { invariant, detail })
}

/// Text of a value, as producers make them; the filler is left out.
pub fn show(value: &Bytes) -> String {
    String::from_utf8_lossy(value).split('~').next().unwrap_or_default().to_owned()
}

/// A record that was read or acknowledged at an offset is what everybody reads there from then on.
pub fn a_record_once_read_never_changes(
    partition: &TopicPartition,
    model: &PartitionModel,
    offset: i64,
    value: &Bytes,
) -> Checked {
    match model.known.get(&offset) {
        Some(known) if known.value != *value => violated(
            "a_record_once_read_never_changes",
            format!("{partition:?} offset {offset} was {} and is {}", show(&known.value), show(value)),
        ),
        Some(_) | None => Ok(()),
    }
}

/// Every record that stands in a partition was sent to that partition.
pub fn nothing_is_invented(partition: &TopicPartition, offset: i64, value: &Bytes) -> Checked {
    match Origin::of(value) {
        Some(origin) if origin.partition == format!("{}-{}", partition.topic, partition.partition) => Ok(()),
        Some(_) | None => {
            violated("nothing_is_invented", format!("{partition:?} offset {offset} holds {}", show(value)))
        }
    }
}

/// A consumer that fetches from an offset gets the records from there on, without a hole.
pub fn consumers_see_a_prefix(partition: &TopicPartition, from: i64, offsets: &[i64]) -> Checked {
    let expected = from..;
    match expected.zip(offsets).find(|(expected, offset)| expected != *offset) {
        Some((expected, offset)) => violated(
            "consumers_see_a_prefix",
            format!("{partition:?} fetched from {from}: {offset} comes where {expected} should"),
        ),
        None => Ok(()),
    }
}

/// The log holds every offset between its start and its end once.
pub fn offsets_are_dense(partition: &TopicPartition, start: i64, end: i64, offsets: &[i64]) -> Checked {
    let dense = (start..end).eq(offsets.iter().copied());
    if dense {
        return Ok(());
    }
    let detail = format!("{partition:?} from {start} to {end} holds {offsets:?}");
    violated("offsets_are_dense", detail)
}

/// What was acknowledged (and may not be lost by what has happened since) stands at its offset.
pub fn no_acked_record_is_lost(
    partition: &TopicPartition,
    model: &PartitionModel,
    start: i64,
    log: &BTreeMap<i64, Bytes>,
) -> Checked {
    for (offset, known) in model.known.range(start..) {
        if !log.contains_key(offset) {
            let promise = match known.promise {
                Promise::Durable => "acks=all",
                Promise::Leader => "acks=1",
                Promise::Read => "read",
            };
            return violated(
                "no_acked_record_is_lost",
                format!("{partition:?} offset {offset} ({promise}): {}", show(&known.value)),
            );
        }
    }
    let values: BTreeSet<&Bytes> = log.values().collect();
    match model.somewhere.iter().find(|value| model.delete_asked == 0 && !values.contains(value)) {
        Some(value) => violated(
            "no_acked_record_is_lost",
            format!("{partition:?} lost {}, acknowledged as a duplicate", show(value)),
        ),
        None => Ok(()),
    }
}

/// The log start moves up only as far as somebody asked.
pub fn nothing_is_deleted_unasked(partition: &TopicPartition, model: &PartitionModel, start: i64) -> Checked {
    if start <= model.delete_asked {
        return Ok(());
    }
    violated(
        "nothing_is_deleted_unasked",
        format!("{partition:?} starts at {start}, asked was {}", model.delete_asked),
    )
}

/// An idempotent producer's records stand in the order of their sending, each once, none left out.
pub fn idempotent_records_stand_once_and_in_order(
    partition: &TopicPartition,
    log: &BTreeMap<i64, Bytes>,
) -> Checked {
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (offset, value) in log {
        let Some(origin) = Origin::of(value).filter(|origin| origin.is_idempotent()) else { continue };
        let before = last.insert(origin.producer.clone(), origin.number);
        if before.is_some_and(|before| origin.number != before + 1) {
            return violated(
                "idempotent_records_stand_once_and_in_order",
                format!("{partition:?} offset {offset}: {} comes after number {before:?}", show(value)),
            );
        }
    }
    Ok(())
}

/// Every record of a partition has one copy that counts, in the order of the originals; those that have none yet are the last.
pub fn every_record_has_one_copy(source: &TopicPartition, wanted: &[String], found: &[&String]) -> Checked {
    let copies = found.len();
    let mut pairs = wanted.iter().map(Some).chain(std::iter::repeat(None)).zip(found);
    match pairs.find(|(wanted, found)| *wanted != Some(**found)) {
        None => Ok(()),
        Some((wanted, found)) => violated(
            "every_record_has_one_copy",
            format!("{source:?}: {found} stands where {wanted:?} should, among {copies} copies"),
        ),
    }
}

/// What a reader of committed records has seen is the beginning of what every later one sees.
pub fn committed_records_stay_as_they_were_read(place: i32, seen: &[String], all: &[String]) -> Checked {
    if all.starts_with(seen) {
        return Ok(());
    }
    let at = seen.iter().zip(all).take_while(|(one, other)| one == other).count();
    let detail =
        format!("partition {place}, record {at}: {:?} was read, {:?} is there", seen.get(at), all.get(at));
    violated("committed_records_stay_as_they_were_read", detail)
}

/// Offsets of a committed transaction are there for whoever comes next, never older ones.
pub fn committed_transactions_keep_their_offsets(
    partition: &TopicPartition,
    known: i64,
    told: i64,
) -> Checked {
    if told.max(0) >= known {
        return Ok(());
    }
    let detail = format!("{partition:?}: {known} was committed, {told} is told");
    violated("committed_transactions_keep_their_offsets", detail)
}

/// Within one life of the node a high watermark never goes back.
pub fn high_watermarks_never_go_back(partition: &TopicIdPartition, before: i64, now: i64) -> Checked {
    if now >= before {
        return Ok(());
    }
    violated("high_watermarks_never_go_back", format!("{partition:?}: from {before} to {now}"))
}

/// A view's offsets are in order: start, stable, high watermark, end.
pub fn a_view_is_in_order(partition: &TopicIdPartition, offsets: [i64; 4]) -> Checked {
    if offsets.is_sorted() {
        return Ok(());
    }
    violated("a_view_is_in_order", format!("{partition:?}: start, stable, high, end are {offsets:?}"))
}

/// In one generation of a group a partition has one owner.
pub fn a_generation_has_one_owner_per_partition(
    key: &(Str, i32, TopicPartition),
    before: Option<&Str>,
    member: &Str,
) -> Checked {
    match before {
        Some(other) if other != member => violated(
            "a_generation_has_one_owner_per_partition",
            format!("{key:?} belongs to {other} and to {member}"),
        ),
        Some(_) | None => Ok(()),
    }
}

/// A group hears the offset that was acknowledged last, or one sent since whose answer was lost.
pub fn committed_offsets_are_never_lost(
    group: &Str,
    partition: &TopicPartition,
    model: Option<&Committed>,
    told: i64,
) -> Checked {
    let nothing = Committed::default();
    let model = model.unwrap_or(&nothing);
    let told_offset = (told >= 0).then_some(told);
    let allowed = model.is_open
        || told_offset == model.acked
        || told_offset.is_some_and(|told| model.unknown.contains(&told));
    if allowed {
        return Ok(());
    }
    violated(
        "committed_offsets_are_never_lost",
        format!("group {group} {partition:?}: told {told}, known is {model:?}"),
    )
}

/// Whatever was in the committed image when the node went down is in it when the node is back.
pub fn a_restart_brings_the_same_image(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Checked {
    match before.difference(now).next() {
        Some(missing) => violated("a_restart_brings_the_same_image", format!("missing: {missing}")),
        None => Ok(()),
    }
}

/// Topics whose creation was acknowledged exist, those whose deletion was do not.
pub fn topics_are_as_acknowledged(model: &Model, exists: impl Fn(&str) -> bool) -> Checked {
    use crate::model::TopicFate;
    for (name, fate) in &model.topics {
        let wrong = match fate {
            TopicFate::Created(_) => !exists(name),
            TopicFate::Deleted => exists(name),
            TopicFate::Doomed => false,
        };
        if wrong {
            return violated("topics_are_as_acknowledged", format!("{name} is {fate:?}"));
        }
    }
    Ok(())
}

/// Every batch in every file can be read: length, checksum, records.
pub fn every_stored_batch_decodes(path: &str, outcome: Result<(), String>) -> Checked {
    outcome.or_else(|reason| violated("every_stored_batch_decodes", format!("{path}: {reason}")))
}

/// A handler neither panics nor takes an honest request for a malformed one.
pub fn no_request_breaks_a_handler(reason: &str) -> Checked {
    violated("no_request_breaks_a_handler", reason.to_owned())
}

/// Answers come in the order of the requests and can be decoded in the version that was asked.
pub fn answers_come_in_order(detail: &str) -> Checked {
    violated("answers_come_in_order", detail.to_owned())
}

/// A client hears no error that nothing in the run explains.
pub fn no_unexplained_error(who: &str, what: &str) -> Checked {
    violated("no_unexplained_error", format!("{who}: {what}"))
}

/// The node comes up on what any fault left behind.
pub fn the_node_comes_up(detail: &str) -> Checked {
    violated("the_node_comes_up", detail.to_owned())
}

/// Once faults have ended, every client gets its work done.
pub fn everything_ends_well(detail: &str) -> Checked {
    violated("everything_ends_well", detail.to_owned())
}

/// In one epoch of the metadata quorum everybody knows the same leader.
pub fn an_epoch_of_the_quorum_has_one_leader(node_id: i32, epoch: i32, known: i32, leader: i32) -> Checked {
    if known == leader {
        return Ok(());
    }
    violated(
        "an_epoch_of_the_quorum_has_one_leader",
        format!("epoch {epoch}: {known} leads, and node {node_id} says that {leader} does"),
    )
}

/// Within one life a node's metadata only grows.
pub fn metadata_never_goes_back(machine: usize, before: i64, now: i64) -> Checked {
    if now >= before {
        return Ok(());
    }
    violated("metadata_never_goes_back", format!("machine {machine}: from offset {before} to {now}"))
}

/// At one offset the committed metadata amounts to the same on every node.
pub fn metadata_is_the_same_everywhere(
    machine: usize,
    known: &MetadataImage,
    image: &MetadataImage,
) -> Checked {
    if std::ptr::eq(known, image) || known == image {
        return Ok(());
    }
    let detail = format!("at offset {} machine {machine} has another image", image.provenance.last_offset);
    violated("metadata_is_the_same_everywhere", detail)
}

/// In one leader epoch a partition is led by one node.
pub fn a_leader_epoch_has_one_leader(
    key: &TopicIdPartition,
    epoch: i32,
    known: usize,
    machine: usize,
) -> Checked {
    if known == machine {
        return Ok(());
    }
    let detail = format!("{key:?} in epoch {epoch}: led by machine {known} and by machine {machine}");
    violated("a_leader_epoch_has_one_leader", detail)
}

/// What a leader has called committed stays committed while it leads.
pub fn a_leaders_high_watermark_never_goes_back(
    key: &TopicIdPartition,
    epoch: i32,
    before: i64,
    now: i64,
) -> Checked {
    if now >= before {
        return Ok(());
    }
    let detail = format!("{key:?} in epoch {epoch}: from {before} to {now}");
    violated("a_leaders_high_watermark_never_goes_back", detail)
}

/// When a leader calls records committed, every in-sync replica that follows it has them.
pub fn committed_records_are_on_all_in_sync_replicas(
    key: &TopicIdPartition,
    high_watermark: i64,
    follower: i32,
    log_end_offset: i64,
) -> Checked {
    if log_end_offset >= high_watermark {
        return Ok(());
    }
    violated(
        "committed_records_are_on_all_in_sync_replicas",
        format!(
            "{key:?}: committed up to {high_watermark}, in-sync replica {follower} ends at {log_end_offset}"
        ),
    )
}

/// Nobody gets two votes of one voter in one epoch of the metadata quorum, also over its restarts.
pub fn a_voter_votes_once_in_an_epoch(machine: usize, epoch: i32, known: i32, candidate: i32) -> Checked {
    if known == candidate {
        return Ok(());
    }
    let detail = format!("machine {machine} in epoch {epoch}: voted for {known} and for {candidate}");
    violated("a_voter_votes_once_in_an_epoch", detail)
}

/// Who leads the metadata quorum and is out of reach of its majority notices, and leads no longer.
pub fn a_leader_that_nobody_reaches_resigns(
    machine: usize,
    heard: usize,
    voters: usize,
    limit_ms: i64,
) -> Checked {
    if 2 * heard > voters {
        return Ok(());
    }
    let detail = format!(
        "machine {machine} leads on, {limit_ms} ms after it heard from {heard} of {voters} voters last"
    );
    violated("a_leader_that_nobody_reaches_resigns", detail)
}

/// What is acknowledged to whom asked for all in-sync replicas lies on min.insync.replicas of them.
pub fn acknowledged_records_have_enough_copies(
    partition: &TopicPartition,
    end_offset: i64,
    copies: usize,
    wanted: usize,
) -> Checked {
    if copies >= wanted {
        return Ok(());
    }
    let detail =
        format!("{partition:?}: acknowledged up to {end_offset}, at most {copies} of {wanted} copies");
    violated("acknowledged_records_have_enough_copies", detail)
}

/// Consumers are given nothing that no leader has called committed.
pub fn consumers_read_what_is_committed(partition: &TopicPartition, offset: i64, committed: i64) -> Checked {
    if offset < committed {
        return Ok(());
    }
    violated(
        "consumers_read_what_is_committed",
        format!("{partition:?}: offset {offset} was read, committed is what lies below {committed}"),
    )
}

/// What DeleteRecords was acknowledged to have deleted does not come back.
pub fn what_was_deleted_stays_deleted(
    partition: &TopicPartition,
    model: &PartitionModel,
    start: i64,
) -> Checked {
    if start >= model.deleted {
        return Ok(());
    }
    let detail = format!("{partition:?} starts at {start}, deleted was up to {}", model.deleted);
    violated("what_was_deleted_stays_deleted", detail)
}

/// All replicas hold the same bytes.
pub fn replicas_are_identical(
    partition: &TopicPartition,
    offset: i64,
    one: (i32, &[u8]),
    other: (i32, &[u8]),
) -> Checked {
    if one.1 == other.1 {
        return Ok(());
    }
    let place = one.1.iter().zip(other.1).position(|(one, other)| one != other);
    violated(
        "replicas_are_identical",
        format!(
            "{partition:?} from offset {offset}: {} bytes on node {} and {} on node {}, different from byte {place:?} on",
            one.1.len(),
            one.0,
            other.1.len(),
            other.0
        ),
    )
}

/// Leader epochs of batches never go back along a log.
pub fn leader_epochs_never_go_back(partition: &TopicPartition, epochs: &[(i64, i32)]) -> Checked {
    match epochs.windows(2).find(|pair| matches!(pair, [(_, before), (_, after)] if after < before)) {
        Some(pair) => violated("leader_epochs_never_go_back", format!("{partition:?}: {pair:?}")),
        None => Ok(()),
    }
}

/// Once everything is whole again, every partition takes records soon.
pub fn every_partition_is_soon_writable(detail: &str) -> Checked {
    violated("every_partition_is_soon_writable", detail.to_owned())
}

/// What clients sent, read and were told is what Kafka promises.
pub fn histories_hold(verdict: &Verdict) -> Checked {
    match verdict.bad().next() {
        Some((anomaly, tally)) => {
            let example = tally.examples.first().map(|(_, words)| words.as_str()).unwrap_or_default();
            violated("histories_hold", format!("{} x {}: {example}", tally.count, anomaly.name()))
        }
        None => Ok(()),
    }
}

/// Where a value comes from: `i3.1/topic-0/17~…` is the 18th of producer 3's second life, an idempotent one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name: `i` of an idempotent one or `p`, its number, its life.
    pub producer: String,
    /// `topic-partition` that it was meant for.
    pub partition: String,
    /// Counted from 0 within the producer and the partition.
    pub number: u64,
}

impl Origin {
    /// Reads it from a record's value; `None` if no producer of a run made that.
    pub fn of(value: &Bytes) -> Option<Origin> {
        let text = std::str::from_utf8(value).ok()?;
        let (head, _) = text.split_once('~')?;
        let mut parts = head.split('/');
        let (producer, partition, number) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Origin {
            producer: producer.to_owned(),
            partition: partition.to_owned(),
            number: number.parse().ok()?,
        })
    }

    /// Whether its producer is idempotent: none of its values may be there twice.
    pub fn is_idempotent(&self) -> bool {
        self.producer.starts_with('i')
    }
}
