//! ListConfigResources (KIP-714, KIP-1142): what has, or could have, dynamic configurations.

use kraft::image::ResourceType;
use wire::messages::list_config_resources::{
    ConfigResource, ListConfigResourcesRequest, ListConfigResourcesResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;

/// In the order in which Kafka lists them where a client asks for all.
const ALL: [ResourceType; 5] = [
    ResourceType::Topic,
    ResourceType::Broker,
    ResourceType::BrokerLogger,
    ResourceType::ClientMetrics,
    ResourceType::Group,
];

pub(super) fn handle(call: &Call, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let wanted: Vec<ResourceType> = match (call.api_version, request.resource_types.as_slice()) {
        (0, _) => vec![ResourceType::ClientMetrics],
        (_, []) => ALL.to_vec(),
        (_, given) => {
            let known: Option<Vec<_>> = given.iter().map(|id| ResourceType::from_id(*id)).collect();
            let Some(known) = known else {
                return ListConfigResourcesResponse {
                    error_code: ErrorCode::UnsupportedVersion.code(),
                    ..ListConfigResourcesResponse::default()
                };
            };
            // A type asked for twice is answered once.
            ALL.into_iter().filter(|kind| known.contains(kind)).collect()
        }
    };
    let mut told = Vec::new();
    let mut is_first = |kind: &ResourceType| {
        !told.contains(kind) && {
            told.push(*kind);
            true
        }
    };
    let config_resources =
        wanted.into_iter().filter(|kind| is_first(kind)).flat_map(|kind| of_kind(call, kind)).collect();
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}

fn of_kind(call: &Call, kind: ResourceType) -> Vec<ConfigResource> {
    let image = call.node.image();
    let names: Vec<Str> = match kind {
        ResourceType::Topic => image.topics.iter_by_name().map(|topic| topic.name.clone()).collect(),
        ResourceType::Broker | ResourceType::BrokerLogger => {
            image.cluster.brokers().map(|broker| Str::from(broker.id.to_string())).collect()
        }
        ResourceType::ClientMetrics | ResourceType::Group => image
            .configs
            .iter()
            .filter(|(resource, _)| resource.resource_type == kind)
            .map(|(resource, _)| resource.name.clone())
            .collect(),
    };
    let resource = |resource_name| ConfigResource { resource_name, resource_type: kind.id() };
    names.into_iter().map(resource).collect()
}
