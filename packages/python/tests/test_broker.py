"""A small real application (orders in, totals out) and the broker's own promises."""

import concurrent.futures
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer

import ottla

MANY = int(os.environ.get("OTTLA_BROKERS", "100"))
AT_ONCE = 50


@pytest.fixture
def broker():
    with ottla.Broker(config={"num.partitions": 1}) as broker:
        yield broker


class Totals:
    """The application: adds up what each customer ordered."""

    def __init__(self, servers):
        self.servers = servers

    def order(self, orders):
        producer = KafkaProducer(bootstrap_servers=self.servers, acks="all")
        for customer, amount in orders:
            producer.send("orders", key=customer.encode(), value=str(amount).encode())
        producer.flush()
        producer.close()

    def read(self, count):
        consumer = KafkaConsumer(
            "orders", bootstrap_servers=self.servers, auto_offset_reset="earliest", consumer_timeout_ms=10_000
        )
        totals = {}
        for record in consumer:
            totals[record.key.decode()] = totals.get(record.key.decode(), 0) + int(record.value)
            count -= 1
            if count == 0:
                break
        consumer.close()
        assert count == 0, f"{count} orders were not read"
        return totals


def connects(address):
    host, port = address.rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
        return True
    except ConnectionRefusedError:
        return False


def is_alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_application_adds_up(broker):
    application = Totals(broker.bootstrap_servers)
    application.order([("ann", 3), ("bob", 4), ("ann", 5)])
    assert application.read(3) == {"ann": 8, "bob": 4}


def test_what_was_acknowledged_survives_a_kill(broker):
    application, address = Totals(broker.bootstrap_servers), broker.bootstrap_servers
    application.order([("ann", 1)])
    broker.kill()
    broker.start()
    assert broker.bootstrap_servers == address
    application.order([("ann", 2)])
    assert application.read(2) == {"ann": 3}


def test_refusing_refuses_and_ends(broker):
    assert connects(broker.bootstrap_servers)
    with broker.refusing():
        assert not connects(broker.bootstrap_servers)
    assert connects(broker.bootstrap_servers)


def asked(address):
    """Seconds until ApiVersions is answered."""
    host, port = address.rsplit(":", 1)
    began = time.monotonic()
    with socket.create_connection((host, int(port)), timeout=10) as stream:
        stream.sendall(bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xFF, 0xFF]))
        assert stream.recv(8)[4:8] == bytes([0, 0, 0, 7])
    return time.monotonic() - began


def test_delay_delays(broker):
    assert asked(broker.bootstrap_servers) < 0.3
    broker.delay(0.5)
    assert asked(broker.bootstrap_servers) >= 0.4


def test_frozen_answers_nothing(broker):
    with broker.frozen():
        host, port = broker.bootstrap_servers.rsplit(":", 1)
        with socket.create_connection((host, int(port)), timeout=0.3) as stream:
            stream.sendall(bytes([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xFF, 0xFF]))
            with pytest.raises(TimeoutError):
                stream.recv(1)
    assert asked(broker.bootstrap_servers) < 5


def test_a_bad_configuration_says_why():
    with pytest.raises(ottla.BrokerError, match="num.partitions"):
        ottla.Broker(config={"num.partitions": "many"}).start()


def test_none_is_left_when_this_process_is_killed():
    program = "import ottla, sys, time; b = ottla.Broker().start(); print(b.pid, b.data_dir, flush=True); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    pid, data = parent.stdout.readline().split()
    assert is_alive(pid) and os.path.isdir(data)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while is_alive(pid) or os.path.exists(data):
        assert time.monotonic() < deadline, "the broker or its data outlives whoever started it"
        time.sleep(0.01)


def test_one_after_another():
    seconds = []
    for _ in range(MANY):
        began = time.monotonic()
        with ottla.Broker() as broker:
            seconds.append(time.monotonic() - began)
            pid, data = broker.pid, broker.data_dir
            assert connects(broker.bootstrap_servers)
        assert not is_alive(pid) and not os.path.exists(data)
    seconds.sort()
    print(f"ready: median {seconds[MANY // 2] * 1000:.1f} ms, best {seconds[0] * 1000:.1f}, worst {seconds[-1] * 1000:.1f}")
    # The promise is 20 ms on a quiet machine; a busy one has to start them all the same.
    assert seconds[0] < 0.1


def test_many_at_once():
    brokers = [ottla.Broker(timeout=60) for _ in range(AT_ONCE)]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(ottla.Broker.start, brokers))
        assert len({broker.bootstrap_servers for broker in brokers}) == AT_ONCE
        assert all(pool.map(connects, [broker.bootstrap_servers for broker in brokers]))
        pids = [broker.pid for broker in brokers]
        list(pool.map(ottla.Broker.close, brokers))
    assert not [pid for pid in pids if is_alive(pid)]
