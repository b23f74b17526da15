"""How a node starts and stops, told by processes, files and signals alone.

    rim.py ottla|kafka DIRECTORY -- START... -- FORMAT...

START takes a properties file, FORMAT takes what kafka-storage format takes. Prints a line for each check, as the stage reads them. What
only one of the brokers promises (formatting by itself, words of its log) is asked of that one alone.
"""
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

KIND, HOME = sys.argv[1], sys.argv[2]
REST = sys.argv[4:]
START, FORMAT = REST[: REST.index("--")], REST[REST.index("--") + 1 :]
OURS = KIND == "ottla"
CLUSTER = "MkU3OEVBNTcwNTJENDM2Qg"
# A JVM takes its time.
PATIENCE = 15 if OURS else 60


def check(name, held, why=""):
    print(f"{'ok' if held else 'not ok'} - {name}" + ("" if held else f": {why}"), flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Node:
    """A node on directories below HOME."""

    def __init__(self, name, directories=None, **more):
        self.home = os.path.join(HOME, name)
        shutil.rmtree(self.home, ignore_errors=True)
        os.makedirs(self.home)
        self.data = os.path.join(self.home, "data")
        self.directories = directories or self.data
        self.port, self.controller = free_port(), free_port()
        self.more, self.child, self.log = more, None, os.path.join(self.home, "log")

    def properties(self):
        lines = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "offsets.topic.replication.factor": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{self.controller}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{self.port}",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller}",
            "log.dirs": self.directories,
        }
        lines.update({key.replace("_", "."): value for key, value in self.more.items()})
        # A node that is controller only tells clients nothing.
        if lines["process.roles"] == "controller":
            del lines["advertised.listeners"]
        path = os.path.join(self.home, "server.properties")
        with open(path, "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in lines.items())
        return path

    def format(self, *more):
        command = FORMAT + ["-t", CLUSTER, "-c", self.properties(), *more]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def launch(self, before=(), environment=None, after=(), config=None):
        command = [*before, *START, config or self.properties(), *after]
        with open(self.log, "w") as log:
            environment = dict(os.environ, **(environment or {}))
            self.child = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        return self

    def up(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.child.poll() is None:
            if kcat("-L", "-b", f"127.0.0.1:{self.port}").returncode == 0:
                return True
            time.sleep(0.1)
        return False

    def end(self, how=signal.SIGTERM):
        """The exit code, None where it did not end."""
        if self.child.poll() is None:
            self.child.send_signal(how)
        return self.wait()

    def wait(self, limit=None):
        try:
            return self.child.wait(limit or PATIENCE + 15)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
            return None

    def says(self):
        with open(self.log) as log:
            return log.read()

    def is_clean(self):
        return os.path.exists(os.path.join(self.data, ".kafka_cleanshutdown"))

    def client(self, *arguments, **more):
        return kcat("-b", f"127.0.0.1:{self.port}", *arguments, **more)


def kcat(*arguments, text=None):
    return subprocess.run(["timeout", "20", "kcat", *arguments], input=text, capture_output=True, text=True)


def tree(root):
    """What a directory holds, to the last byte."""
    found = hashlib.sha256()
    for path, names, files in sorted(os.walk(root)):
        names.sort()
        for name in sorted(names) + sorted(files):
            whole = os.path.join(path, name)
            found.update(whole.encode())
            if os.path.isfile(whole) and name != ".lock":
                with open(whole, "rb") as file:
                    found.update(file.read())
    return found.hexdigest()


def lived(name):
    """A stopped node with data."""
    node = Node(name).format().launch()
    assert node.up(), node.says()
    node.client("-P", "-t", "kept", text="a\nb\n")
    node.end()
    return node


def meta(node, change):
    path = os.path.join(node.data, "meta.properties")
    lines = [line for line in open(path).read().splitlines() if not line.startswith("#")]
    with open(path, "w") as file:
        file.write("\n".join(change(lines)) + "\n")


def without(*keys):
    return lambda lines: [line for line in lines if line.split("=")[0] not in keys]


def refusals(original):
    """Each variant of a directory that lost something is refused, and left as it was."""

    def no_identity(node):
        os.remove(os.path.join(node.data, "meta.properties"))

    def symbolic_link(node):
        os.symlink(node.data, node.data + "-again")
        node.directories = f"{node.data},{node.data}-again"

    def one_more(node):
        os.mkdir(node.data + "-new")
        node.directories = f"{node.data},{node.data}-new"

    def stranger(node):
        os.mkdir(os.path.join(node.data, "backup of june"))

    variants = [
        ("its identity is lost", no_identity),
        ("one directory under two names", symbolic_link),
        ("a new directory beside it", one_more),
        ("a directory of an unknown kind", stranger),
        ("no cluster.id", lambda node: meta(node, without("cluster.id"))),
        ("no node.id", lambda node: meta(node, without("node.id"))),
        ("version 2", lambda node: meta(node, lambda lines: [l.replace("version=1", "version=2") for l in lines])),
        ("an empty meta.properties", lambda node: meta(node, lambda lines: [])),
    ]
    for name, damage in variants:
        node = Node("refused")
        shutil.copytree(original.data, node.data)
        damage(node)
        before = tree(node.home + "/data")
        node.launch()
        code = node.wait()
        check(f"refused: {name}", code == 1, f"exit {code}\n{node.says()[-400:]}")
        # Kafka takes its clean-shutdown marker before it looks at what else is there.
        if OURS or name != "a directory of an unknown kind":
            check(f"untouched: {name}", tree(node.home + "/data") == before)


def own_formatting():
    """What a node formats by itself, and what it does not."""
    for name, made, may in [
        ("nothing", [], True),
        ("lost+found", ["lost+found/"], True),
        ("a lock", [".lock"], True),
        ("an identity without its name", ["meta.properties.tmp", "__cluster_metadata-0/"], True),
        ("a topic", ["orders-0/"], False),
        ("notes", ["notes.txt"], False),
    ]:
        node = Node("own")
        second = node.data + "-2"
        node.directories = f"{node.data},{second}"
        for path in made:
            whole = os.path.join(second, path)
            os.makedirs(whole if path.endswith("/") else os.path.dirname(whole), exist_ok=True)
            if not path.endswith("/"):
                open(whole, "w").close()
        if may is False:
            before = tree(node.home)
            node.launch()
            code = node.wait()
            os.remove(node.log), os.remove(os.path.join(node.home, "server.properties"))
            check(f"not formatted over: {name}", code == 1 and tree(node.home) == before, f"exit {code}")
        else:
            node.launch()
            check(f"formatted over: {name}", node.up() and node.end() == 0, node.says()[-400:])


def acceptances(original):
    """Directories that look odd and are good."""

    def twice(node):
        node.directories = f"{node.data},{node.data}"

    def version_0(node):
        meta(node, lambda lines: ["version=0", "broker.id=1", f"cluster.id={CLUSTER}"])

    for name, release, change in [
        ("log.dirs names it twice", None, twice),
        ("an identity of version 0", "3.3-IV3", version_0),
        ("no directory.id, as before 3.7", "3.3-IV3", lambda node: meta(node, without("directory.id"))),
    ]:
        node = Node("taken")
        if release:
            node.format("-r", release)
        else:
            shutil.copytree(original.data, node.data)
        change(node)
        node.launch()
        up = node.up()
        node.client("-P", "-t", "more", text="c\n")
        read = node.client("-C", "-t", "more", "-o", "beginning", "-e", "-q").stdout
        check(f"starts: {name}", up and read == "c\n", node.says()[-400:])
        check(f"stops: {name}", node.end() in (0, 143))
        if release:
            text = open(os.path.join(node.data, "meta.properties")).read()
            check(f"has an id from then on: {name}", "directory.id=" in text, text)


def signals(original):
    node = Node("signals")
    shutil.copytree(original.data, node.data)
    for how in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        node.launch()
        up = node.up()
        code = node.end(how)
        check(f"{how.name} stops cleanly", up and code in (0, 128 + how) and node.is_clean(), f"exit {code}")
    moments = (0, 0.01, 0.03, 0.1, 0.3) if OURS else (0.5, 2)
    codes = []
    for moment in moments:
        node.launch()
        time.sleep(moment)
        codes.append(node.end())
    # Before the process has asked for signals the kernel ends it.
    check("SIGTERM ends a start at any moment", all(code in (0, 143, -15) for code in codes), str(codes))
    node.launch()
    check("and the node starts after that", node.up() and node.end() in (0, 143), node.says()[-400:])


def deaf():
    """A start that waits for ever: its configuration is a pipe into which nobody writes."""
    node = Node("deaf")
    pipe = os.path.join(node.home, "pipe")
    os.mkfifo(pipe)
    node.launch(config=pipe)
    time.sleep(6.5)
    check("a start that waits says for what", f"waiting for the configuration ({pipe})" in node.says(), node.says())
    check("and SIGTERM ends it", node.end() == 143, node.says())


def descriptors():
    """900 partitions, few descriptors."""
    for name, soft, hard in [("a soft limit", 300, 20000), ("a hard limit", 300, 300)]:
        if hard == 300 and not OURS:
            continue
        node = Node("descriptors", num_partitions="300", log_segment_bytes="1048576").format()
        node.launch(before=["prlimit", f"--nofile={soft}:{hard}"])
        up = node.up()
        for topic in ("a", "b", "c"):
            end = time.monotonic() + PATIENCE
            while node.client("-L", "-t", topic).stdout.count("leader 1,") < 300 and time.monotonic() < end:
                time.sleep(0.3)
            lines = "\n".join(f"{number}:{number}" for number in range(3000))
            node.client("-P", "-t", topic, "-K:", "-X", "partitioner=consistent", text=lines)
        read = sum(
            len(node.client("-C", "-t", topic, "-o", "beginning", "-e", "-q").stdout.splitlines())
            for topic in ("a", "b", "c")
        )
        check(f"900 partitions under {name} of {soft}", up and read == 9000, f"{read} records\n{node.says()[-400:]}")
        check(f"no directory is dead: {name}", node.child.poll() is None and "is dead" not in node.says())
        code = node.end()
        check(f"and it stops cleanly: {name}", code in (0, 143) and node.is_clean(), f"exit {code}")


def clock():
    """The machine's clock is five hours slow at the start and is then put right, then set back."""
    library = next(
        (os.path.join(path, name) for path in ("/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime")
         for name in ("libfaketimeMT.so.1",) if os.path.exists(os.path.join(path, name))), None)
    if library is None:
        check("libfaketime is there", False, "install the package faketime")
        return
    node = Node("clock", log_message_timestamp_type="LogAppendTime").format()
    rate = os.path.join(node.home, "offset")

    def set_by(offset):
        with open(rate + ".new", "w") as file:
            file.write(offset + "\n")
        os.rename(rate + ".new", rate)

    set_by("-5h")
    node.launch(environment={
        "LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": rate, "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "DONT_FAKE_MONOTONIC": "1",
    })
    check("a node starts on a slow clock", node.up(), node.says()[-400:])
    for offset, hours in [("-5h", -5), ("+0", 0), ("-5h", -5), ("+5h", 5)]:
        set_by(offset)
        time.sleep(0.3)
        node.client("-P", "-t", "clock", text="x\n")
        stamp = node.client("-C", "-t", "clock", "-o", "-1", "-c", "1", "-f", "%T", "-q").stdout
        off = abs(int(stamp or 0) / 1000 - time.time() - hours * 3600)
        check(f"LogAppendTime follows the clock at once: {offset}", off < 5, f"{off} s off")
    check("and the node stops cleanly", node.end() in (0, 143) and node.is_clean())


def words():
    """What our node says, and to whom."""
    node = Node("words").launch()
    up, code = node.up(), node.end()
    said = node.says()
    check("a life in its log", up and code == 0 and all(w in said for w in ("a new cluster", "started in", "SIGTERM: stopping", "stopped")), said)
    node.launch(after=["--log-level", "warn"])
    node.up(), node.end()
    check("--log-level is heard", "started in" not in node.says())
    node.launch(environment={"RUST_LOG": "warn"})
    node.up(), node.end()
    check("RUST_LOG is heard", "started in" not in node.says())
    node.launch(environment={"RUST_LOG": "warn", "OTTLA_LOG": "info"})
    node.up(), node.end()
    check("OTTLA_LOG goes first", "started in" in node.says())
    node.launch(after=["--log-level", "loud"])
    check("a level that is none is refused", node.wait() == 2, node.says())
    # Whoever read the log went away.
    reader, writer = os.pipe()
    node.child = subprocess.Popen([*START, node.properties()], stdout=writer, stderr=writer)
    os.close(writer), os.close(reader)
    up = node.up()
    node.client("-P", "-t", "words", text="x\n")
    check("a log without a reader costs nothing else", up and node.end() == 0)
    if os.geteuid() == 0:
        locked = Node("locked", directories="/proc/1/ottla")
        os.mkdir(locked.data), os.chmod(locked.data, 0o755)
        locked.directories = locked.data
        os.chmod(locked.home, 0o777), os.chmod(HOME, 0o755)
        locked.launch(before=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
        code = locked.wait()
        named = "belongs to user root (0)" in locked.says() or "Permission denied" in locked.says()
        check("an unwritable directory names its reason", code == 1 and named, locked.says())


def events():
    """What happens in the node's life: a line each, floods a line with a count."""
    node = Node("events", max_connections_per_ip="6").format().launch()
    up = node.up()

    def has(name, *words):
        """A line with all of these words, soon."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            lines = [line for line in node.says().splitlines() if all(word in line for word in words)]
            if lines:
                return check(name, True)
            time.sleep(0.1)
        check(name, False, node.says()[-2000:])

    def ask(*arguments):
        command = [START[0], *arguments, "-b", f"127.0.0.1:{node.port}"]
        return subprocess.run(["timeout", "20", *command], capture_output=True, text=True)

    check("a node for its lines", up, node.says())
    ask("topic", "create", "orders", "--partitions", "2")
    has("a new topic is told", "INFO", "topic orders created", "partitions 2, replication factor 1")
    ask("topic", "alter", "orders", "--set", "retention.ms=123456")
    has("a configuration is told", "INFO", "configuration of topic orders changed", 'retention.ms="123456"')
    ask("topic", "add-partitions", "orders", "--total", "5")
    has("more partitions are told", "topic orders: 3 partitions added, it has 5")
    node.client("-P", "-t", "orders", text="a\n")
    node.client("-G", "watchers\x1b[2J\nforged", "orders", "-e", "-c", "1", "-X", "auto.offset.reset=earliest")
    has("a group's generation is told, its name on one line", "generation 1 with 1 members", '"watchers\\u{1b}[2J\\nforged"', "a member joined")
    has("and that a member left", "watchers", "a member left")
    has("and that it is empty", "watchers", "empty since generation 2")
    # Every request after the first is a lie about its length.
    for _ in range(300):
        with socket.create_connection(("127.0.0.1", node.port)) as s:
            s.sendall(b"\xff\xff\xff\xff")
            s.settimeout(5)
            while s.recv(100):
                pass
    time.sleep(1.1)
    with socket.create_connection(("127.0.0.1", node.port)) as s:
        s.sendall(b"\xff\xff\xff\xff")
        s.settimeout(5)
        while s.recv(100):
            pass
    has("a flood of bad frames says how many it left out", "closed:", "more like it before")
    told = sum("closed:" in line for line in node.says().splitlines())
    check("and has a line a second", 2 <= told <= 20, f"{told} lines")
    many = [socket.create_connection(("127.0.0.1", node.port)) for _ in range(40)]
    has("a refused connection is told", "refused: max.connections.per.ip is reached")
    told = sum("refused: max" in line for line in node.says().splitlines())
    check("and its flood is bounded", told <= 5, f"{told} lines")
    for s in many:
        s.close()
    time.sleep(0.3)
    ask("topic", "delete", "orders")
    has("a deleted topic is told", "INFO", "topic orders deleted")
    node.end(signal.SIGKILL)
    node.launch()
    node.up()
    has("a recovery is one line", "INFO", "the last stop was not clean", "logs were read again")
    check("what was there before is no news", "created" not in node.says(), node.says())
    check("and it stops", node.end() == 0)


def voters(*nodes):
    return ",".join(f"{number}@127.0.0.1:{node.controller}" for number, node in enumerate(nodes, 1))


def refused(node):
    """What a start that must fail says: its three lines, or nothing."""
    ended = node.wait()
    lines = node.says().splitlines()[-3:]
    heads = ["error: ", "  why: ", "  try: "]
    ours = ended == 1 and len(lines) == 3 and all(line.startswith(head) for line, head in zip(lines, heads))
    return "\n".join(lines) if ours else ""


def several():
    """Nodes that need each other: alone, together, of another cluster, under a taken id, as broker or as controller only."""
    quick = {"broker.session.timeout.ms": "3000", "broker.heartbeat.interval.ms": "500"}
    three = [Node(f"several-{number}", **quick) for number in (1, 2, 3)]
    quorum = voters(*three)
    for number, node in enumerate(three, 1):
        node.more |= {"node.id": str(number), "controller.quorum.voters": quorum}
    one, two, stranger = three
    one.launch()
    said = refused(one)
    check("one of several does not format by itself", "one CLUSTER_ID for all nodes" in said, one.says())
    check("and writes nothing", not os.path.exists(one.data))
    one.format().launch()
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and "waiting for the quorum to have a leader" not in one.says():
        time.sleep(0.1)
    check("who is alone says whom it waits for", f"2@127.0.0.1:{two.controller}" in one.says(), one.says())
    began = time.monotonic()
    ended = one.end()
    check("and can be stopped meanwhile", ended == 143 and time.monotonic() - began < 4, f"{ended}: {one.says()}")
    one.launch()
    two.format().launch()
    check("two of three are a cluster", one.up() and two.up(), one.says() + two.says())
    command = FORMAT + ["-t", "AAAAAAAAQ1ub2RlMWFhYQ", "-c", stranger.properties()]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    said = refused(stranger.launch())
    check("a node of another cluster is refused", "is of another cluster" in said, stranger.says())
    worker = Node("several-worker", **quick)
    only_broker = {"process.roles": "broker", "node.id": "7", "controller.quorum.voters": quorum}
    worker.more |= only_broker | {"listeners": f"PLAINTEXT://127.0.0.1:{worker.port}"}
    check("a broker that is no controller joins them", worker.format().launch().up(), worker.says())
    twin = Node("several-twin", **worker.more)
    twin.more |= {"listeners": f"PLAINTEXT://127.0.0.1:{twin.port}", "initial.broker.registration.timeout.ms": "2000"}
    said = refused(twin.format().launch())
    check("a taken node.id is refused", "another broker with node.id=7 is registered and alive" in said, twin.says())
    check("whoever had it goes on", worker.up(), worker.says())
    check("it stops with its controller's consent", worker.end() == 0 and "consent" not in worker.says(), worker.says())
    for node in (one, two):
        node.child.send_signal(signal.SIGTERM)
    ends = [node.wait() for node in (one, two)]
    check("all stop at once, the last of them without a quorum", ends == [0, 0], f"{ends}: {one.says()}{two.says()}")
    controller, broker = Node("several-controller", **quick), Node("several-broker", **quick)
    quorum = voters(controller)
    controller.more |= {"process.roles": "controller", "listeners": f"CONTROLLER://127.0.0.1:{controller.controller}"}
    broker.more |= only_broker | {"listeners": f"PLAINTEXT://127.0.0.1:{broker.port}"}
    for node in (controller, broker):
        node.more["controller.quorum.voters"] = quorum
        node.format()
    controller.launch()
    check("a broker finds a node that is controller only", broker.launch().up(), broker.says() + controller.says())
    check("and is let go by it", broker.end() == 0 and "consent" not in broker.says(), broker.says())
    check("which stops, too", controller.end() == 0, controller.says())


original = lived("original")
refusals(original)
acceptances(original)
signals(original)
descriptors()
if OURS:
    # Below libfaketime a JVM takes minutes to start.
    clock()
    own_formatting()
    deaf()
    words()
    events()
    several()
