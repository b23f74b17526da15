//! DescribeCluster (KIP-700, KIP-919, KIP-1073): who is in the cluster, as the listener of the client sees it.

use wire::messages::describe_cluster::{
    DescribeClusterBroker, DescribeClusterRequest, DescribeClusterResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::endpoints::controller_for_clients;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(super) fn handle(call: &Call, request: DescribeClusterRequest) -> DescribeClusterResponse {
    let peer = call.connection.peer();
    let here = if peer.controller { CONTROLLERS } else { BROKERS };
    if request.endpoint_type != here {
        let (error, what) = match request.endpoint_type {
            BROKERS | CONTROLLERS => (
                ErrorCode::MismatchedEndpointType,
                format!(
                    "The request was sent to an endpoint of type {}, but we wanted an endpoint of type {}",
                    endpoint_name(here),
                    endpoint_name(request.endpoint_type)
                ),
            ),
            other => (ErrorCode::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
        };
        return DescribeClusterResponse {
            error_code: error.code(),
            error_message: Some(Str::from(what)),
            ..DescribeClusterResponse::default()
        };
    }
    let image = call.node.image();
    let brokers = image
        .cluster
        .brokers()
        .filter(|broker| here == BROKERS && (request.include_fenced_brokers || !broker.fenced))
        .filter_map(|broker| {
            let endpoint = broker.endpoint(&peer.listener)?;
            Some(DescribeClusterBroker {
                broker_id: broker.id,
                host: endpoint.host.clone(),
                port: i32::from(endpoint.port),
                rack: broker.rack.clone(),
                is_fenced: broker.fenced,
            })
        });
    let controllers = image.cluster.controllers().filter(|_| here == CONTROLLERS).filter_map(|controller| {
        let endpoint = controller.endpoints.iter().find(|endpoint| *endpoint.name == *peer.listener)?;
        Some(DescribeClusterBroker {
            broker_id: controller.id,
            host: endpoint.host.clone(),
            port: i32::from(endpoint.port),
            ..DescribeClusterBroker::default()
        })
    });
    DescribeClusterResponse {
        endpoint_type: here,
        cluster_id: Str::from(call.node.cluster_id()),
        controller_id: match here {
            CONTROLLERS => call.node.quorum_status().leader.leader.unwrap_or(-1),
            _ => controller_for_clients(&image, call.node.node_id()),
        },
        brokers: brokers.chain(controllers).collect(),
        cluster_authorized_operations: if request.include_cluster_authorized_operations {
            call.cluster_operations()
        } else {
            i32::MIN
        },
        error_message: None,
        ..DescribeClusterResponse::default()
    }
}

fn endpoint_name(id: i8) -> &'static str {
    if id == CONTROLLERS { "CONTROLLER" } else { "BROKER" }
}
