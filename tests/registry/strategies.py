"""Our serializers and confluent-kafka's do the same: three strategies of subjects, ids in the payload and in a header, the latest version, references,
and a reader's schema. Each value that one of them wrote is read by both. Owns one story; run.py starts the registry."""
import json
import os
import subprocess

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import schema_registry as registry_of
from confluent_kafka.schema_registry import SchemaReference, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

import confluent

FORMATS = {"avro": ("avro", "avsc"), "json": ("json-schema", "json"), "protobuf": ("protobuf", "proto")}
# Two formats of one full name would share the subject of the record.
ORDERS = {**confluent.ORDERS, "avro": [text.replace('"shop"', '"books"') for text in confluent.ORDERS["avro"]]}
RECORDS = {"avro": "books.Order", "json": "Order", "protobuf": "shop.Order"}
STRATEGIES = {
    "topic": (registry_of.topic_subject_name_strategy, lambda topic, name: f"{topic}-value"),
    "record": (registry_of.record_subject_name_strategy, lambda topic, name: name),
    "topic-record": (registry_of.topic_record_subject_name_strategy, lambda topic, name: f"{topic}-{name}"),
}
PLACES = {"payload": registry_of.prefix_schema_id_serializer, "header": registry_of.header_schema_id_serializer}


class Story:
    def __init__(self, broker, url, ask, place):
        self.broker, self.url, self.ask, self.place = broker, url, ask, place
        self.registry = SchemaRegistryClient({"url": url})
        self.producer = Producer({"bootstrap.servers": broker})
        place.mkdir(exist_ok=True)

    def file(self, name, text):
        (self.place / name).write_text(text)
        return str(self.place / name)

    def ottla(self, verb, kind, topic, *arguments, text=None, code=0):
        where = ["-b", self.broker, "--schema-registry", self.url, "--value-format", FORMATS[kind][0]]
        command = [os.environ["OTTLA"], verb, *where, *arguments, topic]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=30)
        assert done.returncode == code, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def ours_reads(self, kind, topic, *arguments):
        return [json.loads(line) for line in self.ottla("consume", kind, topic, "--from-beginning", "-e", *arguments).splitlines()]

    def theirs_reads(self, topic, decode):
        consumer = Consumer({"bootstrap.servers": self.broker, "group.id": "strategies", "auto.offset.reset": "earliest"})
        end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
        consumer.assign([TopicPartition(topic, 0, 0)])
        found = []
        while len(found) < end:
            message = consumer.poll(20)
            assert message is not None and message.error() is None, message
            context = SerializationContext(topic, MessageField.VALUE, message.headers() or [])
            value = decode(message.value(), context)
            found.append(json_format.MessageToDict(value, preserving_proto_field_name=True) if hasattr(value, "DESCRIPTOR") else value)
        consumer.close()
        return found

    def theirs_writes(self, topic, encode, value):
        headers = []
        payload = encode(value, SerializationContext(topic, MessageField.VALUE, headers))
        self.producer.produce(topic, payload, headers=headers)
        assert self.producer.flush(20) == 0
        return headers

    def serializer(self, kind, version, conf):
        text = ORDERS[kind][version - 1]
        if kind == "avro":
            return AvroSerializer(self.registry, text, conf=conf)
        if kind == "json":
            return JSONSerializer(text, self.registry, conf=conf)
        return ProtobufSerializer(confluent.message_class(version + 1), self.registry, {"use.deprecated.format": False, **conf})

    def deserializer(self, kind, message=None):
        # One that has written nothing: what it caches of a Protobuf file is the text, and a reader takes that for a descriptor.
        registry = SchemaRegistryClient({"url": self.url})
        if kind == "avro":
            return AvroDeserializer(registry)
        if kind == "json":
            return JSONDeserializer(None, schema_registry_client=registry)
        return ProtobufDeserializer(message or confluent.message_class(3), {"use.deprecated.format": False}, registry)


def value_of(kind, version, **value):
    return confluent.message_class(version + 1)(**value) if kind == "protobuf" else value


def strategies_and_places(story):
    for kind in FORMATS:
        schema = story.file(f"order.{FORMATS[kind][1]}", ORDERS[kind][0])
        for strategy, (theirs, subject) in STRATEGIES.items():
            for place, serialize in PLACES.items():
                topic = f"by-{kind}-{strategy}-{place}"
                arguments = ["--schema", schema, "--subject-strategy", strategy, "--schema-id", place]
                story.ottla("produce", kind, topic, *arguments, text='{"client":"ours","n":1}\n{"client":"ours","n":2}')
                name = subject(topic, RECORDS[kind])
                assert story.ask("GET", f"/subjects/{name}/versions") == (200, [1]), name
                conf = {"subject.name.strategy": theirs, "schema.id.serializer": serialize}
                headers = story.theirs_writes(topic, story.serializer(kind, 1, conf), value_of(kind, 1, client="theirs", n=3))
                assert story.ask("GET", f"/subjects/{name}/versions") == (200, [1]), "theirs is the same schema in the same place"
                assert [key for key, _ in headers] == (["__value_schema_id"] if place == "header" else []), headers
                expected = [{"client": "ours", "n": 1}, {"client": "ours", "n": 2}, {"client": "theirs", "n": 3}]
                assert story.ours_reads(kind, topic) == expected, topic
                assert story.theirs_reads(topic, story.deserializer(kind)) == expected, topic


def the_latest_version(story):
    for kind in FORMATS:
        topic, subject = f"latest-{kind}", f"latest-{kind}-value"
        one, two = (story.file(f"{version}.{FORMATS[kind][1]}", ORDERS[kind][version - 1]) for version in (1, 2))
        value = '{"client":"ours","n":1,"note":"said"}'
        assert "no schema" in refused(story, kind, topic, value, "--schema", one, "--no-auto-register")
        for version in (one, two):
            command = ["schema", "create", "--schema-registry", story.url, subject, version]
            subprocess.run([os.environ["OTTLA"], *command], check=True, capture_output=True, timeout=30)
        refused(story, kind, topic, '{"client":"ours","n":1,"note":"said"}', "--schema", one)
        story.ottla("produce", kind, topic, "--schema", one, "--use-latest-version", text=value)
        story.ottla("produce", kind, topic, text=value)
        conf = {"auto.register.schemas": False, "use.latest.version": True}
        story.theirs_writes(topic, story.serializer(kind, 2, conf), value_of(kind, 2, client="theirs", n=2, note="said"))
        expected = [{"client": "ours", "n": 1, "note": "said"}] * 2 + [{"client": "theirs", "n": 2, "note": "said"}]
        assert story.ours_reads(kind, topic) == expected, kind
        assert story.theirs_reads(topic, story.deserializer(kind)) == expected, kind


def refused(story, kind, topic, value, *arguments):
    where = ["-b", story.broker, "--schema-registry", story.url, "--value-format", FORMATS[kind][0]]
    done = subprocess.run([os.environ["OTTLA"], "produce", *where, *arguments, topic], input=value, capture_output=True, text=True, timeout=30)
    assert done.returncode != 0, done.stdout
    return done.stderr


MONEY = {
    "avro": ("shop.Money", '{"type":"record","name":"Money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}'),
    "json": ("money.json", '{"title":"Money","type":"object","properties":{"cents":{"type":"integer"}}}'),
    "protobuf": ("money.proto", 'syntax = "proto3";\npackage shop;\n\nmessage Money {\n  int32 cents = 1;\n}\n'),
}
PAID = {
    "avro": '{"type":"record","name":"Paid","namespace":"shop","fields":[{"name":"price","type":"shop.Money"}]}',
    "json": '{"title":"Paid","type":"object","properties":{"price":{"$ref":"money.json"}}}',
    "protobuf": 'syntax = "proto3";\npackage shop;\n\nimport "money.proto";\n\nmessage Paid {\n  shop.Money price = 1;\n}\n',
}


def paid_class():
    """shop.Paid, as protoc would have generated it of both files."""
    text = descriptor_pb2.FieldDescriptorProto
    pool = descriptor_pool.DescriptorPool()
    money = descriptor_pb2.FileDescriptorProto(name="money.proto", package="shop", syntax="proto3")
    money.message_type.add(name="Money").field.add(name="cents", number=1, type=text.TYPE_INT32, label=text.LABEL_OPTIONAL)
    paid = descriptor_pb2.FileDescriptorProto(name="paid.proto", package="shop", syntax="proto3", dependency=["money.proto"])
    field = paid.message_type.add(name="Paid").field.add(name="price", number=1, type=text.TYPE_MESSAGE, label=text.LABEL_OPTIONAL)
    field.type_name = ".shop.Money"
    pool.Add(money)
    pool.Add(paid)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Paid"))


def references(story):
    for kind in FORMATS:
        name, text = MONEY[kind]
        ending = FORMATS[kind][1]
        create = ["schema", "create", "--schema-registry", story.url, f"money-{kind}", story.file(f"money.{ending}", text)]
        subprocess.run([os.environ["OTTLA"], *create], check=True, capture_output=True, timeout=30)
        topic, schema = f"paid-{kind}", story.file(f"paid.{ending}", PAID[kind])
        story.ottla("produce", kind, topic, "--schema", schema, "--reference", f"{name}=money-{kind}:1", text='{"price":{"cents":99}}')
        decode = story.deserializer(kind, paid_class() if kind == "protobuf" else None)
        if kind != "protobuf":
            referring = registry_of.Schema(PAID[kind], kind.upper(), [SchemaReference(name, f"money-{kind}", 1)])
            encode = AvroSerializer(story.registry, referring) if kind == "avro" else JSONSerializer(referring, story.registry)
            story.theirs_writes(topic, encode, {"price": {"cents": 100}})
        expected = [{"price": {"cents": 99}}, {"price": {"cents": 100}}][: 1 if kind == "protobuf" else 2]
        assert story.ours_reads(kind, topic) == expected, kind
        assert story.theirs_reads(topic, decode) == expected, kind
        assert story.ask("GET", f"/subjects/paid-{kind}-value/versions") == (200, [1]), kind


def a_readers_schema(story):
    one, two = (story.file(f"{version}.avsc", ORDERS["avro"][version - 1]) for version in (1, 2))
    story.ottla("produce", "avro", "read-as", "--schema", one, text='{"client":"ours","n":1}')
    story.ottla("produce", "avro", "read-as", "--schema", two, text='{"client":"ours","n":2,"note":"x"}')
    newest = [{"client": "ours", "n": 1, "note": "-"}, {"client": "ours", "n": 2, "note": "x"}]
    assert story.ours_reads("avro", "read-as", "--reader-schema", two) == newest
    assert story.ours_reads("avro", "read-as", "--reader-subject", "read-as-value") == newest
    oldest = [{"client": "ours", "n": 1}, {"client": "ours", "n": 2}]
    assert story.ours_reads("avro", "read-as", "--reader-schema", one) == oldest
    for text, expected in ((ORDERS["avro"][0], oldest), (ORDERS["avro"][1], newest)):
        assert story.theirs_reads("read-as", AvroDeserializer(story.registry, text)) == expected


def tell(story):
    strategies_and_places(story)
    the_latest_version(story)
    references(story)
    a_readers_schema(story)
