//! IncrementalAlterConfigs (KIP-339): the controller decides; loggers (KIP-412) are this process's own business.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::image::ResourceType;
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use wire::{ErrorCode, Str};

use super::Call;

/// The operation that needs no value.
const DELETE: i8 = 1;

pub(super) async fn handle(
    call: Call,
    mut request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let is_logger =
        |resource: &AlterConfigsResource| resource.resource_type == ResourceType::BrokerLogger.id();
    let (loggers, others): (Vec<_>, Vec<_>) = request.resources.into_iter().partition(is_logger);
    request.resources = others;
    let node_id = call.node.node_id();
    // DIVERGES: levels of single loggers cannot be changed while the node runs.
    let mut responses: Vec<_> = loggers
        .iter()
        .map(|logger| {
            let what = "This node has no loggers that can be changed.";
            refused(logger, ErrorCode::InvalidConfig, Some(what.to_owned()))
        })
        .collect();
    request.resources.retain(|resource| match malformed(resource, node_id) {
        Some(what) => {
            responses.push(refused(resource, ErrorCode::InvalidRequest, Some(what)));
            false
        }
        None => true,
    });
    if request.resources.is_empty() {
        return IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() };
    }
    let wanted = request.resources.clone();
    match call.node.propose(ControllerCommand::IncrementalAlterConfigs(request)).await {
        Ok(ControllerAnswer::IncrementalAlterConfigs(decided)) => responses.extend(decided.responses),
        Ok(_) | Err(_) => {
            responses.extend(wanted.iter().map(|resource| refused(resource, ErrorCode::NotController, None)));
        }
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

/// What no controller need be asked about, in Kafka's words.
fn malformed(resource: &AlterConfigsResource, node_id: i32) -> Option<String> {
    let name = &resource.resource_name;
    match ResourceType::from_id(resource.resource_type) {
        None => return Some(format!("Unknown resource type {}", resource.resource_type)),
        Some(ResourceType::Topic) if name.is_empty() => {
            return Some("Default topic resources are not allowed.".to_owned());
        }
        Some(ResourceType::Broker) if !name.is_empty() => match name.parse::<i32>() {
            Ok(id) if id == node_id => {}
            Ok(id) => {
                return Some(format!(
                    "Unexpected broker id, expected {node_id} or empty string, but received {id}"
                ));
            }
            Err(_) => return Some(format!("Node id must be an integer, but it is: {name}")),
        },
        Some(_) => {}
    }
    let names: std::collections::BTreeSet<&str> =
        resource.configs.iter().map(|config| &*config.name).collect();
    if names.len() < resource.configs.len() {
        return Some("Error due to duplicate config keys".to_owned());
    }
    let is_null = |config: &&AlterableConfig| config.value.is_none() && config.config_operation != DELETE;
    let nulls: Vec<&str> = resource.configs.iter().filter(is_null).map(|config| &*config.name).collect();
    (!nulls.is_empty()).then(|| format!("Null value not supported for : {}", nulls.join(",")))
}

fn refused(
    resource: &AlterConfigsResource,
    error: ErrorCode,
    message: Option<String>,
) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: message.map(Str::from),
        resource_type: resource.resource_type,
        resource_name: resource.resource_name.clone(),
    }
}
