"""Clients that log in go on while a node is killed: what was acknowledged is there once, and nobody gets more than he was given.

argv[1] is the SASL_PLAINTEXT listeners of three nodes, where alice (SCRAM-SHA-512, a-secret) may read and write the topic `kept` and read by
the group `kept`, and nothing else. Says `writing` when the first records are acknowledged: then a node may go.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from checks import bootstrap, check, main, same, until

SECONDS = 15
ALICE = {
    "bootstrap.servers": bootstrap(),
    "security.protocol": "SASL_PLAINTEXT",
    "sasl.mechanism": "SCRAM-SHA-512",
    "sasl.username": "alice",
    "sasl.password": "a-secret",
    "reconnect.backoff.max.ms": 200,
}


def consumer(**more):
    return Consumer(ALICE | {"group.id": "kept", "auto.offset.reset": "earliest"} | more)


@check
def what_is_acknowledged_is_there_once():
    acknowledged, failed = set(), []
    # The user and what he may do are on their way to every node.
    producer = Producer(ALICE | {"acks": "all", "enable.idempotence": True, "linger.ms": 5, "message.timeout.ms": 60_000})

    def delivered(error, message):
        if error:
            failed.append(error)
        else:
            acknowledged.add(int(message.value()))

    number, told, end = 0, False, time.monotonic() + SECONDS
    while time.monotonic() < end:
        producer.produce("kept", str(number), key=str(number), on_delivery=delivered)
        number += 1
        producer.poll(0.005)
        if acknowledged and not told:
            print("writing", flush=True)
            told, end = True, time.monotonic() + SECONDS
    same(producer.flush(60), 0, "unsent")
    same(failed, [])
    reader, found = consumer(), []
    reader.subscribe(["kept"])
    until(60, f"{number} records", lambda: found.extend(int(m.value()) for m in reader.consume(500, 1) if not m.error()) or len(found) >= number)
    reader.close()
    same(len(found), number, "records")
    same(set(found), acknowledged)


@check
def nobody_gets_more_than_he_was_given():
    admin = AdminClient(ALICE)
    made = admin.create_topics([NewTopic("another", 1)])["another"]
    try:
        made.result(20)
    except KafkaException as error:
        same(error.args[0].code(), KafkaError.TOPIC_AUTHORIZATION_FAILED)
    else:
        raise AssertionError("a topic was made")
    reader = consumer(**{"group.id": "another"})
    reader.subscribe(["kept"])
    errors = []

    def refused():
        message = reader.poll(1)
        errors.extend([message.error()] if message and message.error() else [])
        return errors

    same(until(20, "a refusal", refused)[0].code(), KafkaError.GROUP_AUTHORIZATION_FAILED)
    reader.close()


main("through a kill")
