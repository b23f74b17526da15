"""Requests that must be refused, written byte by byte, and what the broker in argv[1] answers to each.

Prints `NAME: WHAT`, where WHAT is an error code, `closed` or `silent`. The test runs it against Apache Kafka and
against Ottla and compares the lines; nothing here knows the right answers. Needs no package.
"""
import gzip
import os
import socket
import struct
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/protocol")
from crc32c import crc32c

HOST, PORT = sys.argv[1].rsplit(":", 1)
TOPIC = "refusals"


# --- bytes

def i8(n): return struct.pack(">b", n)
def i16(n): return struct.pack(">h", n)
def i32(n): return struct.pack(">i", n)
def i64(n): return struct.pack(">q", n)
def text(s): return i16(-1) if s is None else i16(len(s)) + s.encode()
def blob(b): return i32(-1) if b is None else i32(len(b)) + b
def array(*items): return i32(len(items)) + b"".join(items)


def zigzag(n):
    n, out = (n << 1) ^ (n >> 63), bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def record(value, delta=0, key=None):
    body = i8(0) + zigzag(0) + zigzag(delta) + (zigzag(-1) if key is None else zigzag(len(key)) + key)
    body += zigzag(len(value)) + value + zigzag(0)
    return zigzag(len(body)) + body


def batch(values=(b"x",), attributes=0, magic=2, producer=-1, epoch=-1, sequence=-1, count=None, last=None, crc=None,
          payload=None, base=0, length=None, stamp=None, key=None):
    stamp = int(time.time() * 1000) if stamp is None else stamp
    payload = b"".join(record(v, n, key) for n, v in enumerate(values)) if payload is None else payload
    count = len(values) if count is None else count
    last = count - 1 if last is None else last
    tail = i16(attributes) + i32(last) + i64(stamp) + i64(stamp) + i64(producer) + i16(epoch) + i32(sequence) + i32(count) + payload
    crc = crc32c(tail) if crc is None else crc
    after = i32(0) + i8(magic) + struct.pack(">I", crc) + tail
    return i64(base) + i32(len(after) if length is None else length) + after


# --- a connection

class Connection:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)), 5)
        self.socket.settimeout(8)
        self.correlation = 0

    def raw(self, data):
        self.socket.sendall(data)

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def ask(self, key, version, body, client="refusals"):
        """A request with the old header; the answer without length and correlation id."""
        self.correlation += 1
        frame = i16(key) + i16(version) + i32(self.correlation) + text(client) + body
        self.raw(i32(len(frame)) + frame)
        size = struct.unpack(">i", self.read(4))[0]
        answer = self.read(size)
        assert struct.unpack(">i", answer[:4])[0] == self.correlation, "correlation id"
        return answer[4:]


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        found = self.data[self.at:self.at + count]
        self.at += count
        return found

    def i16(self): return struct.unpack(">h", self.take(2))[0]
    def i32(self): return struct.unpack(">i", self.take(4))[0]
    def i64(self): return struct.unpack(">q", self.take(8))[0]

    def text(self):
        size = self.i16()
        return None if size < 0 else self.take(size).decode()


CASES = []


def case(function):
    CASES.append(function)
    return function


# --- produce

def produce(records, topic=TOPIC, partition=0, acks=-1, version=7, transactional=None, client=None):
    body = text(transactional) + i16(acks) + i32(5000) + array(text(topic) + array(i32(partition) + blob(records)))
    answer = Cursor((client or Connection()).ask(0, version, body))
    assert answer.i32() == 1
    answer.text()
    assert answer.i32() == 1
    answer.i32()
    return answer.i16()


@case
def produce_good(): return produce(batch())


@case
def produce_unknown_topic(): return produce(batch(), topic="no-such-topic")


@case
def produce_unknown_partition(): return produce(batch(), partition=77)


@case
def produce_negative_partition(): return produce(batch(), partition=-1)


@case
def produce_illegal_topic_name(): return produce(batch(), topic="a/b c")


@case
def produce_acks_two(): return produce(batch(), acks=2)


@case
def produce_wrong_crc(): return produce(batch(crc=12345))


@case
def produce_magic_zero(): return produce(batch(magic=0))


@case
def produce_magic_one(): return produce(batch(magic=1))


@case
def produce_magic_nine(): return produce(batch(magic=9))


@case
def produce_null_records(): return produce(None)


@case
def produce_empty_records(): return produce(b"")


@case
def produce_no_record_in_batch(): return produce(batch(values=()))


@case
def produce_count_too_high(): return produce(batch(count=5))


@case
def produce_count_too_low(): return produce(batch(values=(b"a", b"b"), count=1))


@case
def produce_count_negative(): return produce(batch(count=-1))


@case
def produce_last_delta_wrong(): return produce(batch(values=(b"a", b"b"), last=7))


@case
def produce_offsets_not_dense():
    return produce(batch(payload=record(b"a", 0) + record(b"b", 5), count=2, last=1))


@case
def produce_base_offset_seventeen(): return produce(batch(base=17))


@case
def produce_two_batches(): return produce(batch() + batch())


@case
def produce_batch_cut_short(): return produce(batch()[:-3])


@case
def produce_batch_length_too_long(): return produce(batch(length=5000))


@case
def produce_batch_length_negative(): return produce(batch(length=-9))


@case
def produce_batch_length_tiny(): return produce(batch(length=5))


@case
def produce_garbage(): return produce(bytes(range(200)))


@case
def produce_record_of_garbage(): return produce(batch(payload=b"\xff" * 40, count=1))


@case
def produce_too_large(): return produce(batch(values=(b"x" * 2_000_000,)))


@case
def produce_control_batch(): return produce(batch(attributes=0x20))


@case
def produce_transactional_without_id(): return produce(batch(attributes=0x10, producer=10 ** 12, epoch=0, sequence=0))


@case
def produce_unknown_codec(): return produce(batch(attributes=5))


@case
def produce_gzip_of_garbage(): return produce(batch(attributes=1, payload=b"not gzip at all"))


@case
def produce_gzip_cut_short(): return produce(batch(attributes=1, payload=gzip.compress(record(b"x" * 1000))[:-12]))


@case
def produce_snappy_of_garbage(): return produce(batch(attributes=2, payload=b"\x82SNAPPY\0 not snappy"))


@case
def produce_lz4_of_garbage(): return produce(batch(attributes=3, payload=b"not lz4 at all"))


@case
def produce_zstd_of_garbage(): return produce(batch(attributes=4, payload=b"not zstd at all"))


@case
def produce_zstd_below_version_seven(): return produce(batch(attributes=4, payload=b"whatever"), version=6)


@case
def produce_future_timestamp(): return produce(batch(stamp=int(time.time() * 1000) + 10 ** 9))


@case
def produce_negative_timestamp(): return produce(batch(stamp=-5))


@case
def produce_compacted_without_key(): return produce(batch(), topic="refusals-compacted")


@case
def produce_compacted_with_key(): return produce(batch(key=b"k"), topic="refusals-compacted")


@case
def produce_min_isr_not_reached(): return produce(batch(), topic="refusals-min-isr")


@case
def produce_to_internal_topic(): return produce(batch(), topic="__consumer_offsets")


@case
def produce_acks_zero_refused_closes():
    """With acks 0 nothing is answered; a refusal closes the connection."""
    client = Connection()
    body = text(None) + i16(0) + i32(5000) + array(text("no-such-topic") + array(i32(0) + blob(batch())))
    frame = i16(0) + i16(7) + i32(9) + text("x") + body
    client.raw(i32(len(frame)) + frame)
    return "answer " + str(len(client.ask(18, 0, b"")) > 0)


# --- idempotence

def producer_id():
    """The first request after a start may find no block of ids yet."""
    for _ in range(50):
        answer = Cursor(Connection().ask(22, 0, text(None) + i32(60000)))
        answer.i32()
        code = answer.i16()
        if code == 0:
            return answer.i64()
        time.sleep(0.1)
    raise AssertionError(f"no producer id: {code}")


@case
def sequence_gap():
    pid = producer_id()
    return produce(batch(producer=pid, epoch=0, sequence=0)), produce(batch(producer=pid, epoch=0, sequence=5))


@case
def sequence_starts_high():
    pid = producer_id()
    return produce(batch(producer=pid, epoch=0, sequence=9))


@case
def sequence_duplicate():
    pid = producer_id()
    again = batch(producer=pid, epoch=0, sequence=0)
    return produce(again), produce(again)


@case
def sequence_old_duplicate():
    pid = producer_id()
    codes = [produce(batch(producer=pid, epoch=0, sequence=n)) for n in range(8)]
    return codes[-1], produce(batch(producer=pid, epoch=0, sequence=0))


@case
def epoch_too_old():
    pid = producer_id()
    return produce(batch(producer=pid, epoch=3, sequence=0)), produce(batch(producer=pid, epoch=2, sequence=1))


@case
def epoch_bump_wants_sequence_zero():
    pid = producer_id()
    return produce(batch(producer=pid, epoch=0, sequence=0)), produce(batch(producer=pid, epoch=1, sequence=1))


@case
def idempotent_without_sequence(): return produce(batch(producer=producer_id(), epoch=0, sequence=-1))


@case
def two_idempotent_batches_in_one_request():
    pid = producer_id()
    return produce(batch(producer=pid, epoch=0, sequence=0) + batch(producer=pid, epoch=0, sequence=1))


# --- fetch, list offsets, epochs

def fetch(offset=0, epoch=-1, topic=TOPIC, partition=0, session=0, session_epoch=-1, replica=-1, isolation=0, bytes_wanted=1000):
    body = i32(replica) + i32(0) + i32(0) + i32(10000) + i8(isolation) + i32(session) + i32(session_epoch)
    body += array(text(topic) + array(i32(partition) + i32(epoch) + i64(offset) + i64(-1) + i32(bytes_wanted))) + array() + text("")
    answer = Cursor(Connection().ask(1, 11, body))
    answer.i32()
    code = answer.i16()
    answer.i32()
    if answer.i32() == 0:
        return f"whole answer {code}"
    answer.text()
    answer.i32()
    answer.i32()
    return answer.i16()


@case
def fetch_good(): return fetch()


@case
def fetch_beyond_end(): return fetch(offset=10 ** 9)


@case
def fetch_negative_offset(): return fetch(offset=-5)


@case
def fetch_unknown_topic(): return fetch(topic="no-such-topic")


@case
def fetch_unknown_partition(): return fetch(partition=99)


@case
def fetch_epoch_too_new(): return fetch(epoch=1000)


@case
def fetch_epoch_right(): return fetch(epoch=0)


@case
def fetch_unknown_session(): return fetch(session=12345, session_epoch=7)


@case
def fetch_session_epoch_nonsense(): return fetch(session=0, session_epoch=5)


@case
def fetch_as_follower(): return fetch(replica=1)


@case
def fetch_as_unknown_follower(): return fetch(replica=55)


@case
def fetch_negative_bytes(): return fetch(bytes_wanted=-1)


@case
def fetch_isolation_nonsense(): return fetch(isolation=7)


def list_offsets(stamp, epoch=-1, topic=TOPIC, partition=0, version=5, isolation=0):
    body = i32(-1) + i8(isolation) + array(text(topic) + array(i32(partition) + i32(epoch) + i64(stamp)))
    answer = Cursor(Connection().ask(2, version, body))
    answer.i32()
    answer.i32()
    answer.text()
    answer.i32()
    answer.i32()
    return answer.i16()


@case
def list_offsets_good(): return list_offsets(-1)


@case
def list_offsets_epoch_too_new(): return list_offsets(-1, epoch=1000)


@case
def list_offsets_unknown_topic(): return list_offsets(-1, topic="no-such-topic")


@case
def list_offsets_unknown_partition(): return list_offsets(-1, partition=99)


@case
def list_offsets_special_of_later_versions(): return list_offsets(-3), list_offsets(-4), list_offsets(-77)


@case
def offset_for_leader_epoch():
    def ask(current, wanted, topic=TOPIC, partition=0):
        body = i32(-1) + array(text(topic) + array(i32(partition) + i32(current) + i32(wanted)))
        answer = Cursor(Connection().ask(23, 3, body))
        answer.i32()
        answer.i32()
        answer.text()
        answer.i32()
        code, _, epoch, end = answer.i16(), answer.i32(), answer.i32(), answer.i64()
        return code, epoch, end > 0

    return ask(-1, 0), ask(1000, 0), ask(-1, 99), ask(-1, 0, "no-such-topic"), ask(-1, 0, TOPIC, 9)


# --- groups

def coordinator_ready():
    """FindCoordinator until the group's partition is there; makes __consumer_offsets."""
    for _ in range(100):
        answer = Cursor(Connection().ask(10, 1, text("refusals-group") + i8(0)))
        answer.i32()
        if answer.i16() == 0:
            body = text("refusals-group") + array()
            listed = Cursor(Connection().ask(9, 2, body))
            listed.i32()
            if listed.i16() == 0:
                return
        time.sleep(0.1)
    raise SystemExit("the group coordinator does not come up")


def join(group="refusals-group", session=10000, member="", kind="consumer", protocols=(("range", b""),), version=5, instance=None):
    body = text(group) + i32(session) + i32(5000) + text(member) + text(instance) + text(kind)
    body += array(*(text(name) + blob(data) for name, data in protocols))
    answer = Cursor(Connection().ask(11, version, body))
    answer.i32()
    return answer.i16()


@case
def join_asks_for_a_member_id(): return join()


@case
def join_empty_group(): return join(group="")


@case
def join_session_too_short(): return join(session=1)


@case
def join_session_too_long(): return join(session=10 ** 9)


@case
def join_unknown_member(): return join(member="nobody")


@case
def join_no_protocols(): return join(protocols=())


@case
def join_no_protocol_type(): return join(kind="")


@case
def join_no_protocols_with_member(): return join(member="nobody", protocols=())


@case
def heartbeat():
    def ask(group, generation, member):
        answer = Cursor(Connection().ask(12, 3, text(group) + i32(generation) + text(member) + text(None)))
        answer.i32()
        return answer.i16()

    return ask("refusals-group", 1, "nobody"), ask("never-heard-of", 1, "nobody"), ask("", 1, "x"), ask("never-heard-of", -1, "")


@case
def sync():
    def ask(group, generation, member):
        body = text(group) + i32(generation) + text(member) + text(None) + array()
        answer = Cursor(Connection().ask(14, 3, body))
        answer.i32()
        return answer.i16()

    return ask("refusals-group", 1, "nobody"), ask("never-heard-of", 1, "nobody"), ask("", 1, "x")


@case
def leave():
    def ask(group, member):
        answer = Cursor(Connection().ask(13, 1, text(group) + text(member)))
        answer.i32()
        return answer.i16()

    return ask("refusals-group", "nobody"), ask("never-heard-of", "nobody"), ask("", "x")


@case
def commit():
    def ask(group, generation, member, topic=TOPIC, partition=0, note="", instance=None):
        body = text(group) + i32(generation) + text(member) + text(instance)
        body += array(text(topic) + array(i32(partition) + i64(5) + i32(-1) + text(note)))
        answer = Cursor(Connection().ask(8, 7, body))
        answer.i32()
        answer.i32()
        answer.text()
        answer.i32()
        answer.i32()
        return answer.i16()

    return (ask("refusals-commit", -1, ""), ask("refusals-commit", 3, "nobody"), ask("", -1, ""), ask("refusals-commit", -1, "", "no-such-topic"),
            ask("refusals-commit", -1, "", TOPIC, 88), ask("refusals-commit", -1, "", note="n" * 5000), ask("refusals-commit", -1, "", instance="one"))


@case
def delete_groups():
    body = array(text("never-heard-of"), text(""))
    answer = Cursor(Connection().ask(42, 0, body))
    answer.i32()
    return sorted((answer.text(), answer.i16()) for _ in range(answer.i32()))


@case
def find_coordinator():
    def ask(key, kind):
        answer = Cursor(Connection().ask(10, 1, text(key) + i8(kind)))
        answer.i32()
        return answer.i16()

    return ask("", 0), ask("g", 7), ask("g", 0)


# --- topics and configs

def create(name, partitions=1, replication=1, assignment=(), configs=(), validate=False, timeout=10000):
    body = array(text(name) + i32(partitions) + i16(replication) + array(*assignment) + array(*(text(k) + text(v) for k, v in configs)))
    answer = Cursor(Connection().ask(19, 2, body + i32(timeout) + i8(validate)))
    answer.i32()
    assert answer.i32() == 1
    answer.text()
    return answer.i16()


def placed(partition, *brokers): return i32(partition) + array(*(i32(b) for b in brokers))


@case
def create_topics():
    return [create(TOPIC), create(""), create("."), create(".."), create("x" * 250), create("a b"), create("new", 0), create("new", -5),
            create("new", 1, 9), create("new", 1, 0), create("new", 3, 1, [placed(0, 1)]), create("new", -1, -1, [placed(1, 1)]),
            create("new", -1, -1, [placed(0, 1, 1)]), create("new", -1, -1, [placed(0, 7)]), create("new", -1, -1, [placed(0)]),
            create("new", configs=[("nope", "1")]), create("new", configs=[("retention.ms", "soon")]),
            create("new", configs=[("retention.ms", None)]), create("new", 1_000_000_000), create("new", validate=True)]


@case
def create_topic_twice_in_one_request():
    one = text("twice") + i32(1) + i16(1) + array() + array()
    answer = Cursor(Connection().ask(19, 2, array(one, one) + i32(10000) + i8(0)))
    answer.i32()
    return [(answer.text(), answer.i16()) for _ in range(answer.i32())]


@case
def delete_topics():
    answer = Cursor(Connection().ask(20, 1, array(text("no-such-topic"), text("")) + i32(5000)))
    answer.i32()
    return sorted((answer.text(), answer.i16()) for _ in range(answer.i32()))


@case
def create_partitions():
    def ask(name, count, assignments=None):
        placement = i32(-1) if assignments is None else array(*(array(*(i32(b) for b in a)) for a in assignments))
        answer = Cursor(Connection().ask(37, 0, array(text(name) + i32(count) + placement) + i32(5000) + i8(1)))
        answer.i32()
        answer.i32()
        answer.text()
        return answer.i16()

    return ask(TOPIC, 1), ask(TOPIC, 0), ask("no-such-topic", 5), ask(TOPIC, 3, [[1]]), ask(TOPIC, 2, [[9]]), ask(TOPIC, 10 ** 9), ask(TOPIC, 2, [[1]])


@case
def delete_records():
    def ask(topic, partition, offset):
        answer = Cursor(Connection().ask(21, 0, array(text(topic) + array(i32(partition) + i64(offset))) + i32(5000)))
        answer.i32()
        answer.i32()
        answer.text()
        answer.i32()
        answer.i32()
        return answer.i64(), answer.i16()

    return ask("no-such-topic", 0, 0), ask(TOPIC, 0, 10 ** 9), ask(TOPIC, 0, -7), ask(TOPIC, 44, 0)


@case
def describe_configs():
    def ask(kind, name):
        answer = Cursor(Connection().ask(32, 1, array(i8(kind) + text(name) + i32(-1)) + i8(0)))
        answer.i32()
        answer.i32()
        return answer.i16()

    return ask(2, TOPIC), ask(2, "no-such-topic"), ask(4, "1"), ask(4, "9"), ask(4, ""), ask(4, "abc"), ask(77, "x"), ask(2, ""), ask(2, "a b")


@case
def alter_configs():
    def ask(kind, name, key, value, operation=0):
        body = array(i8(kind) + text(name) + array(text(key) + i8(operation) + text(value))) + i8(1)
        answer = Cursor(Connection().ask(44, 0, body))
        answer.i32()
        answer.i32()
        return answer.i16()

    return (ask(2, TOPIC, "retention.ms", "1"), ask(2, TOPIC, "retention.ms", "x"), ask(2, TOPIC, "nope", "1"), ask(2, "no-such-topic", "retention.ms", "1"),
            ask(2, TOPIC, "retention.ms", "1", 2), ask(2, TOPIC, "retention.ms", "1", 9), ask(2, TOPIC, "retention.ms", None), ask(4, "9", "log.retention.ms", "1"),
            ask(4, "1", "log.dirs", "/x"), ask(77, "x", "y", "z"), ask(2, "", "retention.ms", "1"), ask(4, "", "num.partitions", "x"))


# --- frames

@case
def api_versions_of_the_future():
    client = Connection()
    frame = i16(18) + i16(99) + i32(1) + text("x") + b"\0"
    client.raw(i32(len(frame)) + frame)
    answer = client.read(struct.unpack(">i", client.read(4))[0])
    return struct.unpack(">h", answer[4:6])[0]


@case
def unsupported_version(): return len(Connection().ask(3, 99, array())) >= 0


@case
def unknown_api(): return len(Connection().ask(12345, 0, b"")) >= 0


@case
def negative_api(): return len(Connection().ask(-3, 0, b"")) >= 0


@case
def controller_only_api(): return len(Connection().ask(52, 0, b"\0" * 20)) >= 0


@case
def sasl_where_there_is_none(): return Cursor(Connection().ask(17, 1, text("PLAIN"))).i16()


@case
def body_missing(): return len(Connection().ask(3, 1, b"")) >= 0


@case
def body_too_long(): return len(Connection().ask(12, 3, text("g") + i32(1) + text("m") + text(None) + b"left over")) >= 0


@case
def array_longer_than_frame(): return len(Connection().ask(3, 1, i32(2 ** 31 - 1))) >= 0


@case
def string_longer_than_frame(): return len(Connection().ask(3, 1, i32(1) + i16(32767))) >= 0


@case
def string_not_utf8(): return len(Connection().ask(3, 1, i32(1) + i16(2) + b"\xff\xfe")) >= 0


@case
def null_where_none_may_be(): return len(Connection().ask(12, 3, i16(-1) + i32(1) + text("m") + text(None))) >= 0


def sized(length, data=b""):
    client = Connection()
    client.raw(i32(length) + data)
    try:
        client.read(1)
    except socket.timeout:
        return "silent"
    return "answered"


@case
def frame_of_length_zero(): return sized(0)


@case
def frame_of_negative_length(): return sized(-1)


@case
def frame_of_two_gigabytes(): return sized(2 ** 31 - 1)


@case
def frame_just_too_long(): return sized(104857601)


@case
def frame_of_three_bytes(): return sized(3, b"abc")


@case
def http_instead_of_kafka():
    client = Connection()
    client.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    client.read(1)
    return "answered"


def main():
    for name, configs in ((TOPIC, ()), ("refusals-compacted", [("cleanup.policy", "compact")]), ("refusals-min-isr", [("min.insync.replicas", "2")])):
        create(name, configs=configs)
    time.sleep(0.5)
    coordinator_ready()
    for function in CASES:
        try:
            found = function()
        except (ConnectionResetError, BrokenPipeError):
            found = "closed"
        except socket.timeout:
            found = "silent"
        except Exception as error:
            found = f"{type(error).__name__}: {error}"
        print(f"{function.__name__}: {found}", flush=True)
    print("done - refusals")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
