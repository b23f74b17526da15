"""Figures of a registry with many schemas: how long its start takes, what it weighs, lookups and registrations, beside Karapace on the same topic.

`bench.py SCHEMAS`; environment: OTTLA, SCRATCH; KARAPACE is a command to which broker, port and topic are added, where there is one. Prints a line of JSON for each
contender. CPU is user and system time of the contender's process, which says more than seconds on a machine that others use, too.
"""
import http.client
import json
import os
import pathlib
import shlex
import socket
import subprocess
import sys
import threading
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

SCRATCH = pathlib.Path(os.environ["SCRATCH"])
TOPIC = "_bench"
THREADS = 4
SECONDS = 5
REGISTRATIONS = 500


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def schema(number):
    """Of the size that schemas have: ten fields."""
    fields = [{"name": f"field_{n}", "type": ["null", "string"] if n % 2 else "long"} for n in range(10)]
    text = {"type": "record", "name": f"Order{number}", "namespace": "com.example.shop", "fields": fields}
    return json.dumps(text, separators=(",", ":"))


def fill(broker, schemas):
    """The topic as a registry would have written it: ten versions a subject."""
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(TOPIC, 1, 1, config={"cleanup.policy": "compact"})])[TOPIC].result(30)
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 50, "queue.buffering.max.messages": 1_000_000})
    for number in range(schemas):
        place = {"subject": f"subject-{number // 10}-value", "version": number % 10 + 1}
        key = {"keytype": "SCHEMA", **place, "magic": 1}
        value = {**place, "id": number + 1, "schema": schema(number), "deleted": False}
        producer.produce(TOPIC, key=json.dumps(key, separators=(",", ":")), value=json.dumps(value, separators=(",", ":")), partition=0)
        producer.poll(0)
    assert producer.flush(120) == 0


class Contender:
    def __init__(self, name, command, port, schemas):
        self.name, self.port = name, port
        began = time.monotonic()
        log = open(SCRATCH / f"{name}.log", "ab")
        self.child = subprocess.Popen(command, stdout=log, stderr=log)
        while not self.has(schemas):
            assert self.child.poll() is None and time.monotonic() - began < 300, f"{name} does not start"
            time.sleep(0.005)
        self.start = time.monotonic() - began
        self.start_cpu = self.cpu()

    def has(self, schemas):
        try:
            return self.ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), "GET", f"/schemas/ids/{schemas}") == 200
        except (OSError, http.client.HTTPException):
            return False

    def ask(self, connection, method, path, body=None):
        headers = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status

    def stat(self):
        return pathlib.Path(f"/proc/{self.child.pid}/stat").read_text().rsplit(")", 1)[1].split()

    def cpu(self):
        return (int(self.stat()[11]) + int(self.stat()[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self):
        return int(self.stat()[21]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def measured(self, work):
        """Milliseconds of each request, requests a second, CPU microseconds a request; `work(index, connection)` asks once."""
        times, before, began = [], self.cpu(), time.monotonic()

        def run(thread):
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
            mine, number = [], 0
            while (more := work(thread, number)) is not None:
                since = time.monotonic()
                assert self.ask(connection, *more) == 200, more
                mine.append((time.monotonic() - since) * 1e3)
                number += 1
            times.extend(mine)

        threads = [threading.Thread(target=run, args=(thread,)) for thread in range(THREADS)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        took, cpu = time.monotonic() - began, self.cpu() - before
        times.sort()
        rank = lambda part: round(times[int(len(times) * part)], 2)
        return {"a second": round(len(times) / took), "p50 ms": rank(0.5), "p99 ms": rank(0.99), "CPU us": round(cpu / len(times) * 1e6)}

    def figures(self, schemas):
        found = {"start s": round(self.start, 2), "start CPU s": round(self.start_cpu, 2), "MB": round(self.megabytes())}
        end = time.monotonic() + SECONDS
        some = lambda thread, number: (number * 7919 + thread * 104729) % schemas
        by_id = lambda thread, number: None if time.monotonic() > end else ("GET", f"/schemas/ids/{some(thread, number) + 1}")
        found["lookup by id"] = self.measured(by_id)
        end = time.monotonic() + SECONDS
        text = lambda number: {"schema": schema(number)}
        known = lambda thread, number: None if time.monotonic() > end else (
            "POST", f"/subjects/subject-{some(thread, number) // 10}-value", text(some(thread, number)))
        found["lookup by text"] = self.measured(known)
        each = REGISTRATIONS // THREADS
        new = lambda thread, number: None if number == each else (
            "POST", f"/subjects/{self.name}-{thread}-{number}/versions", text(f"{self.name}{thread}x{number}"))
        found["registration"] = self.measured(new)
        return found

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()


def main():
    schemas = int(sys.argv[1])
    port, controller = free_port(), free_port()
    broker = f"127.0.0.1:{port}"
    keys = [f"controller.quorum.voters=1@127.0.0.1:{controller}", "metrics.listeners=", "offsets.topic.num.partitions=4"]
    keys += ["group.initial.rebalance.delay.ms=0"]
    where = ["--listen", broker, "--data-dir", str(SCRATCH / "data")]
    node = subprocess.Popen([os.environ["OTTLA"], *where, *(word for key in keys for word in ("--set", key))],
                            stdout=subprocess.DEVNULL, stderr=open(SCRATCH / "node.log", "ab"))
    try:
        fill(broker, schemas)
        ours, theirs = free_port(), free_port()
        command = [os.environ["OTTLA"], "registry", "-b", broker, "--listeners", f"http://127.0.0.1:{ours}", "--set", f"kafkastore.topic={TOPIC}"]
        contenders = [("ottla", command, ours)]
        if os.environ.get("KARAPACE"):
            contenders.append(("karapace", [*shlex.split(os.environ["KARAPACE"]), broker, str(theirs), TOPIC], theirs))
        for name, command, port in contenders:
            contender = Contender(name, command, port, schemas)
            try:
                print(json.dumps({"who": name, "schemas": schemas, **contender.figures(schemas)}), flush=True)
            finally:
                contender.stop()
    finally:
        node.terminate()
        node.wait(30)


if __name__ == "__main__":
    main()
