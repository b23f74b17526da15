"""Writers that keep account of every acknowledgement, and the reader that holds the broker to it.

`load.py HOST:PORT[,HOST:PORT...] NAME [REPLICAS [HISTORY]]` obeys commands on its standard input and answers each with one line:
  write          writers and committer work from now on
  rest           they pause; what is under way is waited for: a node that came back must take it
  verify         reads what is new since the last time and compares; `verify all` from the beginning
  lossy          from now on the broker may lose what it acknowledged: an offset that is given out again is a loss, no trouble
  mark           what is acknowledged by now is remembered; `kept` says whether all of it is there
  losses         counts acknowledged records that are not there any more, and forgets them (for a mode that may lose)
  counts         records acknowledged and offsets committed so far
  history        a new consumer reads all that the idempotent writer wrote, and the file HISTORY is whole
  pause          the longest time, in milliseconds, that the writers waited for one acknowledgement since this was last asked
An answer begins with `ok` or `bad`. Two writers of librdkafka: one plain with three partitions, one idempotent with two. A value
says who wrote it and its number, and follows from them byte by byte, so that a wrong byte anywhere is seen. With several replicas a
record that was read once may not change either, acknowledged or not. With a HISTORY, a consumer follows the idempotent writer all the
time, and what both saw is written there as JSON lines (`ottla-sim check` judges them; what may be doubled is not for it).
"""
import array
import hashlib
import json
import os
import random
import sys
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

BROKER, NAME = sys.argv[1], sys.argv[2]
REPLICAS = int(sys.argv[3]) if len(sys.argv) > 3 else 1
HISTORY = open(sys.argv[4], "w") if len(sys.argv) > 4 else None
# Writers and readers note side by side, and a text file mixes lines of two threads.
HISTORY_LOCK = threading.Lock()
# Who is who in the history.
SENDER, FOLLOWER, LAST_READER = 1, 2, 3
QUICK = {"bootstrap.servers": BROKER, "reconnect.backoff.ms": 10, "reconnect.backoff.max.ms": 100, "socket.timeout.ms": 10000,
         "topic.metadata.refresh.fast.interval.ms": 50, "log_level": 0, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
         "metadata.recovery.rebootstrap.trigger.ms": 2000}
IN_FLIGHT = 150
TROUBLE = []


def trouble(text):
    TROUBLE.append(text)


def now_ms():
    return int(time.time() * 1000)


def note(process, invoked, kind, what, outcome="ok"):
    """One operation of the history; `what` is its own part of the line."""
    line = f'{{"process":{process},"invoked":{invoked},"returned":{now_ms()},"type":"{outcome}","f":"{kind}",{what}}}\n'
    with HISTORY_LOCK:
        HISTORY.write(line)


def note_poll(process, invoked, messages):
    records = {}
    for message in messages:
        if not message.error():
            number = message.value().split(b":", 2)[1].decode(errors="replace")
            records.setdefault(f"{message.topic()}-{message.partition()}", []).append([message.offset(), number])
    if records:
        note(process, invoked, "poll", f'"ops":[["poll",{json.dumps(records)}]]')


def value_of(writer, number):
    """What record `number` of a writer holds: now and then a large one."""
    seed = hashlib.sha256(f"{writer} {number}".encode()).digest()
    size = 30_000 if seed[0] == 7 else 10 + seed[1] * 2
    head = f"{writer}:{number}:".encode()
    return head + (seed * (size // 32 + 1))[:size]


class Writer:
    """One producer, its topic, and what it was told and what was read of it."""

    def __init__(self, name, partitions, **settings):
        self.name, self.topic, self.partitions = name, f"{NAME}-{name}", partitions
        self.settings = QUICK | {"acks": "all", "linger.ms": 2, "message.timeout.ms": 600_000, "retries": 1_000_000} | settings
        self.idempotent = settings.get("enable.idempotence", False)
        self.recorded = self.idempotent and HISTORY is not None
        self.next, self.under_way, self.acked_count = 0, 0, 0
        # When it last heard an acknowledgement, and when it last began to write.
        self.last_ack, self.began, self.longest_pause = 0.0, 0.0, 0.0
        # Acknowledged records whose offset another one got; None where that must not be.
        self.replaced = None
        self.marked = []
        # By partition, by offset: the record's number, -1 where nothing is known.
        self.acked = [array.array("q") for _ in range(partitions)]
        self.seen = [array.array("q") for _ in range(partitions)]
        # The client's own last word about itself: told when acknowledgements stay away.
        self.statistics, self.last_error = "{}", "none"
        self.writing = threading.Event()
        self.lock = threading.Lock()
        threading.Thread(target=self.work, daemon=True).start()

    def delivered(self, number):
        invoked = now_ms()

        def answer(error, message):
            with self.lock:
                self.under_way -= 1
                # None, too, where a batch is sent again that was written long before: the broker knows it, and no longer its place.
                offset = None if error is not None else message.offset()
                if self.recorded:
                    step = f'"ops":[["send","{self.topic}-{message.partition()}",{json.dumps(offset)},"{number}"]]'
                    note(SENDER, invoked, "send", step, "info" if offset is None else "ok")
                if error is not None:
                    trouble(f"{self.name}: record {number} was refused: {error}")
                    return
                self.acked_count += 1
                now = time.monotonic()
                self.longest_pause = max(self.longest_pause, now - max(self.last_ack, self.began))
                self.last_ack = now
                if offset is None:
                    return
                partition = message.partition()
                acked = self.acked[partition]
                if len(acked) <= offset:
                    acked.extend([-1] * (offset + 1 - len(acked)))
                if acked[offset] in (-1, number):
                    pass
                elif self.replaced is not None:
                    self.replaced += 1
                else:
                    trouble(f"{self.topic}-{partition}: offset {offset} was acknowledged for {acked[offset]} and for {number}")
                acked[offset] = number
        return answer

    def work(self):
        client = Producer(self.settings | {"error_cb": self.error, "stats_cb": self.keep_statistics, "statistics.interval.ms": 5000})
        while True:
            if not self.writing.is_set() or self.under_way >= IN_FLIGHT:
                client.poll(0.01)
                continue
            number, self.next = self.next, self.next + 1
            with self.lock:
                self.under_way += 1
            client.produce(self.topic, value_of(self.name, number), partition=random.randrange(self.partitions), on_delivery=self.delivered(number))
            client.poll(0)
            if number % 8 == 0:
                time.sleep(0.002)

    def keep_statistics(self, text):
        self.statistics = text

    def owing(self):
        """Why acknowledgements may stay away, in the client's words: what is queued, sent and expected of each partition."""
        told = json.loads(self.statistics)
        partitions = told.get("topics", {}).get(self.topic, {}).get("partitions", {})
        keys = ("msgq_cnt", "xmit_msgq_cnt", "msgs_inflight", "next_ack_seq", "next_err_seq", "acked_msgid", "leader")
        queued = {number: {key: one.get(key) for key in keys} for number, one in partitions.items()}
        brokers = {name: (one.get("state"), one.get("waitresp_cnt"), one.get("outbuf_cnt")) for name, one in told.get("brokers", {}).items()}
        return f"{self.name}: {self.under_way} records owed; {queued}; {brokers}; {told.get('eos')}; last error: {self.last_error}"

    def error(self, error):
        self.last_error = str(error)
        if error.fatal():
            trouble(f"{self.name}: the producer gave up: {error}")

    def read(self, client, partition, whole):
        """Reads to the end as it is now; every record must be what its number says, without a gap."""
        place = TopicPartition(self.topic, partition)
        seen = self.seen[partition]
        with self.lock:
            owed = len(self.acked[partition])
        low, high = until("watermarks", lambda: client.get_watermark_offsets(place, timeout=5))
        if low != 0:
            again = client.get_watermark_offsets(place, timeout=5)
            trouble(f"{self.topic}-{partition}: begins at {low} and ends at {high}; asked again: {again}")
        if high < owed:
            trouble(f"{self.topic}-{partition}: ends at {high}, {owed - 1} was acknowledged")
        if high < len(seen):
            # Read before and gone now: allowed only for what was never acknowledged.
            del seen[high:]
        # The newest ones again: what nobody was promised may have been replaced by a crash.
        first = at = 0 if whole else max(0, len(seen) - 3 * IN_FLIGHT)
        client.assign([TopicPartition(self.topic, partition, at)])
        limit = time.monotonic() + 60
        while at < high:
            if time.monotonic() > limit:
                trouble(f"{self.topic}-{partition}: nothing can be read at {at} of {high}")
                return
            for message in client.consume(500, 0.2):
                if message.error():
                    continue
                at = self.take(partition, at, message)
                limit = time.monotonic() + 60
        client.unassign()
        with self.lock:
            acked = self.acked[partition]
            for offset in range(first, min(len(acked), len(seen))):
                if acked[offset] not in (-1, seen[offset]):
                    trouble(f"{self.topic}-{partition}: offset {offset} holds {seen[offset]}, {acked[offset]} was acknowledged")
                    break

    def take(self, partition, at, message):
        seen, offset, value = self.seen[partition], message.offset(), message.value()
        if offset != at:
            trouble(f"{self.topic}-{partition}: {offset} follows {at - 1}")
        number = -1
        try:
            writer, digits, _rest = value.split(b":", 2)
            number = int(digits)
            if writer.decode() != self.name or value != value_of(self.name, number):
                trouble(f"{self.topic}-{partition}: offset {offset} has wrong bytes")
        except ValueError:
            trouble(f"{self.topic}-{partition}: offset {offset} holds what nobody wrote: {value[:60]}")
        if self.idempotent and offset > 0 and offset - 1 < len(seen) and seen[offset - 1] >= number:
            trouble(f"{self.topic}-{partition}: {number} at {offset} follows {seen[offset - 1]}: doubled or out of order")
        if offset < len(seen):
            if seen[offset] != number:
                with self.lock:
                    acked = self.acked[partition]
                    # A record that nobody was promised may have gone, and another come in its place.
                    if REPLICAS > 1 or (offset < len(acked) and acked[offset] == seen[offset]):
                        trouble(f"{self.topic}-{partition}: offset {offset} held {seen[offset]} and holds {number}")
                seen[offset] = number
        else:
            seen.extend([-1] * (offset + 1 - len(seen)))
            seen[offset] = number
        return offset + 1

    def mark(self):
        with self.lock:
            self.marked = [array.array("q", acked) for acked in self.acked]

    def kept(self, client):
        for partition, marked in enumerate(self.marked):
            place, at = TopicPartition(self.topic, partition, 0), 0
            client.assign([place])
            limit = time.monotonic() + 60
            while at < len(marked) and time.monotonic() < limit:
                for message in client.consume(500, 0.2):
                    if message.error() or message.offset() >= len(marked):
                        continue
                    at = message.offset() + 1
                    number = int(message.value().split(b":", 2)[1])
                    if marked[at - 1] not in (-1, number):
                        trouble(f"{self.topic}-{partition}: offset {at - 1} holds {number}, {marked[at - 1]} was acknowledged long before")
            client.unassign()
            if at < len(marked):
                trouble(f"{self.topic}-{partition}: nothing can be read at {at}, {len(marked) - 1} was acknowledged long before")

    def losses(self, client):
        with self.lock:
            lost, self.replaced = self.replaced or 0, 0
        for partition in range(self.partitions):
            _low, high = until("watermarks", lambda: client.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=5))
            with self.lock:
                gone = self.acked[partition][high:]
                lost += sum(1 for number in gone if number >= 0)
                del self.acked[partition][high:]
        return lost


class Committer:
    """Commits ever higher offsets for a group, one after the other."""

    def __init__(self):
        self.acked, self.attempted = 0, 0
        self.writing = threading.Event()
        self.place = f"{NAME}-plain"
        threading.Thread(target=self.work, daemon=True).start()

    def client(self):
        return Consumer(QUICK | {"group.id": f"{NAME}-group", "enable.auto.commit": False})

    def work(self):
        client = self.client()
        while True:
            self.writing.wait()
            self.attempted += 1
            wanted = self.attempted
            try:
                result = client.commit(offsets=[TopicPartition(self.place, 0, wanted)], asynchronous=False)
                if result and result[0].error is None:
                    self.acked = wanted
            except KafkaException:
                pass
            time.sleep(0.01)

    def verify(self, client):
        promised = self.acked
        if promised == 0:
            return
        found = until("committed offset", lambda: client.committed([TopicPartition(self.place, 0)], timeout=5))[0].offset
        if not promised <= found <= self.attempted:
            trouble(f"{self.place}: committed offset {found}, {promised} was acknowledged, {self.attempted} asked for")


class Follower:
    """Reads all the time what a writer writes, from the beginning on, and notes it."""

    def __init__(self, writer):
        self.writer, self.going = writer, True
        self.at = dict.fromkeys(range(writer.partitions), 0)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def consumer(self, process):
        client = Consumer(QUICK | {"group.id": f"{NAME}-nobody", "enable.auto.commit": False, "fetch.wait.max.ms": 100, "check.crcs": True,
                                   "auto.offset.reset": "error"})
        client.assign([TopicPartition(self.writer.topic, partition, 0) for partition in range(self.writer.partitions)])
        keys = json.dumps([f"{self.writer.topic}-{partition}" for partition in range(self.writer.partitions)])
        note(process, now_ms(), "assign", f'"keys":{keys}')
        return client

    def work(self):
        client = self.consumer(FOLLOWER)
        while self.going:
            self.poll(FOLLOWER, client, self.at)
        client.close()

    @staticmethod
    def poll(process, client, at):
        invoked = now_ms()
        messages = client.consume(500, 0.2)
        note_poll(process, invoked, messages)
        for message in messages:
            if not message.error():
                at[message.partition()] = message.offset() + 1

    def arrive(self, at, ends, who):
        limit = time.monotonic() + 120
        while any(at[partition] < end for partition, end in ends.items()):
            if time.monotonic() > limit:
                trouble(f"{self.writer.topic}: {who} came to {at} of {ends}")
                return
            yield

    def read_all(self, reader):
        """The end of the history: nothing is written any more, and everything is read once more."""
        ends = {}
        for partition in range(self.writer.partitions):
            place = TopicPartition(self.writer.topic, partition)
            ends[partition] = until("watermarks", lambda: reader.get_watermark_offsets(place, timeout=5))[1]
        for _ in self.arrive(self.at, ends, "who followed"):
            time.sleep(0.05)
        self.going = False
        self.thread.join()
        client, at = self.consumer(LAST_READER), dict.fromkeys(ends, 0)
        for _ in self.arrive(at, ends, "the last reader"):
            self.poll(LAST_READER, client, at)
        client.close()
        HISTORY.flush()


class GaveUp(Exception):
    """What was waited for did not come; TROUBLE says what."""


def until(what, probe, seconds=60):
    end = time.monotonic() + seconds
    why = ""
    while time.monotonic() < end:
        try:
            found = probe()
            if found is not None:
                return found
        except Exception as error:
            why = str(error)
        time.sleep(0.02)
    trouble(f"{what}: not within {seconds} s: {why}")
    raise GaveUp


def create(writers):
    admin = AdminClient(QUICK)
    configs = {"segment.bytes": "1048576", "index.interval.bytes": "1024"}
    if REPLICAS > 1:
        configs["min.insync.replicas"] = "2"
    topics = [NewTopic(w.topic, w.partitions, REPLICAS, config=configs) for w in writers]
    for future in admin.create_topics(topics).values():
        future.result(20)


def main():
    plain = Writer("plain", 3)
    idempotent = Writer("idempotent", 2, **{"enable.idempotence": True})
    writers = [plain, idempotent]
    create(writers)
    committer = Committer()
    follower = Follower(idempotent) if HISTORY is not None else None
    reader = Consumer(QUICK | {"group.id": f"{NAME}-group", "enable.auto.commit": False, "check.crcs": True, "fetch.wait.max.ms": 20,
                               "auto.offset.reset": "error", "enable.partition.eof": False})
    everybody = [*writers, committer]
    print("ok ready", flush=True)
    for line in sys.stdin:
        try:
            if line.strip() == "history":
                follower.read_all(reader)
                told = "0"
            else:
                told = obey(line.split(), writers, committer, reader, everybody)
        except GaveUp:
            told = ""
        if TROUBLE:
            print("bad " + "; ".join(TROUBLE[:5]).replace("\n", " "), flush=True)
            TROUBLE.clear()
        else:
            print(f"ok {told}", flush=True)


def obey(words, writers, committer, reader, everybody):
    """Does what a command says; the numbers of its answer."""
    match words[0]:
        case "write":
            for writer in writers:
                writer.began = time.monotonic()
            for one in everybody:
                one.writing.set()
        case "rest":
            for one in everybody:
                one.writing.clear()
            # A disk that others fill may keep a sync waiting for a minute; what is owed for ever is still owed then.
            until("acknowledgements", lambda: nothing_owed(writers), seconds=180)
        case "verify":
            for writer in writers:
                for partition in range(writer.partitions):
                    writer.read(reader, partition, "all" in words)
            committer.verify(reader)
        case "lossy":
            for writer in writers:
                writer.replaced = 0
        case "mark":
            for writer in writers:
                writer.mark()
        case "kept":
            for writer in writers:
                writer.kept(reader)
        case "losses":
            return str(sum(w.losses(reader) for w in writers))
        case "counts":
            pass
        case "pause":
            longest = max(w.longest_pause for w in writers)
            for writer in writers:
                writer.longest_pause = 0.0
            return str(int(longest * 1000))
    return f"{sum(w.acked_count for w in writers)} {committer.acked}"


def nothing_owed(writers):
    owing = [w.owing() for w in writers if w.under_way]
    if owing:
        raise RuntimeError("; ".join(owing))
    return True


main()
os._exit(0)
