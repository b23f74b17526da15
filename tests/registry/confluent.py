"""confluent-kafka and its serializers: `confluent.py write|read BROKER REGISTRY`. What is written and printed: see run.py."""
import functools
import json
import pathlib
import sys

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

NAME = "confluent-kafka"
ORDERS = json.loads((pathlib.Path(__file__).parent / "orders.json").read_text())


@functools.cache
def message_class(fields):
    """shop.Order with the first of its fields, as protoc would have generated it."""
    text = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name=f"order{fields}.proto", package="shop", syntax="proto3")
    message = file.message_type.add(name="Order")
    kinds = (("client", text.TYPE_STRING), ("n", text.TYPE_INT32), ("note", text.TYPE_STRING))
    for number, (name, kind) in enumerate(kinds[:fields], 1):
        message.field.add(name=name, number=number, type=kind, label=text.LABEL_OPTIONAL, json_name=name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


def serializer(registry, kind, version):
    if kind == "avro":
        return AvroSerializer(registry, ORDERS[kind][version - 1])
    if kind == "json":
        return JSONSerializer(ORDERS[kind][version - 1], registry)
    return ProtobufSerializer(message_class(version + 1), registry, {"use.deprecated.format": False})


def deserializer(registry, kind):
    if kind == "avro":
        return AvroDeserializer(registry, ORDERS[kind][1])
    if kind == "json":
        return JSONDeserializer(None, schema_registry_client=registry)
    return ProtobufDeserializer(message_class(3), {"use.deprecated.format": False})


def write(broker, registry):
    producer = Producer({"bootstrap.servers": broker})
    for kind in ORDERS:
        topic = f"reg-{kind}"
        for version in (1, 2):
            value = {"client": NAME, "n": version, **({"note": "second"} if version == 2 else {})}
            if kind == "protobuf":
                value = message_class(version + 1)(**value)
            encode = serializer(registry, kind, version)
            encoded = encode(value, SerializationContext(topic, MessageField.VALUE))
            producer.produce(topic, encoded)
            print(f"wrote {kind} {version} {int.from_bytes(encoded[1:5], 'big')}")
    assert producer.flush(20) == 0


def read(broker, registry):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": NAME, "auto.offset.reset": "earliest"})
    for kind in ORDERS:
        topic, decode = f"reg-{kind}", deserializer(registry, kind)
        end = consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=20)[1]
        consumer.assign([TopicPartition(topic, 0, 0)])
        seen = 0
        while seen < end:
            message = consumer.poll(20)
            assert message is not None and message.error() is None, message and message.error()
            seen = message.offset() + 1
            value = decode(message.value(), SerializationContext(topic, MessageField.VALUE))
            if kind == "protobuf":
                value = {"client": value.client, "n": value.n, "note": value.note}
            print(f"read {kind} {value['client']} {value['n']} {value.get('note') or '-'}")
    consumer.close()


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](sys.argv[2], SchemaRegistryClient({"url": sys.argv[3]}))
