"""/metrics of nodes at work: read by Prometheus' own parser, held against what was really sent, and by strangers who mean no good.

Environment: OTTLA is the binary, SCRATCH a directory for nodes, DOCUMENT the page that names every family, ASKED the names that dashboards
and alerts read.
"""
import os
import re
import resource
import signal
import socket
import struct
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families

from checks import check, main, same, topic, until
from nodes import NODES, Node, get, port


def scrape(query="", at=None):
    status, body = get(f"{at or HTTP}/metrics{query}")
    same(status, 200, "status")
    return body


class Figures:
    """A scrape as Prometheus reads it."""

    def __init__(self, body):
        self.families = list(text_string_to_metric_families(body))
        self.samples = [sample for family in self.families for sample in family.samples]

    def value(self, name, **labels):
        """The one sample of that name with just these labels; nothing if there is none."""
        found = [sample.value for sample in self.samples if sample.name == name and sample.labels == labels]
        assert len(found) < 2, f"{name} {labels} stands there {len(found)} times"
        return found[0] if found else None

    def names(self):
        return {sample.name for sample in self.samples}


def figures(query=""):
    return Figures(scrape(query))


METRICS = port()
HTTP = f"http://127.0.0.1:{METRICS}"
ONE = Node("one", HTTP, metrics_dialects="jmx_exporter,kafka_exporter,lag_exporter")


def produce(name, count, partitions=1, **settings):
    producer = Producer({"bootstrap.servers": ONE.address, "acks": "all", "linger.ms": 5})
    for number in range(count):
        producer.produce(name, f"record {number}", partition=number % partitions, **settings)
        producer.poll(0)
    same(producer.flush(30), 0, "unsent")


def create(name, partitions):
    admin = AdminClient({"bootstrap.servers": ONE.address})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)


def read(name, group, count):
    """Reads and commits as many records."""
    settings = {"bootstrap.servers": ONE.address, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(settings)
    consumer.assign([TopicPartition(name, 0, 0)])
    seen, end = 0, time.monotonic() + 30
    while seen < count and time.monotonic() < end:
        seen += sum(1 for message in consumer.consume(min(500, count - seen), 0.5) if not message.error())
    same(seen, count, "records read")
    consumer.commit(offsets=[TopicPartition(name, 0, count)], asynchronous=False)
    consumer.close()


@check
def every_family_is_whole_is_told_once_and_stands_in_the_document():
    name = topic("known")
    create(name, 1)
    produce(name, 10)
    read(name, topic("knowing"), 5)
    body = scrape()
    found = [family.name for family in Figures(body).families]
    same([one for one in set(found) if found.count(one) > 1], [], "families that come twice")
    declared = set(re.findall(r"^# TYPE (\S+)", body, re.M))
    with open(os.environ["DOCUMENT"]) as file:
        written = set(re.findall(r"^\| `([a-z_]+)", file.read(), re.M))
    same(sorted(declared ^ written), [], "families that only the node or only the document has")


@check
def what_was_produced_and_consumed_is_what_is_told():
    name, group = topic("counted"), topic("group")
    create(name, 3)
    before = figures()
    produce(name, 3_000, 3)
    read(name, group, 600)
    now = figures()
    same(now.value("kafka_server_brokertopicmetrics_messagesin_total", topic=name), 3_000, "records in")
    ends = [now.value("kafka_topic_partition_current_offset", topic=name, partition=str(one)) for one in range(3)]
    same(ends, [1_000.0] * 3, "ends")
    same([now.value("kafka_log_log_logendoffset", topic=name, partition="0"), now.value("kafka_topic_partitions", topic=name)], [1_000, 3])
    at = {"topic": name, "partition": "0"}
    same(now.value("kafka_consumergroup_current_offset", consumergroup=group, **at), 600, "committed")
    same(now.value("kafka_consumergroup_lag", consumergroup=group, **at), 400, "lag")
    same(now.value("kafka_consumergroup_group_lag", group=group, **at), 400, "lag in the other dialect")
    same(now.value("kafka_consumergroup_lag_sum", consumergroup=group, topic=name), 400, "lag of the topic")
    size, in_bytes = (sum(now.value("kafka_log_log_size", topic=name, partition=str(one)) for one in range(3)), "kafka_server_brokertopicmetrics_bytesin_total")
    same(now.value(in_bytes, topic=name), size, "bytes in, and on disk")
    out = now.value("kafka_server_brokertopicmetrics_bytesout_total", topic=name)
    assert 0 < out <= size, f"bytes out: {out} of {size}"
    grown = now.value("kafka_server_brokertopicmetrics_messagesin_total") - before.value("kafka_server_brokertopicmetrics_messagesin_total")
    assert 3_000 <= grown < 3_100, f"all topics: {grown}"
    admin = AdminClient({"bootstrap.servers": ONE.address})
    admin.delete_topics([name])[name].result(30)
    until(10, "the topic is gone", lambda: figures().value("kafka_topic_partitions", topic=name) is None)
    later = figures().value("kafka_server_brokertopicmetrics_messagesin_total")
    assert later >= now.value("kafka_server_brokertopicmetrics_messagesin_total"), "what passed through a topic that is gone is forgotten"


@check
def lag_in_seconds_is_the_age_of_the_first_record_that_was_not_read():
    name, group = topic("aged"), topic("late")
    create(name, 1)
    for age in (1_000, 500, 100):
        produce(name, 10, timestamp=int((time.time() - age) * 1_000))
    at = {"topic": name, "partition": "0", "consumergroup": group}
    for count, age in ((5, 1_000), (10, 500), (25, 100), (30, 0)):
        read(name, group, count)
        now = figures()
        same(now.value("kafka_consumergroup_lag", **at), 30 - count, "records")
        seconds = now.value("kafka_consumergroup_lag_seconds", **at)
        assert age <= seconds < age + 30 if age else seconds == 0, f"after {count}: {seconds} s, wanted {age}"


@check
def requests_are_counted_one_by_one():
    frame = struct.pack(">ihhih", 10, 18, 0, 7, -1)
    labels = {"request": "ApiVersions", "version": "0"}
    before = figures().value("kafka_network_requestmetrics_requests_total", **labels) or 0
    with socket.create_connection(("127.0.0.1", int(ONE.address.split(":")[1]))) as raw:
        for _ in range(25):
            raw.sendall(frame)
            size = struct.unpack(">i", raw.recv(4, socket.MSG_WAITALL))[0]
            raw.recv(size, socket.MSG_WAITALL)
        now = until(5, "they are counted", lambda: (lambda now: now.value("kafka_network_requestmetrics_requests_total", **labels) >= before + 25 and now)(figures()))
        same(now.value("kafka_network_requestmetrics_requests_total", **labels), before + 25, "requests")
        assert now.value("kafka_server_socket_server_metrics_connection_count", listener="PLAINTEXT") >= 1
    half = now.value("kafka_network_requestmetrics_totaltimems", request="ApiVersions", quantile="0.50")
    most = now.value("kafka_network_requestmetrics_totaltimems", request="ApiVersions", quantile="0.999")
    assert 0 < half <= most < 10_000, f"{half} {most}"
    share = now.value("kafka_network_socketserver_networkprocessoravgidle_percent")
    assert 0 < share <= 1, share


@check
def what_dashboards_ask_for_has_data():
    """Names in ASKED; those after a minus are known to have none, and one that has got some must lose it."""
    found = figures().names()
    with open(os.environ["ASKED"]) as file:
        asked = [line.strip() for line in file if line.strip() and not line.startswith("#")]
    missing = [name for name in asked if not name.startswith("-") and name not in found]
    outdated = [name for name in asked if name.startswith("-") and name[1:] in found]
    same((missing, outdated), ([], []), "without data, with data")
    share = sum(1 for name in asked if name in found) / len(asked)
    assert share >= 0.8, f"{share:.2f} of what is asked for has data"


@check
def a_scrape_is_of_what_is_wanted():
    assert figures("?match[]=kafka_brokers").names() == {"kafka_brokers"}
    quoted = urllib.parse.quote('{__name__=~"kafka_topic_.*|process_threads"}')
    names = figures(f"?match[]={quoted}&match[]=kafka_brokers").names()
    assert "kafka_brokers" in names and "process_threads" in names and "kafka_topic_partitions" in names
    assert all(name.startswith(("kafka_topic_", "process_threads", "kafka_brokers")) for name in names)
    same(get(f"{HTTP}/metrics?match[]=a{{b=1}}")[0], 400, "a selector that is not understood")


@check
def health_and_readiness_are_told():
    same([get(f"{HTTP}/{path}")[0] for path in ("healthz", "readyz", "", "nothing")], [200, 200, 200, 404])
    address = f"http://127.0.0.1:{port()}"
    node = Node("leaving", address)
    same(get(f"{address}/readyz")[0], 200)
    node.process.send_signal(signal.SIGTERM)
    same(node.process.wait(30), 0, "its end")


@check
def a_taken_port_is_told_and_done_without():
    second = Node("second", HTTP)
    assert "WARN" in second.said() and f"no metrics on http://127.0.0.1:{METRICS}" in second.said(), second.said()
    produce(topic("beside"), 10)
    same(figures().value("kafka_brokers"), 1)
    third = Node("third", "")
    assert "metrics: http" not in third.said()
    second.process.kill()
    third.process.kill()


def raw(sent, seconds=8):
    """All that comes for these bytes."""
    with socket.create_connection(("127.0.0.1", METRICS), timeout=seconds) as one:
        one.sendall(sent)
        got = b""
        try:
            while part := one.recv(65_536):
                got += part
        except ConnectionResetError:
            pass
        return got


@check
def garbage_is_answered_or_closed_and_nothing_else():
    same(raw(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")[:12], b"HTTP/1.1 400")
    same(raw(struct.pack(">ihhih", 10, 18, 0, 7, -1))[:12], b"HTTP/1.1 400")
    same(raw(b"POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")[:12], b"HTTP/1.1 405")
    same(raw(b"GET / HTTP/1.1\r\nx: " + b"y" * 9_000)[:12], b"HTTP/1.1 431")
    same(raw(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 100 + b"\r\n")[:12], b"HTTP/1.1 431")
    began = time.monotonic()
    same(raw(b"GET /met"), b"", "half a head")
    assert time.monotonic() - began < 7, "half a head is waited for"
    same(raw(b"HEAD /metrics HTTP/1.1\r\n\r\n").split(b"\r\n\r\n")[1], b"", "the body of HEAD")
    figures()


@check
def a_slow_reader_holds_nobody_up():
    slow = []
    for _ in range(3):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        one.connect(("127.0.0.1", METRICS))
        one.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
        slow.append(one)
    began = time.monotonic()
    figures()
    assert time.monotonic() - began < 3, f"a scrape took {time.monotonic() - began:.1f} s"
    [one.close() for one in slow]


@check
def ten_thousand_connections_hold_nobody_up():
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    before = figures()
    guests = []
    for _ in range(10_000):
        one = socket.socket()
        one.settimeout(5)
        one.connect(("127.0.0.1", METRICS))
        guests.append(one)
    now = figures()
    more = now.value("process_open_fds") - before.value("process_open_fds")
    grown = now.value("process_resident_memory_bytes") - before.value("process_resident_memory_bytes")
    [one.close() for one in guests]
    assert more <= 70 and grown < 16 << 20, f"{more} descriptors, {grown} bytes more"
    produce(topic("meanwhile"), 10)


@check
def many_partitions_and_groups_are_bounded():
    admin = AdminClient({"bootstrap.servers": ONE.address})
    prefix = topic("many")
    for number in range(20):
        name = f"{prefix}-{number}"
        admin.create_topics([NewTopic(name, 1_000, 1)])[name].result(60)
    began = time.monotonic()
    body = scrape()
    seconds, now = time.monotonic() - began, Figures(body)
    assert len(body) <= 20 << 20, f"{len(body)} bytes"
    assert seconds < 3, f"{seconds:.2f} s"
    led = now.value("kafka_server_replicamanager_leadercount")
    assert led >= 20_000 and now.value("ottla_metrics_left_out", of="partitions") >= led - 10_100, f"{led} led"
    same(sum(1 for sample in now.samples if sample.name == "kafka_log_log_size") <= 10_000, True, "bounded")
    print(f"   {int(led)} partitions: {len(body) >> 10} KiB in {seconds * 1_000:.0f} ms", flush=True)


@check
def nodes_that_are_watched_stop_in_order():
    alive = [node for node in NODES if node.process.poll() is None]
    [node.process.send_signal(signal.SIGTERM) for node in alive]
    same([node.process.wait(60) for node in alive], [0] * len(alive), "their ends")


main("metrics")
