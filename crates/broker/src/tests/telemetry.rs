//! Client telemetry (KIP-714) as a client meets it: what it is told to push, when it may, and what becomes of it.

use wire::messages::api_versions::{ApiVersionsRequest, ApiVersionsResponse};
use wire::messages::get_telemetry_subscriptions::{
    GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse,
};
use wire::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
};
use wire::messages::push_telemetry::{PushTelemetryRequest, PushTelemetryResponse};

use super::metrics::{scrape, scraper, value};
use super::*;
use crate::telemetry::otlp::tests::{SINCE_THE_LAST, metric, push};

fn subscribe(node: &mut Harness, name: &str, configs: &[(&str, &str)]) {
    let set = |(key, value): &(&str, &str)| AlterableConfig {
        name: Str::from(*key),
        config_operation: 0,
        value: Some(Str::from(*value)),
    };
    alter(node, name, configs.iter().map(set).collect());
}

fn unsubscribe(node: &mut Harness, name: &str) {
    let delete = AlterableConfig { name: Str::from_static("interval.ms"), config_operation: 1, value: None };
    alter(node, name, vec![delete]);
}

fn alter(node: &mut Harness, name: &str, configs: Vec<AlterableConfig>) {
    let resource = AlterConfigsResource { resource_type: 16, resource_name: Str::from(name), configs };
    let request = IncrementalAlterConfigsRequest { resources: vec![resource], validate_only: false };
    let answer: IncrementalAlterConfigsResponse = node.ask(ApiKey::IncrementalAlterConfigs, 1, &request);
    assert_eq!(answer.responses[0].error_code, 0, "{:?}", answer.responses[0].error_message);
}

fn greet(node: &mut Harness, software: &str) {
    let request = ApiVersionsRequest {
        client_software_name: Str::from(software),
        client_software_version: Str::from("1.2"),
        ..ApiVersionsRequest::default()
    };
    let answer: ApiVersionsResponse = node.ask(ApiKey::ApiVersions, 3, &request);
    assert_eq!(answer.error_code, 0);
}

/// Whether clients hear of telemetry.
fn is_offered(node: &mut Harness) -> bool {
    let answer: ApiVersionsResponse = node.ask(ApiKey::ApiVersions, 0, &ApiVersionsRequest::default());
    let told = |key: ApiKey| answer.api_keys.iter().any(|it| it.api_key == key.key());
    assert_eq!(told(ApiKey::GetTelemetrySubscriptions), told(ApiKey::PushTelemetry));
    told(ApiKey::PushTelemetry)
}

#[test]
fn clients_hear_of_telemetry_while_somebody_wants_their_figures() {
    let mut node = Harness::start();
    assert!(!is_offered(&mut node));
    subscribe(&mut node, "later", &[("interval.ms", "60000")]);
    assert!(is_offered(&mut node));
    unsubscribe(&mut node, "later");
    assert!(!is_offered(&mut node));
}

fn get(node: &mut Harness, id: Uuid) -> GetTelemetrySubscriptionsResponse {
    let request = GetTelemetrySubscriptionsRequest { client_instance_id: id };
    node.ask(ApiKey::GetTelemetrySubscriptions, 0, &request)
}

fn tell(node: &mut Harness, request: &PushTelemetryRequest) -> ErrorCode {
    let answer: PushTelemetryResponse = node.ask(ApiKey::PushTelemetry, 0, request);
    ErrorCode::from_code(answer.error_code)
}

fn of(told: &GetTelemetrySubscriptionsResponse, metrics: Vec<u8>) -> PushTelemetryRequest {
    PushTelemetryRequest {
        client_instance_id: told.client_instance_id,
        subscription_id: told.subscription_id,
        metrics: metrics.into(),
        ..PushTelemetryRequest::default()
    }
}

#[test]
fn a_client_is_told_what_its_subscriptions_ask_for_together() {
    let mut node = Harness::start();
    greet(&mut node, "lib-a");
    let nothing = get(&mut node, Uuid::ZERO);
    assert!(!nothing.client_instance_id.is_zero() && nothing.delta_temporality);
    assert_eq!((nothing.push_interval_ms, nothing.telemetry_max_bytes), (300_000, 1 << 20));
    assert_eq!(nothing.accepted_compression_types, [4, 3, 1, 2]);
    assert!(nothing.requested_metrics.is_empty());
    assert_eq!(
        get(&mut node, nothing.client_instance_id).error_code,
        ErrorCode::ThrottlingQuotaExceeded.code()
    );
    subscribe(&mut node, "one", &[("metrics", "b.,a."), ("interval.ms", "1000")]);
    subscribe(
        &mut node,
        "two",
        &[("metrics", "c."), ("match", "client_software_name=lib-.*,client_source_address=127[.]0.*")],
    );
    subscribe(&mut node, "other", &[("metrics", "*"), ("match", "client_software_name=lib")]);
    subscribe(&mut node, "strange", &[("metrics", "*"), ("match", "client_software_version=(?!x).*")]);
    // What has changed is told at once.
    let told = get(&mut node, nothing.client_instance_id);
    assert_eq!((told.error_code, told.push_interval_ms), (0, 1_000));
    assert_eq!(told.requested_metrics, ["a.", "b.", "c."]);
    assert_ne!(told.subscription_id, nothing.subscription_id);
    subscribe(&mut node, "other", &[("match", "client_software_version=1[.]2")]);
    assert_eq!(get(&mut node, told.client_instance_id).requested_metrics, ["*"]);
}

#[test]
fn pushes_come_in_their_time_and_wrong_ones_hear_kafkas_codes() {
    let mut node = Harness::start();
    subscribe(&mut node, "all", &[("metrics", "*"), ("interval.ms", "1000")]);
    let told = get(&mut node, Uuid::ZERO);
    let good = of(&told, push(&[metric("a", 5, 1.0, &[])]));
    assert_eq!(tell(&mut node, &good), ErrorCode::None, "the first one comes when it comes");
    assert_eq!(tell(&mut node, &good), ErrorCode::ThrottlingQuotaExceeded);
    let mut check = |change: &dyn Fn(&mut PushTelemetryRequest), expected| {
        node.advance(1_000);
        let mut request = good.clone();
        change(&mut request);
        assert_eq!(tell(&mut node, &request), expected);
    };
    check(&|it| it.client_instance_id = Uuid::ZERO, ErrorCode::InvalidRequest);
    check(&|it| it.subscription_id += 1, ErrorCode::UnknownSubscriptionId);
    check(&|it| it.compression_type = 9, ErrorCode::UnsupportedCompressionType);
    check(&|it| it.metrics = vec![0; (1 << 20) + 1].into(), ErrorCode::TelemetryTooLarge);
    check(&|it| it.metrics = vec![0x0a, 0x7f].into(), ErrorCode::InvalidRecord);
    check(&|it| it.compression_type = 1, ErrorCode::InvalidRecord);
    let bomb = wire::compress::compress(wire::compress::Compression::Zstd, None, &vec![0; 8 << 20]);
    let bombed = |it: &mut PushTelemetryRequest| (it.compression_type, it.metrics) = (4, bomb.clone());
    check(&bombed, ErrorCode::TelemetryTooLarge);
    check(&|it| it.terminating = true, ErrorCode::None);
    check(&|_| (), ErrorCode::InvalidRequest);
    // By another connection it begins anew.
    node.reconnect();
    assert_eq!(tell(&mut node, &good), ErrorCode::None);
    // After a wrong id the right one may be asked for at once.
    node.advance(1_000);
    let wrong = PushTelemetryRequest { subscription_id: told.subscription_id + 1, ..good.clone() };
    assert_eq!(tell(&mut node, &wrong), ErrorCode::UnknownSubscriptionId);
    assert_eq!(get(&mut node, told.client_instance_id).error_code, 0);
}

#[test]
fn what_was_pushed_is_scraped_with_labels_of_its_client_until_it_is_old() {
    let mut node = Harness::start();
    subscribe(&mut node, "all", &[("metrics", "*"), ("interval.ms", "100")]);
    greet(&mut node, "lib");
    let told = get(&mut node, Uuid::ZERO);
    let metrics = push(&[
        metric("org.apache.kafka.producer.sent", 7, 2.0, SINCE_THE_LAST),
        metric("ottla_ready", 5, 77.0, &[]),
    ]);
    for _ in 0..2 {
        let mut request = of(&told, metrics.clone());
        (request.compression_type, request.metrics) =
            (4, wire::compress::compress(wire::compress::Compression::Zstd, None, &metrics));
        assert_eq!(tell(&mut node, &request), ErrorCode::None);
        node.advance(100);
    }
    let mut scraper = scraper(100);
    let text = scrape(&mut scraper, &node.node, node.now_ms);
    let of_it = |name: &str| {
        let mut lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        lines.next().map(str::to_owned)
    };
    let sent = of_it("org_apache_kafka_producer_sent_total").expect("told");
    let id = format!("client_instance_id=\"{}\"", told.client_instance_id);
    let rest = "client_software_name=\"lib\",client_software_version=\"1.2\",group_id=\"g\",node_id=\"7\"} 4";
    assert!(sent.contains(&id) && sent.contains(rest), "{sent}");
    // A client cannot tell what a broker tells.
    assert_eq!(value(&text, "ottla_ready"), Some(1.0));
    assert!(of_it("client_ottla_ready").is_some());
    let few = scrape(&mut self::scraper(1), &node.node, node.now_ms);
    assert_eq!(value(&few, "ottla_client_telemetry_left_out_now"), Some(1.0));
    node.advance(60_000);
    let text = scrape(&mut scraper, &node.node, node.now_ms);
    assert!(!text.contains("org_apache_kafka_producer"));
}
