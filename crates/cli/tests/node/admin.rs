//! The admin: what it changes is what it then describes.

use crate::{fill, with_node};
use client::admin::{ConfigChange, ConfigResource, NewTopic};
use client::{CommittedOffset, ErrorCode, IsolationLevel, OffsetSpec, Str, TopicPartition};
use std::collections::BTreeMap;

#[test]
fn topics_are_created_described_grown_and_deleted() {
    with_node(async |node| {
        let admin = node.client().await.admin();
        let topic = NewTopic::new("t").partitions(2).config("retention.ms", "1000");
        let mut created = admin.create_topics(std::slice::from_ref(&topic), false).await.expect("an answer");
        assert_eq!(created.remove("t").expect("told").expect("created").partitions, 2);
        let mut again = admin.create_topics(&[topic], false).await.expect("an answer");
        let error = again.remove("t").expect("told").expect_err("it exists");
        assert_eq!(error.code(), Some(ErrorCode::TopicAlreadyExists));
        let totals = BTreeMap::from([(Str::from("t"), 5)]);
        admin
            .create_partitions(&totals, false)
            .await
            .expect("an answer")
            .remove("t")
            .expect("told")
            .expect("grown");
        assert_eq!(admin.list_topics().await.expect("an answer")["t"].partition_count(), 5);
        admin
            .delete_topics(&["t".into()])
            .await
            .expect("an answer")
            .remove("t")
            .expect("told")
            .expect("deleted");
        let mut described = admin.describe_topics(&["t".into()]).await.expect("an answer");
        let error = described.remove("t").expect("told").expect_err("it is gone");
        assert_eq!(error.code(), Some(ErrorCode::UnknownTopicOrPartition));
    });
}

#[test]
fn configs_change_one_by_one() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..0).await;
        let (admin, topic) = (client.admin(), ConfigResource::topic("t"));
        let change =
            |key: &str, change| BTreeMap::from([(topic.clone(), BTreeMap::from([(Str::from(key), change)]))]);
        let value = async |key: &str| {
            let mut each =
                admin.describe_configs(std::slice::from_ref(&topic), false).await.expect("an answer");
            let entries = each.remove(&topic).expect("told").expect("described");
            entries.into_iter().find(|entry| entry.name == *key).and_then(|entry| entry.value)
        };
        let set = change("retention.ms", ConfigChange::Set("77".into()));
        admin
            .alter_configs(&set, false)
            .await
            .expect("an answer")
            .remove(&topic)
            .expect("told")
            .expect("changed");
        assert_eq!(value("retention.ms").await.as_deref(), Some("77"));
        admin.alter_configs(&change("retention.ms", ConfigChange::Unset), false).await.expect("an answer");
        assert_eq!(value("retention.ms").await.as_deref(), Some("604800000"));
        let wrong = change("retention.ms", ConfigChange::Set("soon".into()));
        let refused =
            admin.alter_configs(&wrong, false).await.expect("an answer").remove(&topic).expect("told");
        assert_eq!(refused.expect_err("no number").code(), Some(ErrorCode::InvalidConfig));
    });
}

#[test]
fn offsets_are_listed_by_time_and_records_deleted() {
    with_node(async |node| {
        let client = node.client().await;
        let stored = fill(&client, "t", 1, 0..20).await;
        let (admin, target) = (client.admin(), TopicPartition::new("t", 0));
        let offset = async |spec| {
            let wanted = BTreeMap::from([(target.clone(), spec)]);
            let mut listed = admin.list_offsets(&wanted, IsolationLevel::ReadUncommitted).await;
            listed.remove(&target).expect("told").expect("listed").offset
        };
        assert_eq!((offset(OffsetSpec::Earliest).await, offset(OffsetSpec::Latest).await), (0, 20));
        assert_eq!(offset(OffsetSpec::Timestamp(stored[0].timestamp_ms)).await, 0);
        assert_eq!(offset(OffsetSpec::Timestamp(stored[19].timestamp_ms + 1)).await, -1);
        let before = BTreeMap::from([(target.clone(), 5)]);
        let mut deleted = admin.delete_records(&before).await.expect("an answer");
        assert_eq!(deleted.remove(&target).expect("told").expect("deleted"), 5);
        assert_eq!(offset(OffsetSpec::Earliest).await, 5);
    });
}

#[test]
fn group_offsets_are_altered_listed_and_deleted() {
    with_node(async |node| {
        let client = node.client().await;
        fill(&client, "t", 1, 0..20).await;
        let (admin, group, target) = (client.admin(), Str::from("g"), TopicPartition::new("t", 0));
        let offsets = BTreeMap::from([(target.clone(), CommittedOffset::new(7))]);
        admin
            .alter_group_offsets(&group, &offsets)
            .await
            .expect("an answer")
            .remove(&target)
            .expect("told")
            .expect("set");
        let mut committed = admin.group_offsets(&group).await.expect("an answer");
        assert_eq!(committed.remove(&target).expect("told").expect("committed").offset, 7);
        let listed = admin.list_groups(&[], &[]).await.expect("an answer");
        assert_eq!(listed.iter().map(|group| group.group_id.as_str()).collect::<Vec<_>>(), ["g"]);
        admin
            .delete_groups(std::slice::from_ref(&group))
            .await
            .expect("an answer")
            .remove("g")
            .expect("told")
            .expect("deleted");
        let error = admin.describe_group(&group).await.expect_err("it is gone");
        assert_eq!(error.code(), Some(ErrorCode::GroupIdNotFound));
    });
}

#[test]
fn the_cluster_tells_of_itself() {
    with_node(async |node| {
        let admin = node.client().await.admin();
        let cluster = admin.describe_cluster(false).await.expect("an answer");
        assert_eq!(format!("{}:{}", cluster.nodes[0].host, cluster.nodes[0].port), node.address);
        let quorum = admin.describe_quorum().await.expect("an answer");
        assert_eq!((quorum.leader_id, quorum.voters.len()), (cluster.nodes[0].id, 1));
        let dirs = admin.describe_log_dirs().await.expect("an answer");
        assert!(dirs.into_values().all(|dirs| dirs.expect("told").iter().all(|dir| dir.error.is_none())));
        let versions = admin.api_versions().await.expect("an answer");
        assert!(versions.into_values().all(|one| one.expect("told").apis.len() > 20));
    });
}
