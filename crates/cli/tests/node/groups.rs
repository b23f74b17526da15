//! Groups: sharing, handing over, committing, by every assignor.

use crate::{TestNode, fill, with_node};
use client::{Assignor, Client, Consumer, ConsumerHandle, ListenerFuture, RebalanceListener, TopicPartition};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const POLL: Duration = Duration::from_millis(50);

fn member(client: &Client, assignor: Assignor) -> Consumer {
    client
        .consumer("g")
        .topics(["t"])
        .assignors([assignor])
        .property("auto.offset.reset", "earliest")
        .and_then(|builder| builder.property("heartbeat.interval.ms", "50"))
        .and_then(|builder| builder.build())
        .expect("valid options")
}

/// Polls both until each has `share` partitions; gives the values that came.
async fn until_shared(one: &mut Consumer, two: &mut Consumer, share: usize) -> Vec<String> {
    let mut values = Vec::new();
    while one.assignment().len() != share || two.assignment().len() != share {
        let (first, second) = tokio::join!(one.poll(POLL), two.poll(POLL));
        for record in first.expect("no error").into_iter().chain(second.expect("no error")) {
            values.push(String::from_utf8_lossy(record.value.as_deref().expect("a value")).into_owned());
        }
    }
    values
}

async fn check_sharing(node: Arc<TestNode>, assignor: Assignor) {
    let client = node.client().await;
    fill(&client, "t", 4, 0..400).await;
    let mut one = member(&client, assignor);
    let mut seen = BTreeSet::new();
    while one.assignment().len() != 4 || seen.len() < 200 {
        for record in one.poll(POLL).await.expect("no error") {
            assert!(seen.insert((record.partition, record.offset)), "each record once");
        }
    }
    one.commit().await.expect("committed");
    let mut two = member(&client, assignor);
    let shared = until_shared(&mut one, &mut two, 2).await;
    assert!(shared.len() + seen.len() <= 400, "nothing is delivered twice");
    let both: BTreeSet<TopicPartition> = one.assignment().into_iter().chain(two.assignment()).collect();
    assert_eq!(both.len(), 4, "every partition has one owner");
    two.close().await.expect("closed");
    while one.assignment().len() != 4 {
        one.poll(POLL).await.expect("no error");
    }
    let mut left = 400 - seen.len() - shared.len();
    while left > 0 {
        left -= one.poll(POLL).await.expect("no error").len().min(left);
    }
    one.close().await.expect("closed");
    let committed = client.admin().group_offsets(&"g".into()).await.expect("an answer");
    let offsets: Vec<i64> = committed.into_values().map(|one| one.expect("committed").offset).collect();
    assert_eq!(offsets, [100; 4]);
}

#[test]
fn two_members_share_and_hand_over_eagerly() {
    with_node(|node| check_sharing(node, Assignor::Range));
}

#[test]
fn two_members_share_and_hand_over_cooperatively() {
    with_node(|node| check_sharing(node, Assignor::CooperativeSticky));
}

#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

impl RebalanceListener for Diary {
    fn assigned<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            assert_eq!(consumer.assignment().len(), partitions.len());
            self.0.lock().expect("no panic").push(format!("assigned {}", partitions.len()));
        })
    }

    fn revoked<'a>(
        &'a self,
        consumer: &'a ConsumerHandle,
        partitions: &'a [TopicPartition],
    ) -> ListenerFuture<'a> {
        Box::pin(async move {
            consumer.commit().await.expect("committing is still possible");
            self.0.lock().expect("no panic").push(format!("revoked {}", partitions.len()));
        })
    }
}

#[test]
fn listeners_hear_of_partitions_and_may_commit() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 2, 0..10).await;
        let diary = Arc::new(Diary::default());
        let mut one = client
            .consumer("g")
            .topics(["t"])
            .auto_commit(false)
            .on_rebalance(diary.clone())
            .property("heartbeat.interval.ms", "50")
            .and_then(|builder| builder.property("auto.offset.reset", "earliest"))
            .and_then(|builder| builder.build())
            .expect("valid");
        let mut count = 0;
        while count < 10 {
            count += one.poll(POLL).await.expect("no error").len();
        }
        let mut two = member(&client, Assignor::Range);
        until_shared(&mut one, &mut two, 1).await;
        assert_eq!(*diary.0.lock().expect("no panic"), ["assigned 2", "revoked 2", "assigned 1"]);
        let committed = client.admin().group_offsets(&"g".into()).await.expect("an answer");
        assert_eq!(committed.len(), 2);
    });
}

#[test]
fn a_static_member_comes_back_to_its_partitions_without_a_rebalance() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 2, 0..10).await;
        let fixed = || {
            let builder = client.consumer("g").topics(["t"]).instance_id("fixed");
            builder
                .property("auto.offset.reset", "earliest")
                .and_then(|builder| builder.build())
                .expect("valid")
        };
        let mut first = fixed();
        while first.poll(POLL).await.expect("no error").is_empty() {}
        let generation = first.membership().expect("a group").generation;
        first.close().await.expect("closed");
        let mut again = fixed();
        while again.assignment().len() != 2 {
            again.poll(POLL).await.expect("no error");
        }
        assert_eq!(again.membership().expect("a group").generation, generation);
    });
}
