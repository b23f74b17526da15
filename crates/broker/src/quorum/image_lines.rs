//! What a new image brings, as lines of the log: topics that come and go, partitions that are added or change hands, configurations, quotas,
//! feature levels. Said in one place, where images are published, whoever wished for the change. Bounded: many changes of one kind are
//! one line that names the first, so that ten thousand new topics cost little. Values of sensitive keys are never told.

use std::fmt::Display;

use kraft::image::{
    Change, ConfigResource, MetadataImage, PartitionImage, ResourceConfigs, ResourceType, TopicChange,
};
use wire::Str;

use crate::config::{ConfigKey, broker_key, client_metrics_key, group_key, listener_key, topic_key};
use crate::telling::{Ration, Shown};

/// Changes of one kind that have a line each; more are one line together.
const LINES_MAX: usize = 20;

/// What such a line names.
const NAMED_MAX: usize = 3;

/// Keys of one resource that its line names.
const KEYS_MAX: usize = 20;

/// Lines about partitions in any one second, over all steps: a broker that comes back joins the ISR of each of its partitions in a step of its
/// own.
const MOVED_LINES_PER_SECOND: u32 = 20;

/// What is left to say of partitions that change hands.
pub(crate) fn ration() -> Ration {
    Ration::new(MOVED_LINES_PER_SECOND)
}

/// The lines for the step from `old` to `new`; `changes` are those of their topics.
pub(crate) fn lines(
    old: &MetadataImage,
    new: &MetadataImage,
    changes: &[TopicChange<'_>],
    (moves, now_ms): (&mut Ration, i64),
) -> Vec<String> {
    let (mut lines, mut moved) = (Vec::new(), Vec::new());
    topics(changes, &mut lines, &mut moved);
    lines.extend(
        moved.into_iter().filter_map(|line| moves.take(now_ms).map(|left_out| format!("{line}{left_out}"))),
    );
    configurations(old, new, &mut lines);
    quotas(old, new, &mut lines);
    features(old, new, &mut lines);
    lines
}

/// Changes of one kind.
#[derive(Default)]
struct Kind {
    count: usize,
    /// Of the first [`NAMED_MAX`].
    names: Vec<String>,
    /// Of the first [`LINES_MAX`].
    lines: Vec<String>,
}

impl Kind {
    fn add(&mut self, name: impl Display, line: impl FnOnce() -> String) {
        self.count += 1;
        if self.count <= NAMED_MAX {
            self.names.push(name.to_string());
        }
        if self.count <= LINES_MAX {
            self.lines.push(line());
        }
    }

    /// One line each, or one for all.
    fn tell(self, what: &str, lines: &mut Vec<String>) {
        if self.count <= LINES_MAX {
            return lines.extend(self.lines);
        }
        let more = self.count - self.names.len();
        lines.push(format!("{} {what}: {} and {more} more", self.count, self.names.join(", ")));
    }
}

fn quotas(old: &MetadataImage, new: &MetadataImage, lines: &mut Vec<String>) {
    let mut changed = Kind::default();
    for change in new.client_quotas.changes_since(&old.client_quotas) {
        let (entity, quotas) = match &change {
            Change::Added(entity, quotas) | Change::Changed(entity, _, quotas) => (*entity, Some(*quotas)),
            Change::Removed(entity, _) => (*entity, None),
        };
        let part = |(entity_type, name): (&Str, &Option<Str>)| {
            // Names are whatever somebody thinks of.
            let name = name.as_deref().map(str::escape_debug);
            name.map_or_else(|| format!("{entity_type} <default>"), |name| format!("{entity_type} {name}"))
        };
        let name = entity.iter().map(part).collect::<Vec<_>>().join(", ");
        let all: Vec<String> = quotas
            .into_iter()
            .flat_map(|all| all.iter())
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let all = if all.is_empty() { "none any more".to_owned() } else { all.join(", ") };
        changed.add(&name, || format!("quotas of {name}: {all}"));
    }
    changed.tell("entities have other quotas", lines);
}

fn topics(changes: &[TopicChange<'_>], lines: &mut Vec<String>, hands: &mut Vec<String>) {
    let (mut created, mut deleted) = (Kind::default(), Kind::default());
    let (mut grown, mut moved) = (Kind::default(), Kind::default());
    for change in changes {
        match change {
            TopicChange::Created(topic) => created.add(&topic.name, || {
                let replicas = topic.partition(0).map_or(0, |partition| partition.replicas.len());
                let (name, id, count) = (&topic.name, topic.id, topic.partitions.len());
                format!("topic {name} created: id {id}, partitions {count}, replication factor {replicas}")
            }),
            TopicChange::Deleted(topic) => deleted.add(&topic.name, || {
                format!(
                    "topic {} deleted: id {}, partitions {}",
                    topic.name,
                    topic.id,
                    topic.partitions.len()
                )
            }),
            TopicChange::Changed(before, topic) => {
                let mut added = 0;
                for partition in topic.partitions.changes_since(&before.partitions) {
                    match partition {
                        Change::Added(..) => added += 1,
                        Change::Changed(index, old, new) if is_moved(old, new) => moved
                            .add(format_args!("{}-{index}", topic.name), || {
                                moved_line(&topic.name, *index, new)
                            }),
                        Change::Changed(..) | Change::Removed(..) => {}
                    }
                }
                if added > 0 {
                    let count = topic.partitions.len();
                    grown.add(&topic.name, || {
                        format!("topic {}: {added} partitions added, it has {count}", topic.name)
                    });
                }
            }
        }
    }
    created.tell("topics created", lines);
    deleted.tell("topics deleted", lines);
    grown.tell("topics got more partitions", lines);
    moved.tell("partitions changed leader or replicas", hands);
}

/// It is led or kept by others than before.
fn is_moved(old: &PartitionImage, new: &PartitionImage) -> bool {
    let of = |partition: &PartitionImage| (partition.leader, partition.leader_epoch);
    of(old) != of(new)
        || old.replicas != new.replicas
        || old.isr != new.isr
        || old.adding_replicas != new.adding_replicas
        || old.removing_replicas != new.removing_replicas
}

fn moved_line(topic: &Str, index: i32, new: &PartitionImage) -> String {
    let leader = if new.has_leader() { new.leader.to_string() } else { "none".to_owned() };
    let mut line = format!(
        "partition {topic}-{index}: leader {leader}, leader epoch {}, replicas {:?}, in sync {:?}",
        new.leader_epoch, new.replicas, new.isr
    );
    if new.is_reassigning() {
        line += &format!(", adding {:?}, removing {:?}", new.adding_replicas, new.removing_replicas);
    }
    line
}

fn configurations(old: &MetadataImage, new: &MetadataImage, lines: &mut Vec<String>) {
    let mut changed = Kind::default();
    for resource in new.configs.changed_since(&old.configs) {
        // What was set on a topic goes with it.
        if resource.resource_type != ResourceType::Topic || new.topics.by_name(&resource.name).is_some() {
            changed.add(named(resource), || {
                let keys = keys(resource, old.configs.of(resource), new.configs.of(resource));
                format!("configuration of {} changed: {keys}", named(resource))
            });
        }
    }
    changed.tell("configurations changed", lines);
}

fn named(resource: &ConfigResource) -> String {
    let kind = match resource.resource_type {
        ResourceType::Topic => return format!("topic {}", resource.name),
        ResourceType::Broker if resource.name.is_empty() => return "all brokers".to_owned(),
        ResourceType::Broker => "broker",
        ResourceType::BrokerLogger => "the loggers of broker",
        ResourceType::ClientMetrics => "client metrics",
        ResourceType::Group => "group",
    };
    format!("{kind} {}", Shown(&resource.name))
}

/// Keys that are set, with their values where these may be shown, and keys that are unset.
fn keys(resource: &ConfigResource, old: &ResourceConfigs, new: &ResourceConfigs) -> String {
    let set =
        new.iter().filter(|(key, value)| old.get(*key) != Some(*value)).map(|(key, value)| {
            match is_open(resource.resource_type, key) {
                true => format!("{}={}", key, Shown(value)),
                false => format!("{}=[hidden]", Shown(key)),
            }
        });
    let unset =
        old.keys().filter(|key| !new.contains_key(*key)).map(|key| format!("{} is unset", Shown(key)));
    let mut all: Vec<String> = set.chain(unset).collect();
    let more = all.len().saturating_sub(KEYS_MAX);
    all.truncate(KEYS_MAX);
    let more = if more > 0 { format!(" and {more} keys more") } else { String::new() };
    all.join(", ") + &more
}

/// A value of a key that nobody knows may be anything.
fn is_open(resource: ResourceType, name: &str) -> bool {
    let open = |key: &ConfigKey| !key.is_sensitive();
    match resource {
        ResourceType::Topic => topic_key(name).is_some_and(open),
        ResourceType::Broker => match listener_key(name) {
            Some(found) => open(found.key),
            None => broker_key(name).is_some_and(open),
        },
        ResourceType::Group => group_key(name).is_some_and(open),
        ResourceType::ClientMetrics => client_metrics_key(name).is_some_and(open),
        ResourceType::BrokerLogger => true,
    }
}

fn features(old: &MetadataImage, new: &MetadataImage, lines: &mut Vec<String>) {
    let gone = old.features.iter().filter(|(name, _)| new.features.iter().all(|(other, _)| other != *name));
    for (name, level) in new.features.iter().chain(gone.map(|(name, _)| (name, 0))) {
        let before = old.features.level(name);
        if before != level {
            lines.push(format!("feature {name}: level {level}, before {before}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Uuid;
    use wire::records::metadata::{
        ConfigRecord, FeatureLevelRecord, MetadataRecord, PartitionChangeRecord, PartitionRecord,
        RemoveTopicRecord, TopicRecord,
    };

    fn with(old: &MetadataImage, records: impl IntoIterator<Item = MetadataRecord>) -> MetadataImage {
        let mut image = old.clone();
        for record in records {
            image.apply(&record).unwrap();
        }
        image
    }

    fn said(old: &MetadataImage, new: &MetadataImage) -> Vec<String> {
        lines(old, new, &new.topics.changes_since(&old.topics), (&mut ration(), 0))
    }

    fn id(topic: usize) -> Uuid {
        Uuid::from_halves(1, topic as u64)
    }

    fn topic(topic: usize) -> [MetadataRecord; 2] {
        let name = TopicRecord { name: format!("t{topic}").into(), topic_id: id(topic) };
        [MetadataRecord::Topic(name), partition(topic, 0)]
    }

    fn partition(topic: usize, index: i32) -> MetadataRecord {
        MetadataRecord::Partition(PartitionRecord {
            partition_id: index,
            topic_id: id(topic),
            replicas: vec![1],
            isr: vec![1],
            leader: 1,
            ..Default::default()
        })
    }

    fn config(resource_type: i8, name: &str, key: &str, value: Option<&str>) -> MetadataRecord {
        MetadataRecord::Config(ConfigRecord {
            resource_type,
            resource_name: name.into(),
            name: key.into(),
            value: value.map(Str::from),
        })
    }

    #[test]
    fn many_steps_in_a_second_have_no_more_lines_than_one() {
        let mut image = with(&MetadataImage::default(), (0..100).flat_map(topic));
        let (mut moves, mut told) = (ration(), Vec::new());
        for (at_ms, moved) in (0..100).chain([5_000]).zip((0..100).chain([0])) {
            let change = PartitionChangeRecord {
                partition_id: 0,
                topic_id: id(moved),
                isr: Some(if at_ms < 1_000 { vec![1, 2] } else { vec![1] }),
                ..Default::default()
            };
            let next = with(&image, [MetadataRecord::PartitionChange(change)]);
            told.extend(lines(&image, &next, &next.topics.changes_since(&image.topics), (&mut moves, at_ms)));
            image = next;
        }
        assert_eq!(told.len(), 21, "{told:?}");
        assert!(told[20].ends_with("(and 80 more like it before)"), "{}", told[20]);
    }

    #[test]
    fn each_change_has_its_line() {
        let none = MetadataImage::default();
        let one = with(&none, topic(0));
        let created = format!("topic t0 created: id {}, partitions 1, replication factor 1", id(0));
        assert_eq!(said(&none, &one), [created]);
        assert_eq!(said(&one, &with(&one, [partition(0, 1)])), ["topic t0: 1 partitions added, it has 2"]);
        let change = MetadataRecord::PartitionChange(PartitionChangeRecord {
            partition_id: 0,
            topic_id: id(0),
            leader: -1,
            ..Default::default()
        });
        let expected = ["partition t0-0: leader none, leader epoch 0, replicas [1], in sync [1]"];
        assert_eq!(said(&one, &with(&one, [change])), expected);
        let removal = MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: id(0) });
        let configured = with(&one, [config(2, "t0", "retention.ms", Some("5"))]);
        assert_eq!(said(&one, &configured), [r#"configuration of topic t0 changed: retention.ms="5""#]);
        let deleted = format!("topic t0 deleted: id {}, partitions 1", id(0));
        assert_eq!(said(&configured, &with(&configured, [removal])), [deleted]);
        let feature = MetadataRecord::FeatureLevel(FeatureLevelRecord {
            name: "group.version".into(),
            feature_level: 1,
        });
        assert_eq!(said(&none, &with(&none, [feature])), ["feature group.version: level 1, before 0"]);
        assert!(said(&one, &one).is_empty());
    }

    #[test]
    fn ten_thousand_topics_are_one_line() {
        let none = MetadataImage::default();
        let many = with(&none, (0..10_000).flat_map(topic));
        assert_eq!(said(&none, &many), ["10000 topics created: t0, t1, t2 and 9997 more"]);
        assert_eq!(said(&many, &none), ["10000 topics deleted: t0, t1, t2 and 9997 more"]);
        let grown = with(&many, (0..10_000).map(|topic| partition(topic, 1)));
        assert_eq!(said(&many, &grown), ["10000 topics got more partitions: t0, t1, t2 and 9997 more"]);
        let few = with(&none, (0..LINES_MAX).flat_map(topic));
        assert_eq!(said(&none, &few).len(), LINES_MAX);
    }

    #[test]
    fn what_is_secret_or_unknown_is_not_told() {
        let none = MetadataImage::default();
        let of = |name: &str, key, value| said(&none, &with(&none, [config(4, name, key, Some(value))]));
        for key in ["ssl.keystore.password", "listener.name.a.ssl.keystore.password", "custom.thing"] {
            let expected = format!(r#"configuration of broker "1" changed: "{key}"=[hidden]"#);
            assert_eq!(of("1", key, "hush"), [expected]);
        }
        let expected = r#"configuration of all brokers changed: log.cleaner.threads="2""#;
        assert_eq!(of("", "log.cleaner.threads", "2"), [expected]);
        let set = with(&none, [config(4, "", "log.cleaner.threads", Some("2"))]);
        let unset = with(&set, [config(4, "", "log.cleaner.threads", None)]);
        assert_eq!(
            said(&set, &unset),
            [r#"configuration of all brokers changed: "log.cleaner.threads" is unset"#]
        );
    }
}
