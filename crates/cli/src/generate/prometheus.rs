//! The scrape configuration of a cluster: every broker, at the port of its own `metrics.listeners`.

use crate::args::ConnectArgs;
use crate::connect::look;
use crate::failure::Failure;
use client::Admin;
use client::admin::{ClusterNode, ConfigResource, ResourceKind};
use std::fmt::Write;

/// Where a broker that does not say otherwise tells its figures.
const DEFAULT_PORT: &str = "9404";
/// The key of it.
const LISTENERS: &str = "metrics.listeners";

/// Asks the cluster for its brokers.
pub fn yaml(job: &str, connection: &ConnectArgs) -> Result<String, Failure> {
    look(connection, async |admin: &Admin| {
        let nodes = admin.describe_cluster(true).await?.nodes;
        let mut text =
            format!("scrape_configs:\n  - job_name: {job}\n    static_configs:\n      - targets:\n");
        for node in &nodes {
            let listeners = if node.fenced { None } else { listeners_of(admin, node).await? };
            let (target, remark) = target(&node.host, listeners.as_deref());
            if let Some(remark) = remark {
                let _ = writeln!(text, "          # broker {}: {remark}", node.id);
            }
            if let Some(target) = target {
                let _ = writeln!(text, "          - \"{target}\"");
            }
        }
        Ok(text)
    })
}

/// What its configuration says; `None` where it has no such key, as Apache Kafka's brokers.
async fn listeners_of(admin: &Admin, node: &ClusterNode) -> Result<Option<String>, Failure> {
    let resource = ConfigResource::new(ResourceKind::Broker, node.id.to_string());
    let mut described = admin.describe_configs(std::slice::from_ref(&resource), false).await?;
    let Some(Ok(entries)) = described.remove(&resource) else { return Ok(None) };
    let found = entries.into_iter().find(|entry| entry.name == LISTENERS);
    Ok(found.map(|entry| entry.value.map(|value| value.to_string()).unwrap_or_default()))
}

/// The address to scrape a broker at, and what is to be said of it. `listeners`: as configured, such as `http://:9404`.
fn target(host: &str, listeners: Option<&str>) -> (Option<String>, Option<&'static str>) {
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let Some(listeners) = listeners else {
        let remark = "does not say where it tells its figures; this is where a JMX exporter often is";
        return (Some(format!("{bracketed}:{DEFAULT_PORT}")), Some(remark));
    };
    let all = listeners.split(',').map(str::trim).filter(|one| !one.is_empty());
    let places = all.filter_map(|one| one.split_once("://")?.1.rsplit_once(':'));
    let places: Vec<(&str, &str)> = places.collect();
    let is_loopback = |name: &str| matches!(name, "localhost" | "[::1]") || name.starts_with("127.");
    let Some((name, port)) = places.iter().find(|(name, _)| !is_loopback(name)).or_else(|| places.first())
    else {
        return (None, Some("tells its figures nowhere: metrics.listeners is empty"));
    };
    let remark = (is_loopback(name) && !is_loopback(&bracketed))
        .then_some("can be scraped from its own machine only, until it has metrics.listeners=http://:9404");
    (Some(format!("{bracketed}:{port}")), remark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_scraped_where_it_says_and_what_cannot_be_reached_is_said() {
        let at = |host: &str, listeners| {
            let (target, remark) = target(host, listeners);
            (target.unwrap_or_default(), remark.map_or("", |remark| remark.split(' ').next().unwrap_or("")))
        };
        assert_eq!(at("broker-1", Some("http://:9500")), ("broker-1:9500".into(), ""));
        assert_eq!(
            at("broker-1", Some("http://127.0.0.1:9404,http://0.0.0.0:9405")),
            ("broker-1:9405".into(), "")
        );
        assert_eq!(at("broker-1", Some("http://127.0.0.1:9404")), ("broker-1:9404".into(), "can"));
        assert_eq!(at("127.0.0.1", Some("http://127.0.0.1:9404")), ("127.0.0.1:9404".into(), ""));
        assert_eq!(at("fd00::1", Some("http://[::]:9404")), ("[fd00::1]:9404".into(), ""));
        assert_eq!(at("broker-1", Some("")), (String::new(), "tells"));
        assert_eq!(at("broker-1", None), ("broker-1:9404".into(), "does"));
    }
}
