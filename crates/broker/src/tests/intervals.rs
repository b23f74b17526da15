//! Each interval is kept by a timer of its own, whatever the others are.

use wire::messages::describe_producers::{DescribeProducersRequest, DescribeProducersResponse, TopicRequest};
use wire::record_batch::BatchAttributes;

use super::fetch::values;
use super::produce::produce;
use super::*;

const NEVER: &str = "2147483647";

fn producers(node: &mut Harness) -> usize {
    let topic = TopicRequest { name: Str::from("t"), partition_indexes: vec![0] };
    let request = DescribeProducersRequest { topics: vec![topic] };
    let answer: DescribeProducersResponse = node.ask(ApiKey::DescribeProducers, 0, &request);
    answer.topics[0].partitions[0].active_producers.len()
}

/// A node with these intervals, on which a producer wrote something whose time is over by then.
fn written(retention_check: &str, expiry_check: &str) -> Harness {
    let settings = [
        ("log.initial.task.delay.ms", "0"),
        ("log.retention.check.interval.ms", retention_check),
        ("producer.id.expiration.check.interval.ms", expiry_check),
        ("producer.id.expiration.ms", "5000"),
    ];
    let mut node = Harness::with(&settings);
    node.create_with("t", 1, &[("retention.ms", "5000")]);
    node.advance(10);
    let attributes =
        BatchAttributes { producer_id: 1, producer_epoch: 0, base_sequence: 0, ..BatchAttributes::default() };
    let mut builder = RecordBatchBuilder::new(attributes);
    builder.append(node.now_ms, None, Some(b"value"), &[]);
    assert_eq!(produce(&mut node, "t", 0, -1, builder.build()).error_code, 0);
    assert_eq!((producers(&mut node), values(&mut node, "t", 0, 0).len()), (1, 1));
    node
}

#[test]
fn producers_expire_where_retention_never_looks() {
    let mut node = written(NEVER, "1000");
    node.advance(4_000);
    assert_eq!(producers(&mut node), 1);
    node.advance(2_000);
    assert_eq!((producers(&mut node), values(&mut node, "t", 0, 0).len()), (0, 1));
}

#[test]
fn retention_looks_where_producers_never_expire() {
    let mut node = written("1000", NEVER);
    node.advance(6_000);
    assert_eq!(producers(&mut node), 1);
    assert_eq!(values(&mut node, "t", 0, 0), [""; 0]);
}
