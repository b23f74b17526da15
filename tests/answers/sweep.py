"""Every admin, group and cluster API in every version, one field after another spoiled; then every API with what can be wrong around a body.

Prints one line per question: what was asked, and the whole answer. Nothing in here knows a right answer: the stage compares the lines of two
brokers. `sweep.py … NAME NAME` asks only these.
"""
import struct
import sys
import uuid

from asking import CLIENTS, CONTROLLER, DATA, JAR, NOBODY, ZERO, Asker, make_topics, quietly, until
from kafka import Raw, key_of, varint
from questions import NEED_TOPICS, ORDER, World, asked


# --- what can be wrong with a field

LONG = "n" * 250
BOUNDS = {"int8": 7, "int16": 15, "int32": 31, "int64": 63}


def spoilt(form, field, value):
    """Other values for a field, each with its name."""
    kind = field["type"]
    if kind.startswith("[]"):
        wrong_length = varint(0x7FFFFFFF) if form._flexible(field) else struct.pack(">i", 0x7FFFFFFF)
        yield "null", None
        yield "nothing", []
        yield "too long a list", Raw(wrong_length)
        if not form._flexible(field):
            yield "length -2", Raw(struct.pack(">i", -2))
        if value:
            yield "twice", [value[0], value[0]]
    elif kind == "bool":
        yield str(not value).lower(), not value
    elif kind in BOUNDS:
        most = (1 << BOUNDS[kind]) - 1
        for name, number in (("0", 0), ("-1", -1), ("-2", -2), ("min", -most - 1), ("max", most), *([("2", 2), ("9", 9)] if kind == "int8" else [])):
            if number != value:
                yield name, number
    elif kind == "string":
        yield "null", None
        for name, other in (("empty", ""), ("dot", "."), ("dots", ".."), ("unknown", "no-such"), ("bad", "a b/ü"), ("zero byte", "a\0b"), ("long", LONG)):
            yield name, other
        yield "not text", b"\xff\xfe"
    elif kind == "uuid":
        yield from (("zero", ZERO), ("one", uuid.UUID(int=1)), ("unknown", NOBODY))
    elif kind in ("bytes", "records"):
        yield from (("null", None), ("empty", b""), ("noise", b"\xff\0\1"))
    elif form.is_nullable(field):
        yield "null", None


def spoilings(form, fields, body):
    """(which field, how, the whole body with it): one spoilt field at a time."""
    for field in form.present(fields):
        key = key_of(field)
        value = body[key] if key in body else form.default(field)
        for how, other in spoilt(form, field, value):
            yield key, how, dict(body, **{key: other})
        inner = form.fields_of(field)
        if inner is None:
            if isinstance(value, list) and value:
                element = dict(field, type=field["type"][2:], nullableVersions="none")
                for how, other in spoilt(form, element, value[0]):
                    yield f"{key}[0]", how, dict(body, **{key: [other, *value[1:]]})
        elif isinstance(value, list):
            for first in value[:1] or [{}]:
                for where, how, other in spoilings(form, inner, first):
                    yield f"{key}.{where}", how, dict(body, **{key: [other, *value[1:]]})
        elif value is not None:
            for where, how, other in spoilings(form, inner, value):
                yield f"{key}.{where}", how, dict(body, **{key: other})


def furnish():
    """The same things in the same order on every broker."""
    world = World(DATA)
    world.ids = make_topics([("alpha", 2), ("beta", 1), ("gamma.dot", 1), ("__transaction_state", 4), ("__share_group_state", 4)])

    def found():
        return quietly("FindCoordinator", 3, {"key": "settled", "keyType": 0})["errorCode"] == 0
    until(found, "a coordinator")

    def committed():
        place = {"partitionIndex": 0, "committedOffset": 1, "committedMetadata": "note"}
        body = {"groupId": "settled", "generationIdOrMemberEpoch": -1, "topics": [{"name": "alpha", "partitions": [place]}, {"name": "beta", "partitions": [place]}]}
        return quietly("OffsetCommit", 8, body)["topics"][0]["partitions"][0]["errorCode"] == 0
    until(committed, "a commit")
    join = {"groupId": "living", "sessionTimeoutMs": 600_000, "rebalanceTimeoutMs": 600_000, "protocolType": "consumer", "protocols": [
        {"name": "range", "metadata": b"\0\1\0\0\0\0\0\0\0\0\0\0\0\0"}]}
    until(lambda: quietly("OffsetFetch", 7, {"groupId": "living", "topics": []})["errorCode"] == 0, "the other coordinator")
    world.member = quietly("JoinGroup", 9, join)["memberId"]
    joined = quietly("JoinGroup", 9, dict(join, memberId=world.member))
    world.generation = joined["generationId"]
    plan = {"memberId": world.member, "assignment": b"plan"}
    synced = quietly("SyncGroup", 5, {
        "groupId": "living", "generationId": world.generation, "memberId": world.member, "protocolType": "consumer", "protocolName": "range", "assignments": [plan]})
    assert synced["errorCode"] == 0, synced
    # Kafka's first block of producer ids takes a moment.
    until(lambda: quietly("InitProducerId", 4, {"transactionalId": None})["errorCode"] == 0, "a producer id")
    return world


# --- the sweeps

def sweep_fields(world, only):
    bodies = asked(world)
    for title in [title for title in ORDER if not only or title in only]:
        question, name = bodies[title], title.split("/")[0]
        for version in JAR.versions(name):
            sweep_version(title, name, version, question, CLIENTS)
        if "controller" in JAR.requests[name]["listeners"]:
            sweep_version(title, name, version, question, CONTROLLER)


def sweep_version(title, name, version, question, address):
    where_asked = "" if address == CLIENTS else " on the controller"
    form, asker = JAR.request(name, version), Asker(address)
    case = lambda number: f"case-{title}-{version}-{number}{where_asked}".replace("/", ".").replace(" ", "-")
    whole = question(case(0), version)
    spoilt_ones = [(where, how) for where, how, _ in spoilings(form, form.fields, whole) if not is_left_out(title, version, where, how)]
    asked_for = [("as it should be", case(0), whole)]
    for number, (where, how) in enumerate(spoilt_ones, 1):
        # The same spoiling of a body with a name of its own.
        own = question(case(number), version)
        body = next(body for place, other, body in spoilings(form, form.fields, own) if (place, other) == (where, how))
        asked_for.append((f"{where} {how}", case(number), body))
    if title in NEED_TOPICS:
        make_topics([(own, 1) for _, own, _ in asked_for])
    for what, own, body in asked_for:
        asker.ask(f"{title}{where_asked} v{version} {what}", name, version, body, own)


def is_left_out(title, version, where, how):
    # Kafka never answers a broker that asks for no transactions.
    if title == "AddPartitionsToTxn" and version >= 4 and (where, how) == ("transactions", "nothing"):
        return True
    # Groups of these names have members from the sweep before: their next assignment is a matter of time.
    if title.startswith("ConsumerGroupHeartbeat/") and where == "groupId":
        return True
    # Kafka never answers who joins so; to wait for that once is enough.
    return title.startswith("JoinGroup") and (title, version) != ("JoinGroup", 0) and (where, how) == ("protocols", "twice")


def sweep_frames(world, only):
    """What can be wrong around a body, and versions that there are not."""
    bodies = asked(world)
    told = {api["apiKey"]: f"{api['minVersion']} to {api['maxVersion']}" for api in quietly("ApiVersions", 0, {})["apiKeys"]}
    for name in [name for name in JAR.names() if not only or name in only]:
        print(f"{name} is told: {told.get(JAR.requests[name]['apiKey'], 'not')}")
        versions = JAR.versions(name)
        for address, listener in ((CLIENTS, "clients"), (CONTROLLER, "controller")):
            asker = Asker(address)
            newest = versions[-1]
            body = bodies[name](f"case-{name}-frame", newest) if name in bodies else {}
            payload = JAR.request(name, newest).encode(body)
            ask = lambda what, **how: asker.ask(f"{name} on {listener} {what}", name, newest, body, f"case-{name}-frame", **how)
            for version in sorted({-32768, -1, versions[0] - 1, newest + 1, 32767}):
                if version not in versions:
                    # The only API that answers a version that there is not: in version 0.
                    read_as = 0 if name == "ApiVersions" else None
                    asker.ask(f"{name} on {listener} version {version}", name, newest, payload=payload, claimed=version, read_as=read_as)
            if name not in bodies:
                for version in versions:
                    asker.ask(f"{name} on {listener} v{version} with defaults", name, version, {})
                continue
            ask("client null", client=None)
            ask("client not text", client=b"\xff\xfe")
            ask("client empty", client="")
            ask("one byte short", payload=payload[:-1])
            ask("half", payload=payload[:len(payload) // 2])
            ask("no body", payload=b"")
            ask("bytes left over", payload=payload + b"tail")
            if JAR.request(name, newest).flexible:
                ask("unknown tags", header_tags=[(3, b"q"), (77, b"")], tags=[(50, b"abc"), (10_000, b"")])
                ask("a tag twice", tags=[(50, b"a"), (50, b"b")])
                ask("tags out of order", tags=[(51, b"a"), (50, b"b")])
                ask("a header without tags", header_flexible=False)


def main():
    world = furnish()
    only = set(sys.argv[5:])
    sweep_fields(world, only)
    sweep_frames(world, only)
    print("done - the sweep")


main()
