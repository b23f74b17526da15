//! The client and the commands against a real node in this process: real sockets, real files, a free port and a
//! directory of its own per test. Nothing here knows how the node works inside.
#![allow(clippy::disallowed_methods, reason = "tests live by the clock and start processes")]

mod admin;
mod commands;
mod consume;
mod groups;
mod produce;

use client::{Client, Producer, Record, RecordMetadata};
use server::main_loop::{self, Running};
use server::properties::Properties;
use server::settings::Settings;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A node that goes, with its data, when it goes out of scope.
struct TestNode {
    running: Option<Running>,
    address: String,
    dir: PathBuf,
}

impl TestNode {
    fn start() -> TestNode {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("ottla-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let mut overrides = Properties::default();
        overrides.set_pair("group.initial.rebalance.delay.ms=0").expect("a pair");
        overrides.set_pair("offsets.topic.num.partitions=4").expect("a pair");
        let settings = Settings::embedded("127.0.0.1:0", &dir.to_string_lossy(), overrides);
        let (settings, _warnings) = settings.expect("embedded settings are valid");
        let running = main_loop::start(&settings, None).expect("the node starts");
        assert!(running.wait_ready(Duration::from_secs(60)));
        let address = running.bound("PLAINTEXT").expect("it listens").to_string();
        TestNode { running: Some(running), address, dir }
    }

    async fn client(&self) -> Client {
        Client::connect(&self.address).await.expect("the node answers")
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop();
        }
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Runs a test with a node of its own, within a minute and a half.
fn with_node<F: Future<Output = ()>>(test: impl FnOnce(std::sync::Arc<TestNode>) -> F) {
    let node = std::sync::Arc::new(TestNode::start());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let limit = Duration::from_secs(90);
    let done = runtime.block_on(async { tokio::time::timeout(limit, test(node.clone())).await });
    done.expect("done within the limit");
}

/// Creates a topic and fills it: `values` go round the partitions.
async fn fill(
    client: &Client,
    topic: &str,
    partitions: i32,
    values: std::ops::Range<u32>,
) -> Vec<RecordMetadata> {
    let new = client::admin::NewTopic::new(topic).partitions(partitions);
    for created in client.admin().create_topics(&[new], false).await.expect("an answer").into_values() {
        created.expect("created");
    }
    let producer = client.producer().build().expect("valid options");
    let stored = send_all(&producer, topic, partitions, values).await;
    producer.close().await;
    stored
}

async fn send_all(
    producer: &Producer,
    topic: &str,
    partitions: i32,
    values: std::ops::Range<u32>,
) -> Vec<RecordMetadata> {
    let mut deliveries = Vec::new();
    for number in values {
        let record = Record::new(topic).partition(number as i32 % partitions).value(number.to_string());
        deliveries.push(producer.enqueue(record).await.expect("buffered"));
    }
    let mut stored = Vec::new();
    for delivery in deliveries {
        stored.push(delivery.await.expect("stored"));
    }
    stored
}
