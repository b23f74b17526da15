//! IncrementalAlterConfigs (KIP-339): the controller decides; loggers (KIP-412) are this process's own business,
//! on a broker and on a controller.

use kraft::controller::{ControllerAnswer, ControllerCommand};
use kraft::image::ResourceType;
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterConfigsResourceResponse, AlterableConfig, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use wire::{ErrorCode, Str};

use crate::call::Call;
use crate::config_requests::{
    AskedResource, Refused, Takes, forbidden, in_order, note_changes, refusals, shown_change,
};
use crate::forwarding::{Here, ask};
use crate::loggers::{LogLevel, Loggers, ROOT};

const SET: i8 = 0;
/// The operation that needs no value.
const DELETE: i8 = 1;
const APPEND: i8 = 2;
const SUBTRACT: i8 = 3;

pub(super) async fn handle(
    call: Call,
    mut request: IncrementalAlterConfigsRequest,
    way: Option<Here>,
) -> IncrementalAlterConfigsResponse {
    let asked: Vec<(i8, Str)> =
        request.resources.iter().map(|one| (one.resource_type, one.resource_name.clone())).collect();
    let known = known(&call, &request, way.is_some());
    let mut open = known.iter().map(Option::is_none);
    request.resources.retain(|_| open.next().unwrap_or(false));
    let decided = if request.resources.is_empty() {
        Vec::new()
    } else {
        decided(&call, request, way).await.unwrap_or_default()
    };
    let of = |answer: &AlterConfigsResourceResponse| (answer.resource_type, answer.resource_name.clone());
    let missing = |asked: &(i8, Str)| answer(asked, ErrorCode::NotController, None);
    let responses = in_order(known, decided, &asked, of, missing);
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

async fn decided(
    call: &Call,
    request: IncrementalAlterConfigsRequest,
    way: Option<Here>,
) -> Option<Vec<AlterConfigsResourceResponse>> {
    if let Some(here) = way {
        let answer: IncrementalAlterConfigsResponse = ask(call, &request, here).await?;
        return Some(answer.responses);
    }
    let changes =
        if request.validate_only { Vec::new() } else { request.resources.iter().map(changed).collect() };
    match call.decided(ControllerCommand::IncrementalAlterConfigs(request)).await? {
        ControllerAnswer::IncrementalAlterConfigs(response) => {
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

/// What is answered without the controller: refusals, and loggers, which are changed here.
fn known(
    call: &Call,
    request: &IncrementalAlterConfigsRequest,
    is_broker: bool,
) -> Vec<Option<AlterConfigsResourceResponse>> {
    let needs_value = |config: &&AlterableConfig| config.value.is_none() && config.config_operation != DELETE;
    let shape = request.resources.iter().map(|one| AskedResource {
        resource_type: one.resource_type,
        name: &one.resource_name,
        keys: one.configs.iter().map(|config| &config.name).collect(),
        nulls: one.configs.iter().filter(needs_value).map(|config| &config.name).collect(),
    });
    let shape: Vec<AskedResource<'_>> = shape.collect();
    let refused = refusals(&shape, call.node.node_id(), Takes::from_door(is_broker, true));
    let one = |(one, refused): (&AlterConfigsResource, Option<Refused>)| {
        let asked = (one.resource_type, one.resource_name.clone());
        let outcome = match (refused, ResourceType::from_id(one.resource_type)) {
            (Some(refused), _) => Err(refused),
            (None, Some(ResourceType::BrokerLogger)) => {
                change_loggers(call.node.loggers(), &one.configs, request.validate_only)
            }
            (None, Some(ResourceType::Broker)) => match unknown_operation(&one.configs) {
                Some(refused) => Err(refused),
                None => return None,
            },
            (None, _) => return None,
        };
        Some(match outcome {
            Ok(()) => answer(&asked, ErrorCode::None, None),
            Err((error, what)) => answer(&asked, error, Some(what)),
        })
    };
    let refused = refused.into_iter().zip(&shape);
    let refused = refused.map(|(refused, one)| refused.or_else(|| forbidden(call, is_broker, one)));
    request.resources.iter().zip(refused).map(one).collect()
}

fn unknown_operation(configs: &[AlterableConfig]) -> Option<Refused> {
    let unknown = configs.iter().find(|config| !(SET..=SUBTRACT).contains(&config.config_operation))?;
    Some((ErrorCode::InvalidRequest, format!("Unknown operations type {}", unknown.config_operation)))
}

/// All or nothing.
fn change_loggers(
    loggers: &Loggers,
    configs: &[AlterableConfig],
    validate_only: bool,
) -> Result<(), Refused> {
    let mut changes = Vec::new();
    for config in configs {
        changes.push(logger_change(config)?);
    }
    if !validate_only {
        loggers.change(&changes);
    }
    Ok(())
}

fn logger_change(config: &AlterableConfig) -> Result<(&'static str, Option<LogLevel>), Refused> {
    let not_allowed = |operation: String| {
        let what = format!("{operation} is not allowed for the BROKER_LOGGER resource");
        (ErrorCode::InvalidRequest, what)
    };
    let name = &config.name;
    let logger = || {
        let unknown = || (ErrorCode::InvalidConfig, format!("Logger {name} does not exist!"));
        Loggers::find(name).ok_or_else(unknown)
    };
    match config.config_operation {
        SET => {
            let (logger, value) = (logger()?, config.value.as_deref().unwrap_or_default());
            let unknown = || {
                let what = format!(
                    "Cannot set the log level of {name} to {value} as it is not a supported log level. Valid log levels are {}",
                    LogLevel::NAMES
                );
                (ErrorCode::InvalidConfig, what)
            };
            Ok((logger, Some(LogLevel::from_name(value).ok_or_else(unknown)?)))
        }
        DELETE => match logger()? {
            ROOT => {
                let what = "Removing the log level of the root logger is not allowed".to_owned();
                Err((ErrorCode::InvalidRequest, what))
            }
            logger => Ok((logger, None)),
        },
        APPEND => Err(not_allowed("APPEND operation".to_owned())),
        SUBTRACT => Err(not_allowed("SUBTRACT operation".to_owned())),
        other => Err(not_allowed(format!("Unknown operation type {other}"))),
    }
}

fn answer(asked: &(i8, Str), error: ErrorCode, message: Option<String>) -> AlterConfigsResourceResponse {
    AlterConfigsResourceResponse {
        error_code: error.code(),
        error_message: message.filter(|words| !words.is_empty()).map(Str::from),
        resource_type: asked.0,
        resource_name: asked.1.clone(),
    }
}
