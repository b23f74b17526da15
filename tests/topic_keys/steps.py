"""Every topic key that concerns the log, changed on a topic with data while the broker runs: `steps.py HOST:PORT DATA run`.

Prints what can be seen from outside: answers, messages, and the segment files below DATA. The test runs it against Apache Kafka and
against Ottla and compares the lines; nothing here knows the right answers. `inventory` reads all that is left.
"""
import gzip
import hashlib
import os
import random
import re
import sys
import time
import traceback

import wire
from wire import batch

ADDRESS, DATA = sys.argv[1], sys.argv[2]
BROKER = wire.Connection(ADDRESS)
NOW = int(time.time() * 1000)
HOUR, MINUTE = 3_600_000, 60_000
IDS = {}
SET, DELETE, APPEND, SUBTRACT = range(4)
STEPS = []


def step(function):
    STEPS.append(function)
    return function


def say(*words):
    print(STEP + ":", *words, flush=True)


# Times, identifiers and the place of the data differ from run to run.
def plain(message):
    message = re.sub(r"\d{13,}", "<time>", message or "")
    return message.replace(DATA, "<data>")


def until(what, probe, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = probe()
        if found is not None and found is not False:
            return found
        time.sleep(0.02)
    raise TimeoutError(f"{what}: not within {seconds} s")


# --- topics

def create(name, **configs):
    configs = {key.replace("_", "."): str(value) for key, value in configs.items()}
    made = lambda: BROKER.create(name, configs)
    IDS[name], code, message = made()
    assert code == 0, (name, code, message)
    until("the new topic is led", lambda: BROKER.fetch(IDS[name], 0)[2][0] == 0)
    return name


def alter(name, **configs):
    """Sets and, where the value is None, deletes; returns when the broker has it (Kafka's needs a moment after its controller's word)."""
    operations = [(key.replace("_", "."), DELETE if value is None else SET, None if value is None else str(value)) for key, value in configs.items()]
    answer(BROKER.alter(2, name, operations))
    settle()


def alter_broker(name="", **configs):
    operations = [(key.replace("_", "."), DELETE if value is None else SET, None if value is None else str(value)) for key, value in configs.items()]
    answer(BROKER.alter(4, name, operations))
    settle()


def answer(found):
    code, message = found
    if code != 0:
        say("error", code, plain(message))


def settle():
    """Whatever was decided before is in force: a topic made afterwards is led."""
    global SETTLED
    SETTLED += 1
    name = f"settled-{SETTLED}"
    topic_id, code, _ = BROKER.create(name, {})
    assert code == 0
    until("what was decided is carried out", lambda: BROKER.fetch(topic_id, 0)[2][0] == 0)
    BROKER.delete(name)


SETTLED = 0


def produce(name, records, **settings):
    acks = settings.pop("acks", -1)
    return BROKER.produce(name, batch(records, **settings), acks)


def put(name, count=1, size=100, stamp=None, key=b"k", **settings):
    """One batch; its base offset."""
    dice = random.Random(name + str(count))
    records = [(key, dice.randbytes(size)) for _ in range(count)]
    code, base, _, message, _ = produce(name, records, stamp=NOW if stamp is None else stamp, **settings)
    assert code == 0, (name, code, message)
    return base


# --- what can be seen

def directory(name): return os.path.join(DATA, f"{name}-0")


def files(name, ending=".log"):
    return sorted(found for found in os.listdir(directory(name)) if found.endswith(ending))


def bases(name): return [int(found.split(".")[0]) for found in files(name)]


def stored(name):
    found = []
    for file in files(name):
        with open(os.path.join(directory(name), file), "rb") as data:
            found += wire.batches(data.read())
    return found


def start(name): return BROKER.offset(name, -2)
def end(name): return BROKER.offset(name, -1)


def survivors(name):
    """Offset, key and the beginning of the value of all that can be read."""
    offset, high, found = start(name), end(name), []
    while offset < high:
        _, _, (code, _, _, data) = BROKER.fetch(IDS[name], offset)
        assert code == 0, code
        got = wire.batches(data)
        for one in got:
            if not one.control:
                found += [record for record in one.records() if record[0] >= offset]
        if not got:
            break
        offset = got[-1].last + 1
    return found


def offsets(name): return [offset for offset, _, _ in survivors(name)]


def checkpoint(file, name):
    try:
        with open(os.path.join(DATA, file)) as lines:
            words = [line.split() for line in lines.read().splitlines()[2:]]
    except FileNotFoundError:
        return None
    return next((int(offset) for topic, partition, offset in words if topic == name and partition == "0"), None)


def cleaned(name): return checkpoint("cleaner-offset-checkpoint", name)
def recovery_point(name): return checkpoint("recovery-point-offset-checkpoint", name)


def until_clean(name):
    until(f"{name} is clean", lambda: cleaned(name) == bases(name)[-1])


def three_segments(name, **configs):
    """Three batches an hour apart, three segments."""
    create(name, segment_ms=MINUTE, retention_ms=-1, **configs)
    for hour in (3, 2, 1):
        put(name, 3, 200, NOW - hour * HOUR)
    return name


# Other topics stay as they are while these show that the broker has looked at all of them since.
def retention_has_looked():
    global SETTLED
    SETTLED += 1
    name = create(f"sentinel-{SETTLED}", segment_ms=MINUTE, retention_ms=-1)
    for hour in (3, 2):
        put(name, stamp=NOW - hour * HOUR)
    BROKER.alter(2, name, [("retention.ms", SET, "1")])
    until("the sentinel goes", lambda: start(name) == 2)
    BROKER.delete(name)


# A topic made now has its line only in a file written after all that came before.
def checkpoint_is_written():
    global SETTLED
    SETTLED += 1
    name = create(f"sentinel-{SETTLED}")
    put(name)
    until("the sentinel is in the checkpoint", lambda: recovery_point(name) is not None)
    BROKER.delete(name)


def cleaner_has_looked():
    global SETTLED
    SETTLED += 1
    name = create(f"sentinel-{SETTLED}", segment_ms=MINUTE, cleanup_policy="compact", min_cleanable_dirty_ratio=0)
    for hour in (3, 2, 1):
        put(name, 2, stamp=NOW - hour * HOUR)
    until_clean(name)
    BROKER.delete(name)


# --- rolls

@step
def segment_bytes():
    name = create("segment-bytes")
    for _ in range(4):
        put(name, 1, 400_000)
    say("one segment", bases(name))
    alter(name, segment_bytes=1048576)
    for _ in range(5):
        put(name, 1, 400_000)
    say("after the change", bases(name))
    say("larger than a segment", *produce(name, [(b"k", b"x" * 1_048_500)], stamp=NOW)[:2])
    alter(name, segment_bytes=None)
    for _ in range(3):
        put(name, 1, 400_000)
    say("after its deletion", bases(name))


@step
def segment_ms():
    name = create("segment-ms")
    put(name, stamp=NOW - 10 * HOUR)
    put(name, stamp=NOW - 8 * HOUR)
    alter(name, segment_ms=3 * HOUR)
    put(name, stamp=NOW - 7 * HOUR)
    say("three hours are not over", bases(name))
    put(name, stamp=NOW - 7 * HOUR + 1)
    say("three hours are over", bases(name))
    put(name, stamp=NOW - 4 * HOUR + 1)
    put(name, stamp=NOW - 9 * HOUR)
    say("counted from the first record", bases(name))


@step
def segment_jitter_ms():
    name = create("segment-jitter", segment_ms=HOUR)
    alter(name, segment_jitter_ms=MINUTE)
    put(name, stamp=NOW - 9 * HOUR)
    put(name, stamp=NOW - 8 * HOUR + 1)
    put(name, stamp=NOW - 7 * HOUR - MINUTE - 10)
    say("never before the jitter", bases(name))
    put(name, stamp=NOW - 7 * HOUR + 2)
    say("always after the age", bases(name))


@step
def indexes():
    name = create("indexes", segment_ms=3 * HOUR)
    put(name, stamp=NOW - 20 * HOUR)
    alter(name, index_interval_bytes=500)
    # What is changed holds for the next segment at the latest.
    for minute in range(20):
        put(name, 1, 100, NOW - 16 * HOUR + minute)
    put(name, stamp=NOW - 12 * HOUR)
    entries = lambda ending, size: os.path.getsize(os.path.join(directory(name), f"{1:020}.{ending}")) // size
    say("entries", bases(name), entries("index", 8), entries("timeindex", 12))
    alter(name, index_interval_bytes=0, segment_index_bytes=60)
    for minute in range(20):
        put(name, 1, 100, NOW - 8 * HOUR + minute)
    say("rolls when an index is full", bases(name)[3:])


# --- retention

@step
def retention_ms():
    name = three_segments("retention-ms")
    say("three segments", bases(name))
    alter(name, retention_ms=int(2.5 * HOUR))
    # The log begins later before its files are gone.
    until("the oldest goes", lambda: (start(name), bases(name)) == (3, [3, 6]))
    say("the oldest went", bases(name), start(name), end(name))
    alter(name, retention_ms=1)
    until("all go", lambda: (start(name), bases(name)) == (9, [9]))
    say("all went", bases(name), start(name), end(name))
    put(name, stamp=NOW)
    say("goes on", start(name), end(name), offsets(name))


@step
def retention_bytes():
    name = create("retention-bytes", segment_bytes=1048576)
    for _ in range(12):
        put(name, 1, 400_000)
    say("before", bases(name))
    alter(name, retention_bytes=2_000_000)
    until("some go", lambda: start(name) > 0)
    retention_has_looked()
    say("what fits stays", bases(name), start(name))
    alter(name, retention_bytes=0)
    until("all go", lambda: start(name) == 12)
    say("nothing fits", bases(name), start(name), end(name))


@step
def file_delete_delay_ms():
    late, soon = three_segments("delete-late"), three_segments("delete-soon")
    alter(late, file_delete_delay_ms=HOUR, retention_ms=1)
    alter(soon, file_delete_delay_ms=1, retention_ms=1)
    until("both go", lambda: start(late) == 9 and start(soon) == 9)
    until("the files go", lambda: not files(soon, ".deleted"))
    say("late", [file for file in files(late, ".log.deleted")], "soon", files(soon, ".log.deleted"))


@step
def delete_records():
    name = three_segments("delete-records")
    say("below", BROKER.delete_records(name, 4), start(name))
    until("the segment below goes", lambda: bases(name) == [3, 6])
    say("lower again", BROKER.delete_records(name, 2), start(name))
    say("beyond the end", BROKER.delete_records(name, 10))
    say("epoch", BROKER.epoch_end(name, 0))
    until("the checkpoint says so", lambda: checkpoint("log-start-offset-checkpoint", name) == 4)
    say("to the end", BROKER.delete_records(name, -1), start(name))
    until("the checkpoint says so", lambda: checkpoint("log-start-offset-checkpoint", name) == 9)
    alter(name, cleanup_policy="compact")
    say("compacted", BROKER.delete_records(name, -1))
    alter(name, cleanup_policy="compact,delete")
    say("both", BROKER.delete_records(name, -1))


# --- cleaning

def duplicates(name, **configs):
    """Three segments that can be cleaned and an active one: two keys again and again, one without, a tombstone."""
    create(name, **{"segment_ms": MINUTE, "retention_ms": -1, "min_cleanable_dirty_ratio": 0, **configs})
    for hour in (5, 4, 3):
        produce(name, [(b"a", b"1"), (b"b", b"2"), (b"c", None if hour == 4 else b"3")], stamp=NOW - hour * HOUR)
    produce(name, [(b"last", b"of all")], stamp=NOW - HOUR)
    return name


@step
def cleanup_policy():
    name = duplicates("policy", cleanup_policy="delete")
    say("without keys", produce(name, [(None, b"no key")], stamp=NOW - HOUR + 2 * MINUTE)[0])
    put(name, stamp=NOW - HOUR + 4 * MINUTE)
    say("delete", offsets(name))
    alter(name, cleanup_policy="compact")
    until_clean(name)
    say("compact", offsets(name), bases(name))
    code, _, _, message, bad = produce(name, [(b"k", b""), (None, b"no key")], stamp=NOW)
    say("a record without a key", code, message, bad)
    alter(name, cleanup_policy="", retention_ms=1)
    say("empty takes it", produce(name, [(None, b"no key")], stamp=NOW - HOUR + 6 * MINUTE)[0])
    retention_has_looked()
    cleaner_has_looked()
    say("empty keeps all", offsets(name), start(name))
    alter(name, cleanup_policy="compact,delete")
    until("all go", lambda: start(name) == end(name))
    say("both", start(name), end(name), bases(name))
    alter(name, cleanup_policy="delete", retention_ms=-1)
    say("delete again", produce(name, [(None, b"no key")], stamp=NOW)[:2], start(name))


@step
def cleanup_policy_operations():
    name = create("policy-operations")
    for what, op, value in (("append", APPEND, "compact"), ("append again", APPEND, "compact"), ("subtract", SUBTRACT, "delete"),
                            ("subtract the rest", SUBTRACT, "compact"), ("append to none", APPEND, "compact,delete"), ("twice", SET, "compact,compact"),
                            ("unknown", SET, "compact,shred"), ("append a number", APPEND, "1")):
        code, message = BROKER.alter(2, name, [("cleanup.policy", op, value)])
        say(what, code, plain(message))
    for what, key, op, value in (("append to no list", "retention.ms", APPEND, "1"), ("delete what is not there", "flush.ms", DELETE, None)):
        code, message = BROKER.alter(2, name, [(key, op, value)])
        say(what, code, plain(message))
    say("twice in one request", *BROKER.alter(2, name, [("retention.ms", SET, "1"), ("retention.ms", SET, "2")]))


@step
def delete_retention_ms():
    name = create("tombstones", segment_ms=MINUTE, cleanup_policy="compact", min_cleanable_dirty_ratio=0, delete_retention_ms=HOUR)
    for minute in (0, 2):
        produce(name, [(b"a", b"1"), (b"b", b"2")], stamp=NOW - 5 * HOUR + minute * MINUTE)
    produce(name, [(b"a", None)], stamp=NOW - 4 * HOUR)
    produce(name, [(b"c", b"3")], stamp=NOW - 3 * HOUR)
    until_clean(name)
    say("stays for an hour", survivors(name))
    alter(name, delete_retention_ms=0)
    produce(name, [(b"b", None)], stamp=NOW - 2 * HOUR)
    produce(name, [(b"c", b"4")], stamp=NOW - HOUR)
    until_clean(name)
    produce(name, [(b"c", b"5")], stamp=NOW)
    until_clean(name)
    say("the newer one goes at the second cleaning", survivors(name))


@step
def compaction_lags():
    name = duplicates("lags", cleanup_policy="compact", min_compaction_lag_ms=int(4.5 * HOUR))
    until("what is old enough is clean", lambda: cleaned(name) == 3)
    cleaner_has_looked()
    say("the young stay", offsets(name))
    alter(name, min_compaction_lag_ms=0)
    until_clean(name)
    say("no lag", offsets(name))
    name = duplicates("overdue", cleanup_policy="compact", min_cleanable_dirty_ratio=1)
    cleaner_has_looked()
    say("not dirty enough", offsets(name))
    alter(name, max_compaction_lag_ms=HOUR)
    until_clean(name)
    say("overdue", offsets(name))
    # With that lag the active segment rolls earlier, too.
    put(name, stamp=NOW - HOUR + 1)
    alter(name, segment_ms=10 * HOUR)
    put(name, stamp=NOW + 1)
    put(name, stamp=NOW + 2)
    say("rolls", bases(name)[-2:])


@step
def min_cleanable_dirty_ratio():
    name = duplicates("ratio", cleanup_policy="compact", min_cleanable_dirty_ratio=0.01)
    until_clean(name)
    alter(name, min_cleanable_dirty_ratio=0.9)
    produce(name, [(b"a", b"6")], stamp=NOW - HOUR + 2 * MINUTE)
    produce(name, [(b"a", b"7")], stamp=NOW - HOUR + 4 * MINUTE)
    cleaner_has_looked()
    say("too clean", offsets(name), cleaned(name))
    alter(name, min_cleanable_dirty_ratio=0.1)
    until_clean(name)
    say("worth it", offsets(name))


# --- produce

@step
def max_message_bytes():
    name = create("max-message")
    say("fits", produce(name, [(b"k", b"x" * 2_000)], stamp=NOW)[:2])
    alter(name, max_message_bytes=1_000)
    say("too large", *produce(name, [(b"k", b"x" * 2_000)], stamp=NOW))
    say("compressed", *produce(name, [(b"k", b"x" * 2_000)], stamp=NOW, codec=1, compress=gzip.compress))
    alter(name, compression_type="uncompressed")
    say("too large when it is written", *produce(name, [(b"k", b"x" * 2_000)], stamp=NOW, codec=1, compress=gzip.compress))
    alter(name, compression_type="gzip")
    say("small when it is written", *produce(name, [(b"k", b"x" * 2_000)], stamp=NOW))
    alter(name, max_message_bytes=None, compression_type=None)
    say("fits again", produce(name, [(b"k", b"x" * 2_000)], stamp=NOW)[:2])
    alter(name, max_message_bytes=0)
    say("nothing fits", *produce(name, [(b"k", b"")], stamp=NOW))


@step
def max_decompressed_message_bytes():
    name = create("max-decompressed")
    pressed = {"stamp": NOW, "codec": 1, "compress": gzip.compress}
    say("fits", produce(name, [(b"k", b"x" * 20_000)], **pressed)[:2])
    alter(name, max_decompressed_message_bytes=10_000)
    say("one record too large", *produce(name, [(b"k", b"x" * 20_000)], **pressed))
    say("as large as may be", *produce(name, [(b"k", b"x" * 100), (b"k", b"x" * 9_991)], **pressed))
    say("a byte more", *produce(name, [(b"k", b"x" * 100), (b"k", b"x" * 9_992)], **pressed))
    say("many records", *produce(name, [(b"k", b"x" * 200)] * 100, **pressed))
    say("uncompressed", *produce(name, [(b"k", b"x" * 20_000)], stamp=NOW))
    alter(name, max_decompressed_message_bytes=None)
    say("fits again", produce(name, [(b"k", b"x" * 20_000)], **pressed)[:2])


@step
def timestamps():
    name = create("timestamps")
    show = lambda found: (found[0], found[1], found[2] >= NOW, plain(found[3]), [(index, plain(message)) for index, message in found[4]])
    say("CreateTime", *show(produce(name, [(b"k", b"v")], stamp=NOW - HOUR)))
    alter(name, message_timestamp_type="LogAppendTime")
    say("LogAppendTime", *show(produce(name, [(b"k", b"v")], stamp=NOW - HOUR)))
    say("LogAppendTime minds no limits", *show(produce(name, [(b"k", b"v")], stamp=NOW + 100 * HOUR)))
    alter(name, message_timestamp_type="CreateTime")
    say("claims the broker's time", *show(produce(name, [(b"k", b"v")], stamp=NOW, attributes=8)))
    say("too far ahead", *show(produce(name, [(b"k", b"v"), (b"k", b"v")], stamp=NOW + 2 * HOUR)))
    alter(name, message_timestamp_after_max_ms=3 * HOUR, message_timestamp_before_max_ms=HOUR)
    say("not too far ahead now", *show(produce(name, [(b"k", b"v")], stamp=NOW + 2 * HOUR)))
    say("too long ago", *show(produce(name, [(b"k", b"v"), (b"k", b"w")], stamp=NOW - 2 * HOUR)))
    say("no time at all", *show(produce(name, [(b"k", b"v")], stamp=-1)))
    alter(name, message_timestamp_before_max_ms=None)
    say("not too long ago now", *show(produce(name, [(b"k", b"v")], stamp=NOW - 2 * HOUR)))
    say("stored", [(one.base, one.append_time, one.max_stamp < NOW) for one in stored(name)])


@step
def compression():
    name = create("compression")
    show = lambda: [(one.base, one.count, one.codec) for one in stored(name)]
    for target in ("producer", "uncompressed", "gzip", "snappy", "lz4", "zstd", None):
        alter(name, compression_type=target)
        put(name, 3, 200)
        put(name, 3, 200, codec=1, compress=gzip.compress)
    say("stored", show())
    say("sizes that no implementation decides", [one.size for one in stored(name) if one.codec == "none"])
    read = BROKER.fetch(IDS[name], 0)[2][3]
    say("read as stored", [one.codec for one in wire.batches(read)])


@step
def compression_levels():
    name = create("levels", compression_type="gzip")
    words = random.Random(1).choices([b"one", b"two", b"three", b"four"], k=20_000)
    for key, low, high in (("gzip", 1, 9), ("lz4", 1, 17), ("zstd", -50, 19)):
        sizes = []
        for level in (low, high):
            alter(name, **{"compression_type": key, f"compression_{key}_level": level})
            produce(name, [(b"k", b" ".join(words))], stamp=NOW)
            sizes.append(stored(name)[-1].size)
        say(key, "the higher level is the smaller batch", sizes[1] < sizes[0])
    code, base, *_ = produce(name, [(b"k", b"v")], stamp=NOW, codec=1, compress=gzip.compress)
    say("goes on", code, base)


@step
def min_insync_replicas():
    name = create("min-insync")
    alter(name, min_insync_replicas=2)
    say("acks=all", produce(name, [(b"k", b"v")], stamp=NOW)[:2], "acks=1", produce(name, [(b"k", b"v")], stamp=NOW, acks=1)[:2])
    alter(name, unclean_leader_election_enable="true")
    say("unclean election is taken", produce(name, [(b"k", b"v")], stamp=NOW)[:2])


# --- flushing

@step
def flush_messages():
    name = create("flush-messages", flush_messages=5)
    for count in (2, 2):
        put(name, count, acks=1)
    checkpoint_is_written()
    say("four", end(name), recovery_point(name))
    put(name, 1, acks=1)
    until("the fifth is reached", lambda: recovery_point(name) == 5)
    for count in (1, 3):
        put(name, count, acks=1)
    checkpoint_is_written()
    say("nine", end(name), recovery_point(name))
    alter(name, flush_messages=1)
    put(name, 1, acks=1)
    until("each is flushed", lambda: recovery_point(name) == end(name))
    say("one by one", recovery_point(name))
    alter(name, flush_messages=None)
    put(name, 3, acks=1)
    checkpoint_is_written()
    say("not any more", recovery_point(name), end(name))


@step
def flush_ms():
    name = create("flush-ms")
    put(name, 3, acks=1)
    checkpoint_is_written()
    say("not yet", recovery_point(name))
    alter(name, flush_ms=300)
    until("what lay there is flushed", lambda: recovery_point(name) == 3)
    put(name, 2, acks=1)
    until("what comes is flushed", lambda: recovery_point(name) == 5)
    alter(name, flush_ms=None)
    put(name, 2, acks=1)
    checkpoint_is_written()
    say("not any more", recovery_point(name), end(name))


@step
def rolled_segments_are_flushed():
    name = create("flush-rolled", segment_ms=MINUTE)
    for hour in (3, 2, 1):
        put(name, 2, 100, NOW - hour * HOUR, acks=1)
    # One of them flushes what it has when it rolls, the other all but the active segment.
    until("all but the active segment", lambda: (recovery_point(name) or 0) >= 4)
    say("up to the active one", bases(name))


# --- the broker's defaults

@step
def broker_defaults():
    name, own = create("defaults"), create("defaults-own", max_message_bytes=5_000)
    alter_broker(message_max_bytes=1_000, compression_type="gzip")
    big = [(b"k", random.Random(2).randbytes(2_000))]
    say("cluster-wide", *produce(name, big, stamp=NOW), produce(own, big, stamp=NOW)[:2])
    alter_broker("1", message_max_bytes=3_000)
    say("of this broker", produce(name, big, stamp=NOW)[:2])
    alter_broker("1", message_max_bytes=None)
    say("cluster-wide again", produce(name, big, stamp=NOW)[0])
    alter_broker(message_max_bytes=None, compression_type=None)
    say("neither", produce(name, big, stamp=NOW)[:2], [one.codec for one in stored(name)])
    three_segments("defaults-retention")
    alter("defaults-retention", retention_ms=None)
    alter_broker(log_retention_ms=int(2.5 * HOUR))
    until("the oldest goes", lambda: start("defaults-retention") == 3)
    alter_broker(log_retention_ms=None)
    say("retention", start("defaults-retention"), bases("defaults-retention"))
    alter_broker(log_roll_ms=HOUR)
    put(name, stamp=NOW + 30 * MINUTE)
    put(name, stamp=NOW + HOUR + 5)
    say("roll", bases(name))
    alter_broker(log_roll_ms=None)
    alter_broker(log_flush_interval_messages=1)
    put(name, acks=1)
    until("flushed", lambda: recovery_point(name) == end(name))
    say("flush", recovery_point(name))
    alter_broker(log_flush_interval_messages=None)


@step
def cleaner_settings():
    # (No thread at all is refused, too: by Kafka with "/ by zero".)
    for what, configs in (("too many at once", {"log_cleaner_threads": 3}), ("double", {"log_cleaner_threads": 2}),
                          ("four", {"log_cleaner_threads": 4}), ("too few at once", {"log_cleaner_threads": 1}), ("half", {"log_cleaner_threads": 2}),
                          ("too small a buffer", {"log_cleaner_dedupe_buffer_size": 1048576}), ("a small buffer", {"log_cleaner_dedupe_buffer_size": 4194304}),
                          ("a rate", {"log_cleaner_io_max_bytes_per_second": 10_000_000}), ("a factor", {"log_cleaner_io_buffer_load_factor": 0.5}),
                          ("a backoff", {"log_cleaner_backoff_ms": 100})):
        say(what)
        alter_broker(**configs)
    names = [duplicates(f"threads-{n}", cleanup_policy="compact") for n in range(4)]
    for name in names:
        until_clean(name)
    say("cleaned", [offsets(name) for name in names])
    alter_broker(**{key: None for key in ("log_cleaner_dedupe_buffer_size", "log_cleaner_io_max_bytes_per_second", "log_cleaner_io_buffer_load_factor", "log_cleaner_backoff_ms")})
    alter_broker(log_cleaner_threads=1)


# --- refusals

INVALID = {
    "cleanup.policy": ("shred", "delete,shred", "delete,delete", " compact "), "compression.gzip.level": ("0", "10", "-1"),
    "compression.lz4.level": ("0", "18"), "compression.type": ("brotli", "none", ""), "compression.zstd.level": ("23", "-131073"),
    "delete.retention.ms": ("-1", "x"), "file.delete.delay.ms": ("-1",), "flush.messages": ("0", "-1", "x"), "flush.ms": ("-1",),
    "index.interval.bytes": ("-1",), "max.compaction.lag.ms": ("0",), "max.decompressed.message.bytes": ("0", "2147483647"),
    "max.message.bytes": ("-1", "2147483648"), "message.timestamp.after.max.ms": ("-1",), "message.timestamp.before.max.ms": ("-1",),
    "message.timestamp.type": ("createtime", "x"), "min.cleanable.dirty.ratio": ("-0.1", "1.1", "x", "NaN"), "min.compaction.lag.ms": ("-1",),
    "min.insync.replicas": ("0",), "preallocate": ("yes", "1"), "retention.bytes": ("x", "-2", "9223372036854775808"), "retention.ms": ("-2", "1.5"),
    "segment.bytes": ("13", "1048575"), "segment.index.bytes": ("3", "0"), "segment.jitter.ms": ("-1",), "segment.ms": ("0", "-1"),
    "unclean.leader.election.enable": ("maybe", "TRUE"), "remote.storage.enable": ("true",), "internal.segment.bytes": ("13",),
    "leader.replication.throttled.replicas": ("x", "0:1,*", "0:1"), "no.such.key": ("1",), "local.retention.ms": ("-3", "99999999999"),
    "local.retention.bytes": ("-3", "5"), "errors.deadletterqueue.group.enable": ("x",), "remote.copy.lag.ms": ("-2",),
}


@step
def invalid_values():
    name = create("invalid")
    for key, values in INVALID.items():
        for value in values:
            code, message = BROKER.alter(2, name, [(key, SET, value)])
            say(f"{key}={value}", code, plain(message))
            if code == 0:
                BROKER.alter(2, name, [(key, DELETE, None)])
    say("no value", *BROKER.alter(2, name, [("retention.ms", SET, None)]))
    say("one of two", *BROKER.alter(2, name, [("retention.ms", SET, "5"), ("flush.ms", SET, "-5")]))
    say("lags that cross", *BROKER.alter(2, name, [("min.compaction.lag.ms", SET, "10"), ("max.compaction.lag.ms", SET, "5")]))
    say("no such topic", *BROKER.alter(2, "missing", [("retention.ms", SET, "5")]))
    say("no name", *BROKER.alter(2, "", [("retention.ms", SET, "5")]))
    say("at creation", *BROKER.create("invalid-2", {"segment.bytes": "1"})[1:])
    for key, value in (("log.segment.bytes", "5"), ("log.retention.ms", "x"), ("log.roll.ms", "0"), ("log.flush.interval.messages", "0"),
                       ("log.retention.ms", "0"), ("log.cleanup.policy", "shred"), ("log.cleanup.policy", "delete,delete"), ("log.retention.hours", "1"),
                       ("log.flush.scheduler.interval.ms", "5"), ("min.insync.replicas", "0"), ("num.recovery.threads.per.data.dir", "0"),
                       ("log.message.timestamp.type", "x"), ("log.cleaner.min.cleanable.ratio", "2"), ("unclean.leader.election.enable", "x")):
        code, message = BROKER.alter(4, "", [(key, SET, value)])
        say(f"broker {key}={value}", code, plain(message))
        BROKER.alter(4, "", [(key, DELETE, None)])


# --- the same name again

@step
def recreated():
    name = create("again")
    put(name, 5)
    old = IDS[name]
    code, session, found = BROKER.fetch(old, 0, 0, 0)
    say("a session", code, session > 0, found[:3])
    say("deletion", *BROKER.delete(name))
    until("gone", lambda: BROKER.fetch(old, 0)[2][0] != 0)
    unknown = lambda: (BROKER.fetch(old, 0)[2][:3], BROKER.produce(old, batch([(b"k", b"v")]), version=13)[:2], BROKER.produce(name, batch([(b"k", b"v")]))[0], BROKER.offset(name, -2))
    say("gone", *unknown())
    create(name)
    say("the old id", BROKER.fetch(old, 0)[2][:3], BROKER.produce(old, batch([(b"k", b"v")]), version=13)[:2])
    code, session_now, found = BROKER.fetch(old, 0, session, 1, listed=False)
    # (Kafka says INCONSISTENT_TOPIC_ID there, ours UNKNOWN_TOPIC_ID as without a session; clients take both for the same.)
    say("the old id in its session", code, session_now == session, found[0] in (100, 103), found[1:3])
    say("the new one", IDS[name] != old, start(name), end(name), BROKER.fetch(IDS[name], 0)[2][:3])
    say("an offset of the old", BROKER.fetch(IDS[name], 3)[2][:3])
    say("produce by the new id", BROKER.produce(IDS[name], batch([(b"k", b"new")], NOW), version=13)[:2])
    say("read", survivors(name))
    say("zero", BROKER.fetch(bytes(16), 0)[2][:3])
    say("directories", sorted(re.sub(r"[0-9a-f]{32}", "<id>", found) for found in os.listdir(DATA) if re.match(r"again-0(\.|$)", found)))


def inventory():
    """What both must read of one directory, whoever wrote it."""
    names = sorted({found.rsplit("-", 1)[0] for found in os.listdir(DATA) if found.endswith("-0") and os.path.isdir(os.path.join(DATA, found))})
    for name in names:
        if name.startswith(("__", "settled-", "sentinel-")):
            continue
        topic_id = BROKER.topic_id(name)
        # A start answers the first requests before it leads every partition.
        until(f"{name} is led", lambda: isinstance(start(name), int) and isinstance(end(name), int))
        offset, high, digest, count = start(name), end(name), hashlib.sha256(), 0
        if high == 0:
            # Ours makes no directory for it, Kafka does.
            continue
        while offset < high:
            code, _, (error, _, _, data) = BROKER.fetch(topic_id, offset)
            got = wire.batches(data)
            if code or error or not got:
                print(f"{name}: error {code} {error} at {offset}")
                break
            for one in got:
                digest.update(data[one.at:one.at + one.size])
                count += one.count
            offset = got[-1].last + 1
        epochs = [BROKER.epoch_end(name, epoch) for epoch in (0, 1)]
        print(f"{name}: {start(name)}..{high}, {count} records, {digest.hexdigest()[:16]}, epochs end {epochs}", flush=True)


def run():
    global STEP
    for function in STEPS:
        STEP, began = function.__name__, time.monotonic()
        if len(sys.argv) > 4 and STEP not in sys.argv[4:]:
            continue
        try:
            function()
        except Exception as error:
            say("ended early:", type(error).__name__, plain(str(error)))
            traceback.print_exc(file=sys.stderr)
        print(f"# {STEP} took {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    {"run": run, "inventory": inventory}[sys.argv[3]]()
    print("done - " + sys.argv[3])
