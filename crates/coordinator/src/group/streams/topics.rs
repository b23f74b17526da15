//! Which topics a topology needs: whether those that it reads are there and go together, how many partitions the ones it keeps for itself
//! must have, and which of them are yet to be made (KIP-1071). A pure function of the topology and the cluster; the same answer as Kafka's,
//! which is why the order of Java's hash tables matters where people read it.

use super::super::consumer::ClusterView;
use super::super::consumer::refusal::Refusal;
use super::super::java;
use super::heard::StatusCode;
use super::topology::{Topology, sources};
use std::collections::{BTreeMap, BTreeSet};
use wire::messages::create_topics::{CreatableTopic, CreatableTopicConfig};
use wire::messages::streams_group_heartbeat::Status;
use wire::records::group::{StreamsGroupTopologyValueTopicInfo as TopicInfo, Subtopology};
use wire::{ErrorCode, Str};

/// So many names are told of a list.
const NAMES_TOLD: usize = 3;

/// How often the subtopologies are gone through to find how many partitions each repartitioned topic has. DIVERGES: Kafka goes on as long as
/// one more is found; topologies are not that deep, and a hostile one of 70,000 subtopologies would hold the coordinator for minutes.
const MOST_PASSES: usize = 100;

/// A topic that the application keeps for itself.
#[derive(Debug, Clone, PartialEq)]
pub struct InternalTopic {
    /// How many it must have.
    pub partitions: i32,
    /// 0: the broker's default.
    pub replication_factor: i16,
    /// By key.
    pub configs: BTreeMap<Str, Str>,
}

/// A subtopology whose topics are known.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredSubtopology {
    /// As many as its largest source has partitions.
    pub tasks: i32,
    /// What it reads of others.
    pub source_topics: BTreeSet<Str>,
    /// What it reads of itself.
    pub repartition_source_topics: BTreeMap<Str, InternalTopic>,
    /// What it writes for other subtopologies.
    pub repartition_sink_topics: BTreeSet<Str>,
    /// What it keeps its state in.
    pub state_changelog_topics: BTreeMap<Str, InternalTopic>,
}

/// What became of a topology in the cluster as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Configured {
    /// Of the topology.
    pub epoch: i32,
    /// `None` where its sources are not as they must be.
    pub subtopologies: Option<BTreeMap<Str, ConfiguredSubtopology>>,
    /// In the order of a Java hash table.
    pub to_create: Vec<CreatableTopic>,
    /// Why it cannot run yet.
    pub trouble: Option<Status>,
}

impl Configured {
    /// It can run.
    pub fn is_ready(&self) -> bool {
        self.trouble.is_none()
    }
}

/// Why a topology does not come to anything.
enum Fault {
    /// With the cluster as it is.
    Trouble(Status),
    /// With no cluster.
    Refused(Refusal),
}

impl Fault {
    fn invalid(message: impl Into<String>) -> Fault {
        Fault::Refused(Refusal::new(ErrorCode::StreamsInvalidTopology, message))
    }

    /// What Kafka never expects.
    fn absurd() -> Fault {
        Fault::Refused(Refusal { error: ErrorCode::UnknownServerError, message: None })
    }

    fn uneven(message: String) -> Fault {
        Fault::Trouble(StatusCode::IncorrectlyPartitionedTopics.with(message))
    }
}

/// What becomes of it in this cluster.
pub(super) fn configure(topology: &Topology, view: &dyn ClusterView) -> Result<Configured, Refusal> {
    match configured(topology, view) {
        Ok(configured) => Ok(configured),
        Err(Fault::Refused(refusal)) => Err(refusal),
        Err(Fault::Trouble(trouble)) => Ok(Configured {
            epoch: topology.epoch,
            subtopologies: None,
            to_create: Vec::new(),
            trouble: Some(trouble),
        }),
    }
}

fn configured(topology: &Topology, view: &dyn ClusterView) -> Result<Configured, Fault> {
    let missing: BTreeSet<&Str> = topology
        .subtopologies
        .values()
        .flat_map(|one| &one.source_topics)
        .filter(|name| view.topic(name).is_none())
        .collect();
    if !missing.is_empty() {
        let names = summary(missing.iter().copied());
        return Err(Fault::Trouble(
            StatusCode::MissingSourceTopics.with(format!("Source topics {names} are missing.")),
        ));
    }
    let mut counts = Counts { view, decided: BTreeMap::new() };
    counts.decide(topology)?;
    let mut subtopologies = BTreeMap::new();
    for (id, subtopology) in &topology.subtopologies {
        subtopologies.insert(id.clone(), counts.configure(subtopology)?);
    }
    let to_create = missing_topics(&subtopologies, topology, view)?;
    let trouble = (!to_create.is_empty()).then(|| {
        let names = summary(to_create.iter().map(|topic| &topic.name));
        StatusCode::MissingInternalTopics.with(format!("Internal topics are missing: {names}"))
    });
    Ok(Configured { epoch: topology.epoch, subtopologies: Some(subtopologies), to_create, trouble })
}

/// How many partitions topics have, or shall have.
struct Counts<'a> {
    view: &'a dyn ClusterView,
    decided: BTreeMap<Str, i32>,
}

impl Counts<'_> {
    /// What there is comes before what was decided.
    fn of(&self, topic: &str) -> Option<i32> {
        self.view.topic(topic).map(|topic| topic.partitions).or_else(|| self.decided.get(topic).copied())
    }

    fn decide(&mut self, topology: &Topology) -> Result<(), Fault> {
        self.decided = self.repartitioned(topology)?;
        self.copartition(topology)?;
        for (id, subtopology) in &topology.subtopologies {
            let of = |topic: &Str| self.of(topic).ok_or_else(Fault::absurd);
            let counts = sources(subtopology).map(of).collect::<Result<Vec<i32>, Fault>>()?;
            let Some(most) = counts.into_iter().max() else {
                return Err(Fault::invalid(format!("No source topics found for subtopology {id}")));
            };
            let changelogs = subtopology.state_changelog_topics.iter();
            self.decided.extend(changelogs.map(|topic| (topic.name.clone(), most)));
        }
        Ok(())
    }

    /// Topics that one subtopology writes for another one have as many partitions as the largest that the writer reads.
    fn repartitioned(&self, topology: &Topology) -> Result<BTreeMap<Str, i32>, Fault> {
        let subtopologies = || topology.subtopologies.values();
        let fixed = subtopologies().flat_map(|one| &one.repartition_source_topics);
        let mut counts: BTreeMap<Str, i32> = fixed
            .filter(|topic| topic.partitions != 0)
            .map(|topic| (topic.name.clone(), topic.partitions))
            .collect();
        let mut open: Vec<(&Subtopology, &Str)> = subtopologies()
            .flat_map(|one| one.repartition_sink_topics.iter().map(move |topic| (one, topic)))
            .collect();
        for _ in 0..MOST_PASSES {
            let before = open.len();
            open.retain(|(writer, topic)| {
                if counts.contains_key(*topic) {
                    return false;
                }
                let own = writer.repartition_source_topics.iter().filter_map(|one| counts.get(&one.name));
                let others = writer.source_topics.iter().filter_map(|name| self.of(name));
                let most = own.copied().chain(others).max();
                counts.extend(most.map(|most| ((*topic).clone(), most)));
                most.is_none()
            });
            if open.is_empty() || open.len() == before {
                break;
            }
        }
        if !open.is_empty() {
            return Err(Fault::invalid(
                "Failed to compute number of partitions for all repartition topics. There may be loops in the topology that cannot be resolved.",
            ));
        }
        let mut read = subtopologies().flat_map(|one| &one.repartition_source_topics);
        match read.any(|topic| !counts.contains_key(&topic.name)) {
            true => Err(Fault::invalid(
                "Failed to compute number of partitions for all repartition topics, because a repartition source topic is never used as a sink topic.",
            )),
            false => Ok(counts),
        }
    }

    /// Topics that are joined have one number of partitions.
    fn copartition(&mut self, topology: &Topology) -> Result<(), Fault> {
        let subtopologies = || topology.subtopologies.values();
        let of_itself = || subtopologies().flat_map(|one| &one.repartition_source_topics);
        let names = |is_fixed: bool| {
            let wanted = of_itself().filter(move |topic| (topic.partitions != 0) == is_fixed);
            wanted.map(|topic| topic.name.clone()).collect::<BTreeSet<Str>>()
        };
        let (fixed, flexible) = (names(true), names(false));
        for subtopology in subtopologies() {
            for group in &subtopology.copartition_groups {
                let source = |at: &i16| subtopology.source_topics.get(usize::try_from(*at).ok()?);
                let own = |at: &i16| subtopology.repartition_source_topics.get(usize::try_from(*at).ok()?);
                let others = group.source_topics.iter().map(source);
                let own = group.repartition_source_topics.iter().map(|at| own(at).map(|topic| &topic.name));
                let together: Option<BTreeSet<&Str>> = others.chain(own).collect();
                let together = together.ok_or_else(Fault::absurd)?;
                if !together.is_empty() {
                    let decided = self.of_group(&together, &fixed, &flexible)?;
                    self.decided.extend(decided);
                }
            }
        }
        Ok(())
    }

    /// The number for the repartitioned topics of one group.
    fn of_group(
        &self,
        together: &BTreeSet<&Str>,
        fixed: &BTreeSet<Str>,
        flexible: &BTreeSet<Str>,
    ) -> Result<BTreeMap<Str, i32>, Fault> {
        let (mut own, mut others) = (BTreeMap::new(), BTreeMap::new());
        for topic in together {
            let count = self.of(topic).ok_or_else(Fault::absurd)?;
            let is_own = fixed.contains(*topic) || flexible.contains(*topic);
            let into = if is_own { &mut own } else { &mut others };
            into.insert((*topic).clone(), count);
        }
        let uneven = |counts: &BTreeMap<Str, i32>| {
            let list: Vec<String> = counts.iter().map(|(topic, count)| format!("{topic}={count}")).collect();
            let list = list.join(", ");
            Fault::uneven(format!("Following topics do not have the same number of partitions: [{{{list}}}]"))
        };
        let number = if let Some(first) = others.values().next() {
            if others.values().any(|count| count != first) {
                return Err(uneven(&others));
            }
            *first
        } else if !fixed.is_empty() {
            // As in Kafka: all fixed ones of the topology, whichever group they are in.
            let counts = fixed.iter().map(|topic| self.of(topic).ok_or_else(Fault::absurd));
            let counts = counts.collect::<Result<BTreeSet<i32>, Fault>>()?;
            match counts.first() {
                Some(first) if counts.len() == 1 => *first,
                Some(_) | None => return Err(uneven(&own)),
            }
        } else {
            own.values().copied().max().unwrap_or(0)
        };
        if let Some((topic, count)) =
            own.iter().find(|(topic, count)| fixed.contains(*topic) && **count != number)
        {
            return Err(Fault::uneven(format!(
                "Number of partitions [{count}] of repartition topic [{topic}] doesn't match number of partitions [{number}] of the source topic."
            )));
        }
        Ok(own.into_keys().map(|topic| (topic, number)).collect())
    }

    fn configure(&self, subtopology: &Subtopology) -> Result<ConfiguredSubtopology, Fault> {
        let of = |topic: &Str| self.of(topic).ok_or_else(Fault::absurd);
        let counts = sources(subtopology).map(of).collect::<Result<Vec<i32>, Fault>>()?;
        let tasks = counts.into_iter().max().filter(|tasks| *tasks > 0).ok_or_else(Fault::absurd)?;
        Ok(ConfiguredSubtopology {
            tasks,
            source_topics: subtopology.source_topics.iter().cloned().collect(),
            repartition_source_topics: self.internal(&subtopology.repartition_source_topics)?,
            repartition_sink_topics: subtopology.repartition_sink_topics.iter().cloned().collect(),
            state_changelog_topics: self.internal(&subtopology.state_changelog_topics)?,
        })
    }

    fn internal(&self, topics: &[TopicInfo]) -> Result<BTreeMap<Str, InternalTopic>, Fault> {
        let mut internal = BTreeMap::new();
        for topic in topics {
            let partitions = match topic.partitions {
                0 => self.decided.get(&topic.name).copied().ok_or_else(Fault::absurd)?,
                fixed => fixed,
            };
            let configs: BTreeMap<Str, Str> =
                topic.topic_configs.iter().map(|config| (config.key.clone(), config.value.clone())).collect();
            let is_odd = partitions < 1 || configs.len() != topic.topic_configs.len();
            let one = InternalTopic { partitions, replication_factor: topic.replication_factor, configs };
            if is_odd || internal.insert(topic.name.clone(), one).is_some() {
                return Err(Fault::absurd());
            }
        }
        Ok(internal)
    }
}

/// The application's own topics that are not there. One that is there must have as many partitions as it should.
fn missing_topics(
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    topology: &Topology,
    view: &dyn ClusterView,
) -> Result<Vec<CreatableTopic>, Fault> {
    let internal = subtopologies
        .values()
        .flat_map(|one| one.repartition_source_topics.iter().chain(&one.state_changelog_topics));
    let mut expected: BTreeMap<&Str, &InternalTopic> = internal.collect();
    let all = expected.len();
    for name in topology.required_topics() {
        if let Some(there) = view.topic(name)
            && let Some(topic) = expected.remove(name)
            && there.partitions != topic.partitions
        {
            let (wanted, found) = (topic.partitions, there.partitions);
            return Err(Fault::uneven(format!(
                "Existing topic {name} has different number of partitions: expected {wanted}, found {found}"
            )));
        }
    }
    let mut to_create: Vec<CreatableTopic> = expected.into_iter().map(creatable).collect();
    to_create.sort_by_key(|topic| java::map_bucket(&topic.name, all));
    Ok(to_create)
}

fn creatable((name, topic): (&Str, &InternalTopic)) -> CreatableTopic {
    let config =
        |(key, value): (&Str, &Str)| CreatableTopicConfig { name: key.clone(), value: Some(value.clone()) };
    CreatableTopic {
        name: name.clone(),
        num_partitions: topic.partitions,
        replication_factor: if topic.replication_factor == 0 { -1 } else { topic.replication_factor },
        configs: topic.configs.iter().map(config).collect(),
        ..CreatableTopic::default()
    }
}

fn summary<'a>(names: impl ExactSizeIterator<Item = &'a Str>) -> String {
    let all = names.len();
    let told: Vec<&str> = names.take(NAMES_TOLD).map(Str::as_str).collect();
    let told = told.join(", ");
    match all.checked_sub(NAMES_TOLD) {
        Some(more) if more > 0 => format!("{told} and {more} additional topics"),
        Some(_) | None => told,
    }
}
