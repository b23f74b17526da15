//! AlterConfigs (KIP-133): the older request that replaces everything set on a resource; the controller decides, and a broker only what
//! is no question for it.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use wire::messages::alter_configs::{
    AlterConfigsRequest, AlterConfigsResource, AlterConfigsResourceResponse, AlterConfigsResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::config_requests::{
    AskedResource, Takes, forbidden, in_order, note_changes, refusals, shown_change,
};
use crate::forwarding::{Here, ask};

pub(super) async fn handle(
    call: Call,
    mut request: AlterConfigsRequest,
    way: Option<Here>,
) -> AlterConfigsResponse {
    let asked: Vec<(i8, Str)> =
        request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())).collect();
    let shape = request.resources.iter().map(|one| AskedResource {
        resource_type: one.resource_type,
        name: &one.resource_name,
        keys: one.configs.iter().map(|config| &config.name).collect(),
        nulls: one
            .configs
            .iter()
            .filter(|config| config.value.is_none())
            .map(|config| &config.name)
            .collect(),
    });
    let shape: Vec<_> = shape.collect();
    let known: Vec<Option<AlterConfigsResourceResponse>> =
        refusals(&shape, call.node.node_id(), Takes::from_door(way.is_some(), false))
            .into_iter()
            .zip(&shape)
            .map(|(refused, one)| refused.or_else(|| forbidden(&call, way.is_some(), one)))
            .zip(&asked)
            .map(|(refused, asked)| refused.map(|(error, what)| answer(asked, error, Some(what))))
            .collect();
    let mut open = known.iter().map(Option::is_none);
    request.resources.retain(|_| open.next().unwrap_or(false));
    let decided = if request.resources.is_empty() {
        Vec::new()
    } else {
        decided(&call, request, way).await.unwrap_or_default()
    };
    let of = |answer: &AlterConfigsResourceResponse| (answer.resource_type, answer.resource_name.clone());
    let responses =
        in_order(known, decided, &asked, of, |asked| answer(asked, ErrorCode::NotController, None));
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

async fn decided(
    call: &Call,
    request: AlterConfigsRequest,
    way: Option<Here>,
) -> Option<Vec<AlterConfigsResourceResponse>> {
    if let Some(here) = way {
        let answer: AlterConfigsResponse = ask(call, &request, here).await?;
        return Some(answer.responses);
    }
    let changes =
        if request.validate_only { Vec::new() } else { request.resources.iter().map(changed).collect() };
    match call.decided(ControllerCommand::AlterConfigs(request)).await? {
        ControllerAnswer::AlterConfigs(response) => {
            note_changes(call, &changes, response.responses.iter().map(|one| one.error_code));
            Some(response.responses)
        }
        _ => None,
    }
}

/// What a resource's change says of itself: the keys, and none of the values, which may be secrets.
fn changed(one: &AlterConfigsResource) -> String {
    shown_change(one.resource_type, &one.resource_name, one.configs.iter().map(|config| &config.name))
}

fn answer(asked: &(i8, Str), error: ErrorCode, message: Option<String>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: message.filter(|words| !words.is_empty()).map(Str::from),
        resource_type: asked.0,
        resource_name: asked.1.clone(),
    }
}
