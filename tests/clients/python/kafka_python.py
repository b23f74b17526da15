"""kafka-python (pure Python): producer, consumer, groups and admin against the broker in argv[1]."""
import threading
import time

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import MessageSizeTooLargeError, TopicAlreadyExistsError, UnknownTopicOrPartitionError
from kafka.structs import OffsetAndMetadata

from checks import bootstrap, check, main, raises, same, topic, until

ADMIN = None


def admin():
    global ADMIN
    ADMIN = ADMIN or KafkaAdminClient(bootstrap_servers=bootstrap())
    return ADMIN


def create(name, partitions=1, configs=None):
    admin().create_topics([NewTopic(name, partitions, 1, topic_configs=configs or {})])
    until(20, "the broker knows its new topic", lambda: name in admin().list_topics())
    return name


def send(name, values, **settings):
    client = KafkaProducer(bootstrap_servers=bootstrap(), linger_ms=5, **settings)
    futures = [client.send(name, value=value, key=key) for key, value in values]
    client.flush(30)
    places = [future.get(20) for future in futures]
    client.close()
    return places


def consumer(*topics, **settings):
    base = {"bootstrap_servers": bootstrap(), "auto_offset_reset": "earliest", "enable_auto_commit": False}
    return KafkaConsumer(*topics, **(base | settings))


def take(client, count, seconds=30):
    found = []

    def more():
        for batch in client.poll(timeout_ms=500).values():
            found.extend(batch)
        return len(found) >= count

    until(seconds, f"{count} records", more)
    return found


def codec_round_trip(codec):
    name = create(topic(f"kp-{codec}"))
    values = [(None, b"some compressible value %d" % n) for n in range(1000)]
    send(name, values, compression_type=codec)
    client = consumer(name)
    same([(m.key, m.value) for m in take(client, 1000)], values)
    client.close()


@check
def codec_none():
    codec_round_trip(None)


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
def keyed_order():
    name = create(topic("kp-keys"), 3)
    places = send(name, [(b"k%d" % (n % 20), b"%d" % n) for n in range(1000)], acks="all", enable_idempotence=True)
    same(len({(p.partition, p.offset) for p in places}), 1000, "places")
    client = consumer(name)
    by_key = {}
    for message in take(client, 1000):
        by_key.setdefault(message.key, []).append(int(message.value))
    for key, numbers in by_key.items():
        same(numbers, sorted(numbers), f"order of {key}")
    client.close()


@check
def acks_zero():
    name = create(topic("kp-acks0"))
    send(name, [(None, b"x")] * 50, acks=0)
    client = consumer(name)
    same(len(take(client, 50)), 50)
    client.close()


@check
def headers_and_timestamps():
    name = create(topic("kp-shape"))
    client = KafkaProducer(bootstrap_servers=bootstrap())
    client.send(name, key=b"k", value=None, headers=[("a", b"1"), ("b", b"")], timestamp_ms=1_234_567_890_123).get(20)
    client.close()
    reader = consumer(name)
    message = take(reader, 1)[0]
    same((message.key, message.value, message.timestamp), (b"k", None, 1_234_567_890_123))
    same([tuple(header) for header in message.headers], [("a", b"1"), ("b", b"")])
    reader.close()


@check
def too_large_is_refused():
    name = create(topic("kp-large"), configs={"max.message.bytes": "1000"})
    raises(MessageSizeTooLargeError, lambda: send(name, [(None, b"x" * 4000)]))


@check
def seek_and_positions():
    name = create(topic("kp-seek"))
    send(name, [(None, b"%d" % n) for n in range(100)])
    client, partition = consumer(), TopicPartition(name, 0)
    client.assign([partition])
    same(client.beginning_offsets([partition])[partition], 0)
    same(client.end_offsets([partition])[partition], 100)
    client.seek(partition, 95)
    same([m.offset for m in take(client, 5)], [95, 96, 97, 98, 99])
    same(client.position(partition), 100)
    client.seek_to_beginning(partition)
    same(take(client, 1)[0].offset, 0)
    client.close()


@check
def offsets_for_times():
    name = create(topic("kp-times"))
    client = KafkaProducer(bootstrap_servers=bootstrap())
    for number in range(5):
        client.send(name, b"x", timestamp_ms=1_600_000_000_000 + number * 1000).get(20)
    client.close()
    reader, partition = consumer(), TopicPartition(name, 0)
    same(reader.offsets_for_times({partition: 1_600_000_001_500})[partition].offset, 2)
    same(reader.offsets_for_times({partition: 1_700_000_000_000})[partition], None)
    reader.close()


@check
def commit_and_resume():
    name, group = create(topic("kp-resume")), topic("kp-resume")
    send(name, [(None, b"%d" % n) for n in range(60)])
    partition = TopicPartition(name, 0)
    first = consumer(name, group_id=group)
    take(first, 60)
    first.commit({partition: OffsetAndMetadata(25, "note", -1)})
    first.close()
    second = consumer(name, group_id=group)
    same(second.committed(partition), 25)
    same(take(second, 35)[0].offset, 25)
    second.close()


class Member(threading.Thread):
    """A consumer on its own thread, as kafka-python wants it: a poll takes part in a rebalance only while it runs.

    A poll whose time runs out between its JoinGroup and its SyncGroup loses the assignment for good (kafka-python 3.0.12:
    the group is stable, the member owns nothing), so each poll gets more time than a busy machine needs for the two.
    """

    def __init__(self, name, group):
        super().__init__(daemon=True)
        self.client = consumer(name, group_id=group, session_timeout_ms=6000, heartbeat_interval_ms=300)
        self.leaving, self.owned, self.records = threading.Event(), [], []
        self.start()

    def run(self):
        while not self.leaving.is_set():
            for batch in self.client.poll(timeout_ms=5000).values():
                self.records.extend((m.partition, m.offset) for m in batch)
            self.owned = sorted(p.partition for p in self.client.assignment())
        self.client.close()

    def leave(self):
        self.leaving.set()
        self.join(20)


@check
def group_shares_the_work():
    name, group = create(topic("kp-share"), 4), topic("kp-share")
    members = [Member(name, group) for _ in range(2)]
    until(40, "2 partitions each", lambda: [len(m.owned) for m in members] == [2, 2])
    same(sorted(members[0].owned + members[1].owned), [0, 1, 2, 3])
    send(name, [(b"%d" % n, b"x") for n in range(200)])
    until(20, "200 records", lambda: sum(len(m.records) for m in members) >= 200)
    same(len(set(members[0].records + members[1].records)), 200, "no record twice")
    members.pop().leave()
    until(40, "the one that stays owns all", lambda: members[0].owned == [0, 1, 2, 3])
    members[0].leave()


@check
def admin_topics():
    name = create(topic("kp-admin"), 2)
    raises(TopicAlreadyExistsError, lambda: create(name))
    until(10, "listed", lambda: name in admin().list_topics())
    described = admin().describe_topics([name])[0]
    same(len(described["partitions"]), 2)
    admin().delete_topics([name])
    until(10, "gone", lambda: name not in admin().list_topics())
    raises(UnknownTopicOrPartitionError, lambda: admin().delete_topics([name]))


@check
def admin_configs():
    name = create(topic("kp-configs"), configs={"retention.ms": "777777"})
    found = admin().describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
    assert "777777" in repr(found), repr(found)[:300]


@check
def admin_groups():
    name, group = create(topic("kp-groups")), topic("kp-groups")
    send(name, [(None, b"x")] * 10)
    client = consumer(name, group_id=group)
    take(client, 10)
    client.commit()
    assert group in repr(admin().list_groups()), "group is not listed"
    assert "Stable" in repr(admin().describe_groups([group])), "group is not stable"
    client.close()
    assert "10" in repr(admin().list_group_offsets([group])), "no committed offset"
    admin().delete_groups([group])
    assert group not in repr(admin().list_groups()), "deleted group is listed"


@check
def waiting_fetch_is_woken():
    name = create(topic("kp-wake"))
    client = consumer(name, fetch_max_wait_ms=15000)
    client.poll(timeout_ms=1000)
    started = time.monotonic()
    send(name, [(None, b"x")])
    take(client, 1)
    assert time.monotonic() - started < 6, "a waiting fetch was not woken by a produce"
    client.close()


main("kafka-python")
