"""A `_schemas` topic that Karapace wrote, and what Karapace answered from it, kept in `karapace-topic.json` and taken over by a registry of ours.

`takeover.py record KARAPACE BROKER TOPIC` tells a Karapace a story and writes down its topic and its answers (by hand: no registry of packages has Karapace).
`takeover.py back KARAPACE BROKER TOPIC OURS`: a Karapace that was started anew on a topic that `OURS` wrote answers what ours answers.
`write(broker, topic)` puts the recorded topic into a cluster; `compare(ask)` asks again what Karapace was asked.
"""
import json
import pathlib
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

import peer

RECORDED = pathlib.Path(__file__).parent / "karapace-topic.json"


def record(name, *fields, **more):
    fields = [{"name": field, "type": "int", "default": 0} for field in fields]
    return {"schema": json.dumps({"type": "record", "name": name, "namespace": "t", "fields": fields, **more})}


def story():
    """What is registered, changed and deleted."""
    for turn in range(3):
        yield "POST", "/subjects/orders-value/versions", record("Order", *[f"f{n}" for n in range(turn + 1)])
    yield "POST", "/subjects/copy-value/versions", record("Order", "f0")
    yield "POST", "/subjects/text-key/versions", {"schema": '"string"'}
    yield "PUT", "/config/json-value", {"compatibility": "FULL"}
    for body in ({"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object", "properties": {"a": {"type": "string"}}, "description": "ü"}):
        yield "POST", "/subjects/json-value/versions", {"schemaType": "JSON", "schema": json.dumps(body, ensure_ascii=False)}
    reference = {"name": "t.Order", "subject": "orders-value", "version": 1}
    yield "POST", "/subjects/list-value/versions", {"schema": '{"type":"array","items":"t.Order"}', "references": [reference]}
    yield "DELETE", "/subjects/orders-value/versions/2", None
    yield "POST", "/subjects/gone-value/versions", record("Gone", "a")
    yield "DELETE", "/subjects/gone-value", None
    yield "POST", "/subjects/for-good-value/versions", record("ForGood", "a")
    yield "DELETE", "/subjects/for-good-value", None
    yield "DELETE", "/subjects/for-good-value?permanent=true", None
    yield "PUT", "/config", {"compatibility": "FORWARD"}
    yield "PUT", "/config/orders-value", {"compatibility": "NONE"}
    yield "PUT", "/config/copy-value", {"compatibility": "FULL_TRANSITIVE"}
    yield "DELETE", "/config/copy-value", None


def looks():
    """What is asked afterwards."""
    yield from ("/subjects", "/subjects?deleted=true", "/config", "/config/orders-value", "/config/json-value", "/mode")
    for subject in ("orders-value", "copy-value", "text-key", "json-value", "list-value", "gone-value", "for-good-value"):
        yield from (f"/subjects/{subject}/versions", f"/subjects/{subject}/versions?deleted=true")
        yield from (f"/subjects/{subject}/versions/{version}" for version in (1, 2, 3, "latest"))
    # Not that of the one that was deleted for good: Karapace answers with what it remembers until it is started anew, Confluent's with 404.
    yield from (f"/schemas/ids/{number}" for number in range(1, 9))
    yield from (f"/schemas/ids/{number}/versions" for number in range(1, 9))


def topic_of(broker, topic):
    """Keys and values, as text."""
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "takeover", "auto.offset.reset": "earliest"})
    end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
    consumer.assign([TopicPartition(topic, 0, 0)])
    found, offset = [], 0
    while offset < end:
        message = consumer.poll(20)
        assert message is not None and message.error() is None, message
        offset = message.offset() + 1
        found.append([part if part is None else part.decode() for part in (message.key(), message.value())])
    consumer.close()
    return found


def write(broker, topic):
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(topic, 1, 1, config={"cleanup.policy": "compact"})])[topic].result(20)
    producer = Producer({"bootstrap.servers": broker})
    for key, value in json.loads(RECORDED.read_text())["records"]:
        producer.produce(topic, key=key, value=value, partition=0)
    assert producer.flush(20) == 0


def differ(theirs, ours):
    """The order of subjects is each one's own."""
    sides = []
    for status, answer in (theirs, ours):
        names = isinstance(answer, list) and all(isinstance(one, str) for one in answer)
        sides.append(peer.seen(status, sorted(answer) if names else answer))
    return peer.differs(*sides)


def compare(ask):
    """Questions that are answered otherwise than Karapace answered, and how many there were."""
    asked = [(path, (status, answer), ask("GET", path)) for path, status, answer in json.loads(RECORDED.read_text())["answers"]]
    return [f"{path}: {theirs} | {ours}" for path, theirs, ours in asked if differ(theirs, ours)], len(asked)


def main():
    command, karapace, broker, topic = sys.argv[1:5]
    ask = lambda method, path, body=None: peer.ask(karapace, method, path, body)
    if command == "record":
        for question in story():
            status, answer = ask(*question)
            assert status == 200, (question, status, answer)
        answers = [[path, *ask("GET", path)] for path in looks()]
        recorded = {"records": topic_of(broker, topic), "answers": answers}
        RECORDED.write_text(json.dumps(recorded, indent=0, ensure_ascii=False) + "\n")
        print(len(recorded["records"]), "records,", len(answers), "answers")
        return
    ours = lambda path: peer.ask(sys.argv[5], "GET", path, None)
    differing = [(path, ask("GET", path), ours(path)) for path in looks()]
    differing = [one for one in differing if differ(*one[1:])]
    print("\n".join(map(str, differing)))
    print(f"{len(list(looks()))} looks, {len(differing)} differ")


if __name__ == "__main__":
    main()
