"""Data for the tests of the files on disk: `data.py HOST:PORT fill NAME` writes, `data.py HOST:PORT steady NAME` writes megabytes
that are awaited one by one, `data.py HOST:PORT inventory` reads all of it.

The inventory names every topic, partition, record (as a digest), committed offset and changed configuration. Two brokers
that serve the same directory print the same inventory.
"""
import hashlib
import os
import random
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

BROKER = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BROKER})


def until(what, probe, seconds=40):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = probe()
        except Exception as error:
            found, what = None, f"{what}: {error}"
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {seconds} s")


def create(name, partitions, **configs):
    configs = {key.replace("_", "."): value for key, value in configs.items()}
    ADMIN.create_topics([NewTopic(name, partitions, 1, config=configs)])[name].result(20)
    until("the new topic is known", lambda: name in ADMIN.list_topics(timeout=10).topics)


def produce(name, count, size, dice, partitions=1, **settings):
    errors = []
    client = Producer({"bootstrap.servers": BROKER, "linger.ms": 20} | {k.replace("_", "."): v for k, v in settings.items()})
    for number in range(count):
        value = (f"record {number} " + "".join(dice.choices("abcdefgh ", k=size)))[:size + 10].encode()
        client.produce(name, key=f"key-{number % 97}", value=None if number % 101 == 7 else value, partition=number % partitions,
                       headers=[("n", str(number).encode())] if number % 3 == 0 else None,
                       on_delivery=lambda error, message: error and errors.append(error))
        client.poll(0)
    if client.flush(40) or errors:
        raise SystemExit(f"{name}: not produced: {errors[:3]}")


def fill(prefix):
    dice = random.Random(prefix)
    create(f"{prefix}-rolled", 1, segment_bytes="1048576", index_interval_bytes="1024")
    produce(f"{prefix}-rolled", 4000, 1000, dice)
    create(f"{prefix}-many", 6)
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        produce(f"{prefix}-many", 1000, 100, dice, 6, compression_type=codec)
    create(f"{prefix}-idempotent", 2, retention_ms="86400000", cleanup_policy="delete")
    produce(f"{prefix}-idempotent", 1000, 50, dice, 2, enable_idempotence=True, compression_type="lz4")
    create(f"{prefix}-append-time", 1, message_timestamp_type="LogAppendTime")
    produce(f"{prefix}-append-time", 300, 50, dice, compression_type="zstd")
    create(f"{prefix}-trimmed", 1)
    produce(f"{prefix}-trimmed", 500, 50, dice)
    trimmed = TopicPartition(f"{prefix}-trimmed", 0, 250)
    ADMIN.delete_records([trimmed])[TopicPartition(f"{prefix}-trimmed", 0)].result(20)
    create(f"{prefix}-empty", 3)
    create(f"{prefix}-gone", 1)
    produce(f"{prefix}-gone", 10, 10, dice)
    ADMIN.delete_topics([f"{prefix}-gone"])[f"{prefix}-gone"].result(20)
    for group, share in (("half", 0.5), ("all", 1.0)):
        client = Consumer({"bootstrap.servers": BROKER, "group.id": f"{prefix}-{group}", "enable.auto.commit": False})
        until("the coordinator", lambda: client.committed([TopicPartition(f"{prefix}-many", 0)], timeout=10))
        client.commit(offsets=[TopicPartition(f"{prefix}-many", p, int(800 * share), f"note {p}") for p in range(6)], asynchronous=False)
        client.close()


def steady(prefix):
    dice = random.Random(prefix)
    create(f"{prefix}-steady", 1)
    errors = []
    client = Producer({"bootstrap.servers": BROKER, "acks": "all", "linger.ms": 0})
    for number in range(40):
        client.produce(f"{prefix}-steady", value=dice.randbytes(60_000), on_delivery=lambda error, message: error and errors.append(error))
        if client.flush(20) or errors:
            raise SystemExit(f"record {number} was not acknowledged: {errors}")


def topic_lines(name, partitions):
    client = Consumer({"bootstrap.servers": BROKER, "group.id": "inventory", "enable.auto.commit": False, "check.crcs": True,
                       "enable.partition.eof": True, "isolation.level": "read_uncommitted"})
    for partition in range(partitions):
        low, high = client.get_watermark_offsets(TopicPartition(name, partition), timeout=20)
        digest, count, next_offset = hashlib.sha256(), 0, low
        client.assign([TopicPartition(name, partition, OFFSET_BEGINNING)])
        end = time.monotonic() + 60
        while next_offset < high:
            message = client.poll(1)
            if time.monotonic() > end:
                raise SystemExit(f"{name}-{partition}: stuck at {next_offset} of {high}")
            if message is None or message.error():
                continue
            digest.update(repr((message.offset(), message.key(), message.value(), message.timestamp(), message.headers())).encode())
            count, next_offset = count + 1, message.offset() + 1
        print(f"records {name}-{partition}: {low}..{high}, {count} records, {digest.hexdigest()[:24]}")
    client.close()


def inventory():
    topics = until("metadata", lambda: {t: len(m.partitions) for t, m in ADMIN.list_topics(timeout=10).topics.items() if not t.startswith("__")})
    described = ADMIN.describe_topics(TopicCollection(sorted(topics)), request_timeout=20)
    for name, count in sorted(topics.items()):
        print(f"topic {name}: {count} partitions, id {described[name].result(20).topic_id}")
        resource = ConfigResource(ResourceType.TOPIC, name)
        entries = ADMIN.describe_configs([resource])[resource].result(20)
        for key, entry in sorted(entries.items()):
            if entry.source == 1:
                print(f"config {name}: {key}={entry.value}")
        topic_lines(name, count)
    groups = until("groups", lambda: [g.group_id for g in ADMIN.list_consumer_groups(request_timeout=20).result(20).valid])
    for group in sorted(groups):
        if group == "inventory":
            continue
        found = ADMIN.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(20)
        for place in sorted(found.topic_partitions, key=lambda p: (p.topic, p.partition)):
            print(f"group {group}: {place.topic}-{place.partition} at {place.offset} '{place.metadata}'")
    print("done - inventory")


if sys.argv[2] == "fill":
    fill(sys.argv[3])
    print("done - fill")
elif sys.argv[2] == "steady":
    steady(sys.argv[3])
    print("done - steady")
else:
    inventory()
sys.stdout.flush()
os._exit(0)
