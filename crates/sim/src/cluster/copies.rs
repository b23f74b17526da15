//! What readers of committed records see of the copies: while the storm lasts, and at the end, when every record of the workload must have
//! one copy, no aborted one shows and no transaction is open.

use std::collections::BTreeMap;

use wire::Str;
use wire::compress::DecompressLimit;
use wire::messages::fetch::PartitionData;
use wire::record_batch::RecordBatch;
use wire::topic::{CONSUMER_OFFSETS, TRANSACTION_STATE, TopicPartition};

use super::admin;
use super::copier::{COPIES, Copier, copy_of, fetch, place_of, shares};
use super::router::Router;
use crate::invariants;
use crate::world::{Phase, World};

/// What one reader of committed records has seen: by partition, where it stands and the values before that, in order.
type Seen = BTreeMap<i32, (i64, Vec<String>)>;

/// Makes the topics that transactions need.
pub async fn prepare(world: &World) {
    if world.shape.cluster.copiers == 0 {
        return;
    }
    let router = &mut Router::new(world, "admin");
    let internal = [CONSUMER_OFFSETS, TRANSACTION_STATE];
    for name in internal.iter().filter(|name| **name != CONSUMER_OFFSETS || world.shape.groups == 0) {
        let configs = world.shape.offsets_configs();
        let partitions = world.shape.offsets_partitions;
        admin::create(world, router, &Str::from_static(name), partitions, configs).await;
    }
    let configs = world.shape.topic_configs();
    admin::create(world, router, &Str::from_static(COPIES), world.shape.partitions, configs).await;
}

/// Copiers, some with a rival of the same name.
pub fn start(world: &World) {
    if world.shape.cluster.copiers == 0 {
        return;
    }
    for (name, sources) in shares(world) {
        let rivals = world.draw(|random| random.pick(&[1, 1, 2], 1));
        for rival in 0..rivals {
            world.spawn(Copier::new(world, &name, &sources, rival).run());
        }
    }
}

/// Reads all along; what it has seen at any time must be the beginning of what is there at the end.
pub async fn follow(world: World) {
    let mut router = Router::new(&world, "follower of copies");
    let mut seen = Seen::new();
    while world.phase.get() < Phase::Closing {
        read_all(&world, &mut router, &mut seen).await;
        let pause_ms = world.draw(|random| random.between(10, 200));
        world.sleep(pause_ms).await;
    }
    let mut whole = Seen::new();
    for _ in 0..100 {
        read_all(&world, &mut router, &mut whole).await;
        let is_there = |place: &i32| {
            let reached = whole.get(place).map_or(0, |(position, _)| *position);
            seen.get(place).is_none_or(|(position, _)| reached >= *position)
        };
        if (0..world.shape.partitions).all(|place| is_there(&place)) {
            break;
        }
    }
    for (place, (_, values)) in &seen {
        let all = whole.get(place).map_or(&[][..], |(_, values)| values);
        world.check(invariants::committed_records_stay_as_they_were_read(*place, values, all));
    }
}

/// At the end: what is missing, in words. Whatever is there twice, out of order or was never sent is a violation.
pub async fn unfinished(world: &World, ends: &BTreeMap<TopicPartition, i64>) -> Option<String> {
    if world.shape.cluster.copiers == 0 {
        return None;
    }
    let mut router = Router::new(world, "reader of copies");
    let mut seen = Seen::new();
    let mut open = None;
    loop {
        let before: Vec<i64> = seen.values().map(|(position, _)| *position).collect();
        open = read_all(world, &mut router, &mut seen).await.or(open);
        if seen.len() == world.shape.partitions as usize && seen.values().map(|(at, _)| *at).eq(before) {
            break;
        }
        if world.violation().is_some() {
            return None;
        }
    }
    let mut late = None;
    for (_, sources) in shares(world) {
        for source in sources {
            let wanted: Vec<String> =
                (0..ends.get(&source).copied().unwrap_or(0)).map(|offset| copy_of(&source, offset)).collect();
            let place = place_of(world, &source);
            let prefix = format!("{}-{}@", source.topic, source.partition);
            let values = seen.get(&place).map_or(&[][..], |(_, values)| values);
            let found: Vec<&String> = values.iter().filter(|value| value.starts_with(&prefix)).collect();
            world.check(invariants::every_record_has_one_copy(&source, &wanted, &found));
            if found.len() < wanted.len() {
                late = Some(format!("{} of {} copies of {source:?}", found.len(), wanted.len()));
            }
        }
    }
    late.or(open)
}

/// One fetch of each partition of the copies. Answers which is held up by an open transaction, in words.
async fn read_all(world: &World, router: &mut Router, seen: &mut Seen) -> Option<String> {
    let mut open = None;
    for place in 0..world.shape.partitions {
        let partition = TopicPartition { topic: Str::from_static(COPIES), partition: place };
        router.look(std::slice::from_ref(&partition)).await;
        let (position, values) = seen.entry(place).or_default();
        let Some(data) = fetch(router, &partition, *position, true).await else {
            open = Some(format!("{partition:?} cannot be read"));
            continue;
        };
        if data.last_stable_offset < data.high_watermark {
            open = Some(format!(
                "a transaction holds {partition:?} up at {} of {}",
                data.last_stable_offset, data.high_watermark
            ));
        }
        match committed(&data, *position) {
            Ok((next, found)) => {
                *position = next;
                values.extend(found);
            }
            Err(reason) => {
                world.check(invariants::every_stored_batch_decodes(&format!("{partition:?}"), Err(reason)));
            }
        }
    }
    open
}

/// As a client reads: aborted transactions are left out by the list that comes with the records. The next position, and the values.
fn committed(data: &PartitionData, from: i64) -> Result<(i64, Vec<String>), String> {
    let mut aborted = data.aborted_transactions.clone().unwrap_or_default();
    let (mut next, mut values, mut aborting) = (from, Vec::new(), Vec::new());
    let batches = RecordBatch::split(data.records.clone().unwrap_or_default());
    for batch in batches.map_err(|error| format!("{error:?}"))? {
        let header = *batch.header();
        next = header.last_offset() + 1;
        aborted.retain(|one| {
            let begins = one.first_offset <= header.last_offset();
            if begins {
                aborting.push(one.producer_id);
            }
            !begins
        });
        if header.is_control() {
            let markers = batch.control_records().map_err(|error| format!("{error:?}"))?;
            let marker = markers.first().and_then(|record| record.end_transaction().ok().flatten());
            if marker.is_some_and(|marker| !marker.commit) {
                aborting.retain(|id| *id != header.producer_id);
            }
            continue;
        }
        if header.is_transactional() && aborting.contains(&header.producer_id) {
            continue;
        }
        for record in batch.records(DecompressLimit::default()).map_err(|error| format!("{error:?}"))? {
            let record = record.map_err(|error| format!("{error:?}"))?;
            if record.offset >= from {
                values.push(String::from_utf8_lossy(&record.value.unwrap_or_default()).into_owned());
            }
        }
    }
    Ok((next, values))
}
