"""A disk that is filled and freed: `full_disk.py HOST:PORT DIRECTORY ROUNDS`, DIRECTORY being on a small file system of its own
that holds the broker's data too.

In every other round a file of somebody else takes the last byte; in the rest it leaves little above the broker's reserve, which the
producer then uses up. The broker refuses with Kafka's code, serves everything that needs no room, loses nothing that it
acknowledged, and takes records again by itself within five seconds of there being room.
"""
import os
import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

BROKER, DIRECTORY, ROUNDS = sys.argv[1], sys.argv[2], int(sys.argv[3])
FILLER = os.path.join(DIRECTORY, "filler")
QUICK = {"bootstrap.servers": BROKER, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "log_level": 0}
TOPIC, GROUP = "filled", "readers"
# A resumed producer must be served within this many seconds.
RESUME_LIMIT = 5.0
REFUSED = "KAFKA_STORAGE_ERROR"
acked = {}
failures = []


def check(name, held):
    if not held:
        failures.append(name)
        print(f"not ok - {name}", flush=True)


def free_bytes():
    status = os.statvfs(DIRECTORY)
    return status.f_bavail * status.f_frsize


def reserve_bytes():
    status = os.statvfs(DIRECTORY)
    return min(1 << 30, status.f_blocks * status.f_frsize // 20)


def fill(leave):
    """A file of somebody else that leaves so many bytes."""
    # Unbuffered: what a buffer holds back would find no room when the file is closed.
    with open(FILLER, "wb", buffering=0) as file:
        room = free_bytes() - leave
        block = b"\0" * 65536
        while room > 0:
            try:
                room -= file.write(block[:min(len(block), room)])
            except OSError:
                break


class Writer:
    """One record at a time, each awaited; refused ones are not retried by the library."""

    def __init__(self):
        self.client = Producer(QUICK | {"acks": "all", "retries": 0, "linger.ms": 0, "message.timeout.ms": 10_000})
        self.number = 0

    def write(self, size):
        """None, or the name of the error."""
        number, answer = self.number, []
        self.number += 1
        value = f"{number}:".encode() + bytes([number % 251]) * size
        self.client.produce(TOPIC, value, partition=0, on_delivery=lambda error, message: answer.append((error, message.offset())))
        end = time.monotonic() + 15
        while not answer and time.monotonic() < end:
            self.client.poll(0.05)
        if not answer:
            return "SILENT"
        error, offset = answer[0]
        if error is not None:
            return error.name()
        acked[offset] = (number, value)
        return None


def read_all():
    client = Consumer(QUICK | {"group.id": "auditor", "enable.auto.commit": False, "check.crcs": True, "fetch.wait.max.ms": 20})
    _low, high = client.get_watermark_offsets(TopicPartition(TOPIC, 0), timeout=10)
    client.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    found, end = {}, time.monotonic() + 120
    while len(found) < high and time.monotonic() < end:
        for message in client.consume(500, 0.5):
            if not message.error():
                found[message.offset()] = message.value()
    client.close()
    return high, found


def audit(when):
    high, found = read_all()
    check(f"{when}: {len(found)} of {high} records can be read", len(found) == high)
    wrong = [offset for offset, (_number, value) in acked.items() if found.get(offset) != value]
    check(f"{when}: acknowledged at {wrong[:5]} and not there", not wrong)


def serves_the_rest(consumer, admin, when, before):
    """Fetch, metadata, configurations, committed offsets: none of them needs room."""
    consumer.assign([TopicPartition(TOPIC, 0, OFFSET_BEGINNING)])
    end, message = time.monotonic() + 10, None
    while message is None and time.monotonic() < end:
        message = consumer.poll(0.5)
    check(f"{when}: nothing can be fetched", message is not None and not message.error())
    check(f"{when}: no metadata", TOPIC in admin.list_topics(timeout=10).topics)
    resource = ConfigResource(ResourceType.TOPIC, TOPIC)
    check(f"{when}: no configuration", bool(admin.describe_configs([resource])[resource].result(10)))
    if before is None:
        return
    try:
        found = consumer.committed([TopicPartition(TOPIC, 0)], timeout=10)[0].offset
        check(f"{when}: committed offset {found}, {before} was acknowledged", found == before)
    except Exception as error:
        check(f"{when}: committed offset: {error}", False)


def commit(consumer, offset, seconds):
    """True once it is acknowledged."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            consumer.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
            return True
        except Exception:
            time.sleep(0.1)
    return False


def main():
    admin = AdminClient(QUICK)
    admin.create_topics([NewTopic(TOPIC, 1, 1, config={"segment.bytes": "1048576"})])[TOPIC].result(20)
    consumer = Consumer(QUICK | {"group.id": GROUP, "enable.auto.commit": False})
    writer, slowest, committed = Writer(), 0.0, None
    for number in range(200):
        error = writer.write(1000)
        check(f"at the beginning: {error}", error is None)
    for turn in range(ROUNDS):
        to_the_brim = turn % 2 == 0
        when = f"round {turn}, {'to the brim' if to_the_brim else 'down to the reserve'}"
        fill(0 if to_the_brim else reserve_bytes() + 300_000)
        error, tries = None, 0
        time.sleep(0.2)
        while error is None and tries < 400:
            error, tries = writer.write(20_000), tries + 1
        check(f"{when}: produce was answered with {error}, not {REFUSED}", error == REFUSED)
        check(f"{when}: refused only when nothing was left", to_the_brim or free_bytes() > 0)
        if turn % 10 < 2:
            # Long enough for heartbeats, idle records and checkpoints to find no room.
            time.sleep(6)
            # The janitor's next look gives the zeros ahead of an idle log back, 64 KiB here: where only the reserve was left there is
            # room again, and it is used.
            has_room = free_bytes() > reserve_bytes()
            error = writer.write(20_000)
            check(f"{when}: after a while: {error}", error == REFUSED or (has_room and error is None))
        serves_the_rest(consumer, admin, when, committed if not to_the_brim else None)
        os.unlink(FILLER)
        since = time.monotonic()
        while True:
            error = writer.write(1000)
            took = time.monotonic() - since
            if error is None or took > 2 * RESUME_LIMIT:
                break
            time.sleep(0.02)
        slowest = max(slowest, took)
        check(f"{when}: no record was taken within {took:.1f} s of there being room: {error}", took <= RESUME_LIMIT)
        check(f"{when}: no offset was taken within {RESUME_LIMIT} s", commit(consumer, turn, RESUME_LIMIT))
        committed = turn
        if turn % 10 == 9:
            audit(when)
        if not failures:
            print(f"ok - {when}", flush=True)
    audit("in the end")
    print(f"slowest to resume: {slowest:.2f} s; {len(acked)} records acknowledged", flush=True)
    print("done - full disk", flush=True)
    sys.stdout.flush()
    os._exit(0)


main()
