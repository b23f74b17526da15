"""Work for the cleaners of two brokers: `data.py HOST:PORT fill START`, `more` writes again, `inventory` reads all of it.

Segments roll by the records' own timestamps (`segment.ms`), so that nothing waits. What is written last closes the segment
before it: the active one is never cleaned.
"""
import hashlib
import os
import random
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER = sys.argv[1]
ADMIN = AdminClient({"bootstrap.servers": BROKER})
# Where the records' time begins, in milliseconds.
START = int(sys.argv[3])
COMMON = {"cleanup.policy": "compact", "segment.ms": "60000", "min.cleanable.dirty.ratio": "0.0001", "delete.retention.ms": "1",
          "index.interval.bytes": "200"}
TOPICS = {
    "plain": {}, "gzip": {}, "snappy": {}, "lz4": {}, "zstd": {}, "idempotent": {}, "transactional": {}, "wide": {},
    "both": {"cleanup.policy": "compact,delete", "retention.ms": "-1"},
    "append-time": {"message.timestamp.type": "LogAppendTime", "segment.bytes": "1048576"},
}

# Markers have the broker's time, three hours after START: what shall close their segments must be later still.
LATER = {"transactional": 140}


def until(what, probe, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if probe():
                return
        except Exception as error:
            what = f"{what}: {error}"
        time.sleep(0.05)
    raise SystemExit(f"{what}: not within {seconds} s")


def producer(**settings):
    return Producer({"bootstrap.servers": BROKER, "linger.ms": 5000, "batch.num.messages": 7} | {k.replace("_", "."): v for k, v in settings.items()})


def write(client, topic, records, minute, flush=True):
    """Records are (key, value); all at one minute of the records' time."""
    errors = []
    for at, (key, value) in enumerate(records):
        client.produce(topic, key=key, value=value, partition=0, timestamp=START + minute * 60_000 + at * 3 + 1000 * (minute % 7),
                       headers=[("h", b"1")] if at % 5 == 0 else None, on_delivery=lambda error, message: error and errors.append(error))
        client.poll(0)
    if flush and (client.flush(60) or errors):
        raise SystemExit(f"{topic}: not produced: {errors[:3]}")


def some(dice, count, keys, tombstones=True):
    for number in range(count):
        value = "".join(dice.choices("abcdefgh ", k=dice.randrange(5, 80))).encode()
        yield f"key-{dice.randrange(keys)}", None if tombstones and dice.random() < 0.2 else value


def close(topic, minute):
    """Two records far apart in time: the second one opens a new active segment."""
    minute += LATER.get(topic, 0)
    write(producer(), topic, [("the last", b"closes")], minute)
    write(producer(), topic, [("the active", b"segment")], minute + 3)


def fill():
    dice = random.Random("compaction")
    made = ADMIN.create_topics([NewTopic(name, 1, 1, config=COMMON | own) for name, own in TOPICS.items()])
    for future in made.values():
        future.result(30)
    until("the new topics are known", lambda: all(name in ADMIN.list_topics(timeout=10).topics for name in TOPICS))
    for codec in ("plain", "gzip", "snappy", "lz4", "zstd", "both"):
        client = producer(compression_type="none" if codec in ("plain", "both") else codec)
        for minute in range(0, 40, 2):
            write(client, codec, some(dice, 60, 40), minute)
    ADMIN.delete_records([TopicPartition("both", 0, 333)])[TopicPartition("both", 0)].result(20)
    for minute in range(0, 24, 2):
        write(producer(enable_idempotence=True), "idempotent", some(dice, 30, 20), minute)
    write(producer(), "idempotent", [(f"key-{key}", b"the end of it") for key in range(20)], 26)
    clients = [producer(transactional_id=f"transactions-{n}", enable_idempotence=True) for n in range(3)]
    for client in clients:
        client.init_transactions(60)
    for minute in range(0, 40, 2):
        for at, client in enumerate(clients):
            client.begin_transaction()
            write(client, "transactional", some(dice, 12, 15), minute)
            (client.abort_transaction if (minute // 2 + at) % 3 == 0 else client.commit_transaction)(60)
    open_at_first = clients[0]
    open_at_first.begin_transaction()
    write(open_at_first, "transactional", [("key-1", b"under way")], 41)
    open_at_first.commit_transaction(60)
    client = producer(linger_ms=20)
    for minute, start in enumerate(range(0, 60_000, 10_000)):
        write(client, "wide", ((f"k{number}", b"v") for number in range(start, start + 10_000)), minute * 2)
    write(client, "wide", ((f"k{number}", b"w") for number in range(0, 60_000, 3)), 20)
    write(producer(), "append-time", ((f"key-{number % 50}", os.urandom(500)) for number in range(6_000)), 0)
    for topic in TOPICS:
        close(topic, 60)


def more():
    """The same on both: no producer ids, no broker's time."""
    dice = random.Random("more")
    for topic in ("plain", "gzip", "lz4", "idempotent", "transactional", "both"):
        for minute in range(80, 86, 2):
            write(producer(), topic, some(dice, 40, 30), minute + LATER.get(topic, 0))
        close(topic, 90)


def inventory():
    for topic in sorted(TOPICS):
        for isolation in ("read_uncommitted", "read_committed"):
            client = Consumer({"bootstrap.servers": BROKER, "group.id": "inventory", "enable.auto.commit": False, "check.crcs": True,
                               "enable.partition.eof": True, "isolation.level": isolation})
            low, high = client.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)
            digest, count = hashlib.sha256(), 0
            client.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
            end = time.monotonic() + 60
            while True:
                message = client.poll(1)
                if time.monotonic() > end:
                    raise SystemExit(f"{topic}: stuck after {count} records")
                if message is None:
                    continue
                if message.error():
                    break
                digest.update(repr((message.offset(), message.key(), message.value(), message.timestamp(), message.headers())).encode())
                count += 1
            client.close()
            print(f"{topic} {isolation}: {low}..{high}, {count} records, {digest.hexdigest()[:24]}")


{"fill": fill, "more": more, "inventory": inventory}[sys.argv[2]]()
print(f"done - {sys.argv[2]}")
sys.stdout.flush()
os._exit(0)
