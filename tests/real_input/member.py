"""A group member: member.py LIBRARY HOST:PORT GROUP TOPIC OUT, with LIBRARY confluent-kafka or kafka-python.

Writes `got PARTITION OFFSET NUMBER CHECKSUM` for each record and, after each commit that the broker has taken,
`committed PARTITION OFFSET`. Ends cleanly on SIGTERM.
"""
import signal
import sys
import time
import zlib

LIBRARY, BOOTSTRAP, GROUP, TOPIC, OUT = sys.argv[1:]
leaving = False


def leave(*_):
    global leaving
    leaving = True


signal.signal(signal.SIGTERM, leave)
out = open(OUT, "w", buffering=1 << 16)


def got(partition, offset, value):
    out.write(f"got {partition} {offset} {value.split(b' ', 1)[0].decode()} {zlib.crc32(value)}\n")


def commit(places, send):
    """What was written is on file before it is committed; what was committed is noted once it is."""
    if not places:
        return
    out.flush()
    try:
        send(places)
    except Exception as error:
        print(f"commit: {type(error).__name__} {error}", file=sys.stderr)
        return
    for partition, offset in places.items():
        out.write(f"committed {partition} {offset}\n")
    out.flush()


def confluent():
    from confluent_kafka import Consumer, TopicPartition
    client = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                       "partition.assignment.strategy": "range", "session.timeout.ms": 8000, "heartbeat.interval.ms": 1000})

    def send(places):
        client.commit(offsets=[TopicPartition(TOPIC, p, o) for p, o in places.items()], asynchronous=False)

    places, last = {}, time.monotonic()

    def revoked(*_):
        commit(places, send)
        places.clear()

    client.subscribe([TOPIC], on_revoke=revoked, on_lost=lambda *_: places.clear())
    while not leaving:
        for message in client.consume(2000, 0.3):
            if message.error():
                print(message.error(), file=sys.stderr)
                continue
            got(message.partition(), message.offset(), message.value())
            places[message.partition()] = message.offset() + 1
        if time.monotonic() - last > 1:
            commit(places, send)
            places.clear()
            last = time.monotonic()
    commit(places, send)
    client.close()


def kafka_python():
    from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
    from kafka.coordinator.assignors.range import RangePartitionAssignor
    from kafka.structs import OffsetAndMetadata
    client = KafkaConsumer(bootstrap_servers=BOOTSTRAP, group_id=GROUP, auto_offset_reset="earliest", enable_auto_commit=False,
                           partition_assignment_strategy=[RangePartitionAssignor], session_timeout_ms=8000, heartbeat_interval_ms=1000)

    def send(places):
        client.commit({TopicPartition(TOPIC, p): OffsetAndMetadata(o, "", -1) for p, o in places.items()})

    places, last = {}, time.monotonic()

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            commit(places, send)
            places.clear()

        def on_partitions_assigned(self, assigned):
            pass

    client.subscribe([TOPIC], listener=Listener())
    while not leaving:
        try:
            batches = client.poll(timeout_ms=300, max_records=2000)
        except Exception as error:
            print(f"poll: {type(error).__name__} {error}", file=sys.stderr)
            time.sleep(0.2)
            continue
        for batch in batches.values():
            for message in batch:
                got(message.partition, message.offset, message.value)
                places[message.partition] = message.offset + 1
        if time.monotonic() - last > 1:
            commit(places, send)
            places.clear()
            last = time.monotonic()
    commit(places, send)
    client.close()


{"confluent-kafka": confluent, "kafka-python": kafka_python}[LIBRARY]()
out.flush()
