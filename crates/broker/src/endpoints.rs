//! Where clients find the nodes of the cluster: endpoints of brokers by listener, and who leads a partition. Reads the image,
//! owns nothing.

use kraft::image::{BrokerRegistration, MetadataImage, NO_LEADER};
use wire::{Str, Uuid};

/// A broker as clients of one listener see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BrokerEndpoint {
    pub node_id: i32,
    pub host: Str,
    pub port: i32,
    pub rack: Option<Str>,
}

/// The broker's endpoint of a listener, if it has one.
fn endpoint(broker: &BrokerRegistration, listener: &str) -> Option<BrokerEndpoint> {
    broker.endpoint(listener).map(|endpoint| BrokerEndpoint {
        node_id: broker.id,
        host: endpoint.host.clone(),
        port: i32::from(endpoint.port),
        rack: broker.rack.clone(),
    })
}

/// One broker, if it is not fenced and has the listener.
pub(crate) fn alive_broker(image: &MetadataImage, id: i32, listener: &str) -> Option<BrokerEndpoint> {
    image.cluster.broker(id).filter(|broker| !broker.fenced).and_then(|broker| endpoint(broker, listener))
}

/// Whom clients take for the controller: any broker passes on what is the controller's (KIP-590), so it is this one, or another while
/// this one is on its way in or out. -1 if there is none.
// DIVERGES: Kafka names one by lot. A client that takes this one needs no other connection.
pub(crate) fn controller_for_clients(image: &MetadataImage, node_id: i32) -> i32 {
    if image.cluster.is_active(node_id) {
        return node_id;
    }
    image.cluster.brokers().find(|broker| broker.is_active()).map_or(-1, |broker| broker.id)
}

/// Who leads a partition, as told to clients that asked the wrong broker (KIP-951).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CurrentLeader {
    /// -1 if nobody does.
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub endpoint: Option<BrokerEndpoint>,
}

/// Who leads the partition; `None` if there is no such partition.
pub(crate) fn current_leader(
    image: &MetadataImage,
    topic_id: Uuid,
    partition: i32,
    listener: &str,
) -> Option<CurrentLeader> {
    let partition = image.topics.by_id(topic_id)?.partition(partition)?;
    let endpoint =
        (partition.leader != NO_LEADER).then(|| alive_broker(image, partition.leader, listener)).flatten();
    Some(CurrentLeader { leader_id: partition.leader, leader_epoch: partition.leader_epoch, endpoint })
}
