"""Quotas on Kafka and on ours, side by side and at the same time: how fast somebody gets, how long it is told to wait, and that it does wait. Arguments:
`KAFKA OURS JAR [--full] [--after]`, the addresses of both brokers and the reference's client jar; `--after`: ours was killed and started again, are they all there.

Nothing in here knows a right throttle time: Kafka says so, ours may differ by a tenth. Prints a line for each check, at the end `done - …`.
"""
import sys
import threading
import time

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/protocol")
from kafka import Closed, Connection, Jar, Silent

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/topic_keys")
from wire import batch

KAFKA, OURS, JAR = sys.argv[1], sys.argv[2], Jar(sys.argv[3])
FULL, AFTER = "--full" in sys.argv, "--after" in sys.argv
# Rates are measured for so long, behind what may come at once.
SECONDS, BURST_SECONDS = (30 if FULL else 9), 4
BYTES_A_SECOND = 200_000
# Rates of thirty seconds are right within a tenth. In a few seconds a consumer is answered a few times with all that it may have.
SHARE = 0.1 if FULL else 0.2
# What one request may take on a machine that does other things as well: a broker counts from when it has the answer, we from when we have it.
LATE_MS = 60
FAILED = []


def check(what, is_so, seen=""):
    print(f"{'ok' if is_so else 'not ok'} - {what}{f': {seen}' if seen != '' else ''}", flush=True)
    if not is_so:
        FAILED.append(what)


def within(what, theirs, ours, share, least=0.0):
    check(what, abs(theirs - ours) <= max(share * abs(theirs), least), f"{theirs:.3f} of Kafka's, {ours:.3f} of ours")


def ask(address, name, version, body, client="keeper"):
    with Connection(JAR, address, 30) as connection:
        return connection.ask(name, version, body, client=client)


def alter(address, entity, **quotas):
    parts = [{"entityType": kind.replace("_", "-"), "entityName": name} for kind, name in entity.items()]
    ops = [{"key": key, "value": value or 0.0, "remove": value is None} for key, value in quotas.items()]
    answer = ask(address, "AlterClientQuotas", 1, {"entries": [{"entity": parts, "ops": ops}], "validateOnly": False})
    assert answer["entries"][0]["errorCode"] == 0, answer


def described(address):
    entries = ask(address, "DescribeClientQuotas", 1, {"components": [], "strict": False})["entries"]
    entity = lambda entry: tuple(sorted((part["entityType"], str(part["entityName"])) for part in entry["entity"]))
    return sorted((entity(entry), sorted((one["key"], one["value"]) for one in entry["values"])) for entry in entries)


def make_topic(address, name):
    wanted = {"topics": [{"name": name, "numPartitions": 1, "replicationFactor": 1}], "timeoutMs": 20_000}
    assert ask(address, "CreateTopics", 7, wanted)["topics"][0]["errorCode"] in (0, 36)
    end = time.monotonic() + 20
    while ask(address, "Metadata", 12, {"topics": [{"name": name}], "allowAutoTopicCreation": False})["topics"][0]["errorCode"] != 0:
        assert time.monotonic() < end, "no leader"
        time.sleep(0.05)


def produce(connection, topic, data, client, acks=1):
    partition = {"index": 0, "records": data}
    body = {"transactionalId": None, "acks": acks, "timeoutMs": 10_000, "topicData": [{"name": topic, "partitionData": [partition]}]}
    answer = connection.ask("Produce", 9, body, client=client)
    assert answer["responses"][0]["partitionResponses"][0]["errorCode"] == 0, answer
    return answer["throttleTimeMs"]


class Pace:
    """One client that does the same over and over: what it has had by when, and how long it was told to wait."""

    def __init__(self):
        self.began, self.steps, self.early = time.monotonic(), [], []

    def run(self, step):
        """`step` says how many bytes came, and how long to wait."""
        held_until = 0.0
        while (now := time.monotonic()) - self.began < BURST_SECONDS + SECONDS:
            count, throttle_ms = step()
            after = time.monotonic()
            if held_until and after < held_until - LATE_MS / 1000:
                self.early.append(held_until - after)
            held_until = after + throttle_ms / 1000 if throttle_ms else 0.0
            self.steps.append((after - self.began, count, throttle_ms))

    def per_second(self):
        """Behind the burst, from one answer to another."""
        late = [(at, count) for at, count, _ in self.steps if at >= BURST_SECONDS]
        return sum(count for _, count in late[1:]) / (late[-1][0] - late[0][0])

    def unexplained(self):
        """The share of the time behind the burst in which it was neither told to wait nor waited for an answer."""
        late = [step for step in self.steps if step[0] >= BURST_SECONDS]
        answered_ms = told_ms = 0.0
        for (before, _, told), (after, _, _) in zip(late, late[1:]):
            told_ms += told
            answered_ms += max(0.0, (after - before) * 1000 - told)
        elapsed_ms = (late[-1][0] - late[0][0]) * 1000
        return abs(elapsed_ms - told_ms - min(answered_ms, LATE_MS * len(late))) / elapsed_ms


def producer(address, found):
    with Connection(JAR, address, 60) as connection:
        data = batch([(b"k", b"v" * 20_000)])
        pace = found["produce"] = Pace()
        pace.run(lambda: (len(data), produce(connection, "throttled", data, "slow-producer")))


def consumer(address, found):
    place = {"partition": 0, "fetchOffset": 0, "currentLeaderEpoch": -1, "logStartOffset": -1, "partitionMaxBytes": 40_000}
    body = {"replicaId": -1, "maxWaitMs": 100, "minBytes": 1, "maxBytes": 40_000, "sessionId": 0, "sessionEpoch": -1,
            "topics": [{"topic": "full", "partitions": [place]}]}

    def step():
        answer = connection.ask("Fetch", 11, body, client="slow-consumer")
        records = [part["records"] or b"" for topic in answer["responses"] for part in topic["partitions"]]
        if answer["throttleTimeMs"] and any(records):
            pace.with_records = True
        return sum(map(len, records)), answer["throttleTimeMs"]
    with Connection(JAR, address, 60) as connection:
        pace = found["fetch"] = Pace()
        pace.with_records = False
        pace.run(step)


def latencies(address, seconds):
    """Of a client without a quota, in milliseconds, sorted."""
    found, data, end = [], batch([(b"k", b"v" * 100)]), time.monotonic() + seconds
    with Connection(JAR, address, 30) as connection:
        while time.monotonic() < end:
            began = time.monotonic()
            assert produce(connection, "free", data, "free") == 0
            found.append((time.monotonic() - began) * 1000)
            time.sleep(0.002)
    return sorted(found)


def percentile(sorted_ones, share):
    return sorted_ones[min(len(sorted_ones) - 1, int(len(sorted_ones) * share))]


def both(work):
    """The same on both brokers at once."""
    found, threads = {}, []

    def one(address):
        found[address] = work(address)
    threads = [threading.Thread(target=one, args=(address,), daemon=True) for address in (KAFKA, OURS)]
    [thread.start() for thread in threads]
    [thread.join(120) for thread in threads]
    assert set(found) == {KAFKA, OURS}, "a broker did not answer"
    return found[KAFKA], found[OURS]


def set_up(address):
    for topic in ("throttled", "free", "full"):
        make_topic(address, topic)
    with Connection(JAR, address, 30) as connection:
        for _ in range(20):
            assert produce(connection, "full", batch([(b"k", b"v" * 30_000)]), "free") == 0
    alter(address, {"client_id": "slow-producer"}, producer_byte_rate=float(BYTES_A_SECOND))
    alter(address, {"client_id": None}, producer_byte_rate=float(BYTES_A_SECOND))
    alter(address, {"client_id": "free"}, producer_byte_rate=1e12)
    alter(address, {"client_id": "slow-consumer"}, consumer_byte_rate=float(BYTES_A_SECOND))
    alter(address, {"client_id": "busy"}, request_percentage=0.01)
    alter(address, {"user": None, "client_id": "maker"}, controller_mutation_rate=2.0)
    alter(address, {"ip": "127.0.0.9"}, connection_creation_rate=2.0)
    # A broker knows the last one a moment after its controller.
    end = time.monotonic() + 20
    while len(found := described(address)) < 7 and time.monotonic() < end:
        time.sleep(0.05)
    return found


def rates(address):
    found = {}
    threads = [threading.Thread(target=work, args=(address, found), daemon=True) for work in (producer, consumer)]
    [thread.start() for thread in threads]
    found["beside"] = latencies(address, BURST_SECONDS + SECONDS)
    [thread.join(90) for thread in threads]
    return found


def bandwidth():
    # Nobody else, first.
    _, alone = both(lambda address: latencies(address, 2))
    theirs, ours = both(rates)
    for what in ("produce", "fetch"):
        for whose, found in (("Kafka's", theirs), ("our", ours)):
            rate = found[what].per_second()
            check(f"{whose} {what} keeps to its quota", abs(rate - BYTES_A_SECOND) <= BYTES_A_SECOND * SHARE, f"{rate:.0f} bytes a second")
            # Who waits longer for answers is told to wait less: the times of both brokers are right if they come to all the time that there was.
            share = found[what].unexplained()
            check(f"{whose} {what} waits as long as it is told, within a tenth", share <= 0.1, f"{share:.3f}")
        within(f"{what}: the rate", theirs[what].per_second(), ours[what].per_second(), 2 * SHARE)
        check(f"{what}: nothing is answered before it may be", not ours[what].early, ours[what].early[:3])
    check("fetch: what is held back has no records", not ours["fetch"].with_records)
    p99, before = percentile(ours["beside"], 0.99), percentile(alone, 0.99)
    check("another client's p99 is not doubled", p99 <= 2 * before + 5, f"{before:.2f} ms alone, {p99:.2f} ms beside")


def at_once(address):
    """The throttle times of three produces, each more than the windows hold."""
    with Connection(JAR, address, 60) as connection:
        return [produce(connection, "throttled", batch([(b"k", b"v" * 700_000)]), f"at-once-{number}") for number in range(3)]


def mutations(address):
    """Codes, and until when whoever asked has to wait: a slow broker says less, later."""
    found, began = [], time.monotonic()

    def told(code, throttle_ms):
        found.append((code, throttle_ms and throttle_ms + (time.monotonic() - began) * 1000))

    def made(version, name, count):
        wanted = {"topics": [{"name": name, "numPartitions": count, "replicationFactor": 1}], "timeoutMs": 20_000, "validateOnly": False}
        with Connection(JAR, address, 60) as connection:
            answer = connection.ask("CreateTopics", version, wanted, client="maker")
        told(answer["topics"][0]["errorCode"], answer["throttleTimeMs"])

    def gone(version, name):
        with Connection(JAR, address, 60) as connection:
            answer = connection.ask("DeleteTopics", version, {"topicNames": [name], "topics": [{"name": name}], "timeoutMs": 20_000}, client="maker")
        told(answer["responses"][0]["errorCode"], answer["throttleTimeMs"])

    def more(version, name, count):
        with Connection(JAR, address, 60) as connection:
            wanted = {"topics": [{"name": name, "count": count, "assignments": None}], "timeoutMs": 20_000, "validateOnly": False}
            answer = connection.ask("CreatePartitions", version, wanted, client="maker")
        told(answer["results"][0]["errorCode"], answer["throttleTimeMs"])
    # Four windows of a second, two partitions a second: eight at once.
    made(7, "made-a", 12)
    made(7, "made-b", 1)
    more(3, "made-a", 13)
    gone(6, "made-a")
    made(5, "made-c", 2)
    gone(4, "made-c")
    time.sleep(4.5)
    gone(6, "made-a")
    return found


def busy(address):
    """Time of threads: both brokers need another, but nobody waits longer than a window, and whoever does waits."""
    with Connection(JAR, address, 30) as connection:
        told, early, held_until = [], 0, 0.0
        # A request of ours takes some twenty microseconds, of a millisecond that is allowed in ten seconds.
        for _ in range(3_000):
            throttle_ms = connection.ask("Metadata", 12, {"topics": None}, client="busy")["throttleTimeMs"]
            after = time.monotonic()
            early += after < held_until - 0.005
            held_until = after + throttle_ms / 1000
            told.append(throttle_ms)
            if sum(told) > 1500:
                break
    return told, early


def connections(address):
    """How many of thirty connections are answered."""
    answered = 0
    for _ in range(30):
        try:
            with Connection(JAR, address, 3, "127.0.0.9") as connection:
                connection.ask("ApiVersions", 3, {"clientSoftwareName": "x", "clientSoftwareVersion": "1"})
                answered += 1
        except (Closed, Silent, OSError):
            pass
        if time.monotonic() > connections.end:
            break
    return answered


def main():
    if AFTER:
        theirs, ours = both(described)
        check("quotas survive a kill", ours == theirs and len(ours) == 7, ours)
        with Connection(JAR, OURS, 30) as connection:
            told = [produce(connection, "throttled", batch([(b"k", b"v" * 200_000)]), "slow-producer") for _ in range(5)]
        check("and are in force", max(told) > 0, told)
        return
    theirs, ours = both(set_up)
    check("both describe the same", theirs == ours, ours)
    bandwidth()
    # Three windows that there have not been, 200,000 bytes a second each: half a second too much.
    for number, (there, here) in enumerate(zip(*both(at_once))):
        within(f"produce: throttle time {number} of as much at once", there, here, 0.02)
    theirs, ours = both(mutations)
    check("mutations: the same codes", [code for code, _ in theirs] == [code for code, _ in ours], f"{theirs} of Kafka's, {ours} of ours")
    for number, ((_, told_there), (_, told_here)) in enumerate(zip(theirs, ours)):
        within(f"mutations: when the wait {number} is over", told_there, told_here, 0.1, 300)
    (_, _), (told, early) = both(busy)
    check("time of threads: it is held back, for a window at most", 0 < max(told) <= 1000, [one for one in told if one][:9])
    check("time of threads: nothing is answered before it may be", early == 0, early)
    connections.end = time.monotonic() + 8
    theirs, ours = both(connections)
    check("connections: no more than may come", 6 <= ours <= 6 + 2 * 9, f"{theirs} of Kafka's, {ours} of ours")


main()
print(f"done - {len(FAILED)} failed", flush=True)
