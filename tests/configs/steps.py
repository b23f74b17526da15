"""What a broker answers about configurations: `steps.py HOST:PORT JAR FACTS`. Prints a line `label: answer` for each question.

FACTS is what `xtask/java/ConfigFacts.java` prints: the sweeps ask about every key that there is, with values made from its definition.
Nothing in here knows a right answer: the same script runs against Apache Kafka and against Ottla, and the lines are compared.
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../protocol"))
import kafka

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3


class Asker:
    """One connection, and the questions of this script."""

    def __init__(self, address, jar):
        self.address, self.jar, self.changes = address, jar, 0
        self.open()

    def open(self):
        self.connection = kafka.Connection(self.jar, self.address)

    def soon(self):
        """Another one, for a question that may get no answer."""
        other = Asker(self.address, self.jar)
        other.connection.socket.settimeout(2)
        return other

    def ask(self, name, version, body):
        """The answer, or the word for why there is none."""
        try:
            return self.connection.ask(name, version, body)
        except (kafka.Closed, kafka.Silent) as gone:
            self.open()
            return type(gone).__name__.lower()

    def incremental(self, resources, validate=False, version=1):
        """Resources are (type, name, [(key, operation, value)]); a (code, message, type, name) each, in the order of the answer."""
        body = {"validateOnly": validate, "resources": [
            {"resourceType": kind, "resourceName": name, "configs": [
                {"name": key, "configOperation": operation, "value": value} for key, operation, value in configs]}
            for kind, name, configs in resources]}
        return results(self.ask("IncrementalAlterConfigs", version, body))

    def alter(self, kind, name, configs, validate=False):
        """One resource; its (code, message)."""
        return first(self.incremental([(kind, name, configs)], validate))

    def set(self, kind, name, key, value, validate=False):
        return self.alter(kind, name, [(key, SET, value)], validate)

    def legacy(self, resources, validate=False, version=2):
        body = {"validateOnly": validate, "resources": [
            {"resourceType": kind, "resourceName": name, "configs": [{"name": key, "value": value} for key, value in configs]}
            for kind, name, configs in resources]}
        return results(self.ask("AlterConfigs", version, body))

    def describe(self, kind, name, keys=None, version=4, synonyms=True, documentation=False):
        """(code, message, entries by name) of one resource."""
        body = {"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": keys}]}
        body["includeSynonyms"] = synonyms
        if version >= 3:
            body["includeDocumentation"] = documentation
        answer = self.ask("DescribeConfigs", version, body)
        if isinstance(answer, str):
            return answer
        result = answer["results"][0]
        return result["errorCode"], result["errorMessage"], sorted(entry(config) for config in result["configs"])

    def value(self, kind, name, key):
        """What one key is described as."""
        found = self.describe(kind, name, [key])
        return found if isinstance(found, str) else found[2]

    def create(self, name, configs=(), validate=False, version=7):
        body = {"timeoutMs": 20000, "validateOnly": validate, "topics": [
            {"name": name, "numPartitions": 1, "replicationFactor": 1,
             "configs": [{"name": key, "value": value} for key, value in configs]}]}
        answer = self.ask("CreateTopics", version, body)
        if isinstance(answer, str):
            return answer
        made = answer["topics"][0]
        wanted = [key for key, _ in configs]
        shown = [(c["name"], c["value"], c["readOnly"], c["configSource"], c["isSensitive"])
                 for c in made.get("configs") or [] if c["name"] in wanted]
        return made["errorCode"], made["errorMessage"], shown

    def settle(self):
        """A change that was answered is in force a moment later: waits for a later one to be."""
        self.changes += 1
        value = str(100_000 + self.changes)
        self.set(CLIENT_METRICS, "settled", "interval.ms", value)
        self.until(lambda: self.value(CLIENT_METRICS, "settled", "interval.ms"), lambda found: found[0][1] == value)

    def until(self, question, held):
        """Changes arrive a moment later: asks until the answer holds, or for ten seconds; the last answer."""
        deadline = time.monotonic() + 10
        while True:
            found = question()
            if held(found) or time.monotonic() > deadline:
                return found
            time.sleep(0.02)


def results(answer):
    if isinstance(answer, str):
        return answer
    return [(one["errorCode"], one["errorMessage"], one["resourceType"], one["resourceName"]) for one in answer["responses"]]


def first(found):
    return found if isinstance(found, str) else found[0][:2]


def entry(config):
    synonyms = [(one["name"], one["value"], one["source"]) for one in config.get("synonyms") or []]
    return (config["name"], config["value"], config["readOnly"], config["configSource"], config["isSensitive"],
            config.get("configType"), synonyms)


def say(label, answer):
    """Ports and paths differ from run to run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "HOST:PORT", repr(answer))
    text = re.sub(r"/[\w./-]+/data\b", "DIRECTORY", text)
    print(f"{label}: {text}", flush=True)


# --- values for a key, from its definition

class Key:
    def __init__(self, line):
        parts = line.rstrip("\n").split("\t")
        self.kind, self.name, self.type, self.default, self.validator, _, self.mode, self.flags, _ = parts
        self.default = None if self.default == "-" else "" if self.default == '""' else self.default
        self.numeric = self.type in ("INT", "LONG", "SHORT", "DOUBLE")
        found = re.fullmatch(r"\[(-?[\d.]+),\.\.\.(?:,(-?[\d.]+))?\]", self.validator)
        self.least, self.most = (found[1], found[2]) if found else (None, None)
        words = re.search(r"\[([A-Za-z_0-9, -]+)\]", self.validator)
        self.words = words[1].split(", ") if words and not self.numeric and "..." not in self.validator else []

    def good(self):
        """Something else than the default, if there is anything."""
        if self.numeric:
            for candidate in (1, 2, 5, 1000, 30000, 60000):
                if str(candidate) != self.default and self.fits(candidate):
                    return str(candidate)
            return self.default or self.least or "1"
        if self.type == "BOOLEAN":
            return "false" if self.default == "true" else "true"
        if self.words:
            return next((word for word in self.words if word != self.default), self.default)
        return self.default or "x"

    def fits(self, number):
        if self.default is not None and abs(float(self.default)) > 10 * number:
            return False
        return (self.least is None or number >= float(self.least)) and (self.most is None or number <= float(self.most))

    def bad(self):
        """Values of a wrong type, and beyond the bounds."""
        found = []
        if self.numeric or self.type == "BOOLEAN":
            found.append("nonsense")
        if self.least is not None:
            found.append(str(int(float(self.least)) - 1))
        if self.most is not None:
            found.append(str(int(float(self.most)) + 1))
        if self.words:
            found.append("nonsense")
        if self.type == "LIST":
            found.append("a,,b")
        if self.type == "CLASS":
            found.append("no.such.Class")
        return found


def sweep_of_broker_keys(asker, keys):
    """Every broker key for the cluster and for the broker, good and bad."""
    for key in keys:
        for name in ("", "1"):
            say(f"broker-key {key.name} {name or 'cluster'} {key.good()}", asker.set(BROKER, name, key.name, key.good(), validate=True))
            for value in key.bad():
                say(f"broker-key {key.name} {name or 'cluster'} {value}", asker.set(BROKER, name, key.name, value, validate=True))


def refusals(asker):
    """What is wrong with the question itself, on both requests that change things."""
    cases = {
        "type-77": (77, "x"), "type-0": (0, "x"), "type-negative": (-1, "x"), "topic-empty": (TOPIC, ""), "topic-absent": (TOPIC, "no-such-topic"),
        "topic-invalid": (TOPIC, "a b"), "broker-9": (BROKER, "9"), "broker-word": (BROKER, "x"), "broker-01": (BROKER, "01"), "broker-blank": (BROKER, " 1"),
        "broker-negative": (BROKER, "-1"), "group-empty": (GROUP, ""), "client-metrics-empty": (CLIENT_METRICS, ""),
        "logger-empty": (LOGGER, ""), "logger-9": (LOGGER, "9"), "logger-word": (LOGGER, "x"),
    }
    for label, (kind, name) in cases.items():
        key = {GROUP: "consumer.session.timeout.ms", CLIENT_METRICS: "interval.ms", LOGGER: "ROOT", BROKER: "message.max.bytes"}.get(kind, "retention.ms")
        value = "INFO" if kind == LOGGER else "50000"
        say(f"incremental-{label}", asker.incremental([(kind, name, [(key, SET, value)])]))
        say(f"legacy-{label}", asker.legacy([(kind, name, [(key, value)])]))
        say(f"incremental-{label}-nothing", asker.incremental([(kind, name, [])], validate=True))
        say(f"legacy-{label}-nothing", asker.legacy([(kind, name, [])], validate=True))
    asker.create("refusals")
    topic = lambda *configs: asker.incremental([(TOPIC, "refusals", list(configs))])
    for operation in (4, 5, -1, 127):
        say(f"operation-{operation}", topic(("retention.ms", operation, "1000")))
        say(f"operation-{operation}-broker", asker.incremental([(BROKER, "", [("message.max.bytes", operation, "1000000")])]))
    null = kafka.Raw(b"\0")
    say("null-value-set", topic(("retention.ms", SET, None)))
    say("null-values-set", topic(("retention.ms", SET, None), ("cleanup.policy", SET, None)))
    say("null-value-append", topic(("cleanup.policy", APPEND, None)))
    say("null-value-subtract", topic(("cleanup.policy", SUBTRACT, None)))
    say("null-value-delete", topic(("retention.ms", DELETE, None)))
    say("value-delete", topic(("retention.ms", DELETE, "12")))
    say("null-name", topic((null, SET, "1000")))
    say("null-name-version-0", asker.incremental([(TOPIC, "refusals", [(kafka.Raw(b"\xff\xff"), SET, "1000")])], version=0))
    say("empty-name", topic(("", SET, "1000")))
    say("empty-name-delete", topic(("", DELETE, None)))
    say("unknown-name", topic(("no.such.key", SET, "1000")))
    say("unknown-name-delete", topic(("no.such.key", DELETE, None)))
    say("unknown-name-append", topic(("no.such.key", APPEND, "x")))
    say("append-to-number", topic(("retention.ms", APPEND, "1000")))
    say("subtract-from-number", topic(("retention.ms", SUBTRACT, "1000")))
    say("append-to-text", topic(("compression.type", APPEND, "gzip")))
    say("nothing", topic())
    say("no-resources", asker.incremental([]))
    say("legacy-no-resources", asker.legacy([]))
    say("twice", topic(("retention.ms", SET, "1000"), ("retention.ms", SET, "2000")))
    say("twice-set-delete", topic(("retention.ms", SET, "1000"), ("retention.ms", DELETE, None)))
    say("twice-and-null", topic(("retention.ms", SET, "1000"), ("retention.ms", SET, None)))
    say("twice-unknown-topic", asker.incremental([(TOPIC, "no-such-topic", [("retention.ms", SET, "1000"), ("retention.ms", SET, "2000")])]))
    say("twice-broker", asker.incremental([(BROKER, "1", [("message.max.bytes", SET, "1000000"), ("message.max.bytes", SET, "1000001")])]))
    say("legacy-twice", asker.legacy([(TOPIC, "refusals", [("retention.ms", "1000"), ("retention.ms", "2000")])]))
    say("legacy-null-value", asker.legacy([(TOPIC, "refusals", [("retention.ms", None)])]))
    say("legacy-null-values", asker.legacy([(TOPIC, "refusals", [("retention.ms", None), ("cleanup.policy", None)])]))
    say("legacy-null-name", asker.legacy([(TOPIC, "refusals", [(null, "1000")])]))
    say("legacy-empty-name", asker.legacy([(TOPIC, "refusals", [("", "1000")])]))
    say("legacy-unknown-name", asker.legacy([(TOPIC, "refusals", [("no.such.key", "1000")])]))
    one = (TOPIC, "refusals", [("retention.ms", SET, "7000")])
    say("resource-twice", asker.incremental([one, one]))
    say("resource-twice-and-another", asker.incremental([one, one, (TOPIC, "no-such-topic", [("retention.ms", SET, "1")])]))
    say("resource-twice-different", asker.incremental([one, (TOPIC, "refusals", [("cleanup.policy", SET, "compact")])]))
    say("loggers-twice", asker.incremental([(LOGGER, "1", [("ROOT", SET, "INFO")])] * 2))
    say("legacy-resource-twice", asker.soon().legacy([(TOPIC, "refusals", [("retention.ms", "7000")])] * 2))
    say("unknown-type-twice", asker.incremental([(77, "x", [])] * 2))
    say("good-and-bad", asker.incremental([one, (TOPIC, "no-such-topic", [("retention.ms", SET, "1")]), (BROKER, "9", [("message.max.bytes", SET, "1")]), (77, "y", [])]))
    asker.settle()
    say("after-good-and-bad", asker.value(TOPIC, "refusals", "retention.ms"))
    say("good-key-bad-key", topic(("retention.ms", SET, "8000"), ("segment.ms", SET, "0")))
    asker.settle()
    say("after-good-key-bad-key", asker.value(TOPIC, "refusals", "retention.ms"))
    say("long-value", topic(("leader.replication.throttled.replicas", SET, ",".join(["1:1"] * 10000))))
    for validate in (True, False):
        say(f"validate-{validate}", asker.set(TOPIC, "refusals", "retention.ms", "9000", validate))
        asker.settle()
        say(f"after-validate-{validate}", asker.value(TOPIC, "refusals", "retention.ms"))
    say("legacy-replaces", asker.legacy([(TOPIC, "refusals", [("cleanup.policy", "compact")])]))
    asker.settle()
    say("after-legacy-replaces", [asker.value(TOPIC, "refusals", key) for key in ("cleanup.policy", "retention.ms")])


def sweep_of_resource_keys(asker, keys, kind, extra):
    """Every key of a topic, group or subscription: each round sets one more value of each on a resource of its own."""
    label = lambda key: f"{key.kind}-key {key.name}"
    values = {key.name: [key.good(), *extra.get(key.name, []), *key.bad()] for key in keys}
    rounds = [[key for key in keys if turn < len(values[key.name])] for turn in range(max(map(len, values.values())))]
    for turn, asked in enumerate(rounds):
        if kind == TOPIC:
            asker.create(f"keys-{turn}")
        for key in asked:
            value = values[key.name][turn]
            say(f"{label(key)} {value!r}", asker.set(kind, f"keys-{turn}", key.name, value))
    asker.settle()
    for turn, asked in enumerate(rounds):
        for one in asker.describe(kind, f"keys-{turn}", [key.name for key in asked])[2]:
            say(f"{keys[0].kind}-key {one[0]} {values[one[0]][turn]!r} described", one)
    for key in rounds[0]:
        say(f"{label(key)} deleted", asker.alter(kind, "keys-0", [(key.name, DELETE, None)]))
    asker.settle()
    for one in asker.describe(kind, "keys-0", [key.name for key in keys])[2]:
        say(f"{keys[0].kind}-key {one[0]} deleted described", one)


TOPIC_VALUES = {
    "retention.ms": [" 600000 ", "+600000", "0600000", "6e5", "600_000", "600000L", "0x10", "-2", "-1", "9223372036854775808", "--1", "- 1", "", " "],
    "min.insync.replicas": [" 1", "1 ", "\t1\n", "3"],
    "retention.bytes": ["-5"],
    "cleanup.policy": [" compact , delete ", "compact,,delete", "Compact", "compact,compact", ",compact", "compact,", "none", ""],
    "preallocate": [" TRUE ", "yes", "1", "False"],
    "compression.type": [" gzip", "GZIP", "none", "uncompressed", ""],
    "message.timestamp.type": ["logappendtime", " LogAppendTime "],
    "min.cleanable.dirty.ratio": [".5", "0.5d", "0x1p-1", "NaN", "1.0000001", "1e-3", "1e-4", "5e-1f", "inf", "1"],
    "segment.bytes": ["2147483648", "1048576"],
    "leader.replication.throttled.replicas": ["*", "0:1,1:1", "x", " 0:1 , 1:1 ", "0:1,0:1", "1:x", "*,0:1", ""],
    "compression.gzip.level": ["0", "10", "9"],
    "remote.storage.enable": ["false", "TRUE"],
    "remote.log.copy.disable": ["true"],
    "local.retention.ms": ["99999999999", "-1"],
    "local.retention.bytes": ["99999999999", "-1"],
    "internal.segment.bytes": ["100"],
    "max.decompressed.message.bytes": ["2147483639"],
}
GROUP_VALUES = {
    "consumer.session.timeout.ms": ["1", "44999", "45000", "60000", "60001", "x"],
    "consumer.heartbeat.interval.ms": ["4999", "5000", "15000", "15001"],
    "consumer.assignment.interval.ms": ["0", "15000", "15001"],
    "share.session.timeout.ms": ["44999", "60001"],
    "share.heartbeat.interval.ms": ["4999", "15001"],
    "share.record.lock.duration.ms": ["14999", "60001", "15000"],
    "share.delivery.count.limit": ["2", "10", "11", "1"],
    "share.partition.max.record.locks": ["99", "4000", "4001"],
    "share.auto.offset.reset": ["earliest", " latest ", "by_duration:PT1H", "by_duration:P1DT2H", "by_duration:-PT1H", "by_duration:", "by_duration:P", "Latest", "none", "by_duration:pt1h"],
    "share.isolation.level": ["READ_COMMITTED", "read_committed"],
    "share.assignment.interval.ms": ["15001"],
    "streams.session.timeout.ms": ["44999", "60001"],
    "streams.heartbeat.interval.ms": ["4999", "15001"],
    "streams.num.standby.replicas": ["2", "3"],
    "streams.num.warmup.replicas": ["20", "21"],
    "streams.task.offset.interval.ms": ["14999", "15000"],
    "streams.assignor.name": ["sticky", "nonsense", ""],
    "streams.rack.aware.assignment.tags": ["a,b", "a,a", "a,,b", ""],
    "streams.assignment.interval.ms": ["15001"],
    "errors.deadletterqueue.topic.name": ["dlq.x", "x", "__x", "a b", ""],
}
CLIENT_METRICS_VALUES = {
    "interval.ms": ["99", "100", "3600000", "3600001", "0", "-1", "x", " 100 "],
    "match": ["client_id=a", "nonsense", "client_id=[", "nonsense=a", "client_id=a,client_id=b", "client_software_name=x,client_source_port=9", "client_id", "client_id=a=b", "client_id=a==", "client_id=", "=a", ""],
    "metrics": ["*", "a,b", "a,a", "a,,b", ""],
}


def pairs(asker):
    """Values that are wrong only beside others."""
    asker.create("pairs")
    topic = lambda *configs: asker.incremental([(TOPIC, "pairs", [(key, SET, value) for key, value in configs])])
    say("pair-lags", topic(("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")))
    say("pair-lag-first", topic(("max.compaction.lag.ms", "5")))
    say("pair-lag-second", topic(("min.compaction.lag.ms", "10")))
    say("pair-retention", topic(("retention.ms", "1000"), ("segment.ms", "100000")))
    say("pair-local", topic(("retention.ms", "1000"), ("local.retention.ms", "2000")))
    say("pair-created", asker.create("pairs-2", [("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]))
    say("pair-created-remote", asker.create("pairs-3", [("remote.storage.enable", "true")]))
    group = lambda *configs: asker.incremental([(GROUP, "pairs", [(key, SET, value) for key, value in configs])])
    for kind in ("consumer", "share", "streams"):
        say(f"pair-{kind}-timeouts", group((f"{kind}.session.timeout.ms", "45000"), (f"{kind}.heartbeat.interval.ms", "45000")))
    say("pair-bad-both", group(("consumer.session.timeout.ms", "1"), ("share.session.timeout.ms", "1")))
    say("pair-topic-unknown-and-bad", topic(("no.such.key", "1"), ("retention.ms", "x")))
    for key, value in (("message.format.version", "2.8"), ("retention.ms ", "5000"), (" retention.ms", "5000"), ("RETENTION.MS", "5000"), ("log.retention.ms", "5")):
        say(f"unknown-topic-key {key!r}", topic((key, value)))
        say(f"unknown-topic-key {key!r} created", asker.create("unknown-key", [(key, value)]))
        say(f"unknown-group-key {key!r}", group((key, value)))
        say(f"unknown-client-metrics-key {key!r}", asker.incremental([(CLIENT_METRICS, "pairs", [(key, SET, value)])]))
        say(f"unknown-broker-key {key!r}", asker.incremental([(BROKER, "", [(key, SET, value)])], validate=True))
    say("new-group-and-metrics", [asker.describe(GROUP, "pairs", ["consumer.session.timeout.ms"]), asker.describe(CLIENT_METRICS, "pairs", ["interval.ms"])])


def creations(asker):
    """Values given with a new topic: repeated, blank, wrong; nothing comes of it when it is only validated."""
    say("create-twice", asker.create("created-1", [("retention.ms", "1000"), ("retention.ms", "2000")]))
    say("create-twice-second-bad", asker.create("created-2", [("retention.ms", "1000"), ("retention.ms", "x")]))
    say("create-twice-first-bad", asker.create("created-3", [("retention.ms", "x"), ("retention.ms", "1000")]))
    say("create-null", asker.create("created-4", [("retention.ms", None)]))
    say("create-null-two", asker.create("created-4", [("retention.ms", None), ("segment.ms", None)]))
    say("create-null-name", asker.create("created-5", [(kafka.Raw(b"\0"), "1")]))
    say("create-empty-name", asker.create("created-6", [("", "1")]))
    say("create-blank-value", asker.create("created-7", [("retention.ms", " 600000 ")]))
    say("create-validated", asker.create("created-8", [("retention.ms", "5")], validate=True))
    say("create-validated-bad", asker.create("created-8", [("retention.ms", "-5")], validate=True))
    say("create-validated-absent", asker.describe(TOPIC, "created-8", ["retention.ms"]))
    asker.settle()
    for number in (1, 7):
        say(f"create-described-{number}", asker.describe(TOPIC, f"created-{number}", ["retention.ms"]))


def lists(asker):
    """APPEND and SUBTRACT."""
    asker.create("lists")
    def step(label, key, operation, value, kind=TOPIC, name="lists"):
        say(f"list-{label}", asker.incremental([(kind, name, [(key, operation, value)])]))
        asker.settle()
        say(f"list-{label}-after", asker.value(kind, name, key))
    step("append-known", "cleanup.policy", APPEND, "delete")
    step("append-two", "cleanup.policy", APPEND, "compact,compact")
    step("subtract-absent", "cleanup.policy", SUBTRACT, "nonsense")
    step("subtract-all", "cleanup.policy", SUBTRACT, "delete,compact")
    step("append-nonsense", "cleanup.policy", APPEND, "nonsense")
    step("append-blanks", "cleanup.policy", APPEND, " compact , delete ")
    step("append-empty", "cleanup.policy", APPEND, "")
    step("subtract-blanks", "cleanup.policy", SUBTRACT, " delete")
    step("delete", "cleanup.policy", DELETE, None)
    step("delete-again", "cleanup.policy", DELETE, None)
    step("throttled", "leader.replication.throttled.replicas", APPEND, "0:1")
    step("throttled-more", "leader.replication.throttled.replicas", APPEND, "1:1,0:1")
    step("throttled-less", "leader.replication.throttled.replicas", SUBTRACT, "0:1")
    step("broker", "log.cleanup.policy", APPEND, "compact", BROKER, "")
    step("broker-more", "log.cleanup.policy", APPEND, "compact", BROKER, "")
    step("broker-less", "log.cleanup.policy", SUBTRACT, "delete", BROKER, "")
    step("broker-delete", "log.cleanup.policy", DELETE, None, BROKER, "")
    step("broker-number", "message.max.bytes", APPEND, "1", BROKER, "")
    step("broker-unknown", "no.such.key", APPEND, "1", BROKER, "")
    step("broker-per-ip", "max.connections.per.ip.overrides", APPEND, "127.0.0.1:100", BROKER, "")
    step("metrics", "metrics", APPEND, "a,b", CLIENT_METRICS, "lists")
    step("metrics-less", "metrics", SUBTRACT, "a", CLIENT_METRICS, "lists")
    step("tags", "streams.rack.aware.assignment.tags", APPEND, "zone", GROUP, "lists")


BROKER_VALUES = {
    "max.connections": "1000", "max.connections.per.ip": "1000", "max.connection.creation.rate": "10000", "num.io.threads": "9", "background.threads": "9",
    "remote.log.manager.copier.thread.pool.size": "9", "remote.log.manager.expiration.thread.pool.size": "9", "remote.log.reader.threads": "9",
    "max.connections.per.ip.overrides": "127.0.0.1:999, 127.0.0.2:5", "log.cleaner.dedupe.buffer.size": "67108864", "log.retention.ms": "+600000",
    "log.cleaner.min.cleanable.ratio": ".25", "log.cleanup.policy": "compact,compact", "log.preallocate": " TRUE ", "message.max.bytes": "0900000",
    "group.consumer.assignment.interval.ms": "900", "group.share.assignment.interval.ms": "900", "group.streams.assignment.interval.ms": "900",
    "log.roll.ms": "3600000", "log.segment.delete.delay.ms": "1000", "producer.id.expiration.ms": "5000000", "log.cleaner.io.buffer.size": "1048576",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,OTHER:PLAINTEXT",
}


def changes_of_broker_keys(asker, keys):
    """Every key that may change is set for the cluster, then for the broker, described, and taken back."""
    # Fewer network threads close connections; a reporter and a provider are classes.
    left_out = ("listeners", "num.network.threads", "metric.reporters", "config.providers")
    keys = [key for key in keys if key.mode != "read-only" and key.name not in left_out]
    names = [key.name for key in keys]
    for resource in ("", "1"):
        label = f"broker-set {resource or 'cluster'}"
        def described(when):
            asker.settle()
            for name in ("", "1"):
                for one in asker.describe(BROKER, name, names)[2]:
                    say(f"{label} {one[0]} {when} in {name or 'cluster'}", one)
        for key in keys:
            say(f"{label} {key.name}", asker.set(BROKER, resource, key.name, BROKER_VALUES.get(key.name, key.good())))
        described("described")
        for key in keys:
            say(f"{label} {key.name} deleted", asker.alter(BROKER, resource, [(key.name, DELETE, None)]))
        described("deleted described")
    for name, value in (("", "1000001"), ("1", "+1000002")):
        say(f"broker-both {name}", asker.set(BROKER, name, "message.max.bytes", value))
    say("broker-both group", asker.set(BROKER, "", "group.consumer.assignment.interval.ms", " 700 "))
    asker.create("inherits")
    asker.settle()
    say("broker-both described", asker.value(BROKER, "1", "message.max.bytes"))
    say("broker-both inherited", asker.value(TOPIC, "inherits", "max.message.bytes"))
    say("broker-both inherited by a new one", asker.create("inherits-2", [("max.message.bytes", "5")]))
    say("broker-both inherited by a group", asker.value(GROUP, "inherits", "consumer.assignment.interval.ms"))
    say("broker-both group deleted", asker.alter(BROKER, "", [("group.consumer.assignment.interval.ms", DELETE, None)]))
    for name in ("", "1"):
        say(f"broker-both {name} deleted", asker.alter(BROKER, name, [("message.max.bytes", DELETE, None)]))
    for hours in ("log.retention.hours", "log.roll.hours", "log.retention.minutes"):
        say(f"broker-hours {hours}", asker.set(BROKER, "", hours, "5"))


def broker_pairs(asker):
    """Values that are wrong beside what is in force, names with a listener's prefix, and plug-ins."""
    ask = lambda name, *configs: first(asker.incremental([(BROKER, name, [(key, SET, value) for key, value in configs])], True))
    for threads, values in {"num.io.threads": "0 3 4 16 17", "num.network.threads": "0 1 2 6 7", "background.threads": "4 5 20 21", "num.replica.fetchers": "0 1 2 3",
                            "num.recovery.threads.per.data.dir": "0 1 4 5", "log.cleaner.threads": "0 1 2 3", "remote.log.reader.threads": "4 20 21",
                            "remote.log.manager.copier.thread.pool.size": "4 21", "remote.log.manager.follower.thread.pool.size": "1 4 5"}.items():
        for value in values.split():
            say(f"threads {threads} {value}", ask("", (threads, value)))
    cases = [
        [("log.cleaner.dedupe.buffer.size", "1048576")], [("log.cleaner.dedupe.buffer.size", "1048577")], [("log.cleaner.io.buffer.size", "0")],
        [("log.roll.ms", "0")], [("log.roll.jitter.ms", "-1")], [("log.retention.ms", "0")], [("log.retention.ms", "-1")], [("log.retention.ms", "-2")], [("log.retention.bytes", "0")],
        [("log.local.retention.ms", "-1")], [("log.local.retention.ms", "9000000000")], [("log.local.retention.bytes", "-1")], [("log.local.retention.bytes", "5")],
        [("log.retention.bytes", "100"), ("log.local.retention.bytes", "101")], [("log.cleaner.min.compaction.lag.ms", "10"), ("log.cleaner.max.compaction.lag.ms", "5")],
        [("max.connections.per.ip", "0")], [("max.connections.per.ip", "0"), ("max.connections.per.ip.overrides", "127.0.0.1:10")],
        [("max.connections.per.ip.overrides", "nonsense:1")], [("max.connections.per.ip.overrides", "127.0.0.1")], [("max.connections.per.ip.overrides", "127.0.0.1:x")],
        [("max.connections.per.ip.overrides", "")], [("max.connections.per.ip.overrides", "127.0.0.1:1,")], [("max.connections", "0")], [("max.connection.creation.rate", "0")],
        [("group.consumer.assignment.interval.ms", "15001")], [("group.share.assignment.interval.ms", "15001")],
        [("unclean.leader.election.enable", "x")], [("compression.type", "x")], [("compression.gzip.level", "0")], [("message.max.bytes", "-1")], [("min.insync.replicas", "0")],
        [("cordoned.log.dirs", "/nowhere")], [("cordoned.log.dirs", "*,/nowhere")], [("cordoned.log.dirs", "")], [("producer.id.expiration.ms", "0")],
        [("metric.reporters", "no.such.Class")], [("metric.reporters", "")], [("ssl.engine.factory.class", "no.such.Class")], [("principal.builder.class", "no.such.Class")],
        [("num.io.threads", "8"), ("node.id", "7")], [("node.id", "7"), ("num.partitions", "x")], [("ssl.keystore.type", "PKCS12"), ("node.id", "1")],
        [("ssl.keystore.type", "PKCS12"), ("message.max.bytes", "x")], [("sasl.enabled.mechanisms", "PLAIN"), ("message.max.bytes", "x")],
        [("sasl.enabled.mechanisms", "PLAIN"), ("no.such.key", "1")], [("no.such.key", "1"), ("message.max.bytes", "1000")], [("no.such.key", "")], [("", "1")],
        [("errors.deadletterqueue.topic.name.prefix", "")], [("errors.deadletterqueue.topic.name.prefix", "__x")], [("log.dirs", "/x")],
    ]
    for case in cases:
        for name in ("", "1"):
            say(f"broker-pair {case} {name or 'cluster'}", ask(name, *case))
    for listener in ("plaintext", "controller", "nowhere"):
        for key, value in (("ssl.keystore.type", "PKCS12"), ("ssl.truststore.type", "nonsense"), ("ssl.keystore.location", "/nowhere"), ("ssl.client.auth", "requested"), ("ssl.client.auth", "nonsense"),
                           ("max.connections", "1000"), ("max.connections", "x"), ("max.connection.creation.rate", "0"), ("num.network.threads", "3"), ("num.network.threads", "9"),
                           ("num.io.threads", "8"), ("message.max.bytes", "1000"), ("node.id", "1"), ("listeners", "x"), ("no.such.key", "1"), ("connections.max.reauth.ms", "5"),
                           ("plain.sasl.jaas.config", "x"), ("sasl.jaas.config", "x"), ("plain.connections.max.reauth.ms", "5"), ("principal.builder.class", "no.such.Class"),
                           ("sasl.login.refresh.window.factor", "x"), ("plain.sasl.login.refresh.window.factor", "x"), ("socket.send.buffer.bytes", "5"), ("connections.max.idle.ms", "5")):
            for name in ("", "1"):
                say(f"listener-key {listener}.{key}={value} {name or 'cluster'}", ask(name, (f"listener.name.{listener}.{key}", value)))
    for key, value in (("max.connections", "01000"), ("num.network.threads", " 3 "), ("ssl.client.auth", " requested"), ("no.such.key", "1"), ("ssl.key.password", "secret"), ("plain.sasl.jaas.config", "secret")):
        name = f"listener.name.plaintext.{key}"
        say(f"listener-set {key}", asker.set(BROKER, "1", name, value))
        asker.settle()
        say(f"listener-set {key} described", asker.value(BROKER, "1", name))
        say(f"listener-set {key} deleted", asker.alter(BROKER, "1", [(name, DELETE, None)]))
    for name in ("", "1"):
        say(f"unknown-set {name}", asker.set(BROKER, name, "no.such.key", " value "))
        asker.settle()
        say(f"unknown-set {name} described", asker.value(BROKER, "1", "no.such.key"))
        say(f"unknown-set {name} described itself", asker.value(BROKER, name, "no.such.key"))
        say(f"unknown-set {name} deleted", asker.alter(BROKER, name, [("no.such.key", DELETE, None)]))
        asker.settle()


def descriptions(asker):
    """Which resources, which keys, which versions."""
    asker.create("described", [("retention.ms", "1000"), ("cleanup.policy", "compact,delete")])
    asker.settle()
    some = ["retention.ms", "cleanup.policy", "min.insync.replicas", "segment.bytes", "compression.type", "min.cleanable.dirty.ratio", "flush.ms"]
    for version in (1, 2, 3, 4):
        say(f"describe-version-{version}", asker.describe(TOPIC, "described", some, version))
        say(f"describe-version-{version}-bare", asker.describe(TOPIC, "described", some, version, synonyms=False))
    for kind, name in ((TOPIC, "described"), (GROUP, "g"), (GROUP, "a b"), (CLIENT_METRICS, "x")):
        found = asker.describe(kind, name)
        say(f"describe-all {kind} {name}", found[:2])
        for one in found[2]:
            say(f"describe-all {kind} {name} {one[0]}", one)
    found = asker.describe(BROKER, "1")
    say("describe-broker", found[:2])
    for one in found[2]:
        say(f"describe-broker {one[0]}", one)
    say("describe-cluster", asker.describe(BROKER, ""))
    say("describe-no-keys", asker.describe(TOPIC, "described", []) == asker.describe(TOPIC, "described", None))
    for keys in (["nope"], ["nope", "retention.ms"], [""], ["retention.ms", "retention.ms"], ["log.retention.ms"], ["internal.segment.bytes"]):
        say(f"describe-keys {keys}", asker.describe(TOPIC, "described", keys))
    for keys in (["no.such"], ["retention.ms"], ["internal.metadata.log.segment.bytes"], ["leader.replication.throttled.rate"], ["unstable.api.versions.enable"]):
        for name in ("1", ""):
            say(f"describe-broker-keys {name} {keys}", asker.describe(BROKER, name, keys))
    some = ["log.retention.ms", "log.retention.hours", "listeners", "broker.id", "log.dir", "message.max.bytes", "ssl.keystore.password", "num.partitions", "process.roles"]
    for name in ("1", "", "2", "01", " 1", "-1", "x", "1x", "99999999999"):
        say(f"describe-broker-named {name!r}", asker.describe(BROKER, name, some))
        found = asker.describe(LOGGER, name, [])
        say(f"describe-logger-named {name!r}", found[:2])
    for kind in (0, 1, 3, 77, -1):
        say(f"describe-type {kind}", asker.describe(kind, "x"))
    for name in ("", "absent", "a b", "..", "x" * 250):
        say(f"describe-topic {name!r}", asker.describe(TOPIC, name, ["retention.ms"]))
        say(f"describe-group {name!r}", asker.describe(GROUP, name, ["share.isolation.level", "consumer.assignor.offload.enable"]))
        say(f"describe-client-metrics {name!r}", asker.describe(CLIENT_METRICS, name, ["match"]))
    twice = {"resources": [{"resourceType": TOPIC, "resourceName": "described", "configurationKeys": ["retention.ms"]}] * 2}
    say("describe-twice", asker.ask("DescribeConfigs", 4, twice)["results"])
    several = {"resources": [{"resourceType": kind, "resourceName": name, "configurationKeys": ["x"]} for kind, name in
                             ((TOPIC, "described"), (77, "x"), (BROKER, "9"), (GROUP, "g"), (TOPIC, "absent"))]}
    say("describe-several", asker.ask("DescribeConfigs", 4, several)["results"])
    say("describe-none", asker.ask("DescribeConfigs", 4, {"resources": []})["results"])
    for version in (3, 4):
        documented = asker.ask("DescribeConfigs", version, {"resources": [{"resourceType": TOPIC, "resourceName": "described", "configurationKeys": ["retention.ms"]}], "includeDocumentation": True})
        say(f"describe-documentation-{version}", bool(documented["results"][0]["configs"][0]["documentation"]))
    back = asker.ask("DescribeConfigs", 4, {"resources": [{"resourceType": TOPIC, "resourceName": "described", "configurationKeys": None}]})["results"][0]["configs"]
    say("describe-and-put-back", asker.legacy([(TOPIC, "described", [(config["name"], config["value"]) for config in back])]))


def resources(asker):
    """ListConfigResources."""
    def names(version, kinds=None):
        answer = asker.ask("ListConfigResources", version, {} if kinds is None else {"resourceTypes": kinds})
        if isinstance(answer, str):
            return answer
        found = [(one.get("resourceType"), one["resourceName"]) for one in answer["configResources"]]
        return answer["errorCode"], sorted(found, key=str)
    say("resources-version-0", names(0))
    for kinds in ([], [TOPIC], [BROKER], [LOGGER], [CLIENT_METRICS], [GROUP], [TOPIC, TOPIC], [GROUP, BROKER], [0], [77], [TOPIC, 77], [-1]):
        say(f"resources {kinds}", names(1, kinds))


def loggers(asker):
    """Levels of loggers; which there are is each broker's own business."""
    def entries(keys=None):
        found = asker.describe(LOGGER, "1", keys)
        return found if isinstance(found, str) else (found[0], found[1], [one for one in found[2] if keys is not None])
    say("logger-ROOT", entries(["ROOT"]))
    say("logger-unknown", entries(["no.such.logger"]))
    everything = asker.describe(LOGGER, "1")
    say("logger-all", (everything[:2], len(everything[2]) > 3, "root" in [one[0] for one in everything[2]]))
    change = lambda *configs: asker.incremental([(LOGGER, "1", list(configs))])
    for name in ("root", "ROOT", "no.such.logger", ""):
        for level in ("DEBUG", "debug", "TRACE", "WARN", "ERROR", "FATAL", "OFF", "ALL", "INFO", "nonsense", "", " INFO "):
            say(f"logger-set {name!r} {level!r}", change((name, SET, level)))
            say(f"logger-set {name!r} {level!r} described", entries([name]))
        say(f"logger-delete {name!r}", change((name, DELETE, None)))
        say(f"logger-delete {name!r} described", entries([name]))
        say(f"logger-delete-again {name!r}", change((name, DELETE, "INFO")))
    for operation in (APPEND, SUBTRACT, 4, 5, -1):
        say(f"logger-operation-{operation}", change(("root", operation, "INFO")))
        say(f"logger-operation-{operation}-unknown", change(("no.such.logger", operation, "INFO")))
    say("logger-null", change(("root", SET, None)))
    say("logger-twice", change(("root", SET, "INFO"), ("root", SET, "WARN")))
    say("logger-good-and-bad", change(("root", SET, "WARN"), ("no.such.logger", SET, "nonsense")))
    say("logger-good-and-bad-after", entries(["root"]))
    say("logger-validate", asker.incremental([(LOGGER, "1", [("root", SET, "ERROR")])], True))
    say("logger-validate-after", entries(["root"]))
    say("logger-back", change(("root", SET, "INFO")))
    say("logger-and-topic", asker.incremental([(LOGGER, "1", [("root", SET, "INFO")]), (TOPIC, "absent", [("retention.ms", SET, "1")])]))


def limits(asker):
    """Caps on the connections of one address, changed while the node runs: what is described must be in force. The asker has one already."""
    held = []
    def another():
        """Whether one more connection is served; it stays open then."""
        connection = kafka.Connection(asker.connection.jar, asker.address, 5)
        try:
            connection.ask("ApiVersions", 0, {})
        except kafka.Closed:
            connection.socket.close()
            return False
        held.append(connection)
        return True
    def room():
        """How many more connections are served, five at most; all are left again."""
        count = 0
        while count < 5 and another():
            count += 1
        while held:
            held.pop().socket.close()
        return count
    per_ip, overrides = "max.connections.per.ip", "max.connections.per.ip.overrides"
    steps = (("2", SET, per_ip, "2", 1), ("4", SET, per_ip, "4", 3), ("override", SET, overrides, "127.0.0.1:3,127.0.0.9:1", 2),
             ("override of another", SET, overrides, "127.0.0.9:1", 3), ("none here", SET, overrides, "127.0.0.1:0,127.0.0.9:1", 0),
             ("override deleted", DELETE, overrides, None, 3), ("deleted", DELETE, per_ip, None, 5))
    for resource in ("", "1"):
        for label, operation, key, value, wanted in steps:
            label = f"limits {resource or 'cluster'} {label}"
            say(label, asker.alter(BROKER, resource, [(key, operation, value)]))
            asker.settle()
            say(f"{label} described", asker.value(BROKER, "1", key))
            # A connection that was left is gone a moment later.
            say(f"{label} in force", (asker.until(room, lambda found: found == wanted), wanted))


def main(address, jar, facts):
    asker = Asker(address, kafka.Jar(jar))
    keys = [Key(line) for line in open(facts)]
    of = lambda kind: [key for key in keys if key.kind == kind]
    # First, for a connection that a later step leaves waiting for an answer stays one of Kafka's for ever.
    limits(asker)
    sweep_of_broker_keys(asker, of("broker"))
    refusals(asker)
    sweep_of_resource_keys(asker, of("topic"), TOPIC, TOPIC_VALUES)
    sweep_of_resource_keys(asker, of("group"), GROUP, GROUP_VALUES)
    sweep_of_resource_keys(asker, of("client-metrics"), CLIENT_METRICS, CLIENT_METRICS_VALUES)
    pairs(asker)
    creations(asker)
    lists(asker)
    changes_of_broker_keys(asker, of("broker"))
    broker_pairs(asker)
    descriptions(asker)
    resources(asker)
    loggers(asker)
    print("done - all asked")


if __name__ == "__main__":
    main(*sys.argv[1:])
