//! What a scrape tells of a node and of brokers with replicas: by the text, as those who watch read it.

use std::pin::pin;

use wire::messages::delete_topics::{DeleteTopicsRequest, DeleteTopicsResponse};
use wire::messages::fetch::FetchResponse;
use wire::messages::offset_commit::OffsetCommitResponse;
use wire::messages::produce::ProduceResponse;

use super::cluster::Cluster;
use super::*;
use crate::metrics::process::RimFigures;
use crate::metrics::scrape::{Asked, Dialect, Scraper};
use crate::metrics::text::Wanted;

pub(super) fn scraper(most: usize) -> Scraper {
    Scraper::new(vec![Dialect::JmxExporter, Dialect::KafkaExporter], most)
}

/// Shards and coordinators that nobody else uses answer at once.
pub(super) fn scrape(scraper: &mut Scraper, node: &Node, now_ms: i64) -> String {
    let rim = RimFigures { certificates: vec![("SSL".to_owned(), 1_800_000_000)], ..RimFigures::default() };
    let asked = Asked { now_ms, wanted: Wanted::default(), rim: &rim };
    let mut scraped = pin!(scraper.scrape(node, asked));
    let mut context = Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(text) = scraped.as_mut().poll(&mut context) else { panic!("it waits") };
    String::from_utf8(text).unwrap()
}

/// The value of one sample, by its name and labels.
pub(super) fn value(text: &str, sample: &str) -> Option<f64> {
    let mut found = text.lines().filter_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    let value = found.next()?;
    assert_eq!(found.next(), None, "{sample} stands there twice");
    Some(value.parse().unwrap())
}

#[test]
fn the_end_of_a_certificate_is_told_by_listener() {
    let node = Harness::start();
    let text = scrape(&mut scraper(100), &node.node, node.now_ms);
    let ends = value(&text, "ottla_tls_certificate_expiry_seconds{listener=\"SSL\"}");
    assert_eq!(ends, Some(1_800_000_000.0));
}

#[test]
fn lag_is_counted_and_its_age_is_that_of_the_first_record_that_was_not_read() {
    let mut node = Harness::start();
    node.create("t", 1);
    groups::find_coordinator(&mut node, "g");
    for age_ms in [60_000, 30_000, 0] {
        let mut builder = RecordBatchBuilder::with_compression(wire::compress::Compression::None);
        (0..2).for_each(|at| {
            builder.append(START_MS - age_ms + at, None, Some(b"x"), &[]);
        });
        let request = produce::request("t", 0, -1, builder.build());
        let answer: ProduceResponse = node.ask(ApiKey::Produce, 9, &request);
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }
    let mut scraper = scraper(100);
    let at = "{consumergroup=\"g\",topic=\"t\",partition=\"0\"}";
    // The second record of a batch has its own time.
    for (offset, lag, age_ms) in [(0, 6.0, 60_000), (1, 5.0, 59_999), (2, 4.0, 30_000), (6, 0.0, 0)] {
        let answer: OffsetCommitResponse =
            node.ask(ApiKey::OffsetCommit, 8, &groups::commit("g", "t", offset));
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        for _ in 0..2 {
            let text = scrape(&mut scraper, &node.node, node.now_ms);
            assert_eq!(value(&text, &format!("kafka_consumergroup_lag{at}")), Some(lag));
            let age_ms = if lag > 0.0 { age_ms + node.now_ms - START_MS } else { 0 };
            let seconds = value(&text, &format!("kafka_consumergroup_lag_seconds{at}"));
            assert_eq!(seconds, Some(age_ms as f64 / 1_000.0), "at {offset}");
            node.advance(1_000);
        }
    }
    let text = scrape(&mut scraper, &node.node, node.now_ms);
    assert_eq!(value(&text, "kafka_consumergroup_members{consumergroup=\"g\"}"), Some(0.0));
    assert_eq!(value(&text, "kafka_server_brokertopicmetrics_messagesin_total{topic=\"t\"}"), Some(6.0));
    assert_eq!(value(&text, "kafka_server_replicamanager_leadercount"), Some(3.0));
}

#[test]
fn what_passed_through_a_deleted_topic_still_counts_and_what_is_too_much_is_left_out() {
    let mut node = Harness::start();
    node.create("a", 1);
    node.create("b", 3);
    for topic in ["a", "b"] {
        let request = produce::request(topic, 0, -1, batch(&["one", "two"]));
        let _: ProduceResponse = node.ask(ApiKey::Produce, 9, &request);
    }
    let fetched: FetchResponse = node.ask(ApiKey::Fetch, 11, &fetch::request("a", &[(0, 0)]));
    assert_eq!(fetched.responses[0].partitions[0].error_code, 0);
    let mut scraper = scraper(2);
    let sums = |text: &str| {
        ["messagesin", "totalproducerequests", "totalfetchrequests"].map(|name| {
            value(text, &format!("kafka_server_brokertopicmetrics_{name}_total")).unwrap_or_default()
        })
    };
    let text = scrape(&mut scraper, &node.node, node.now_ms);
    assert_eq!(sums(&text), [4.0, 2.0, 1.0]);
    assert_eq!(value(&text, "ottla_metrics_left_out{of=\"partitions\"}"), Some(2.0));
    assert_eq!(text.matches("\nkafka_log_log_size{").count(), 2);
    let size = value(&text, "kafka_log_log_size{topic=\"a\",partition=\"0\"}");
    assert!(size.is_some() && size == value(&text, "kafka_server_brokertopicmetrics_bytesout_total"));
    let names = vec![Str::from("a")];
    let request = DeleteTopicsRequest { topic_names: names, timeout_ms: 1_000, ..Default::default() };
    let answer: DeleteTopicsResponse = node.ask(ApiKey::DeleteTopics, 5, &request);
    assert_eq!(answer.responses[0].error_code, 0);
    let text = scrape(&mut scraper, &node.node, node.now_ms);
    assert!(!text.contains("topic=\"a\""));
    assert_eq!(sums(&text), [4.0, 2.0, 1.0]);
}

#[test]
fn a_follower_that_dies_is_seen_by_those_who_watch_its_leader() {
    let mut cluster = Cluster::of_three();
    cluster.ready();
    replication::create(&mut cluster, "t", replication::MIN_TWO);
    let (error, _) = replication::put(&mut cluster, "t", &["one"]);
    assert_eq!(error, ErrorCode::None);
    replication::are_alike(&mut cluster, "t");
    let leader = replication::leader(&cluster, "t");
    let followers: Vec<i32> = [1, 2, 3].into_iter().filter(|id| *id != leader).collect();
    let (mut of_leader, mut of_follower) = (scraper(100), scraper(100));
    let seen = |text: &str| {
        ["underreplicatedpartitions", "atminisrpartitioncount", "isrshrinks_total", "isrexpands_total"]
            .map(|name| value(text, &format!("kafka_server_replicamanager_{name}")).unwrap_or(-1.0))
    };
    let text = scrape(&mut of_leader, cluster.node(leader), cluster.now_ms);
    assert_eq!(seen(&text), [0.0; 4]);
    let out = value(&text, "kafka_server_brokertopicmetrics_replicationbytesout_total").unwrap_or_default();
    let taken = scrape(&mut of_follower, cluster.node(followers[1]), cluster.now_ms);
    let taken = value(&taken, "kafka_server_brokertopicmetrics_replicationbytesin_total").unwrap_or_default();
    assert!(taken > 0.0 && out == 2.0 * taken, "{out} out, {taken} into each follower");
    cluster.kill(followers[0]);
    let rest = {
        let mut rest = vec![leader, followers[1]];
        rest.sort_unstable();
        rest
    };
    replication::isr_is(&mut cluster, "t", &rest);
    let text = scrape(&mut of_leader, cluster.node(leader), cluster.now_ms);
    assert_eq!(seen(&text), [1.0, 1.0, 1.0, 0.0]);
    let at = "{topic=\"t\",partition=\"0\"}";
    assert_eq!(value(&text, &format!("kafka_topic_partition_under_replicated_partition{at}")), Some(1.0));
    cluster.start(followers[0]);
    replication::isr_is(&mut cluster, "t", &[1, 2, 3]);
    let text = scrape(&mut of_leader, cluster.node(leader), cluster.now_ms);
    assert_eq!(seen(&text), [0.0, 0.0, 1.0, 1.0]);
    let actives =
        cluster.alive().into_iter().map(|id| scrape(&mut scraper(1), cluster.node(id), cluster.now_ms));
    let active = "kafka_controller_kafkacontroller_activecontrollercount";
    assert_eq!(actives.filter_map(|text| value(&text, active)).sum::<f64>(), 1.0);
}
