//! Which member is asked for the state of which partitions, as interactive queries want to know it: of every member that may be asked.

use super::super::consumer::ClusterView;
use super::group::StreamsGroup;
use super::member::StreamsMember;
use super::tasks::Tasks;
use super::topics::{Configured, ConfiguredSubtopology};
use std::collections::{BTreeMap, BTreeSet};
use wire::Str;
use wire::messages::streams_group_heartbeat::{
    EndpointToPartitions, StreamsGroupHeartbeatResponseEndpoint as Endpoint, TopicPartition,
};

/// The others first, then the one that asks. `gone`: a static member that it replaces. DIVERGES: while the sources of a topology are missing
/// Kafka fails with UNKNOWN_SERVER_ERROR where a member has an endpoint; here its partitions are not told yet.
pub(super) fn endpoints(
    view: &dyn ClusterView,
    group: &StreamsGroup,
    configured: &Configured,
    asking: &StreamsMember,
    gone: Option<&Str>,
) -> Vec<EndpointToPartitions> {
    let none = BTreeMap::new();
    let subtopologies = configured.subtopologies.as_ref().unwrap_or(&none);
    let others = group.members.values().map(|member| &**member);
    let others = others.filter(|member| member.id != asking.id && Some(&member.id) != gone);
    others.chain([asking]).filter_map(|member| of_member(view, subtopologies, member)).collect()
}

fn of_member(
    view: &dyn ClusterView,
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    member: &StreamsMember,
) -> Option<EndpointToPartitions> {
    let endpoint = member.user_endpoint.as_ref()?;
    let mut copies = member.assigned.standby.clone();
    for (id, partitions) in &member.assigned.warmup {
        copies.entry(id.clone()).or_default().extend(partitions);
    }
    Some(EndpointToPartitions {
        user_endpoint: Endpoint { host: endpoint.host.clone(), port: endpoint.port },
        active_partitions: partitions(view, subtopologies, &member.assigned.active_tasks()),
        standby_partitions: partitions(view, subtopologies, &copies),
    })
}

/// A task has the partition of its number of each topic that it reads.
fn partitions(
    view: &dyn ClusterView,
    subtopologies: &BTreeMap<Str, ConfiguredSubtopology>,
    tasks: &Tasks,
) -> Vec<TopicPartition> {
    let mut told = Vec::new();
    for (id, numbers) in tasks {
        let Some(subtopology) = subtopologies.get(id) else { continue };
        let own = subtopology.repartition_source_topics.keys();
        let topics: BTreeSet<&Str> = subtopology.source_topics.iter().chain(own).collect();
        for topic in topics {
            let count = view.topic(topic).map_or(0, |topic| topic.partitions);
            let partitions: Vec<i32> = numbers.range(..count).copied().collect();
            if !partitions.is_empty() {
                told.push(TopicPartition { topic: topic.clone(), partitions });
            }
        }
    }
    told
}
