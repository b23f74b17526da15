"""The schema registry under clients that others wrote, and under kills: the stage `registry`.

Each client writes two versions of one order in each of its formats (`CLIENT write BROKER REGISTRY` prints `wrote KIND VERSION ID`), then
each reads what all of them wrote (`CLIENT read BROKER REGISTRY` prints `read KIND CLIENT N NOTE`). All of them have to get the same
ids, whatever they make of a schema's text. Environment: OTTLA, SCRATCH, CLIENTS (JSON: name -> command, kinds).
"""
import concurrent.futures
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

SCRATCH = pathlib.Path(os.environ["SCRATCH"])
CLIENTS = json.loads(os.environ["CLIENTS"])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """The binary with arguments; its lines in files."""

    def __init__(self, name, *arguments):
        self.name = name
        self.log = open(SCRATCH / f"{name}.log", "ab")
        command = [os.environ["OTTLA"], *arguments]
        self.child = subprocess.Popen(command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL)

    def stop(self):
        self.child.terminate()
        return self.child.wait(30)

    def kill(self):
        self.child.kill()
        self.child.wait(30)


def answers(port):
    try:
        ask(port, "GET", "/subjects")
        return True
    except OSError:
        return False


def until(seconds, what, probe):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if probe():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def ask(port, method, path, body=None, patience=30):
    """Status and answer; a refused connection is an OSError."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data, method=method)
    request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
    try:
        with urllib.request.urlopen(request, timeout=patience) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


def record(name, *fields):
    """An Avro record with fields of int that have a default."""
    fields = [{"name": field, "type": "int", "default": 0} for field in fields]
    return {"schema": json.dumps({"type": "record", "name": name, "fields": fields})}


class World:
    """A node with a registry within, and a second registry beside it."""

    def __init__(self):
        self.port, self.controller = free_port(), free_port()
        self.within, self.beside = free_port(), free_port()
        self.node = self.start_node()
        self.registry = self.start_registry()
        for port in (self.within, self.beside):
            until(30, f"a registry on {port}", lambda port=port: answers(port))

    def start_node(self):
        keys = [f"schema.registry.listeners=http://127.0.0.1:{self.within}", "metrics.listeners="]
        keys += [f"controller.quorum.voters=1@127.0.0.1:{self.controller}", "offsets.topic.num.partitions=4"]
        keys += ["group.initial.rebalance.delay.ms=0"]
        sets = [argument for key in keys for argument in ("--set", key)]
        where = ["--listen", f"127.0.0.1:{self.port}", "--data-dir", str(SCRATCH / "data")]
        return Process("node", *where, *sets)

    def start_registry(self, port=None):
        port = port or self.beside
        where = ["-b", f"127.0.0.1:{self.port}", "--listeners", f"http://127.0.0.1:{port}"]
        return Process(f"registry-{port}", "registry", *where)

    def stop(self):
        self.registry.stop()
        assert self.node.stop() == 0, "the node stops cleanly with its registry"


WORLD = None


def run_client(name, phase):
    client = CLIENTS[name]
    command = [*client["command"], phase, f"127.0.0.1:{WORLD.port}", f"http://127.0.0.1:{WORLD.beside}"]
    environment = {**os.environ, **client.get("environment", {})}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    lines = [line.split() for line in done.stdout.splitlines() if line.startswith(("wrote ", "read "))]
    if done.returncode != 0:
        raise AssertionError(f"{name} {phase}: exit {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")
    return lines


def clients_write():
    """One after another, so that each finds what those before it registered."""
    ids = {}
    for name, client in CLIENTS.items():
        lines = run_client(name, "write")
        found = {(kind, int(version)): int(number) for _, kind, version, number in lines}
        wanted = {(kind, version) for kind in client["kinds"] for version in (1, 2)}
        assert set(found) == wanted, f"{name}: {found}"
        for place, number in found.items():
            first = ids.setdefault(place, (number, name))
            assert first[0] == number, f"{name}: {place} has id {number}, {first[1]} got {first[0]}"
    for kind in ("avro", "json", "protobuf"):
        assert ask(WORLD.within, "GET", f"/subjects/reg-{kind}-value/versions") == (200, [1, 2]), kind


def clients_read():
    for name, client in CLIENTS.items():
        found = sorted(tuple(line[1:]) for line in run_client(name, "read"))
        wanted = []
        for writer, other in CLIENTS.items():
            for kind in set(client["kinds"]) & set(other["kinds"]):
                wanted += [(kind, writer, "1", "-"), (kind, writer, "2", "second")]
        assert found == sorted(wanted), f"{name} read {sorted(set(wanted) ^ set(found))}"


def an_incompatible_version_is_refused_to_all():
    status, answer = ask(WORLD.beside, "POST", "/subjects/reg-avro-value/versions", {"schema": '"string"'})
    assert (status, answer["error_code"]) == (409, 40901), answer


def nothing_acknowledged_is_lost_by_kill_9():
    """Two registries on one topic, neither of them in the node; whoever leads is killed while four threads register, again and again.
    The other one leads within three seconds."""
    ports = [free_port(), free_port()]
    extra = ["--set", "kafkastore.topic=_killed", "--set", "schema.registry.group.id=killed"]
    where = ["registry", "-b", f"127.0.0.1:{WORLD.port}", "--listeners"]
    start = lambda port: Process(f"killed-{port}", *where, f"http://127.0.0.1:{port}", *extra)
    running = {}
    for port in ports:
        running[port] = start(port)
        until(20, "a registry", lambda port=port: answers(port))
        # Who comes first leads; a write waits until somebody does.
        assert ask(port, "POST", "/subjects/first/versions", record("First"))[0] == 200
    acknowledged, stop, gaps = {}, threading.Event(), []

    def register(number):
        turn = 0
        last = time.monotonic()
        while not stop.is_set():
            turn += 1
            subject = f"s{number}-{turn}"
            body = record(f"R{number}x{turn}", "a")
            for attempt in range(200):
                port = ports[(number + attempt) % 2]
                try:
                    status, answer = ask(port, "POST", f"/subjects/{subject}/versions", body, 15)
                except (OSError, ValueError):
                    time.sleep(0.02)
                    continue
                if status == 200:
                    acknowledged[subject] = answer["id"]
                    gaps.append(time.monotonic() - last)
                    last = time.monotonic()
                    break
                assert status >= 500, answer
                time.sleep(0.02)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(register, number) for number in range(4)]
        try:
            for turn in range(4):
                time.sleep(1.2)
                port = ports[turn % 2]
                running[port].kill()
                time.sleep(1.5)
                running[port] = start(port)
                until(20, "a registry", lambda port=port: answers(port))
        finally:
            stop.set()
        for thread in threads:
            thread.result(60)
    for port in ports:
        running[port].stop()
    # What a registry that starts now reads is what is there.
    fresh = start(ports[0])
    until(20, "a registry", lambda: answers(ports[0]))
    found = {}
    for schema in ask(ports[0], "GET", "/schemas?deleted=true")[1]:
        found[schema["subject"]] = (schema["id"], schema["schema"])
    fresh.stop()
    lost = {subject: number for subject, number in acknowledged.items() if found.get(subject, (None,))[0] != number}
    assert not lost, f"of {len(acknowledged)} acknowledged: {lost}"
    texts = {}
    for subject, (number, text) in found.items():
        assert texts.setdefault(number, text) == text, f"id {number} twice: {subject}"
    assert len(acknowledged) > 40, len(acknowledged)
    assert max(gaps) < 3, f"writes stood still for {max(gaps):.1f} s"
    print(f"   {len(acknowledged)} acknowledged over 4 kills, the longest wait {max(gaps):.1f} s", flush=True)


def a_registry_in_a_node_comes_back_with_it():
    before = ask(WORLD.within, "GET", "/schemas")
    WORLD.node.kill()
    WORLD.node = WORLD.start_node()
    until(30, "the node's registry", lambda: answers(WORLD.within))
    assert ask(WORLD.within, "GET", "/schemas") == before
    status, answer = ask(WORLD.within, "POST", "/subjects/after-node/versions", record("AfterNode"))
    assert status == 200, answer


def a_bad_value_or_a_taken_port_is_refused():
    taken = WORLD.within
    for value, part in ((f"http://127.0.0.1:{taken}", "the port is in use"), ("ftp://x:1", "no protocol of a registry")):
        command = [os.environ["OTTLA"], "--data-dir", str(SCRATCH / "refused"), "--listen", "127.0.0.1:0"]
        done = subprocess.run([*command, "--set", f"schema.registry.listeners={value}"], capture_output=True, text=True, timeout=30)
        lines = [line for line in done.stderr.splitlines() if line.startswith(("error:", "  why:", "  try:"))]
        assert done.returncode != 0 and len(lines) == 3 and part in done.stderr, (done.returncode, done.stderr)
        assert not (SCRATCH / "refused").exists(), "nothing is touched"


CHECKS = [
    clients_write,
    clients_read,
    an_incompatible_version_is_refused_to_all,
    nothing_acknowledged_is_lost_by_kill_9,
    a_bad_value_or_a_taken_port_is_refused,
    a_registry_in_a_node_comes_back_with_it,
]


def main():
    global WORLD
    WORLD = World()
    only = sys.argv[1:]
    try:
        for check in CHECKS:
            name = check.__name__.replace("_", " ")
            if only and check.__name__ not in only:
                continue
            began = time.monotonic()
            try:
                check()
                print(f"ok - {name}", flush=True)
            except Exception as error:
                traceback.print_exc()
                print(f"not ok - {name}: {error!r}"[:900], flush=True)
            print(f"   {time.monotonic() - began:.1f} s", flush=True)
        WORLD.stop()
        print("ok - the node stops with its registry\ndone - registry", flush=True)
    finally:
        for process in (WORLD.registry, WORLD.node):
            process.child.poll() is None and process.child.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
