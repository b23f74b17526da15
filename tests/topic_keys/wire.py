"""The few requests that the steps need, written and read byte by byte: error codes and messages as they are on the wire.

Flexible versions only. Needs no package.
"""
import socket
import struct
import sys
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/protocol")
from crc32c import crc32c


def i8(n): return struct.pack(">b", n)
def i16(n): return struct.pack(">h", n)
def i32(n): return struct.pack(">i", n)
def i64(n): return struct.pack(">q", n)


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def zigzag(n): return varint((n << 1) ^ (n >> 63))
def blob(b): return varint(0) if b is None else varint(len(b) + 1) + b
def text(s): return blob(None if s is None else s.encode())
def array(*items): return varint(len(items) + 1) + b"".join(items)


TAGS = b"\0"


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        found = self.data[self.at:self.at + count]
        assert len(found) == count, "the answer ends early"
        self.at += count
        return found

    def i8(self): return struct.unpack(">b", self.take(1))[0]
    def i16(self): return struct.unpack(">h", self.take(2))[0]
    def i32(self): return struct.unpack(">i", self.take(4))[0]
    def i64(self): return struct.unpack(">q", self.take(8))[0]

    def varint(self):
        n = shift = 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return n

    def zigzag(self):
        n = self.varint()
        return n >> 1 ^ -(n & 1)

    def blob(self):
        size = self.varint()
        return None if size == 0 else self.take(size - 1)

    def text(self):
        found = self.blob()
        return None if found is None else found.decode()

    def field(self):
        """A key or value of a record."""
        size = self.zigzag()
        return None if size < 0 else self.take(size)

    def array(self, item): return [item() for _ in range(self.varint() - 1)]

    def tags(self):
        for _ in range(self.varint()):
            self.varint()
            self.take(self.varint())


# --- record batches

def record(key, value, delta, stamp_delta=0):
    field = lambda b: zigzag(-1) if b is None else zigzag(len(b)) + b
    body = i8(0) + zigzag(stamp_delta) + zigzag(delta) + field(key) + field(value) + zigzag(0)
    return zigzag(len(body)) + body


def batch(records, stamp=None, codec=0, compress=lambda data: data, attributes=0):
    """A batch of (key, value) pairs, all of one time."""
    stamp = int(time.time() * 1000) if stamp is None else stamp
    payload = compress(b"".join(record(key, value, n) for n, (key, value) in enumerate(records)))
    count = len(records)
    tail = i16(codec | attributes) + i32(count - 1) + i64(stamp) + i64(stamp) + i64(-1) + i16(-1) + i32(-1) + i32(count) + payload
    after = i32(0) + i8(2) + struct.pack(">I", crc32c(tail)) + tail
    return i64(0) + i32(len(after)) + after


class Batch:
    """A batch as it lies in a file or an answer, and where."""

    def __init__(self, data, at=0):
        cursor, self.at = Cursor(data), at
        self.base, self.size = cursor.i64(), cursor.i32() + 12
        self.epoch, _, _ = cursor.i32(), cursor.i8(), cursor.i32()
        attributes = cursor.i16()
        self.codec = ("none", "gzip", "snappy", "lz4", "zstd")[attributes & 7]
        self.append_time, self.control = bool(attributes & 8), bool(attributes & 32)
        self.last = self.base + cursor.i32()
        self.first_stamp, self.max_stamp = cursor.i64(), cursor.i64()
        cursor.take(14)
        self.count = cursor.i32()
        self.payload = data[61:self.size]

    def records(self):
        """(offset, key, value) of an uncompressed batch."""
        assert self.codec == "none"
        cursor, found = Cursor(self.payload), []
        for _ in range(self.count):
            end = cursor.zigzag() + cursor.at
            cursor.i8(), cursor.zigzag()
            offset = self.base + cursor.zigzag()
            found.append((offset, cursor.field(), cursor.field()))
            cursor.at = end
        return found


def batches(data):
    """All whole batches; a preallocated or torn rest is left out."""
    found, at = [], 0
    while at + 61 <= len(data):
        size = struct.unpack(">i", data[at + 8:at + 12])[0] + 12
        if size <= 61 or at + size > len(data):
            break
        found.append(Batch(data[at:at + size], at))
        at += size
    return found


# --- a connection

class Connection:
    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), 5)
        self.socket.settimeout(30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.correlation = 0

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data

    def ask(self, key, version, body):
        self.correlation += 1
        frame = i16(key) + i16(version) + i32(self.correlation) + i16(4) + b"keys" + TAGS + body + TAGS
        self.socket.sendall(i32(len(frame)) + frame)
        answer = Cursor(self.read(struct.unpack(">i", self.read(4))[0]))
        assert answer.i32() == self.correlation, "correlation id"
        answer.tags()
        return answer

    def create(self, name, configs, partitions=1):
        pairs = (text(key) + text(value) + TAGS for key, value in configs.items())
        topic = text(name) + i32(partitions) + i16(1) + array() + array(*pairs) + TAGS
        answer = self.ask(19, 7, array(topic) + i32(20_000) + i8(0))
        answer.i32(), answer.varint(), answer.text()
        topic_id, code, message = answer.take(16), answer.i16(), answer.text()
        return topic_id, code, message

    def delete(self, name):
        answer = self.ask(20, 6, array(text(name) + bytes(16) + TAGS) + i32(20_000))
        answer.i32(), answer.varint(), answer.text(), answer.take(16)
        return answer.i16(), answer.text()

    def alter(self, kind, name, operations):
        """Operations are (key, op, value): 0 sets, 1 deletes, 2 appends, 3 subtracts. Kinds: 2 topic, 4 broker."""
        pairs = (text(key) + i8(op) + text(value) + TAGS for key, op, value in operations)
        answer = self.ask(44, 1, array(i8(kind) + text(name) + array(*pairs) + TAGS) + i8(0))
        answer.i32(), answer.varint()
        return answer.i16(), answer.text()

    def produce(self, topic, records, acks=-1, version=12, partition=0):
        """Code, base offset, append time, message, messages of records. `topic`: a name, or from version 13 on an id."""
        where = topic if version >= 13 else text(topic)
        data = array(where + array(i32(partition) + blob(records) + TAGS) + TAGS)
        answer = self.ask(0, version, text(None) + i16(acks) + i32(20_000) + data)
        answer.varint()
        answer.take(16) if version >= 13 else answer.text()
        answer.varint(), answer.i32()
        code, base, append_time, _ = answer.i16(), answer.i64(), answer.i64(), answer.i64()

        def one():
            found = answer.i32(), answer.text()
            answer.tags()
            return found
        bad = answer.array(one)
        return code, base, append_time, answer.text(), bad

    def fetch(self, topic_id, offset, session=0, epoch=-1, partition=0, listed=True, version=13):
        """Top-level code, session, and of the partition: code, log start, high watermark, bytes."""
        place = i32(partition) + i32(-1) + i64(offset) + i32(-1) + i64(-1) + i32(1 << 24) + TAGS
        topics = array(topic_id + array(place) + TAGS) if listed else array()
        body = i32(-1) + i32(0) + i32(0) + i32(1 << 25) + i8(0) + i32(session) + i32(epoch) + topics + array() + text("")
        answer = self.ask(1, version, body)
        answer.i32()
        code, session, count = answer.i16(), answer.i32(), answer.varint() - 1
        if count < 1:
            return code, session, None
        answer.take(16), answer.varint(), answer.i32()
        error, high, _, start = answer.i16(), answer.i64(), answer.i64(), answer.i64()
        for _ in range(answer.varint() - 1):
            answer.take(16)
            answer.tags()
        answer.i32()
        return code, session, (error, start, high, answer.blob() or b"")

    def offset(self, name, timestamp, partition=0):
        place = i32(partition) + i32(-1) + i64(timestamp) + TAGS
        answer = self.ask(2, 7, i32(-1) + i8(0) + array(text(name) + array(place) + TAGS))
        answer.i32(), answer.varint(), answer.text(), answer.varint(), answer.i32()
        code, _, offset = answer.i16(), answer.i64(), answer.i64()
        return offset if code == 0 else f"error {code}"

    def topic_id(self, name):
        topic = bytes(16) + text(name) + TAGS
        answer = self.ask(3, 12, array(topic) + i8(0) + i8(0))
        answer.i32()

        def broker():
            answer.i32(), answer.text(), answer.i32(), answer.text()
            answer.tags()
        answer.array(broker)
        answer.text(), answer.i32(), answer.varint(), answer.i16(), answer.text()
        return answer.take(16)

    def epoch_end(self, name, epoch):
        """OffsetForLeaderEpoch: code, epoch, end offset."""
        place = i32(0) + i32(-1) + i32(epoch) + TAGS
        answer = self.ask(23, 4, i32(-1) + array(text(name) + array(place) + TAGS))
        answer.i32(), answer.varint(), answer.text(), answer.varint()
        code, _, found, end = answer.i16(), answer.i32(), answer.i32(), answer.i64()
        return code, found, end

    def delete_records(self, name, offset):
        place = i32(0) + i64(offset) + TAGS
        answer = self.ask(21, 2, array(text(name) + array(place) + TAGS) + i32(20_000))
        answer.i32(), answer.varint(), answer.text(), answer.varint(), answer.i32()
        low = answer.i64()
        return answer.i16(), low
