"""Asking a broker and telling what it says, in a form that is the same for two brokers that answer the same: identifiers, times and places are
masked, and lists of structs are sorted, because the order of many is a hash map's. Arguments: `HOST:PORT HOST:PORT DATA JAR`, the listener of clients, that of
controllers, the broker's data directory, and the reference's client jar.
"""
import re
import sys
import time
import uuid

sys.path.insert(0, __file__.rsplit("/", 2)[0] + "/protocol")
from kafka import ZERO, Closed, Connection, Jar, Silent

CLIENTS, CONTROLLER, DATA, JAR = sys.argv[1], sys.argv[2], sys.argv[3], Jar(sys.argv[4])
# An answer that takes longer than this does not come.
SECONDS = 4
# A topic id that no topic has.
NOBODY = uuid.UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")


# --- answers as text

MASKED = {
    "port", "totalBytes", "usableBytes", "partitionSize", "producerId", "clusterId", "lastFetchTimestamp", "lastCaughtUpTimestamp", "logEndOffset",
    "highWatermark", "finalizedFeaturesEpoch", "brokerEpoch", "producerIdStart", "lastTimestamp",
}
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# As texts write an id: of a cluster, of a directory.
QUOTED_ID = re.compile(r'"[A-Za-z0-9_-]{22}"')
# As a coordinator makes one for a member that has none.
BARE_ID = re.compile(r"[A-Za-z0-9_-]{22}")
KNOWN_IDS = {ZERO: "zero", NOBODY: "nobody's", uuid.UUID(int=1): "one"}


def text(value):
    value = value.replace(DATA, "<data>").replace(CLIENTS, "<clients>").replace(CONTROLLER, "<controller>")
    value = QUOTED_ID.sub('"<id>"', value)
    value = re.sub(r"(.)\1{40,}", lambda run: f"<{len(run[0])} times {run[1]}>", UUID.sub("<uuid>", value))
    return repr(re.sub(r"\d{13,}", "<time>", value))


def shown(value, case, key=""):
    """A value of an answer."""
    if isinstance(value, dict):
        fields = {name: field for name, field in value.items() if name != "throttleTimeMs" or field}
        return "{" + ", ".join(f"{name}={shown(field, case, name)}" for name, field in fields.items()) + "}"
    if isinstance(value, list):
        if key == "apiKeys" and value:
            return "[some]"
        # What other questions have left is not this one's business.
        others = [item for item in value if isinstance(item, dict) and is_anothers(item, case)]
        items = [shown(item, case, key) for item in value if item not in others]
        return "[" + ", ".join(sorted(items) if value and isinstance(value[0], dict) else items) + "]"
    if isinstance(value, uuid.UUID):
        return KNOWN_IDS.get(value, "<id>")
    if isinstance(value, bytes):
        # The times of records differ.
        return f"<{len(value)} bytes>" if key == "records" else value.hex() or "empty"
    if key == "memberId" and isinstance(value, str) and BARE_ID.fullmatch(value):
        return "<id>"
    if isinstance(value, str):
        return "<masked>" if key in MASKED else text(value)
    if key in MASKED and not isinstance(value, bool) and value is not None and value > (-1 if key == "producerId" else 0) or key == "subscriptionId":
        return "<masked>"
    return repr(value)


def is_anothers(item, case):
    name = item.get("name") or item.get("topic") or item.get("groupId") or item.get("resourceName") or ""
    return name.startswith("case-") and name != case


# --- asking

class Asker:
    """One connection, opened again where the broker closes it."""

    def __init__(self, address, source=None):
        self.address, self.source, self.connection = address, source, None

    def line(self, exchange):
        """What an exchange over the connection comes to."""
        try:
            self.connection = self.connection or Connection(JAR, self.address, SECONDS, self.source)
            return exchange(self.connection)
        except Closed:
            line = "closed"
        except Silent:
            line = "silent"
        except AssertionError as unreadable:
            line = f"unreadable: {unreadable}"
        self.connection = None
        return line

    def ask(self, label, name, version, body=None, case="", **header):
        def exchange(connection):
            answer = connection.ask(name, version, body, **header)
            line = shown(answer, case)
            if name == "JoinGroup" and answer["errorCode"] == 0:
                # The next version asks the same group.
                quietly("LeaveGroup", 2, {"groupId": body["groupId"], "memberId": answer["memberId"]})
            if name == "ConsumerGroupHeartbeat" and answer["errorCode"] == 0:
                # Nor does a question about classic groups meet one of these.
                quietly(name, 1, {"groupId": body["groupId"], "memberId": answer["memberId"] or body["memberId"], "memberEpoch": -1})
                quietly("DeleteGroups", 2, {"groupsNames": [body["groupId"]]})
            return line

        print(f"{label}: {self.line(exchange)}", flush=True)


def quietly(name, version, body):
    with Connection(JAR, CLIENTS, 20) as connection:
        return connection.ask(name, version, body)


def until(probe, what, seconds=30):
    end = time.monotonic() + seconds
    while not probe():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.02)


def make_topics(topics):
    wanted = [{"name": name, "numPartitions": count, "replicationFactor": 1} for name, count in topics]
    made = quietly("CreateTopics", 7, {"topics": wanted, "timeoutMs": 20_000})
    assert all(topic["errorCode"] == 0 for topic in made["topics"]), made
    asked_for = {"topics": [{"name": name} for name, _ in topics], "allowAutoTopicCreation": False}

    def led():
        return all(topic["errorCode"] == 0 and all(part["errorCode"] == 0 for part in topic["partitions"])
                   for topic in quietly("Metadata", 12, asked_for)["topics"])
    until(led, "topics with leaders")
    return {topic["name"]: topic["topicId"] for topic in made["topics"]}
