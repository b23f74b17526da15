"""The binary's commands against a broker, as people and scripts use them: transcripts, and what no transcript can show (hung
and dying brokers, signals, terminals, pipes that close).

check.py BINARY BROKER PORT DIRECTORY DATA: the broker advertises 127.0.0.1:PORT, where a relay listens that can fall silent; its log
directory is DATA.
Prints `ok - NAME` or `not ok - NAME: REASON` for each check, at its end `done - cli`.
"""

import concurrent.futures
import json
import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

BINARY, BROKER, PORT, DIRECTORY = sys.argv[1], sys.argv[2], int(sys.argv[3]), pathlib.Path(sys.argv[4])
DATA = pathlib.Path(sys.argv[5])
HERE = pathlib.Path(__file__).parent
FRONT = f"127.0.0.1:{PORT}"


class Relay:
    """Passes bytes between clients and the broker until it is told to fall silent or to cut."""

    def __init__(self, port, target):
        host, _, target_port = target.rpartition(":")
        self.target = (host, int(target_port))
        self.silent = threading.Event()
        self.pairs = []
        self.gone = False
        self.door = socket.create_server(("127.0.0.1", port))
        self.port = self.door.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client = self.door.accept()[0]
            except OSError:
                return
            if self.gone:
                client.close()
                return
            broker = socket.create_connection(self.target)
            self.pairs += [client, broker]
            for source, sink in ((client, broker), (broker, client)):
                threading.Thread(target=self.pump, args=(source, sink), daemon=True).start()

    def pump(self, source, sink):
        try:
            while data := source.recv(65536):
                while self.silent.is_set():
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def cut(self):
        """Nobody is there any more."""
        self.gone = True
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        for end in self.pairs:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Hole:
    """Accepts connections and never answers."""

    def __init__(self):
        self.door = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.door.getsockname()[1]
        self.held = []
        threading.Thread(target=self.hold, daemon=True).start()

    def hold(self):
        while True:
            self.held.append(self.door.accept()[0])


class BlackHole:
    """Its queue of connections is full: a SYN gets no answer."""

    def __init__(self):
        self.door = socket.socket()
        self.door.bind(("127.0.0.1", 0))
        self.door.listen(0)
        self.address = "127.0.0.1:%d" % self.door.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self.door.getsockname()[1]))
            self.fillers.append(filler)


def closed_address():
    with socket.create_server(("127.0.0.1", 0)) as door:
        return "127.0.0.1:%d" % door.getsockname()[1]


def environment(broker=FRONT, **more):
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("OTTLA_", "KAFKA_", "COLUMNS"))}
    return {**kept, "OTTLA_BOOTSTRAP_SERVER": broker, **more}


class Ended:
    def __init__(self, code, out, err, took):
        self.code, self.out, self.err, self.took = code, out, err, took

    def __repr__(self):
        return f"exit {self.code} after {self.took:.1f} s, printed {self.out[-400:]!r}, said {self.err[-600:]!r}"


def ottla(*arguments, stdin=b"", broker=FRONT, limit=20, **more):
    """Runs to the end, or to the limit."""
    began = time.monotonic()
    try:
        done = subprocess.run(
            [BINARY, *arguments], input=stdin, capture_output=True, timeout=limit, cwd=DIRECTORY,
            env=environment(broker, **more),
        )
    except subprocess.TimeoutExpired as late:
        return Ended("none", (late.stdout or b"").decode(), (late.stderr or b"").decode(), limit)
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode(), time.monotonic() - began)


def start(*arguments, broker=FRONT):
    return subprocess.Popen(
        [BINARY, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=DIRECTORY,
        env=environment(broker),
    )


def read_line(stream, limit):
    """A line of a pipe, or what came within the limit."""
    text, until = b"", time.monotonic() + limit
    while not text.endswith(b"\n"):
        ready, _, _ = select.select([stream], [], [], max(0, until - time.monotonic()))
        if not ready:
            break
        data = os.read(stream.fileno(), 1)
        if not data:
            break
        text += data
    return text.decode()


def finish(process, began, limit=20):
    try:
        out, err = process.communicate(timeout=limit)
        return Ended(process.returncode, out.decode(), err.decode(), time.monotonic() - began)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        return Ended("none", out.decode(), err.decode(), limit)


def three_lines(text):
    """A failure as people read it; words before it are warnings."""
    lines = text.splitlines()[-3:]
    heads = [line[:7] for line in lines]
    return heads == ["error: ", "  why: ", "  try: "] and all(len(line) > 7 for line in lines)


def expect(condition, found):
    if not condition:
        raise AssertionError(repr(found))


# Transcripts


def transcript(path):
    """`$` a command, `<` a line of its input, `>` a line it prints, `!` one it says, `=` its exit code. `*` is any text within a line,
    `...` any lines."""
    steps, step = [], None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        mark, _, rest = line.partition(" ")
        if mark == "$":
            step = {"at": number, "command": rest, "<": [], ">": [], "!": [], "=": "0"}
            steps.append(step)
        elif mark in ("<", ">", "!") and step:
            step[mark].append(rest)
        elif mark == "=" and step:
            step["="] = rest.strip()
        elif line and mark != "#":
            raise ValueError(f"{path.name}:{number}: {line!r} is no line of a transcript")
    return steps


def fits(patterns, text):
    """Whether the lines of `text` are those of the patterns."""
    parts = [r"(?:.*\n)*" if one == "..." else re.escape(one).replace(r"\*", ".*") + r"\n" for one in patterns]
    return re.fullmatch("".join(parts), text) is not None


def run_transcript(path):
    # What cannot work is told at once; what works may take its time on a busy machine.
    limit = 5 if path.name == "mistakes.txt" else 15
    for step in transcript(path):
        words = shlex.split(step["command"].replace("{broker}", FRONT).replace("{dir}", str(DIRECTORY)))
        ended = ottla(*words, stdin="".join(line + "\n" for line in step["<"]).encode())
        reasons = []
        if str(ended.code) != step["="]:
            reasons.append(f"exit {ended.code}, expected {step['=']}")
        for mark, text in ((">", ended.out), ("!", ended.err)):
            patterns = [one.replace("{broker}", FRONT).replace("{program}", BINARY) for one in step[mark]]
            if not fits(patterns, text):
                reasons.append(f"{mark} {text!r}")
        if ended.took > limit:
            reasons.append(f"took {ended.took:.1f} s")
        name = f"{path.name}:{step['at']}: {step['command']}"
        print(f"not ok - {name}: {'; '.join(reasons)}" if reasons else f"ok - {name}", flush=True)


# What no transcript can show


def silent_brokers_end_at_the_timeout():
    commands = [
        ["topic", "list"], ["topic", "create", "t"], ["topic", "delete", "t"], ["group", "list"], ["group", "lag", "g"],
        ["config", "get", "--topic", "t"], ["cluster", "info"], ["produce", "t"], ["consume", "t"],
        ["consume", "t", "--group", "g"],
    ]
    holes = [Hole(), BlackHole()]
    jobs = [(hole.address, command) for hole in holes for command in commands]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        runs = pool.map(lambda job: (job, ottla(*job[1], "--timeout", "1500ms", broker=job[0])), jobs)
        for job, ended in runs:
            expect(ended.code == 5 and 1.4 < ended.took < 5 and three_lines(ended.err), (job, ended))


def a_list_with_silent_and_dead_addresses_goes_on():
    for other in (Hole().address, BlackHole().address, closed_address()):
        ended = ottla("cluster", "info", "-b", f"{other},{FRONT}")
        expect(ended.code == 0 and ended.took < 5, (other, ended))


def nobody_there_is_told_at_once():
    for command in (["topic", "list"], ["produce", "t"], ["consume", "t"]):
        ended = ottla(*command, broker=closed_address())
        expect(ended.code == 1 and ended.took < 5 and three_lines(ended.err), (command, ended))


def hints_work_as_they_stand():
    ended = ottla("-b", FRONT, "topic", "describe", "no-such-topic", broker="localhost:1")
    hint = ended.err.splitlines()[-1].removeprefix("  try: ")
    tried = subprocess.run(shlex.split(hint), capture_output=True, env=environment("localhost:1"), cwd=DIRECTORY)
    expect(tried.returncode == 0, (ended, tried))


def a_refused_producer_speaks_within_five_seconds():
    began = time.monotonic()
    unknown = start("produce", "no-such-topic")
    told = finish_without_input_end(unknown, began)
    expect(told.code == 3 and told.took < 6 and three_lines(told.err), told)
    ottla("topic", "create", "compacted", "-p", "1", "--config", "cleanup.policy=compact")
    producer = start("produce", "compacted")
    producer.stdin.write(b"a value without a key\n")
    producer.stdin.flush()
    word = read_line(producer.stderr, 5)
    expect("warning: a record was not stored" in word, word)
    ended = finish(producer, time.monotonic())
    expect(ended.code != 0 and three_lines(ended.err), ended)


def finish_without_input_end(process, began, limit=10):
    """The command must end though its input goes on."""
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        pass
    return finish(process, began, 1)


def filled(name):
    """A topic of one partition with three records."""
    ottla("topic", "create", name, "-p", "1")
    ended = ottla("produce", name, stdin=b"1\n2\n3\n")
    expect(ended.code == 0, ended)


def at_work(topic):
    """A consumer that has read all of a topic, and a producer that has added a record to it; both have 3 s of patience."""
    filled(topic)
    reader = start("consume", topic, "--from-beginning", "--timeout", "3s")
    lines = [read_line(reader.stdout, 10) for _ in range(3)]
    expect(lines == ["1\n", "2\n", "3\n"], lines)
    writer = start("produce", topic, "--timeout", "3s", "-v")
    writer.stdin.write(b"4\n")
    writer.stdin.flush()
    expect(read_line(writer.stdout, 10) == f"{topic} [0] at offset 3\n", "no delivery")
    return reader, writer


def a_broker_that_falls_silent_ends_consume_and_produce(relay):
    reader, writer = at_work("silence")
    relay.silent.set()
    try:
        writer.stdin.write(b"5\n")
        writer.stdin.close()
        writer.stdin = None
        began = time.monotonic()
        for process in (reader, writer):
            ended = finish_without_input_end(process, began)
            # The writer has stored one of its two records.
            expect(ended.code in (5, 6) and ended.took < 9 and three_lines(ended.err), ended)
    finally:
        relay.silent.clear()


def a_broker_that_is_gone_is_told_at_once():
    """Only the first question goes through a relay of its own, the rest to the place that the broker advertises."""
    own = Relay(0, BROKER)
    ended = ottla("cluster", "info", broker=f"127.0.0.1:{own.port}")
    expect(ended.code == 0, ended)
    own.cut()
    ended = ottla("cluster", "info", broker=f"127.0.0.1:{own.port}")
    expect(ended.code == 1 and ended.took < 5 and three_lines(ended.err), ended)


def a_broker_that_dies_ends_consume_and_produce(relay):
    """The last check: nobody is behind the advertised address from here on."""
    reader, writer = at_work("death")
    relay.cut()
    writer.stdin.write(b"5\n")
    writer.stdin.flush()
    word = read_line(writer.stderr, 5)
    expect(word.startswith("warning: records wait: "), word)
    writer.stdin.close()
    writer.stdin = None
    began = time.monotonic()
    for process in (reader, writer):
        ended = finish_without_input_end(process, began)
        expect(ended.code in (1, 5, 6) and ended.took < 9 and three_lines(ended.err), ended)


def signals_end_cleanly():
    for number in (signal.SIGINT, signal.SIGTERM):
        group = topic = f"signalled-{number}"
        filled(topic)
        reader = start("consume", topic, "--group", group, "--from-beginning")
        lines = [read_line(reader.stdout, 15) for _ in range(3)]
        reader.send_signal(number)
        ended = finish(reader, time.monotonic())
        expect(ended.code == 0 and ended.err == "" and ended.took < 10, (lines, ended))
        lag = json.loads(ottla("group", "lag", group, "-o", "json").out)
        expect([row["committed"] for row in lag] == [3], lag)
        state = json.loads(ottla("group", "describe", group, "-o", "json").out)
        expect(state[0]["members"] == [], state)
        writer = start("produce", topic, "-v")
        writer.stdin.write(b"kept\n")
        writer.stdin.flush()
        expect(read_line(writer.stdout, 15) == f"{topic} [0] at offset 3\n", "no delivery")
        writer.send_signal(number)
        ended = finish_without_input_end(writer, time.monotonic())
        expect(ended.code == 0 and ended.err == "", ended)


def what_was_read_is_stored_though_somebody_asks_to_stop(relay):
    """The broker keeps silent until the producer has read what it cannot hand over."""
    for number in (signal.SIGINT, signal.SIGTERM):
        topic, line = f"stopped-{number}", b"x" * 199 + b"\n"
        ottla("topic", "create", topic, "-p", "1")
        writer = start("produce", topic, "-v", "-X", "buffer.memory=32768", "-X", "batch.size=1024")
        writer.stdin.write(line)
        writer.stdin.flush()
        expect(read_line(writer.stdout, 15) == f"{topic} [0] at offset 0\n", "no delivery")
        relay.silent.set()
        try:
            # More than a pipe holds: what is over has been read when this returns. What is printed fits into another.
            writer.stdin.write(line * 1500)
            writer.stdin.flush()
            writer.send_signal(number)
        finally:
            relay.silent.clear()
        ended = finish_without_input_end(writer, time.monotonic(), 15)
        stored = len(ended.out.splitlines())
        expect(ended.code == 0 and ended.err == "" and ended.took < 10, (ended.code, ended.err, ended.took))
        expect(stored >= 1500 - 65536 // len(line) - 1, stored)


def pipes_that_close_are_no_failure():
    filled("pipes")
    for command in (["topic", "list"], ["cluster", "api-versions"], ["topic", "list", "-o", "json"], ["--help"],
                    ["consume", "pipes", "--from-beginning", "-e"], ["config", "get", "--topic", "pipes", "--all"],
                    ["topic", "describe", "pipes"], ["topic", "offsets", "pipes"], ["topic", "create", "pipes-2"],
                    ["group", "list"], ["group", "lag"], ["cluster", "info"], ["cluster", "log-dirs"], ["cluster", "quorum"],
                    ["quorum", "status"], ["broker", "list"], ["partition", "list"], ["storage", "random-uuid"], ["storage", "version-mapping"], ["dump", "--verify", str(DATA)], ["--version"],
                    ["demo", "-n", "1000"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([BINARY, *command], stdin=subprocess.DEVNULL, stdout=writer, stderr=subprocess.PIPE,
                              env=environment(), cwd=DIRECTORY, timeout=20)
        os.close(writer)
        expect(done.returncode == 0 and done.stderr == b"", (command, done))
    # Nobody reads the words either.
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([BINARY, "topic", "describe", "nope"], stdin=subprocess.DEVNULL, stdout=writer, stderr=writer,
                          env=environment(), cwd=DIRECTORY, timeout=20)
    os.close(writer)
    expect(done.returncode == 3, done)


def on_a_terminal(*arguments, columns=None, size=None):
    """What a command prints where standard output is a terminal of so many columns."""
    pid, terminal = pty.fork()
    if pid == 0:
        more = {"COLUMNS": str(columns)} if columns else {}
        os.chdir(DIRECTORY)
        os.execve(BINARY, [BINARY, *arguments], environment(NO_COLOR="1", **more))
    if size:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, size, 0, 0))
    text = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.waitpid(pid, 0)
    os.close(terminal)
    return text.decode().replace("\r\n", "\n")


def tables_fit_terminals_and_pipes_have_all():
    name = "a-topic-with-a-rather-long-name-for-a-narrow-terminal"
    ottla("topic", "create", name, "-p", "1")
    wide = ottla("topic", "list").out
    expect(any(line.startswith(name + "  ") for line in wide.splitlines()), wide)
    for columns in (60, 40):
        narrow = on_a_terminal("topic", "list", columns=columns)
        table = [line for line in narrow.splitlines() if not line.startswith("(")]
        expect(table and all(len(line) <= columns for line in table), (columns, narrow))
    blocks = on_a_terminal("topic", "list", columns=20)
    expect(f"NAME        {name}" in blocks, blocks)


def every_json_is_documented():
    """The keys that a command's help names are those it prints."""
    ottla("topic", "create", "documented", "-p", "1")
    ottla("produce", "documented", stdin=b"1\n")
    ottla("consume", "documented", "--group", "documented", "--from-beginning", "-n", "1")
    members = start("consume", "documented", "--group", "watched", "--from-beginning")
    read_line(members.stdout, 15)
    cases = [
        ["topic", "list"], ["topic", "describe", "documented"], ["topic", "offsets", "documented"],
        ["topic", "create", "documented-2"], ["topic", "alter", "documented", "--set", "retention.ms=5000000"],
        ["topic", "add-partitions", "documented-2", "--total", "9"], ["topic", "trim", "documented", "--before", "0"],
        ["topic", "delete", "documented-2"], ["group", "list"], ["group", "describe", "watched"],
        ["group", "lag", "documented"], ["group", "why", "documented", "--watch-ms", "0"], ["group", "reset-offsets", "documented", "--to-earliest"],
        ["group", "delete-offsets", "documented", "--topic", "documented"], ["group", "delete", "documented"],
        ["config", "get", "--topic", "documented"], ["config", "set", "--topic", "documented", "retention.ms=6000000"],
        ["config", "unset", "--topic", "documented", "retention.ms"], ["cluster", "info"], ["cluster", "log-dirs"],
        ["cluster", "api-versions"], ["cluster", "quorum"], ["quorum", "status"], ["broker", "list"], ["broker", "describe", "1"],
        ["broker", "uncordon", "1"], ["partition", "list", "documented"], ["consume", "documented", "--from-beginning", "-n", "1"],
    ]
    try:
        for command in cases:
            is_documented(*command)
    finally:
        members.kill()
        members.wait()


def is_documented(*command):
    nouns = ("topic", "group", "config", "cluster", "quorum", "broker", "partition", "dlq")
    verb = command[:2] if command[0] in nouns else command[:1]
    told = re.search(r"^JSON.*?\n(  \{.*?\})(?=\n\S|\n\n|\n?\Z)", ottla(*verb, "--help").out, re.S | re.M)
    expect(told, (command, "its help has no JSON"))
    ended = ottla(*command, "-o", "json")
    expect(ended.code == 0, (command, ended))
    printed = json.loads(ended.out)
    printed = printed[0] if isinstance(printed, list) else printed
    promised = json.loads(told.group(1))
    expect(shape(promised) == shape(printed), (command, promised, printed))


def shape(value):
    """Keys all the way down; names that a user chose are none, an empty list has no shape."""
    if isinstance(value, dict):
        return {key: None if key == "configs" else shape(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [shape(value[0])]
    return None


def properties_are_obeyed():
    file = DIRECTORY / "client.properties"
    hole = Hole()
    file.write_text(f"bootstrap.servers : {FRONT}\n! a comment\nclient.id = the\\\n   client\nrequest.timeout.ms=5000\n")
    ended = ottla("topic", "list", "--command-config", "client.properties", broker=hole.address)
    expect(ended.code == 0 and ended.err == "", ended)
    reader = start("consume", "documented-by-properties", "--command-config", "client.properties", broker=hole.address)
    ended = finish(reader, time.monotonic())
    expect(ended.code == 3, ended)
    file.write_text(f"bootstrap.servers={hole.address}\nrequest.timeout.ms=1000\n")
    ended = ottla("topic", "list", "--command-config", "client.properties")
    expect(ended.code == 5 and 0.9 < ended.took < 4, ended)
    ended = ottla("-b", FRONT, "topic", "list", "--command-config", "client.properties", broker=hole.address)
    expect(ended.code == 0, ended)
    ottla("topic", "create", "named", "-p", "1")
    file.write_text(f"bootstrap.servers={FRONT}\nclient.id=someone\ngroup.id=named-group\nauto.offset.reset=earliest\n")
    ottla("produce", "named", stdin=b"1\n")
    reader = start("consume", "named", "--command-config", "client.properties")
    expect(read_line(reader.stdout, 15) == "1\n", "nothing came")
    described = json.loads(ottla("group", "describe", "named-group", "-o", "json").out)
    expect([member["client_id"] for member in described[0]["members"]] == ["someone"], described)
    reader.send_signal(signal.SIGINT)
    finish(reader, time.monotonic())
    for text, word in (
        ("security.protocol=TLS\n", "TLS"), ("security.protocol=SASL_PLAINTEXT\n", "GSSAPI"),
        ("interceptor.classes=com.example.Mask\n", "com.example.Mask"), ("transaction.two.phase.commit.enable=true\n", "transactions"),
        ("request.timeout.ms=soon\n", "request.timeout.ms"), ("a=\\u12\n", "line 1"),
    ):
        file.write_text(text)
        ended = ottla("topic", "list", "--command-config", "client.properties")
        expect(ended.code == 2 and three_lines(ended.err) and word in ended.err and ended.out == "", (text, ended))
    file.write_text("reqest.timeout.ms=1\nsasl.mechanism=PLAIN\nsend.buffer.bytes=1\n")
    ended = ottla("cluster", "info", "--command-config", "client.properties")
    words = ("did you mean request.timeout.ms", "nothing is protected", "without effect here: send.buffer.bytes")
    expect(ended.code == 0 and all(word in ended.err for word in words), ended)


def dead_letters_are_shown_and_go_back():
    """What `ottla consume --share` rejects is in the dead-letter queue, and goes back once."""
    ottla("topic", "create", "dead", "-p", "1")
    ottla("topic", "create", "dlq.dead", "-p", "1", "--config", "errors.deadletterqueue.group.enable=true")
    ended = ottla("config", "set", "--group", "dead", "share.auto.offset.reset=earliest",
                  "errors.deadletterqueue.topic.name=dlq.dead", "errors.deadletterqueue.copy.record.enable=true")
    expect(ended.code == 0, ended)
    ottla("produce", "dead", stdin=b"1\n2\n")
    ended = ottla("consume", "dead", "--share", "dead", "-n", "2", "--acknowledge", "reject", limit=40)
    expect(ended.code == 0 and ended.out == "1\n2\n", ended)
    shown = lambda: [(row["from"], row["value"]) for row in json.loads(ottla("dlq", "show", "dead", "-o", "json").out)]
    end = time.monotonic() + 20
    while len(shown()) < 2 and time.monotonic() < end:
        time.sleep(0.1)
    letters = shown()
    # Kafka may write one twice.
    expect(sorted(set(letters)) == [("dead-0", "1"), ("dead-0", "2")], letters)
    is_documented("dlq", "list")
    is_documented("dlq", "show", "dead")
    is_documented("group", "lag", "dead")
    ended = ottla("dlq", "redrive", "dead", "--dry-run")
    expect(ended.code == 0 and len(ended.out.splitlines()) == 1 + len(letters), ended)
    ended = ottla("dlq", "redrive", "dead", "-n", "1", limit=40)
    expect(ended.code == 0 and len(ended.out.splitlines()) == 2, ended)
    ended = ottla("dlq", "discard", "dead")
    expect(ended.code == 0 and len(ended.out.splitlines()) == len(letters), ended)
    expect(shown() == [], "none waits")
    ended = ottla("consume", "dead", "-e", "--from-beginning", "--read-committed")
    expect(ended.code == 0 and ended.out == "1\n2\n1\n", ended)
    ended = ottla("dlq", "show", "nobody")
    expect(ended.code == 3 and three_lines(ended.err), ended)


def a_transaction_counts_whole_or_not_at_all():
    """`ottla produce --transactional-id`: readers of committed records see all lines of one, or none."""
    ottla("topic", "create", "together", "-p", "1")
    ended = ottla("produce", "together", "--transactional-id", "load", stdin=b"a\nb\n")
    expect(ended.code == 0 and ended.err == "", ended)
    ended = ottla("produce", "together", "-t", "load", stdin=b"c\n" + b"x" * 2_000_000 + b"\n")
    expect(ended.code == 1 and three_lines(ended.err) and "no record counts" in ended.err, ended)
    ended = ottla("produce", "together", "-X", "transactional.id=load", stdin=b"d\n")
    expect(ended.code == 0, ended)
    ended = ottla("consume", "together", "-e", "--from-beginning", "-X", "isolation.level=read_committed")
    expect(ended.code == 0 and ended.out == "a\nb\nd\n", ended)
    ended = ottla("txn", "list")
    expect("load" in ended.out and "CompleteCommit" in ended.out, ended)


def a_node_starts_as_the_help_says():
    """`ottla --set`, and what its greeting says to type next."""
    node = subprocess.Popen(
        [BINARY, "--listen", "127.0.0.1:0", "--data-dir", "a node", "--set", "num.partitions=3"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=DIRECTORY, env=environment("localhost:1"),
    )
    try:
        greeting = [read_line(node.stdout, 15) for _ in range(3)]
        expect(" is ready" in greeting[0] and "a node" in greeting[0], greeting)
        produce, consume = (line.strip() for line in greeting[1:])
        done = subprocess.run(["sh", "-c", produce], cwd=DIRECTORY, env=environment("localhost:1"), capture_output=True, timeout=15)
        expect(done.returncode == 0, (produce, done))
        reader = subprocess.Popen(shlex.split(consume), stdout=subprocess.PIPE, cwd=DIRECTORY, env=environment("localhost:1"))
        expect(read_line(reader.stdout, 15) == "hello\n", consume)
        reader.send_signal(signal.SIGINT)
        expect(reader.wait(15) == 0, "consume did not end well")
        address = re.search(r"-b (\S+)", consume).group(1)
        topics = json.loads(ottla("topic", "list", "-o", "json", broker=address).out)
        expect([topic["partitions"] for topic in topics] == [3], topics)
        node.send_signal(signal.SIGINT)
        expect(node.wait(15) == 0, "the node did not end well")
        log = next(one for one in DIRECTORY.glob("a node/greetings-*/*.log") if one.stat().st_size)
        is_documented("dump", str(log))
        is_documented("demo", "-n", "1000")
    finally:
        node.kill()


def own_node(*arguments, stderr=subprocess.PIPE, **more):
    """A node of ours, ready, and where it listens."""
    node = subprocess.Popen(
        [BINARY, *arguments], stdout=subprocess.PIPE, stderr=stderr, cwd=DIRECTORY, env=environment("localhost:1", **more)
    )
    greeting = read_line(node.stdout, 15)
    address = re.search(r"PLAINTEXT on (\S+),", greeting)
    if not address:
        node.kill()
        raise AssertionError(repr((greeting, finish(node, time.monotonic()))))
    return node, address.group(1), greeting


def a_node_without_a_file_obeys_the_images_environment():
    """What is typed goes before it, `--set` before both."""
    images = {"KAFKA_LISTENERS": "PLAINTEXT://127.0.0.1:0", "KAFKA_NUM_PARTITIONS": "5", "KAFKA_LOG_DIRS": "of the images"}
    for arguments, place, partitions in (
        ([], "of the images", 5), (["server"], "of the images", 5), (["--data-dir", "typed"], "typed", 5),
        (["--data-dir", "typed too", "--set", "num.partitions=2"], "typed too", 2),
    ):
        node, address, greeting = own_node(*arguments, stderr=subprocess.DEVNULL, **images)
        try:
            expect(f"data in {place}" in greeting, (arguments, greeting))
            created = json.loads(ottla("topic", "create", f"t{len(arguments)}-{partitions}", "-o", "json", broker=address).out)
            if arguments != ["server"]:
                expect([topic["partitions"] for topic in created] == [partitions], (arguments, created))
        finally:
            node.terminate()
            node.wait(15)
    node, address, _ = own_node("--listen", "127.0.0.1:0", "--data-dir", "another", stderr=subprocess.DEVNULL,
                                KAFKA_LISTENERS="PLAINTEXT://no-such-host.invalid:1")
    node.terminate()
    expect(node.wait(15) == 0 and address.startswith("127.0.0.1:"), address)


def who_speaks_another_protocol_is_named():
    """A TLS handshake and an HTTP request at a plaintext port: a line each, in words."""
    with open(DIRECTORY / "foreign.log", "wb") as log:
        node, address, _ = own_node("--listen", "127.0.0.1:0", "--data-dir", "foreign", stderr=log)
    host, port = address.rsplit(":", 1)
    try:
        for first, protocol in ((b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "TLS"), (b"GET / HTTP/1.1\r\n\r\n", "HTTP")):
            words, until = f"closed: the client speaks {protocol}, and this listener does not", time.monotonic() + 15
            # A line a second, whoever comes.
            while words not in (DIRECTORY / "foreign.log").read_text():
                expect(time.monotonic() < until, (protocol, (DIRECTORY / "foreign.log").read_text()))
                with socket.create_connection((host, int(port)), 5) as stranger:
                    stranger.sendall(first)
                    expect(stranger.recv(1) == b"", "an answer")
    finally:
        node.terminate()
        node.wait(15)
    expect("frame length" not in (DIRECTORY / "foreign.log").read_text(), "words of a frame")


def offsets_are_shown_of_partitions_that_have_a_leader():
    """One of two log directories is lost under a node of ours: its partitions have no leader."""
    node, address, _ = own_node("--listen", "127.0.0.1:0", "--set", "log.dirs=sound,lost", stderr=subprocess.DEVNULL)
    try:
        expect(ottla("topic", "create", "halved", "-p", "4", broker=address).code == 0, "no topic")
        shutil.rmtree(DIRECTORY / "lost")
        (DIRECTORY / "lost").write_text("no directory")
        # Whoever lies there is found out by the first record.
        for partition in range(4):
            ottla("produce", "halved", "-p", str(partition), "--timeout", "1s", stdin=b"1\n", broker=address)
        offsets = [ottla("topic", "offsets", "halved", *more, broker=address) for more in ([], ["--time", "latest"])]
        for ended in offsets:
            said = [line for line in ended.err.splitlines() if line.startswith("  why: ")]
            shown = [line.split()[1] for line in ended.out.splitlines()[1:]]
            missing = sorted(set("0123") - set(shown))
            expect(ended.code == 6 and ended.took < 5 and three_lines(ended.err) and 0 < len(shown) < 4, ended)
            expect("it has no leader" in said[0] and all(f"halved-{one}" in ended.err for one in missing), ended)
    finally:
        node.terminate()
        node.wait(15)


def a_restart_under_a_producer_loses_and_doubles_nothing():
    """Clean stops of our own node while batches are in flight: their answers are lost, and it remembers each partition's last only."""
    listen = closed_address()

    def launch():
        command = [BINARY, "--listen", listen, "--data-dir", "restarted", "--set", "num.partitions=4"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=DIRECTORY)
        expect(" is ready" in read_line(process.stdout, 15), "no greeting")
        return process

    node, fed, stop = launch(), 0, threading.Event()
    expect(ottla("topic", "create", "restarted", "-p", "4", broker=listen).code == 0, "no topic")
    writer = start("produce", "restarted", "-X", "batch.size=2048", "-X", "buffer.memory=262144", broker=listen)

    def feed():
        nonlocal fed
        while not stop.is_set():
            writer.stdin.write(b"".join(b"%d\n" % (fed + at) for at in range(1000)))
            fed += 1000

    try:
        thread = threading.Thread(target=feed)
        thread.start()
        for _ in range(8):
            before, until = fed, time.monotonic() + 15
            while fed < before + 20000:
                expect(writer.poll() is None and time.monotonic() < until, f"the producer stopped after {fed} lines")
                time.sleep(0.01)
            node.send_signal(signal.SIGTERM)
            expect(node.wait(15) == 0, "the node did not end well")
            node = launch()
        stop.set()
        thread.join()
        ended = finish(writer, time.monotonic())
        expect(ended.code == 0, ended)
        read = ottla("consume", "restarted", "--from-beginning", "-e", broker=listen).out.split()
        expect(len(read) == len(set(read)) == fed, (fed, len(read), len(set(read))))
    finally:
        stop.set()
        writer.kill()
        node.kill()


def the_sample_configuration_starts():
    """docs/server.properties as it stands, but for the ports, which may be taken here."""
    listen, control = closed_address(), closed_address()
    node = subprocess.Popen(
        [BINARY, "server", str(HERE.parent.parent / "docs/server.properties"),
         "--set", f"listeners=PLAINTEXT://{listen},CONTROLLER://{control}",
         "--override", f"advertised.listeners=PLAINTEXT://{listen}",
         "--override", f"controller.quorum.voters=1@{control}", "--set", "metrics.listeners="],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=DIRECTORY, env=environment("localhost:1"),
    )
    try:
        greeting = read_line(node.stdout, 15)
        expect(" is ready: node 1" in greeting and "data in ./ottla-data" in greeting, greeting)
        ended = ottla("produce", "sample", stdin=b"1\n", broker=listen)
        expect(ended.code == 0, ended)
        node.send_signal(signal.SIGTERM)
        ended = finish(node, time.monotonic())
        # Kafka needs keys for what is not here yet.
        known = "configured, but without effect here: "
        warned = [line for line in ended.err.splitlines() if re.search("WARN|ERROR", line) and known not in line]
        expect(ended.code == 0 and not warned, ended)
    finally:
        node.kill()


def verified(*paths):
    """What `dump --verify` finds, and its counts."""
    ended = ottla("dump", "--verify", "-o", "json", *map(str, paths))
    *found, counts = [json.loads(line) for line in ended.out.splitlines()]
    expect(ended.code == (1 if counts["damaged"] else 0) and three_lines(ended.err) == bool(counts["damaged"]), ended)
    return found, counts


def a_running_nodes_directory_verifies_while_it_is_written_to():
    """The broker under test: segments that roll, indexes that grow, compressed batches."""
    ottla("topic", "create", "verified", "-p", "2", "--config", "segment.bytes=1048576", "--config", "index.interval.bytes=512")
    for codec in ("none", "gzip", "snappy", "lz4", "zstd"):
        lines = b"".join(b"%s %06d\n" % (codec.encode(), at) for at in range(2000))
        expect(ottla("produce", "verified", "-X", f"compression.type={codec}", stdin=lines).code == 0, codec)
    writer = start("produce", "verified", "-X", "linger.ms=0")
    stop = threading.Event()

    def write():
        at = 0
        while not stop.is_set():
            writer.stdin.write(b"%08d %s\n" % (at, b"x" * 900))
            at += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for _ in range(4):
            found, counts = verified(DATA)
            expect(found == [] and counts["records"] >= 10000 and counts["files"] > 10, (found, counts))
    finally:
        stop.set()
        thread.join()
    expect(finish(writer, time.monotonic()).code == 0, "the writer did not end well")
    found, counts = verified(DATA)
    expect(found == [] and counts["damaged"] == 0, (found, counts))


def a_flipped_bit_is_found_where_it_is():
    """In a copy of what the broker under test wrote."""
    ottla("topic", "create", "flipped", "-p", "1")
    for line in (b"one\n", b"two\n", b"three\n"):
        ottla("produce", "flipped", stdin=line)
    copy = DIRECTORY / "flipped-0"
    shutil.copytree(DATA / "flipped-0", copy)
    log = copy / "00000000000000000000.log"
    batches = [json.loads(line) for line in ottla("dump", "-o", "json", str(log)).out.splitlines()]
    expect([batch["base_offset"] for batch in batches[:3]] == [0, 1, 2], batches)
    found, counts = verified(copy)
    expect(found == [] and counts["records"] == 3, (found, counts))
    whole, at = log.read_bytes(), batches[1]["position"]
    for byte in (at + 7, at + 11, at + 16, at + 20, at + batches[1]["size"] - 2):
        log.write_bytes(whole[:byte] + bytes([whole[byte] ^ 1]) + whole[byte + 1:])
        found, counts = verified(copy)
        places = [(one["kind"], pathlib.Path(one["file"]).name, one["position"], one["offset"]) for one in found]
        expect(places == [("damage", log.name, at, 1)] and counts["damaged"] == 1, (byte, found, counts))
    told = ottla("dump", "--verify", str(copy))
    expect(told.code == 1 and f"{log}: damage at position {at}, offset 1: " in told.out, told)
    promised = re.findall(r"^  (\{.*?\})$", ottla("dump", "--help").out.split("--verify reads")[1], re.M | re.S)
    expect([set(json.loads(one)) for one in promised] == [set(found[0]), set(counts)], (promised, found, counts))
    # The newest segment may end within a batch, a checkpoint may not.
    end = batches[2]["position"] + batches[2]["size"]
    log.write_bytes(whole[:end - 5])
    found, counts = verified(log)
    expect([one["kind"] for one in found] == ["torn_tail"] and counts["torn_tails"] == 1, (found, counts))
    log.write_bytes(whole)
    (copy / "leader-epoch-checkpoint").write_text("0\n2\n0 0\n")
    found, counts = verified(copy)
    expect([pathlib.Path(one["file"]).name for one in found] == ["leader-epoch-checkpoint"], found)
    # What is no node's data is not sound either.
    (DIRECTORY / "strangers").mkdir()
    (DIRECTORY / "strangers" / "notes.txt").write_text("mine")
    ended = ottla("dump", "--verify", str(DIRECTORY / "strangers"))
    expect(ended.code == 1 and three_lines(ended.err), ended)


def storage_check_says_what_a_start_says():
    """The same three lines, and not a byte is changed by either."""
    place = DIRECTORY / "checked"
    lost, other, bad, blank, link = (place / name for name in ("lost", "other", "bad", "blank", "link"))
    (lost / "orders-0").mkdir(parents=True)
    for one in (other, bad):
        one.mkdir()
    (bad / "meta.properties").write_text("version=1\ncluster.id=c\nnode.id=one\n")
    (place / "notes").mkdir()
    (place / "notes" / "notes.txt").write_text("mine")
    link.symlink_to(other)
    voters = f"controller.quorum.voters=1@{closed_address()}\n"
    sample = (HERE.parent.parent / "docs/server.properties").read_text().replace("log.dirs=", "#")
    sample = re.sub("^(controller.quorum.voters|listeners|advertised.listeners)=.*$", "", sample, flags=re.M)
    sample += voters + f"listeners=PLAINTEXT://{closed_address()},CONTROLLER://{closed_address()}\n"
    file = place / "server.properties"
    cases = [
        (f"{lost}", "is not empty and has no meta.properties"), (f"{place / 'notes'}", "notes.txt"),
        (f"{other},{lost}", "is not empty"), (f"{bad}", "cannot read"), (f"{other},{link}", "names a directory twice"),
    ]
    for directories, word in cases:
        file.write_text(f"{sample}log.dirs={directories}\n")
        before = sorted(place.rglob("*"))
        checked = ottla("storage", "check", "-c", str(file))
        started = ottla("server", "-c", str(file))
        lines = [ended.err.splitlines()[-3:] for ended in (checked, started)]
        expect(checked.code == started.code == 1 and lines[0] == lines[1] and three_lines(checked.err), (checked, started))
        expect(word in checked.err and sorted(place.rglob("*")) == before, (word, checked))
    file.write_text(f"{sample}log.dirs={blank}\nbackground.threads=4\n")
    ended = ottla("storage", "check", "-c", str(file))
    expect(ended.code == 0 and "the start formats them" in ended.out and not blank.exists(), ended)
    expect("warning: configured, " in ended.out, ended)


def main():
    relay = Relay(PORT, BROKER)
    scripts = sorted(HERE.glob("*.txt"))
    together = [
        silent_brokers_end_at_the_timeout, a_list_with_silent_and_dead_addresses_goes_on, nobody_there_is_told_at_once,
        hints_work_as_they_stand, a_refused_producer_speaks_within_five_seconds, signals_end_cleanly,
        pipes_that_close_are_no_failure, tables_fit_terminals_and_pipes_have_all, every_json_is_documented,
        properties_are_obeyed, a_transaction_counts_whole_or_not_at_all, dead_letters_are_shown_and_go_back, a_broker_that_is_gone_is_told_at_once, a_node_starts_as_the_help_says,
        a_running_nodes_directory_verifies_while_it_is_written_to, a_flipped_bit_is_found_where_it_is,
        storage_check_says_what_a_start_says,
        a_node_without_a_file_obeys_the_images_environment, who_speaks_another_protocol_is_named,
        offsets_are_shown_of_partitions_that_have_a_leader, the_sample_configuration_starts, a_restart_under_a_producer_loses_and_doubles_nothing,
    ]
    for script in scripts:
        run_transcript(script)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        list(pool.map(report, together))
    for check in (what_was_read_is_stored_though_somebody_asks_to_stop, a_broker_that_falls_silent_ends_consume_and_produce,
                  a_broker_that_dies_ends_consume_and_produce):
        report(lambda check=check: check(relay), check.__name__)
    print("done - cli")


def report(check, name=None):
    name = name or check.__name__
    began = time.monotonic()
    try:
        check()
        print(f"ok - {name} in {time.monotonic() - began:.1f} s", flush=True)
    except Exception as error:  # noqa: BLE001: whatever it is, it is this check's
        print(f"not ok - {name}: {type(error).__name__}: {error}".replace("\n", " "), flush=True)


main()
