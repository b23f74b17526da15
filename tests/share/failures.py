"""Share groups and their dead-letter queues over failures: nodes and commands that are killed in the middle.

Environment: OTTLA is the binary, SCRATCH a directory for nodes. Nothing but Python's own library.
"""
import collections
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from checks import check, main, same, until

OTTLA, SCRATCH = os.environ["OTTLA"], os.environ["SCRATCH"]
DICE = random.Random(20)
RECORDS = 1500


def free_base(step=[os.getpid() * 53]):
    """The first of a few ports that nobody has; each once."""
    import socket

    while True:
        step[0] += 10
        base = 11_000 + step[0] % 9_000
        try:
            for port in (*range(base, base + 4), *range(base + 10_000, base + 10_004)):
                with socket.socket() as tried:
                    tried.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue


class Cluster:
    """So many nodes of `ottla cluster up`, told by its prompt what to do."""

    def __init__(self, name, nodes):
        self.port = free_base()
        directory = os.path.join(SCRATCH, name)
        shutil.rmtree(directory, ignore_errors=True)
        self.log = open(os.path.join(SCRATCH, f"{name}.log"), "w")
        keys = ["offsets.topic.num.partitions=4", "transaction.state.log.num.partitions=4", "share.coordinator.state.topic.num.partitions=4", "metrics.listeners="]
        copies = ["offsets.topic.replication.factor", "transaction.state.log.replication.factor", "transaction.state.log.min.isr",
                  "share.coordinator.state.topic.replication.factor", "share.coordinator.state.topic.min.isr"]
        keys += [f"{key}=1" for key in copies if nodes == 1]
        settings = [part for key in keys for part in ("--set", key)]
        command = [OTTLA, "cluster", "up", "--nodes", str(nodes), "--port", str(self.port), "--data-dir", directory, *settings]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=self.log, stderr=subprocess.STDOUT, text=True)
        self.bootstrap = ",".join(f"127.0.0.1:{self.port + at}" for at in range(nodes))
        until(120, "the cluster is there", lambda: len(self.rows("broker", "list")) == nodes)

    def say(self, words):
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()

    def kill(self, node):
        self.say(f"kill {node}")

    def restart(self, node):
        self.say(f"restart {node}")

    def end(self):
        self.say("quit")
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def start(self, *words, **how):
        """A command of its own."""
        environment = {**os.environ, "OTTLA_BOOTSTRAP_SERVER": self.bootstrap}
        return subprocess.Popen([OTTLA, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **how)

    def ask(self, *words, given=None):
        """A command that has to do what it should."""
        process = self.start(*words, stdin=subprocess.PIPE if given is not None else subprocess.DEVNULL)
        said, errors = process.communicate(given, timeout=180)
        assert process.returncode == 0, f"{words}: {process.returncode}: {errors[-500:]}"
        return said

    def rows(self, *words):
        """What a command says as JSON; nothing where it fails."""
        process = self.start(*words, "-o", "json", stdin=subprocess.DEVNULL)
        said, _ = process.communicate(timeout=180)
        return json.loads(said) if process.returncode == 0 and said.strip() else []

    def records(self, topic):
        """All that may be read of a topic."""
        said = self.ask("consume", topic, "--from-beginning", "-e", "--read-committed", "-o", "json")
        return [json.loads(line) for line in said.splitlines()]

    def fill(self, topic, partitions, count):
        self.ask("topic", "create", topic, "--partitions", str(partitions))
        self.ask("produce", topic, given="".join(f"{topic} {at}\n" for at in range(count)))

    def group(self, group, *configs):
        self.ask("config", "set", "--group", group, "share.auto.offset.reset=earliest", *configs)

    def queue(self, group, partitions):
        self.ask("topic", "create", f"dlq.{group}", "--partitions", str(partitions), "--config", "errors.deadletterqueue.group.enable=true")
        queue = f"errors.deadletterqueue.topic.name=dlq.{group}"
        self.group(group, queue, "errors.deadletterqueue.copy.record.enable=true", "share.record.lock.duration.ms=15000")

    def member(self, topic, group, *more):
        """A member of a share group; it ends by itself when nothing comes."""
        return self.start("consume", topic, "--share", group, "-o", "json", *more, stdin=subprocess.DEVNULL)

    def leader(self, topic, partition=0):
        found = self.rows("topic", "describe", topic)
        partitions = found[0].get("partitions", []) if found else []
        return next((one["leader"] for one in partitions if one.get("partition", one.get("index")) == partition), None)


def values(process, marks=(), then=()):
    """What a member printed, as (value, how often it was handed out); at so many lines something else is done beside it, each once."""
    lines = []
    for line in process.stdout:
        try:
            record = json.loads(line)
        except ValueError:  # cut off with its process
            continue
        lines.append((record["value"], record["delivery_count"]))
        if then and len(lines) >= marks[-len(then)]:
            then.pop(0)()
    process.communicate(timeout=60)
    return lines


def dead(cluster, group):
    return collections.Counter(record["value"] for record in cluster.records(f"dlq.{group}"))


def reject_all(cluster, topic, group, kills):
    """Members that reject everything, while `kills` go on; nothing that is in the queue is handed out again."""
    wanted = {f"{topic} {at}" for at in range(RECORDS)}
    end = time.monotonic() + 150
    while time.monotonic() < end:
        known = set(dead(cluster, group))
        if known == wanted:
            same(len(kills), 0, "kills to come")
            return
        words = ("--acknowledge", "reject", "--timeout-ms", "7000", "--timeout", "20s")
        member = cluster.member(topic, group, *words, "-X", "max.poll.records=10")
        again = known & {value for value, _ in values(member, [DICE.randrange(50, 500), DICE.randrange(600, 1300)], kills)}
        same(again, set(), "handed out although they are in the queue")
    raise AssertionError(f"{len(wanted - set(dead(cluster, group)))} records are in no queue")


@check
def one_node_killed_while_it_writes_dead_letters():
    cluster = Cluster("one", 1)
    try:
        cluster.fill("t", 2, RECORDS)
        cluster.queue("g", 3)

        def kill():
            cluster.kill(1)
            cluster.restart(1)
            until(60, "it is there again", lambda: cluster.rows("broker", "list"))

        reject_all(cluster, "t", "g", [kill, kill])
        redrive_killed(cluster, "t", "g")
    finally:
        cluster.end()


def redrive_killed(cluster, topic, group):
    """Killed again and again, redriving writes each dead letter back once."""
    letters = dead(cluster, group)
    for _ in range(8):
        redrive = cluster.start("dlq", "redrive", group, stdin=subprocess.DEVNULL)
        try:
            redrive.communicate(timeout=0.2 + DICE.random() / 2)
        except subprocess.TimeoutExpired:
            redrive.send_signal(signal.SIGKILL)
            redrive.communicate()
    cluster.ask("dlq", "redrive", group)
    same([row["waiting"] for row in cluster.rows("dlq", "list")], [0], "what waits")
    back = collections.Counter(record["value"] for record in cluster.records(topic))
    same(back, collections.Counter(letters.keys()) + letters, "the topic")


@check
def three_nodes_leaders_killed_while_they_write_dead_letters():
    cluster = Cluster("three", 3)
    try:
        cluster.fill("t", 3, RECORDS)
        cluster.queue("g", 2)
        down = []

        def kill():
            down.append(until(60, "a leader", lambda: cluster.leader("t")))
            cluster.kill(down[-1])

        def restart():
            cluster.restart(down.pop())

        reject_all(cluster, "t", "g", [kill, restart])
    finally:
        cluster.end()


@check
def counts_are_kept_when_a_leader_is_killed():
    cluster = Cluster("counts", 3)
    try:
        cluster.fill("s", 1, 6)
        cluster.group("h")
        first = values(cluster.member("s", "h", "-n", "2", "--acknowledge", "release"))
        same(first, [("s 0", 1), ("s 1", 1)], "the first two")
        cluster.kill(until(60, "a leader", lambda: cluster.leader("s")))
        second = values(cluster.member("s", "h", "-n", "6"))
        same(second, [("s 0", 2), ("s 1", 2), ("s 2", 1), ("s 3", 1), ("s 4", 1), ("s 5", 1)], "from the next leader")
        lag = until(30, "all is done with", lambda: [row for row in cluster.rows("group", "lag", "h") if row["lag"] == 0])
        same([row["topic"] for row in lag], ["s"], "what is done with")
    finally:
        cluster.end()


main("share")
