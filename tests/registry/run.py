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
import ssl
import subprocess
import sys
import threading
import time
import traceback
import urllib.error
import urllib.request

import peer
import strategies
import takeover
import verbs

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
        until(60, "the node's registry", lambda: answers(self.within))
        self.registry = self.start_registry()
        until(30, "the registry beside it", lambda: answers(self.beside))

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


def bombs_cost_bounded_time():
    """Each is refused or taken within seconds, and what the registry answers afterwards is what it answered before."""
    deep = 100_000
    chain = [{"name": f"f{i}", "type": {"type": "record", "name": f"R{i}", "fields": []}} for i in range(5_000)]
    wide = json.dumps({"type": "record", "name": "Wide", "fields": chain})
    trap = {"type": "object", "properties": {"a": {"type": "string", "pattern": "^(([a-z])+.)+[A-Z]([a-z])+$"}}}
    mesh = {"definitions": {f"d{i}": {"allOf": [{"$ref": f"#/definitions/d{(i + 1) % 300}"}] * 2} for i in range(300)}}
    mesh["$ref"] = "#/definitions/d0"
    proto = 'syntax = "proto3";\n' + "message M {" * deep + "}" * deep
    bombs = [
        ("ten megabytes", {"schema": "x" * (10 << 20)}, (413, 422)),
        ("deep Avro", {"schema": '{"type":"array","items":' * deep + '"int"' + "}" * deep}, (422,)),
        ("deep JSON Schema", {"schemaType": "JSON", "schema": '{"not":' * deep + "{}" + "}" * deep}, (422,)),
        ("deep Protobuf", {"schemaType": "PROTOBUF", "schema": proto}, (422,)),
        ("wide Avro", {"schema": wide}, (200, 422)),
        ("a trap of a pattern", {"schemaType": "JSON", "schema": json.dumps(trap)}, (200,)),
        ("a mesh of references", {"schemaType": "JSON", "schema": json.dumps(mesh)}, (200, 422)),
    ]
    for name, body, expected in bombs:
        subject = name.replace(" ", "-")
        for turn in range(2):
            began = time.monotonic()
            try:
                status, answer = ask(WORLD.beside, "POST", f"/subjects/{subject}/versions", body)
            except (BrokenPipeError, ConnectionResetError, urllib.error.URLError):
                # A body that is too large is not read to its end.
                status, answer = 413, None
            took = time.monotonic() - began
            assert status in expected, f"{name}: {status} {str(answer)[:300]}"
            assert took < 8, f"{name}: {took:.1f} s"
            # The second time it is compared with the first.
            body = {**body, "schema": body["schema"] + " "}
    nested = "[" * deep
    request = urllib.request.Request(f"http://127.0.0.1:{WORLD.beside}/subjects/x/versions", nested.encode(), method="POST")
    try:
        urllib.request.urlopen(request, timeout=10)
        raise AssertionError("taken")
    except urllib.error.HTTPError as error:
        assert error.code in (400, 415, 422), error.code
    assert ask(WORLD.beside, "GET", "/subjects/a-trap-of-a-pattern/versions") == (200, [1])


def answers_are_karapaces_or_explained():
    """Six hundred requests to a registry on a topic of its own; see peer.py."""
    port = free_port()
    where = ["registry", "-b", f"127.0.0.1:{WORLD.port}", "--listeners", f"http://127.0.0.1:{port}"]
    extra = ["--set", "kafkastore.topic=_peer", "--set", "schema.registry.group.id=peer"]
    registry = Process("peer", *where, *extra)
    until(20, "a registry", lambda: answers(port))
    try:
        complaints, count = peer.compare(lambda *question: ask(port, *question))
    finally:
        registry.stop()
    assert not complaints, "\n".join([f"{len(complaints)} of {count}:", *complaints[:20]])
    assert count >= 400, count


class Apart:
    """A registry on a topic of its own, for what would disturb the others."""

    def __init__(self, name, *sets):
        self.name, self.port, self.topic = name, free_port(), f"_{name}"
        where = ["registry", "-b", f"127.0.0.1:{WORLD.port}", "--listeners", f"http://127.0.0.1:{self.port}"]
        keys = [f"kafkastore.topic={self.topic}", f"schema.registry.group.id={name}", *sets]
        self.arguments = [*where, *(argument for key in keys for argument in ("--set", key))]

    def ask(self, *question):
        return ask(self.port, *question)

    def __enter__(self):
        self.process = Process(self.name, *self.arguments)
        until(20, "a registry", lambda: answers(self.port))
        return self

    def __exit__(self, *_):
        if self.process.child.poll() is None:
            self.process.stop()


def the_eleven_verbs_do_what_they_say():
    with Apart("verbs") as one, Apart("moved") as other:
        source, target = (verbs.Commands(registry.port, SCRATCH / registry.name) for registry in (one, other))
        verbs.one_registry(source)
        verbs.moved(source, target, one.ask, other.ask, [["-b", f"127.0.0.1:{WORLD.port}", "--topic", one.topic]])


def our_serializers_do_as_confluents():
    with Apart("serializers") as registry:
        broker, url = f"127.0.0.1:{WORLD.port}", f"http://127.0.0.1:{registry.port}"
        strategies.tell(strategies.Story(broker, url, registry.ask, SCRATCH / "serializers-files"))


def a_topic_that_karapace_wrote_is_taken_over():
    """Its answers and ids are those that Karapace gave; the next id is nobody's. (The other way round was done by hand, see takeover.py.)"""
    taken = Apart("karapace")
    takeover.write(f"127.0.0.1:{WORLD.port}", taken.topic)
    with taken:
        complaints, count = takeover.compare(taken.ask)
        assert not complaints, complaints
        assert count > 60, count
        status, answer = taken.ask("POST", "/subjects/new-value/versions", record("New", "a"))
        assert status == 200 and answer["id"] == 10, answer


def what_openapi_tells_is_so():
    """schemathesis asks whatever the page allows, and what it does not: never a 5xx, and answers as the page has them."""
    with Apart("openapi") as registry:
        command = [str(pathlib.Path(sys.executable).with_name("schemathesis")), "run"]
        command += [f"http://127.0.0.1:{registry.port}/openapi.json", "--continue-on-failure", "--seed", "1", "--no-shrink"]
        command += ["--checks", "not_a_server_error,response_schema_conformance,status_code_conformance,content_type_conformance"]
        # The edges of every parameter, which are many, are for the long run.
        phases, examples = ("examples,coverage,fuzzing", "100") if os.environ.get("FULL") else ("examples,fuzzing", "2")
        command += ["--phases", phases, "--max-examples", examples]
        command += ["--suppress-health-check", "all", "--request-timeout", "20"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=SCRATCH)
        (SCRATCH / "schemathesis.log").write_text(done.stdout + done.stderr)
        assert done.returncode == 0, done.stdout[-3000:]
        assert registry.ask("GET", "/schemas/types")[0] == 200


def compaction_changes_nothing():
    """Subjects that come, change and go, then a topic whose cleaner has run: who reads only what is left knows the same."""
    with Apart("compacted") as registry:
        for turn in range(4):
            for subject in ("kept", "gone", "for-good"):
                fields = [f"f{n}" for n in range(turn + 1)]
                assert registry.ask("POST", f"/subjects/{subject}/versions", record(f"C{subject[0]}", *fields))[0] == 200
                registry.ask("PUT", f"/config/{subject}", {"compatibility": ("FULL", "NONE")[turn % 2]})
        registry.ask("DELETE", "/subjects/kept/versions/2")
        registry.ask("DELETE", "/subjects/gone")
        registry.ask("DELETE", "/subjects/for-good")
        registry.ask("DELETE", "/subjects/for-good?permanent=true")
        before = verbs.whole_registry(registry.ask)
        configure = [os.environ["OTTLA"], "config", "set", "-b", f"127.0.0.1:{WORLD.port}", "--topic", registry.topic]
        configure += ["min.cleanable.dirty.ratio=0.0001", "segment.ms=100", "delete.retention.ms=0"]
        done = subprocess.run(configure, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr

        def earliest_batches():
            """Records that are left of it."""
            command = [os.environ["OTTLA"], "consume", "-b", f"127.0.0.1:{WORLD.port}", "--from-beginning", "-e", "-f", "%o\\n"]
            return subprocess.run([*command, registry.topic], capture_output=True, text=True, timeout=30).stdout.split()

        count = len(earliest_batches())

        def cleaned():
            # A record, so that the segment before it rolls.
            registry.ask("PUT", "/config/roll", {"compatibility": "FULL"})
            return len(earliest_batches()) < count

        until(60, "the cleaner", cleaned)
        registry.ask("DELETE", "/config/roll")
        assert verbs.whole_registry(registry.ask) == before, "whoever had read it knows no less"
    with Apart("compacted") as registry:
        assert verbs.whole_registry(registry.ask) == before, "and who reads it anew"
        status, answer = registry.ask("POST", "/subjects/new/versions", record("New"))
        assert status == 200 and answer["id"] > max(schema["id"] for schema in before[0]), answer


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


def certificate():
    """A key and a certificate of 127.0.0.1 that vouches for itself: what the listener shows, and whom clients trust."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    import datetime
    import ipaddress

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=2))
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = builder.add_extension(address, critical=False).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    kind = serialization.PrivateFormat.PKCS8
    both = key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()) + pem
    (SCRATCH / "key.pem").write_bytes(both)
    (SCRATCH / "certificate.pem").write_bytes(pem)


def ask_as(port, user, method, path, body=None):
    """By https, as somebody (`name:password`) or nobody."""
    import base64

    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", method=method)
    request.data = None if body is None else json.dumps(body).encode()
    request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
    if user:
        request.add_header("Authorization", "Basic " + base64.b64encode(user.encode()).decode())
    trust = ssl.create_default_context(cafile=str(SCRATCH / "certificate.pem"))
    try:
        with urllib.request.urlopen(request, timeout=20, context=trust) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        if error.code == 401:
            assert error.headers["WWW-Authenticate"].startswith("Basic realm="), error.headers
        return error.code, json.loads(error.read() or b"null")


def passwords_rights_and_tls_are_the_clusters():
    """A node with an authorizer and SASL, its registry by https with BASIC, and a second one beside it that forwards."""
    certificate()
    port, controller, within, beside = (free_port() for _ in range(4))
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = " ".join(f'user_{name}="{name}-secret"' for name in ("root", "registry", "ann", "bob"))
    own = f'{plain} username="registry" password="registry-secret";'
    shared = {
        "authentication.method": "BASIC",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": SCRATCH / "key.pem",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": SCRATCH / "certificate.pem",
        "super.users": "User:root",
        "kafkastore.security.protocol": "SASL_PLAINTEXT",
        "kafkastore.sasl.mechanism": "PLAIN",
        "kafkastore.sasl.jaas.config": own,
    }
    keys = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": f'{plain} username="root" password="root-secret" {users};',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:root;User:ANONYMOUS;User:registry",
        "log.dirs": SCRATCH / "secure",
        "metrics.listeners": "",
        "offsets.topic.replication.factor": 1,
        "schema.registry.listeners": f"https://127.0.0.1:{within}",
        **{f"schema.registry.{key}": value for key, value in shared.items()},
    }
    file = SCRATCH / "secure.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
    other = {"listeners": f"https://127.0.0.1:{beside}", **shared, "kafkastore.bootstrap.servers": f"127.0.0.1:{port}"}
    (SCRATCH / "beside.properties").write_text("".join(f"{key}={value}\n" for key, value in other.items()))
    login = SCRATCH / "root.properties"
    root = f'{plain} username="root" password="root-secret";'
    login.write_text(f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.jaas.config={root}\n")
    node = Process("secure-node", "server", "-c", str(file))
    registry = None

    def there(port):
        try:
            return ask_as(port, "root:root-secret", "GET", "/subjects")[0] == 200
        except OSError:
            return False

    try:
        until(30, "the node's registry", lambda: there(within))
        registry = Process("secure-beside", "registry", "-c", str(SCRATCH / "beside.properties"))
        until(30, "the registry beside it", lambda: there(beside))
        for arguments in (
            ("--allow", "User:ann", "--operation", "read,write"),
            ("--allow", "User:bob", "--operation", "read"),
            ("--deny", "User:bob", "--operation", "write", "--host", "127.0.0.0/8"),
        ):
            connect = ["-b", f"127.0.0.1:{port}", "--command-config", str(login)]
            command = [os.environ["OTTLA"], "acl", "create", *connect, *arguments, "--topic", "_schemas:orders-", "--prefixed"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=30)
            assert done.returncode == 0, done.stderr
        ann, bob, path = "ann:ann-secret", "bob:bob-secret", "/subjects/orders-value/versions"
        until(15, "the entries are known", lambda: ask_as(within, ann, "POST", path, record("O"))[0] == 200)
        until(15, "the entries are known", lambda: ask_as(beside, ann, "POST", path, record("O"))[0] == 200)
        schema = ask_as(within, bob, "GET", "/schemas/ids/1")[1]["schema"]
        assert json.loads(schema)["name"] == "O"
        assert ask_as(within, "root:root-secret", "POST", "/subjects/pay-value/versions", record("P"))[0] == 200
        for port_, who, method, target, body, status in (
            (within, None, "GET", "/subjects", None, 401),
            (within, "ann:wrong", "GET", "/subjects", None, 401),
            (beside, "stranger:x", "POST", path, record("O"), 401),
            (within, bob, "POST", path, record("O", "a"), 403),
            (beside, bob, "POST", path, record("O", "a"), 403),
            (beside, ann, "POST", path, record("O", "a"), 200),
            (within, ann, "DELETE", "/subjects/orders-value", None, 403),
            (within, ann, "GET", "/subjects/pay-value/versions/1", None, 403),
            (within, ann, "GET", "/schemas/ids/2", None, 403),
            (within, ann, "POST", "/subjects/pay-value", record("P"), 403),
            (within, ann, "PUT", "/config", {"compatibility": "NONE"}, 403),
            (within, ann, "GET", "/mode", None, 403),
            (within, "root:root-secret", "PUT", "/config", {"compatibility": "NONE"}, 200),
        ):
            found, answer = ask_as(port_, who, method, target, body)
            assert found == status, f"{who} {method} {target}: {found} {answer}"
        assert ask_as(within, ann, "GET", "/subjects") == (200, ["orders-value"]), "nobody sees more than is theirs"
        shown = lambda port_: ssl.get_server_certificate(("127.0.0.1", port_))
        before = shown(within)
        assert shown(beside) == before
        certificate()
        for port_ in (within, beside):
            until(20, "the new key is in force", lambda port_=port_: shown(port_) != before)
        for port_ in (within, beside):
            # What is forwarded goes by it, too.
            assert ask_as(port_, ann, "POST", path, record("O", "a", "b"))[0] == 200
    finally:
        if registry:
            registry.stop()
        node.stop()


# Each has a topic of its own, and waits for most of its time.
SIDE_BY_SIDE = (
    our_serializers_do_as_confluents,
    the_eleven_verbs_do_what_they_say,
    a_topic_that_karapace_wrote_is_taken_over,
    what_openapi_tells_is_so,
    compaction_changes_nothing,
)

CHECKS = [
    clients_write,
    clients_read,
    an_incompatible_version_is_refused_to_all,
    answers_are_karapaces_or_explained,
    *SIDE_BY_SIDE,
    bombs_cost_bounded_time,
    nothing_acknowledged_is_lost_by_kill_9,
    a_bad_value_or_a_taken_port_is_refused,
    a_registry_in_a_node_comes_back_with_it,
    passwords_rights_and_tls_are_the_clusters,
]


def outcome_of(check):
    """What is printed of it."""
    name, began = check.__name__.replace("_", " "), time.monotonic()
    try:
        check()
        said = f"ok - {name}"
    except Exception as error:
        traceback.print_exc()
        said = f"not ok - {name}: {error!r}"[:900]
    return f"{said}\n   {time.monotonic() - began:.1f} s"


def main():
    global WORLD
    WORLD = World()
    wanted = [check for check in CHECKS if check.__name__ in (sys.argv[1:] or [check.__name__])]
    try:
        with concurrent.futures.ThreadPoolExecutor(len(SIDE_BY_SIDE)) as pool:
            while wanted:
                several = next((index for index, check in enumerate(wanted) if check not in SIDE_BY_SIDE), len(wanted)) or 1
                for said in pool.map(outcome_of, wanted[:several]):
                    print(said, flush=True)
                wanted = wanted[several:]
        WORLD.stop()
        print("ok - the node stops with its registry\ndone - registry", flush=True)
    finally:
        for process in (WORLD.registry, WORLD.node):
            process.child.poll() is None and process.child.send_signal(signal.SIGKILL)


if __name__ == "__main__":
    main()
