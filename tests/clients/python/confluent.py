"""confluent-kafka (librdkafka): producer, consumer, groups and admin against the broker in argv[1]."""
import time

from confluent_kafka import (OFFSET_BEGINNING, OFFSET_END, TIMESTAMP_CREATE_TIME, ConsumerGroupState, ConsumerGroupTopicPartitions,
                             Consumer, IsolationLevel, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic,
                                   OffsetSpec, ResourceType)

from checks import bootstrap, check, main, raises, same, topic, until


ADMIN = AdminClient({"bootstrap.servers": bootstrap()})  # kept: its futures die with it


def admin():
    return ADMIN


def create(name, partitions=1, config=None):
    futures = admin().create_topics([NewTopic(name, partitions, 1, config=config or {})], operation_timeout=20)
    futures[name].result(20)
    until(20, "the broker knows its new topic", lambda: name in admin().list_topics(timeout=10).topics)
    return name


def producer(**settings):
    return Producer({"bootstrap.servers": bootstrap(), "linger.ms": 5} | {k.replace("_", "."): v for k, v in settings.items()})


def consumer(group=None, **settings):
    base = {"bootstrap.servers": bootstrap(), "group.id": group or topic("g"), "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500}
    return Consumer(base | {k.replace("_", "."): v for k, v in settings.items()})


def send(name, count, prefix="v", key=None, partition=None, **settings):
    """Produces count records; their (partition, offset) in order of delivery."""
    places, errors = [], []

    def delivered(error, message):
        (errors if error else places).append(error or (message.partition(), message.offset()))

    client = producer(**settings)
    for number in range(count):
        extra = {} if partition is None else {"partition": partition}
        client.produce(name, value=f"{prefix}{number}", key=key(number) if key else None, on_delivery=delivered, **extra)
        client.poll(0)
    same(client.flush(30), 0, "left in the queue")
    same(errors, [], "delivery errors")
    same(len(places), count, "delivered")
    return places


def take(client, count, seconds=30):
    """Consumes until count records are there."""
    found = []

    def more():
        message = client.poll(0.5)
        if message is not None:
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
        return len(found) >= count

    until(seconds, f"{count} records (got some {len(found)})", more)
    return found


def read_all(name, partitions, count, **settings):
    client = consumer(**settings)
    client.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in range(partitions)])
    found = take(client, count)
    client.close()
    return found


def codec_round_trip(codec):
    name = create(topic(f"codec-{codec}"))
    send(name, 2000, prefix="a somewhat compressible value ", compression_type=codec)
    found = read_all(name, 1, 2000)
    same([m.value().decode() for m in found], [f"a somewhat compressible value {n}" for n in range(2000)])
    same([m.offset() for m in found], list(range(2000)), "offsets")


@check
def codec_none():
    codec_round_trip("none")


@check
def codec_gzip():
    codec_round_trip("gzip")


@check
def codec_snappy():
    codec_round_trip("snappy")


@check
def codec_lz4():
    codec_round_trip("lz4")


@check
def codec_zstd():
    codec_round_trip("zstd")


@check
def acks_zero_and_one():
    name = create(topic("acks"))
    client = producer(acks=0)
    for number in range(100):
        client.produce(name, value=f"v{number}")
    same(client.flush(20), 0)
    send(name, 100, acks=1)
    same(len(read_all(name, 1, 200)), 200)


@check
def idempotent_producer():
    name = create(topic("idempotent"), 3)
    send(name, 3000, key=lambda n: f"k{n % 50}", enable_idempotence=True, compression_type="lz4")
    found = read_all(name, 3, 3000)
    by_key = {}
    for message in found:
        by_key.setdefault(message.key(), []).append(int(message.value()[1:]))
    same(len(by_key), 50, "keys")
    for key, numbers in by_key.items():
        same(numbers, sorted(numbers), f"order of {key}")


@check
def headers_timestamps_tombstones():
    name = create(topic("shape"))
    client = producer()
    client.produce(name, key=b"k", value=None, headers=[("a", b"1"), ("a", b"\x00\xff"), ("empty", b""), ("null", None)],
                   timestamp=1_234_567_890_123)
    client.produce(name, key=b"", value=b"", timestamp=1_234_567_890_124)
    same(client.flush(20), 0)
    first, second = read_all(name, 1, 2)
    same(first.value(), None, "tombstone")
    same(first.headers(), [("a", b"1"), ("a", b"\x00\xff"), ("empty", b""), ("null", None)], "headers")
    same(first.timestamp(), (TIMESTAMP_CREATE_TIME, 1_234_567_890_123), "timestamp")
    same((second.key(), second.value()), (b"", b""), "empty key and value")


@check
def log_append_time():
    name = create(topic("append-time"), config={"message.timestamp.type": "LogAppendTime"})
    client = producer()
    before = int(time.time() * 1000) - 2000
    client.produce(name, value=b"x", timestamp=5000)
    client.flush(20)
    kind, stamp = read_all(name, 1, 1)[0].timestamp()
    same(kind, 2, "timestamp type")
    assert before <= stamp <= before + 60_000, f"timestamp {stamp}"


@check
def message_too_large():
    name = create(topic("large"), config={"max.message.bytes": "2000"})
    errors = []
    client = producer(message_max_bytes=1_000_000)
    client.produce(name, value=b"x" * 5000, on_delivery=lambda error, message: errors.append(error.code()))
    client.flush(20)
    same(errors, [KafkaError.MSG_SIZE_TOO_LARGE])
    send(name, 3)


@check
def large_message():
    name = create(topic("nearly-large"))
    client = producer(message_max_bytes=2_000_000)
    value = bytes(range(256)) * 3900
    client.produce(name, value=value)
    same(client.flush(20), 0)
    same(read_all(name, 1, 1)[0].value(), value)


def murmur2(data):
    """Java's partitioner hash, from its definition."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = (0x9747B28C ^ len(data)) & mask
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at:at + 4], "little") * m & mask
        h = h * m & mask ^ (k ^ k >> 24) * m & mask
    if len(data) > whole:
        h = (h ^ int.from_bytes(data[whole:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return (h ^ h >> 15) & 0x7FFFFFFF


@check
def keys_go_where_java_puts_them():
    name = create(topic("murmur"), 7)
    client = producer(partitioner="murmur2_random")
    keys, places = [f"key-{n}" for n in range(40)] + ["a", "ab", "abc", "kafka"], {}
    for key in keys:
        client.produce(name, key=key, value=b"", on_delivery=lambda e, m: places.__setitem__(m.key().decode(), m.partition()))
    client.flush(20)
    same(places, {key: murmur2(key.encode()) % 7 for key in keys})


@check
def seek_and_watermarks():
    name = create(topic("seek"))
    send(name, 100)
    client = consumer()
    same(client.get_watermark_offsets(TopicPartition(name, 0), timeout=10), (0, 100), "watermarks")
    client.assign([TopicPartition(name, 0, 40)])
    same(take(client, 1)[0].offset(), 40)
    client.seek(TopicPartition(name, 0, 90))
    same([m.offset() for m in take(client, 10)], list(range(90, 100)))
    client.seek(TopicPartition(name, 0, OFFSET_BEGINNING))
    same(take(client, 1)[0].offset(), 0)
    client.close()


@check
def offsets_for_times():
    name = create(topic("times"))
    client = producer()
    for number in range(10):
        client.produce(name, value=b"x", timestamp=1_600_000_000_000 + number * 1000)
    client.flush(20)
    reader = consumer()

    def find(stamp):
        return reader.offsets_for_times([TopicPartition(name, 0, stamp)], timeout=10)[0].offset

    same(find(1_600_000_000_000), 0)
    same(find(1_600_000_003_500), 4)
    same(find(1_700_000_000_000), OFFSET_END)
    reader.close()


@check
def out_of_range_resets():
    name = create(topic("range"))
    send(name, 10)
    client = consumer(auto_offset_reset="earliest")
    client.assign([TopicPartition(name, 0, 5000)])
    same(take(client, 1)[0].offset(), 0)
    client.close()
    strict = consumer(auto_offset_reset="error")
    strict.assign([TopicPartition(name, 0, 5000)])
    error = raises(KafkaException, lambda: take(strict, 1))
    same(error.args[0].code(), KafkaError._AUTO_OFFSET_RESET)
    strict.close()


@check
def end_of_partition():
    name = create(topic("eof"))
    send(name, 5)
    client = consumer(enable_partition_eof=True)
    client.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    codes = []

    def ended():
        message = client.poll(0.5)
        if message is not None:
            codes.append(message.error().code() if message.error() else "record")
        return KafkaError._PARTITION_EOF in codes

    until(20, "end of partition", ended)
    same(codes, ["record"] * 5 + [KafkaError._PARTITION_EOF])
    client.close()


@check
def unknown_topic():
    name = topic("never-made")
    client = consumer(allow_auto_create_topics=False)
    client.subscribe([name])

    def told():
        message = client.poll(0.5)
        return message is not None and message.error() and message.error().code() == KafkaError.UNKNOWN_TOPIC_OR_PART

    until(20, "unknown topic", told)
    client.close()


@check
def auto_created_topic():
    name = topic("auto")
    send(name, 10)
    same(len(read_all(name, 1, 10)), 10)


@check
def commit_and_resume():
    name, group = create(topic("resume")), topic("resume")
    send(name, 100)
    first = consumer(group)
    first.subscribe([name])
    found = take(first, 40)
    first.commit(message=found[39], asynchronous=False)
    same(first.committed([TopicPartition(name, 0)], timeout=10)[0].offset, 40)
    first.close()
    second = consumer(group)
    second.subscribe([name])
    same(take(second, 60)[0].offset(), 40)
    second.commit(offsets=[TopicPartition(name, 0, 77, "a note")], asynchronous=False)
    place = second.committed([TopicPartition(name, 0)], timeout=10)[0]
    same((place.offset, place.metadata), (77, "a note"))
    second.close()


@check
def auto_commit():
    name, group = create(topic("autocommit")), topic("autocommit")
    send(name, 50)
    first = consumer(group, enable_auto_commit=True, auto_commit_interval_ms=200)
    first.subscribe([name])
    take(first, 50)
    first.close()
    second = consumer(group)
    same(second.committed([TopicPartition(name, 0)], timeout=10)[0].offset, 50)
    second.close()


def share_the_work(strategy):
    name, group = create(topic(f"share-{strategy}"), 6), topic(f"share-{strategy}")
    members = [consumer(group, partition_assignment_strategy=strategy) for _ in range(3)]
    for member in members:
        member.subscribe([name])

    def parts():
        for member in members:
            member.poll(0.1)
        return [sorted(p.partition for p in member.assignment()) for member in members]

    until(40, "2 partitions each", lambda: [len(p) for p in parts()] == [2, 2, 2])
    same(sorted(p for member in parts() for p in member), list(range(6)), "each partition has one owner")
    members.pop().close()
    until(40, "3 partitions each", lambda: [len(p) for p in parts()] == [3, 3])
    send(name, 600, key=lambda n: str(n))
    seen = []

    def all_seen():
        for member in members:
            message = member.poll(0.05)
            if message is not None and not message.error():
                seen.append((message.partition(), message.offset()))
        return len(seen) >= 600

    until(40, "600 records", all_seen)
    same(len(set(seen)), 600, "no record twice")
    for member in members:
        member.close()


@check
def group_of_the_consumer_protocol():
    name, group = create(topic("modern"), 6), topic("modern")
    settings = {"bootstrap.servers": bootstrap(), "group.id": group, "group.protocol": "consumer", "auto.offset.reset": "earliest",
                "enable.auto.commit": False}
    members = [Consumer(settings) for _ in range(2)]
    members[0].subscribe([name])
    members[1].subscribe([f"^{name}.*"])
    seen = []

    def parts():
        for member in members:
            message = member.poll(0.1)
            if message is not None and not message.error():
                seen.append((message.partition(), message.offset()))
                member.commit(message, asynchronous=False)
        return [len(member.assignment()) for member in members]

    until(60, "3 partitions each", lambda: parts() == [3, 3])
    send(name, 100, key=lambda n: str(n))
    until(40, "100 records", lambda: parts() and len(seen) >= 100)
    members.pop().close()
    until(60, "all partitions", lambda: parts() == [6])
    same(len(set(seen)), len(seen), "no record twice")
    members.pop().close()


@check
def group_range():
    share_the_work("range")


@check
def group_roundrobin():
    share_the_work("roundrobin")


@check
def group_cooperative_sticky():
    share_the_work("cooperative-sticky")


@check
def static_member_keeps_its_partitions():
    name, group = create(topic("static"), 4), topic("static")
    settings = {"partition_assignment_strategy": "range", "session_timeout_ms": 30000}
    one = consumer(group, group_instance_id="one", **settings)
    two = consumer(group, group_instance_id="two", **settings)
    one.subscribe([name])
    two.subscribe([name])

    def owned(*members):
        for member in members:
            member.poll(0.1)
        return [sorted(p.partition for p in member.assignment()) for member in members]

    until(40, "2 partitions each", lambda: [len(p) for p in owned(one, two)] == [2, 2])
    before = owned(one, two)
    two.close()  # a static member does not leave
    again = consumer(group, group_instance_id="two", **settings)
    again.subscribe([name])
    until(40, "the same two", lambda: owned(one, again) == before)
    fenced = consumer(group, group_instance_id="one", **settings)
    fenced.subscribe([name])
    until(40, "the new instance owns them", lambda: len(owned(fenced)[0]) == 2)
    for member in (again, fenced, one):
        member.close()


@check
def member_that_dies_is_replaced():
    name, group = create(topic("dies"), 2), topic("dies")
    settings = {"partition_assignment_strategy": "range", "session_timeout_ms": 3000, "max_poll_interval_ms": 3000}
    one, two = consumer(group, **settings), consumer(group, **settings)
    one.subscribe([name])
    two.subscribe([name])

    def owned(*members):
        for member in members:
            member.poll(0.1)
        return [len(member.assignment()) for member in members]

    until(40, "one each", lambda: owned(one, two) == [1, 1])
    until(40, "the other takes over", lambda: owned(one) == [2])  # two polls no more
    one.close()
    two.close()


@check
def pause_and_resume():
    name = create(topic("pause"), 2)
    send(name, 10, partition=0)
    send(name, 10, partition=1)
    client = consumer()
    client.assign([TopicPartition(name, p, OFFSET_BEGINNING) for p in (0, 1)])
    client.pause([TopicPartition(name, 0)])
    same({m.partition() for m in take(client, 10)}, {1})
    client.resume([TopicPartition(name, 0)])
    same({m.partition() for m in take(client, 10)}, {0})
    client.close()


@check
def topics_by_pattern():
    prefix = topic("pattern")
    create(f"{prefix}-a")
    client = consumer(topic_metadata_refresh_interval_ms=500)
    client.subscribe([f"^{prefix}-.*"])
    send(f"{prefix}-a", 5)
    take(client, 5)
    create(f"{prefix}-b")
    send(f"{prefix}-b", 5)
    until(30, "records of the second topic", lambda: take(client, 1)[0].topic() == f"{prefix}-b")
    client.close()


@check
def admin_topics():
    client, name = admin(), topic("admin")
    create(name, 2, {"retention.ms": "3600000"})
    known = client.list_topics(timeout=10).topics[name]
    same(sorted(known.partitions), [0, 1])
    same(known.partitions[0].leader, 1)
    error = raises(KafkaException, lambda: client.create_topics([NewTopic(name, 1, 1)])[name].result(10))
    same(error.args[0].code(), KafkaError.TOPIC_ALREADY_EXISTS)
    error = raises(KafkaException, lambda: client.create_topics([NewTopic("not valid!", 1, 1)])["not valid!"].result(10))
    same(error.args[0].code(), KafkaError.TOPIC_EXCEPTION)
    error = raises(KafkaException, lambda: client.create_topics([NewTopic(name + "x", 1, 5)])[name + "x"].result(10))
    same(error.args[0].code(), KafkaError.INVALID_REPLICATION_FACTOR)
    client.create_topics([NewTopic(name + "-only", 1, 1)], validate_only=True)[name + "-only"].result(10)
    assert name + "-only" not in client.list_topics(timeout=10).topics
    client.create_partitions([NewPartitions(name, 5)])[name].result(10)
    until(10, "5 partitions", lambda: len(client.list_topics(name, timeout=10).topics[name].partitions) == 5)
    error = raises(KafkaException, lambda: client.create_partitions([NewPartitions(name, 3)])[name].result(10))
    same(error.args[0].code(), KafkaError.INVALID_PARTITIONS)
    client.delete_topics([name], operation_timeout=20)[name].result(20)
    until(10, "gone", lambda: name not in client.list_topics(timeout=10).topics)
    error = raises(KafkaException, lambda: client.delete_topics([name])[name].result(10))
    same(error.args[0].code(), KafkaError.UNKNOWN_TOPIC_OR_PART)


@check
def topic_made_again_is_empty():
    client, name = admin(), topic("again")
    create(name)
    send(name, 10)
    client.delete_topics([name], operation_timeout=20)[name].result(20)
    until(10, "gone", lambda: name not in client.list_topics(timeout=10).topics)
    create(name)
    reader = consumer()
    same(reader.get_watermark_offsets(TopicPartition(name, 0), timeout=10), (0, 0))
    reader.close()
    send(name, 3)
    same(len(read_all(name, 1, 3)), 3)


@check
def admin_configs():
    client, name = admin(), create(topic("configs"))
    resource = ConfigResource(ResourceType.TOPIC, name)

    def entry(key):
        return client.describe_configs([resource])[resource].result(10)[key]

    same(entry("cleanup.policy").value, "delete")
    same(entry("cleanup.policy").is_default, True)
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", "1234567", incremental_operation=AlterConfigOpType.SET)])
    client.incremental_alter_configs([change])[change].result(10)
    until(10, "the new value", lambda: entry("retention.ms").value == "1234567")
    same(entry("retention.ms").is_default, False)
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("retention.ms", None, incremental_operation=AlterConfigOpType.DELETE)])
    client.incremental_alter_configs([change])[change].result(10)
    until(10, "the default", lambda: entry("retention.ms").value == "604800000")
    wrong = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[
        ConfigEntry("no.such.key", "1", incremental_operation=AlterConfigOpType.SET)])
    error = raises(KafkaException, lambda: client.incremental_alter_configs([wrong])[wrong].result(10))
    same(error.args[0].code(), KafkaError.INVALID_CONFIG)
    broker = ConfigResource(ResourceType.BROKER, "1")
    found = client.describe_configs([broker])[broker].result(10)
    same(found["node.id"].value if "node.id" in found else found["broker.id"].value, "1")
    same(found["auto.create.topics.enable"].value, "true")


@check
def admin_cluster_and_topics():
    client, name = admin(), create(topic("describe"), 2)
    cluster = client.describe_cluster(request_timeout=10).result(10)
    same([node.id for node in cluster.nodes], [1])
    same(len(cluster.cluster_id), 22, "length of the cluster id")
    futures = client.describe_topics(TopicCollection([name]), request_timeout=10)
    described = futures[name].result(10)
    same([(p.id, p.leader.id, len(p.isr)) for p in described.partitions], [(0, 1, 1), (1, 1, 1)])


@check
def admin_offsets_and_delete_records():
    client, name = admin(), create(topic("trim"))
    send(name, 100)
    partition = TopicPartition(name, 0)

    def offset(spec):
        return client.list_offsets({partition: spec}, isolation_level=IsolationLevel.READ_UNCOMMITTED)[partition].result(10).offset

    same((offset(OffsetSpec.earliest()), offset(OffsetSpec.latest())), (0, 100))
    same(offset(OffsetSpec.max_timestamp()) >= 0, True)
    low = client.delete_records([TopicPartition(name, 0, 30)])[partition].result(10)
    same(low.low_watermark, 30)
    same(offset(OffsetSpec.earliest()), 30)
    same(read_all(name, 1, 70)[0].offset(), 30)
    error = raises(KafkaException, lambda: client.delete_records([TopicPartition(name, 0, 3000)])[partition].result(10))
    same(error.args[0].code(), KafkaError.OFFSET_OUT_OF_RANGE)


@check
def admin_groups():
    client, name, group = admin(), create(topic("groups"), 2), topic("groups")
    send(name, 20)
    member = consumer(group, client_id="the-client")
    member.subscribe([name])
    take(member, 20)
    member.commit(asynchronous=False)
    listed = client.list_consumer_groups(request_timeout=10).result(10).valid
    same([str(g.state) for g in listed if g.group_id == group], [str(ConsumerGroupState.STABLE)])
    described = client.describe_consumer_groups([group], request_timeout=10)[group].result(10)
    same((described.state, len(described.members)), (ConsumerGroupState.STABLE, 1))
    same(described.members[0].client_id, "the-client")
    same(sorted(p.partition for p in described.members[0].assignment.topic_partitions), [0, 1])
    error = raises(KafkaException, lambda: client.delete_consumer_groups([group], request_timeout=10)[group].result(10))
    same(error.args[0].code(), KafkaError.NON_EMPTY_GROUP)
    member.close()
    asked = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0), TopicPartition(name, 1)])
    found = client.list_consumer_group_offsets([asked])[group].result(10)
    same(sum(p.offset for p in found.topic_partitions if p.offset > 0), 20)
    moved = ConsumerGroupTopicPartitions(group, [TopicPartition(name, 0, 1), TopicPartition(name, 1, 2)])
    client.alter_consumer_group_offsets([moved])[group].result(10)
    found = client.list_consumer_group_offsets([asked])[group].result(10)
    same(sorted((p.partition, p.offset) for p in found.topic_partitions), [(0, 1), (1, 2)])
    client.delete_consumer_groups([group], request_timeout=10)[group].result(10)
    assert group not in [g.group_id for g in client.list_consumer_groups(request_timeout=10).result(10).valid]


@check
def fetch_with_small_limits():
    name = create(topic("small"))
    send(name, 500, prefix="x" * 200, compression_type="gzip")
    found = read_all(name, 1, 500, fetch_message_max_bytes=1000, fetch_max_bytes=1000, max_partition_fetch_bytes=1000,
                     message_max_bytes=1000)
    same([m.offset() for m in found], list(range(500)))


@check
def long_poll_is_woken():
    name = create(topic("wake"))
    client = consumer(fetch_wait_max_ms=20000, fetch_min_bytes=1)
    client.assign([TopicPartition(name, 0, OFFSET_BEGINNING)])
    client.poll(1)
    started = time.monotonic()
    send(name, 1)
    take(client, 1)
    assert time.monotonic() - started < 5, "a waiting fetch was not woken by a produce"
    client.close()


main("confluent-kafka")
