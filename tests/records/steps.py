"""What is asked twice, too much or too little about records, and what becomes of damage. `steps.py HOST:PORT DATA JAR MODE` prints one line an
answer, `question: answer`, the same for two brokers that do the same; nothing here knows the right answers. Modes: `ask` everything; `damage`
the files of a broker that is stopped; `after`, what it says of them when it is started again.
"""
import glob
import gzip
import re
import struct
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/protocol")
from crc32c import crc32c
from kafka import ZERO, Closed, Connection, Jar, Raw, Silent, varint

ADDRESS, DATA, MODE = sys.argv[1], sys.argv[2], sys.argv[4]
JAR = Jar(sys.argv[3])
NOW = int(time.time() * 1000)
SECONDS = 4
MAX = 2**31 - 1


# --- asking and telling

def connect():
    return Connection(JAR, ADDRESS, SECONDS)


def ask(name, version, body=None, **header):
    with connect() as connection:
        return connection.ask(name, version, body, **header)


def tell(question, found, *arguments, **named):
    try:
        answer = found(*arguments, **named)
    except Closed:
        answer = "closed"
    except Silent:
        answer = "silent"
    print(f"{question}: {re.sub(chr(92) + 'd{10,}', '<time>', repr(answer))}", flush=True)


def topic(name, partitions=1, **configs):
    configs = [{"name": key.replace("_", "."), "value": value} for key, value in configs.items()]
    made = {"name": name, "numPartitions": partitions, "replicationFactor": 1, "configs": configs}
    answer = ask("CreateTopics", 7, {"topics": [made], "timeoutMs": 20000})["topics"][0]
    assert answer["errorCode"] == 0, answer
    for _ in range(200):
        if all(fetch([(name, [(index, 0)])])[2][0][1][0][1] == 0 for index in range(partitions)):
            return answer["topicId"]
        time.sleep(0.05)
    raise TimeoutError(name)


def topic_id(name):
    return ask("Metadata", 12, {"topics": [{"name": name}]})["topics"][0]["topicId"]


# --- records

def zigzag(number):
    return varint(((number << 1) ^ (number >> 63)) & (2**64 - 1))


def blob(data):
    return zigzag(-1) if data is None else zigzag(len(data)) + data


def record(delta=0, at=0, key=None, value=b"v", headers=zigzag(0)):
    body = b"\0" + zigzag(at) + zigzag(delta) + blob(key) + blob(value) + headers
    return zigzag(len(body)) + body


def batch(*records, codec=0, base_time=NOW, max_time=None, attributes=0, producer=-1, epoch=-1, sequence=-1, base=0, leader_epoch=-1, count=None,
          last=None, payload=None, squeeze=None, magic=2):
    """Of records as `record` takes them; `payload` and what follows from it are as they are told."""
    records = list(records) or [{}]
    if payload is None:
        payload = b"".join(record(**{"delta": at, **one}) for at, one in enumerate(records))
    if squeeze or codec == 1:
        payload = (squeeze or gzip.compress)(payload)
    newest = base_time + max(one.get("at", 0) for one in records)
    newest = newest if abs(newest) < 2**63 else 0
    count = len(records) if count is None else count
    tail = struct.pack(">hiqqqhii", attributes | codec, count - 1 if last is None else last, base_time, newest if max_time is None else max_time,
                       producer, epoch, sequence, count) + payload
    return struct.pack(">qiibI", base, len(tail) + 9, leader_epoch, magic, crc32c(tail)) + tail


def values(*words, **settings):
    return batch(*({"value": word} for word in words), **settings)


def offsets(data):
    """Of the records of batches, compressed with gzip at most."""
    found, at = [], 0
    while at + 61 <= len(data or b""):
        base, length = struct.unpack(">qi", data[at:at + 12])
        attributes, = struct.unpack(">h", data[at + 21:at + 23])
        count, = struct.unpack(">i", data[at + 57:at + 61])
        found.append((base, attributes, count))
        at += length + 12
    return found


def produce(named, version=9, acks=-1, timeout=9000, transaction=None):
    """Answers by topic and partition: code, offset, log start, message, messages of records."""
    key = "topicId" if version >= 13 else "name"
    topics = [{key: name, "partitionData": [{"index": index, "records": data} for index, data in partitions]} for name, partitions in named]
    answer = ask("Produce", version, {"transactionalId": transaction, "acks": acks, "timeoutMs": timeout, "topicData": topics})

    def line(one):
        errors = [(bad["batchIndex"], bad["batchIndexErrorMessage"]) for bad in one.get("recordErrors", [])]
        return one["index"], one["errorCode"], one["baseOffset"], one.get("logStartOffset"), one.get("errorMessage"), errors
    return sorted((str(topic[key]) if version < 13 else "an id", sorted(map(line, topic["partitionResponses"]))) for topic in answer["responses"])


def put(name, data, **settings):
    return produce([(name, [(0, data)])], **settings)[0][1][0][1:]


def fetch_body(named, version=11, session=0, epoch=-1, forgotten=(), **limits):
    which = lambda name: {"topicId": name} if version >= 13 else {"topic": name}
    place = lambda index, offset: {"partition": index, "fetchOffset": offset, "currentLeaderEpoch": limits.get("leader_epoch", -1),
                                   "partitionMaxBytes": limits.get("partition_max_bytes", 1 << 20)}
    body = {"replicaId": -1, "maxWaitMs": limits.get("wait", 0), "minBytes": limits.get("min_bytes", 0), "maxBytes": limits.get("max_bytes", 1 << 25),
            "isolationLevel": limits.get("isolation", 0), "sessionId": session, "sessionEpoch": epoch,
            "topics": [{**which(name), "partitions": [place(*one) for one in partitions]} for name, partitions in named],
            "forgottenTopicsData": [{**which(name), "partitions": partitions} for name, partitions in forgotten]}
    if version >= 15:
        del body["replicaId"]
    return body


def fetch(named, connection=None, version=11, names=None, **settings):
    """Code, session, topics; of a partition its code, high watermark and number of bytes."""
    body = fetch_body(named, version, **settings)
    answer = (connection.ask if connection else ask)("Fetch", version, body)
    name = lambda topic: topic["topic"] if version < 13 else (names or {}).get(topic["topicId"], "an id")
    lines = [(name(topic), [(one["partitionIndex"], one["errorCode"], one["highWatermark"], len(one["records"] or b"")) for one in topic["partitions"]])
             for topic in answer["responses"]]
    return answer["errorCode"], answer["sessionId"], lines


def list_offsets(named, version=7, isolation=0, epoch=-1):
    topics = [{"name": name, "partitions": [{"partitionIndex": index, "currentLeaderEpoch": epoch, "timestamp": time} for index, time in partitions]}
              for name, partitions in named]
    answer = ask("ListOffsets", version, {"replicaId": -1, "isolationLevel": isolation, "topics": topics})
    return sorted((topic["name"], sorted((one["partitionIndex"], one["errorCode"], one["offset"]) for one in topic["partitions"])) for topic in answer["topics"])


def delete_records(named):
    topics = [{"name": name, "partitions": [{"partitionIndex": index, "offset": offset} for index, offset in partitions]} for name, partitions in named]
    answer = ask("DeleteRecords", 2, {"topics": topics, "timeoutMs": 9000})
    return sorted((topic["name"], sorted((one["partitionIndex"], one["errorCode"], one["lowWatermark"]) for one in topic["partitions"])) for topic in answer["topics"])


def commit(group, named, generation=-1):
    topics = [{"name": name, "partitions": [{"partitionIndex": index, "committedOffset": offset, "committedMetadata": "m"} for index, offset in partitions]}
              for name, partitions in named]
    answer = ask("OffsetCommit", 8, {"groupId": group, "generationIdOrMemberEpoch": generation, "memberId": "", "topics": topics})
    return sorted((topic["name"], one["partitionIndex"], one["errorCode"]) for topic in answer["topics"] for one in topic["partitions"])


def committed(group):
    answer = ask("OffsetFetch", 8, {"groups": [{"groupId": group, "topics": None}]})["groups"][0]
    return answer["errorCode"], sorted((topic["name"], one["partitionIndex"], one["committedOffset"]) for topic in answer["topics"] for one in topic["partitions"])


def coordinated():
    """The coordinators of all groups are there."""
    for _ in range(400):
        found = ask("FindCoordinator", 4, {"keyType": 0, "coordinatorKeys": ["first"]})["coordinators"][0]["errorCode"]
        if found == 0 and committed("first")[0] == 0:
            return
        time.sleep(0.05)
    raise TimeoutError("no coordinator")


# --- the steps

def twice():
    topic("twice", 3), topic("other"), topic("spoiled")
    both = lambda first, second: [("twice", [(1, first), (0, values(b"x")), (1, second)])]
    tell("produce twice in a topic", produce, both(values(b"a"), values(b"b", b"c")))
    tell("produce twice in two topics", produce, both(values(b"a"), values(b"d")) + [("other", [(0, values(b"o"))]), ("twice", [(1, values(b"e", b"f", b"g")), (2, values(b"z"))])])
    tell("produce twice, the last one bad", produce, [("spoiled", [(0, values(b"a")), (0, b"no batch")])])
    tell("produce twice to nothing", produce, [("nothing", [(0, values(b"a"))]), ("nothing", [(0, values(b"a"))]), ("twice", [(9, values(b"a")), (9, values(b"a"))])])
    tell("produce twice by id", produce, [(topic_id("twice"), [(0, values(b"a")), (0, values(b"b", b"c"))])] * 2, version=13)
    tell("produce to no partition", produce, [("twice", []), ("other", [(0, values(b"a"))])])
    tell("produce nothing", produce, [])
    tell("what was produced", fetch, [("twice", [(0, 0), (1, 0), (2, 0)])])
    tell("fetch twice", fetch, [("twice", [(0, 0), (1, 0), (0, 1)]), ("other", [(0, 0)]), ("twice", [(1, 99)])])
    tell("list twice", list_offsets, [("twice", [(0, -1), (1, -1), (0, -2)]), ("other", [(0, -1)]), ("twice", [(2, -1)]), ("other", [])])
    tell("delete twice", delete_records, [("twice", [(0, 2), (0, 1)]), ("other", [(0, 0)]), ("other", [(0, 1)])])
    tell("delete twice, the last beyond", delete_records, [("twice", [(0, 2), (0, 99)])])
    tell("commit twice", commit, "twice", [("twice", [(0, 2), (0, 1)]), ("other", [(0, 5)]), ("other", [(0, 6)]), ("nothing", [(0, 1), (0, 1)])])
    tell("what was committed", committed, "twice")
    for version in (0, 5, 6):
        described = lambda: sorted((one["groupId"], one["errorCode"], one["groupState"]) for one in
                                   ask("DescribeGroups", version, {"groups": ["twice", "none", "twice", "none", "twice"]})["groups"])
        tell(f"describe groups twice v{version}", described)


def batches():
    topic("batches")
    kinds = {
        "good": dict(), "gap": dict(deltas=(0, 2, 3), last=3), "hole": dict(deltas=(0, 2, 3)), "disorder": dict(deltas=(0, 2, 1)), "same": dict(deltas=(0, 0, 0)),
        "from 1": dict(deltas=(1, 2, 3)), "below 0": dict(deltas=(-1, 0, 1)), "last offset too large": dict(last=5), "last offset too small": dict(last=1),
        "last offset -1": dict(last=-1), "count too large": dict(count=4, last=3), "count too small": dict(count=2, last=1), "count 0": dict(count=0, last=-1),
        "count -1": dict(count=-1, last=-2), "count max": dict(count=MAX, last=MAX - 1), "base 5": dict(base=5), "base -1": dict(base=-1), "base max": dict(base=2**63 - 1),
        "leader epoch": dict(leader_epoch=7), "unknown attributes": dict(attributes=0x4080), "all attributes": dict(attributes=-32768), "transaction without id": dict(attributes=0x10),
        "control": dict(attributes=0x20), "control of a transaction": dict(attributes=0x30), "delete horizon": dict(attributes=0x40), "append time": dict(attributes=8),
        "append time of none": dict(attributes=8, base_time=-1, max_time=-1), "sequence without id": dict(sequence=5), "bytes behind": dict(payload=record() + b"\0\0", count=1),
        "no records": dict(payload=b""), "record of length -1": dict(payload=zigzag(-1), count=1), "record too long": dict(payload=zigzag(99) + b"x", count=1),
        "headers beyond": dict(payload=record(headers=zigzag(9)), count=1), "header without key": dict(payload=record(headers=zigzag(1) + zigzag(-1) * 2), count=1),
    }
    for codec in (0, 1):
        for kind, settings in kinds.items():
            settings = dict(settings)
            deltas = settings.pop("deltas", (0, 1, 2))
            tell(f"batch of codec {codec}, {kind}", put, "batches", batch(*({"delta": delta} for delta in deltas), codec=codec, **settings))
    for codec in (5, 7):
        tell(f"batch of codec {codec}", put, "batches", batch(codec=codec))
    for codec, name in enumerate(("gzip", "snappy", "lz4", "zstd"), 1):
        tell(f"garbage as {name}", put, "batches", batch(codec=codec, squeeze=lambda data: b"garbage!" * 3))
    good = batch()
    spoiled = lambda at, data: good[:at] + data + good[at + len(data):]
    for name, data in {"damaged": spoiled(66, b"\xff"), "magic 0": spoiled(16, b"\0"), "magic 1": spoiled(16, b"\1"), "magic 3": spoiled(16, b"\3"), "magic -1": spoiled(16, b"\xff"),
                       "cut in its header": good[:40], "cut": good[:-1], "cut in its length": good[:11], "empty": b"", "two": good + good, "bytes behind it": good + b"hello",
                       "cut batch behind it": good + good[:-3], "garbage behind it": good + b"\x7f" * 70,
                       **{f"length {length}": spoiled(8, struct.pack(">i", length)) for length in (0, -1, 13, 48, -MAX)}}.items():
        tell(f"bytes, {name}", put, "batches", data)
    tell("what was stored", fetch, [("batches", [(0, 0)])], partition_max_bytes=1)


def times():
    topic("times"), topic("bounded", message_timestamp_before_max_ms="60000", message_timestamp_after_max_ms="60000"), topic("keyed", cleanup_policy="compact")
    at = lambda *deltas: [{"at": delta} for delta in deltas]
    for codec in (0, 1):
        for version in (7, 9):
            for name, base, deltas in (("now", NOW, (0,)), ("50 minutes ahead", NOW + 3_000_000, (0,)), ("2 hours ahead", NOW + 7_200_000, (0,)), ("some ahead", NOW, (0, 9_000_000, 5, 8_000_000)),
                                       ("microseconds", NOW * 1000, (0,)), ("0", 0, (0,)), ("none", -1, (0,)), ("-2", -2, (0,)), ("the least", -2**63, (0,)), ("the most", 2**63 - 1, (0,))):
                tell(f"time {name}, codec {codec} v{version}", put, "times", batch(*at(*deltas), codec=codec, base_time=base), version=version)
        tell(f"time before the bound, codec {codec}", put, "bounded", batch(*at(0, 60_000), codec=codec, base_time=NOW - 120_000))
        tell(f"time behind the bound, codec {codec}", put, "bounded", batch(*at(0, 1, 120_000), codec=codec))
        tell(f"no key, codec {codec}", put, "keyed", batch({"key": b"k"}, {}, {"key": b""}, {"value": b"w"}, codec=codec))
        tell(f"no key and a bad time, codec {codec}", put, "keyed", batch({}, {"key": b"k", "at": 9_000_000}, codec=codec))
        tell(f"wrong newest time, codec {codec}", put, "times", batch(*at(0, 5), codec=codec, max_time=NOW + 999))
    for wanted in (-1, -2, -3, -4, -5, -6, -7, 0, 1):
        tell(f"offset of {wanted}", list_offsets, [("times", [(0, wanted)])])


def look_ups():
    for codec in (0, 1):
        name = f"looked-up-{codec}"
        topic(name)
        for stamps in ([0, 10, 20, 30], [5, 50, 40], [25], [60, 60, 60], [70]):
            put(name, batch(*({"at": stamp - stamps[0]} for stamp in stamps), codec=codec, base_time=NOW - 3_600_000 + stamps[0]))
        look = lambda stamp, version=7: list_offsets([(name, [(0, stamp)])], version)[0][1][0][1:]
        for stamp in (-5, 0, 1, 10, 11, 25, 31, 41, 51, 60, 61, 71):
            tell(f"look-up of +{stamp}, codec {codec}", look, NOW - 3_600_000 + stamp)
        for version in (1, 2, 4, 7, 8, 9, 10, 11):
            tell(f"look-ups v{version}, codec {codec}", lambda: [look(special, version) for special in range(-7, 0)])
        delete_records([(name, [(0, 6)])])
        tell(f"look-ups behind what was deleted, codec {codec}", lambda: [look(stamp) for stamp in (NOW - 3_600_000, NOW - 3_600_000 + 45, -2, -3, -4)])


def deletions():
    topic("deleted", 2), topic("compacted", cleanup_policy="compact"), topic("both", cleanup_policy="compact,delete")
    for _ in range(4):
        put("deleted", values(*[b"v"] * 5))
    put("compacted", batch({"key": b"k"})), put("both", batch({"key": b"k"}))
    for at, offset in enumerate((0, 3, 2, 3, -2, 21, -1, -1, 20)):
        tell(f"delete {at}, to {offset}", lambda: (delete_records([("deleted", [(0, offset)])]), list_offsets([("deleted", [(0, -2)])])))
    tell("read below what was deleted", fetch, [("deleted", [(0, 3)])])
    tell("produce behind what was deleted", put, "deleted", values(b"v"))
    for name, partition in (("compacted", 0), ("both", 0), ("", 0), ("__consumer_offsets", 0), ("a b", 0), ("deleted", -1), ("deleted", 1)):
        tell(f"delete of {name or 'nothing'} {partition}", delete_records, [(name, [(partition, 0)])])


def sequences():
    topic("sequences", 2)
    known = {}

    def producer(name):
        while known.get(name, -1) < 0:
            asked = {"transactionalId": None, "transactionTimeoutMs": 60000, "producerId": -1, "producerEpoch": -1}
            known[name] = ask("InitProducerId", 4, asked)["producerId"]
        return known[name]

    def send(question, sequence, count=1, epoch=0, name="p", partition=0, **settings):
        data = values(*[b"v"] * count, producer=producer(name), epoch=epoch, sequence=sequence, **settings)
        tell(f"sequence {question}", lambda: produce([("sequences", [(partition, data)])])[0][1][0][1:3])
    for round_ in ("first", "again"):
        for sequence in range(0, 14, 2):
            send(f"{sequence} {round_}", sequence, 2)
    send("half a duplicate", 12), send("two as one", 10, 4), send("over the end", 13, 2), send("behind a gap", 20), send("next", 14), send("with other bytes", 14, codec=1)
    send("epoch 1 in the middle", 15, epoch=1), send("epoch 1 from 0", 0, epoch=1), send("epoch 0 after it", 15), send("epoch -1", 0, epoch=-1), send("below 0", -7, epoch=6)
    send("unknown from 500", 500, 3, name="q", partition=1), send("unknown goes on", 503, name="q", partition=1)
    send("near the most", MAX - 2, 2, name="w", partition=1), send("over the most", MAX, 3, name="w", partition=1), send("over the most again", MAX, 3, name="w", partition=1)
    send("behind the most", 2, name="w", partition=1), send("wrong behind the most", 9, name="w", partition=1)
    both = [(0, values(b"v", producer=producer("q"), epoch=0, sequence=0)), (1, values(b"v", producer=producer("q"), epoch=0, sequence=77))]
    tell("sequence bad in one of two", lambda: [one[:2] for one in produce([("sequences", both)])[0][1]])


def limits():
    topic("limits", 2)
    for partition in (0, 0, 1):
        produce([("limits", [(partition, values(b"v"))])])
    for limit in ("max_bytes", "partition_max_bytes", "min_bytes", "wait", "leader_epoch"):
        for value in (-2**31, -2, 0, 1):
            tell(f"fetch, {limit} {value}", fetch, [("limits", [(0, 0), (1, 0)])], **{limit: value})
    for level in (-1, 2):
        tell(f"fetch, isolation {level}", fetch, [("limits", [(0, 0)])], isolation=level)
        tell(f"list, isolation {level}", list_offsets, [("limits", [(0, -1)])], isolation=level)
    for limit in (0, -1, -2**31):
        tell(f"produce, timeout {limit}", put, "limits", values(b"v"), timeout=limit)
    for acks in (2, -2):
        tell(f"produce, acks {acks}", put, "limits", values(b"v"), acks=acks)
    for generation in (-2, 3):
        tell(f"commit, generation {generation}", commit, "limits", [("limits", [(0, -5), (-1, 1)])], generation=generation)
    ends = lambda current, wanted: [(one["errorCode"], one["leaderEpoch"], one["endOffset"]) for one in ask("OffsetForLeaderEpoch", 4, {"replicaId": -1, "topics": [
        {"topic": "limits", "partitions": [{"partition": 0, "currentLeaderEpoch": current, "leaderEpoch": wanted}]}]})["topics"][0]["partitions"]]
    for epoch in (-2, -1, 0, 5):
        tell(f"list, epoch {epoch}", list_offsets, [("limits", [(0, -1)])], epoch=epoch)
        tell(f"end of epoch {epoch}", ends, -1, epoch)
        tell(f"end in epoch {epoch}", ends, epoch, 0)


def tags():
    body = JAR.request("Metadata", 12).encode({"topics": [{"name": "limits"}]})[:-1]
    unknown = varint(99) + varint(1) + b"x"
    for name, data in {"bytes behind": varint(0) + b"more", "an unknown one": varint(1) + unknown, "disorder": varint(2) + unknown + varint(98) + varint(0), "twice": varint(2) + unknown * 2,
                       "too long": varint(1) + varint(99) + varint(9) + b"x", "too many": varint(3) + unknown, "beyond all numbers": b"\xff" * 4 + b"\x0f"}.items():
        def answered():
            with connect() as connection:
                connection.answer("Metadata", 12, connection.send("Metadata", 12, payload=body + data))
                return "and after it", connection.ask("ApiVersions", 0)["errorCode"]
        tell(f"tags, {name}", answered)


def cursors():
    for name in ("ca", "cb", "cc"):
        topic(name, 3)

    def page(names, limit=4, cursor=None):
        cursor = cursor and {"topicName": cursor[0], "partitionIndex": cursor[1]}
        answer = ask("DescribeTopicPartitions", 0, {"topics": [{"name": name} for name in names], "responsePartitionLimit": limit, "cursor": cursor})
        return [(one["name"], one["errorCode"], [part["partitionIndex"] for part in one["partitions"]]) for one in answer["topics"]], answer["nextCursor"]
    for limit in (0, -1, -2**31, 1, 4, MAX):
        tell(f"page of {limit}", page, ["ca", "cb"], limit)
    for cursor in (("ca", 1), ("cb", 9), ("ca", -1), ("caa", 0), ("zz", 0), ("", 0), ("a", 0), ("no-such", 1)):
        tell(f"page from {cursor}", page, ["ca", "cb", "cc"], 4, cursor)


def sessions():
    topic("session", 2), topic("session-too")
    for version in (7, 12, 13, 17):
        ids = {topic_id(name): name for name in ("session", "session-too")}
        of = {name: id if version >= 13 else name for id, name in ids.items()}
        first, second = connect(), connect()
        seen = {}

        def step(question, connection, named, session, epoch, forgotten=()):
            def found():
                error, id, lines = fetch([(of.get(name, name), partitions) for name, partitions in named], connection, version, ids, session=seen.get(session, session),
                                         epoch=epoch, forgotten=[(of.get(name, name), partitions) for name, partitions in forgotten])
                seen[question] = id
                return error, id != 0, lines
            tell(f"session v{version} {question}", found)
        step("begins", first, [("session", [(0, 0), (1, 0)])], 0, 0)
        step("goes on elsewhere", second, [], "begins", 1)
        step("is behind where it began", first, [], "begins", 1)
        step("comes back", first, [], "begins", 2)
        first.socket.close()
        time.sleep(0.3)
        step("survives its connection", second, [], "begins", 3)
        step("grows", second, [("session-too", [(0, 0)])], "begins", 4)
        step("shrinks", second, [], "begins", 5, [("session", [0])])
        step("of a wrong epoch", second, [], "begins", 5)
        step("of no number", second, [], 12345, 1)
        step("of number 0", second, [], 0, 1)
        step("is begun anew", second, [("session", [(0, 0)])], "begins", 0)
        step("is gone", second, [], "begins", 6)
        step("is ended", second, [("session", [(0, 0)])], "is begun anew", -1)
        step("was ended", second, [], "is begun anew", 1)
        step("begins again", second, [("session", [(0, 0)])], 0, 0)
        step("forgets all", second, [], "begins again", 1, [("session", [0])])
        second.socket.close()


def anew():
    for version in (11, 13):
        name = f"anew-{version}"
        named = topic(name) if version >= 13 else topic(name) and name
        put(name, values(b"v"))
        connection = connect()
        session = fetch([(named, [(0, 0)])], connection, version, session=0, epoch=0)[1]
        step = lambda question, epoch, asked=(): tell(f"session v{version} {question}", lambda: fetch(asked, connection, version, session=session, epoch=epoch)[2])
        step("of a topic", 1)
        ask("DeleteTopics", 6, {"topics": [{"name": name}], "timeoutMs": 20000})
        time.sleep(1)
        step("of a deleted topic", 2)
        topic(name), put(name, values(b"v", b"w"))
        step("of a topic made anew", 3)
        step("that is asked by what it knew", 4, [(named, [(0, 0)])])


def lasting():
    """What `damage` will damage."""
    topic("damaged")
    for number in range(10):
        put("damaged", batch(*({"value": b"value %d %d" % (number, at), "at": at * 10} for at in range(3)), base_time=NOW - 3_600_000 + number * 1000))
    for offset in (1, 2, 3):
        commit("lost", [("damaged", [(0, offset)])])
    tell("before the damage", committed, "lost")


def damage():
    """One bit of a record in the batch of offset 12, and in the last commit."""
    def turn(path, at):
        with open(path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)
            file.seek(at)
            file.write(bytes([byte[0] ^ 4]))

    def found(path, wanted):
        data, at = open(path, "rb").read(), 0
        while at + 61 <= len(data):
            base, length = struct.unpack(">qi", data[at:at + 12])
            if length <= 0:
                return
            if wanted(base, data[at:at + length + 12]):
                yield at, length + 12
            at += length + 12
    file = f"{DATA}/damaged-0/00000000000000000000.log"
    for at, size in found(file, lambda base, _: base == 12):
        turn(file, at + size - 5)
        print("a batch: damaged")
    places = [(path, at, size) for path in glob.glob(f"{DATA}/__consumer_offsets-*/*.log") for at, size in found(path, lambda _, data: b"\0\4lost\0\7damaged" in data)]
    path, at, size = places[-1]
    # The length of its record: nobody can read what comes behind.
    turn(path, at + 61)
    print("a commit: damaged")


def after():
    # A coordinator that cannot be loaded never comes.
    patience = time.monotonic() + 6
    while committed("lost")[0] != 0 and time.monotonic() < patience:
        time.sleep(0.1)
    tell("a damaged commit", lambda: (committed("lost"), commit("lost", [("damaged", [(0, 7)])]), committed("lost")))
    for offset in (9, 12, 13, 14, 15):
        tell(f"fetch of damage at {offset}", lambda: fetch([("damaged", [(0, offset)])])[2][0][1][0][1:3])
    for stamp in (3500, 4000, 4010, 4500):
        tell(f"look-up of damage +{stamp}", lambda: list_offsets([("damaged", [(0, NOW_THEN + stamp)])])[0][1][0][1:])
    tell("delete into damage", delete_records, [("damaged", [(0, 13)])])


def began():
    """The time of the first batch."""
    with open(f"{DATA}/damaged-0/00000000000000000000.log", "rb") as file:
        return struct.unpack(">q", file.read(35)[27:35])[0]


if MODE == "ask":
    coordinated()
    for step in (twice, batches, times, look_ups, deletions, sequences, limits, tags, cursors, sessions, anew, lasting):
        step()
elif MODE == "damage":
    damage()
else:
    NOW_THEN = began()
    after()
print("done - ")
