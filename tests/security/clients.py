"""Logging in: librdkafka and kafka-python by PLAIN and both SCRAMs; who is not let in, and in which words.

argv[1] is a SASL_PLAINTEXT listener with alice (PLAIN, a-secret), carol (SCRAM, c-secret) and sessions of 3 s.
"""
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError as PythonKafkaError

from checks import bootstrap, check, main, same, topic, until

USERS = [("PLAIN", "alice", "a-secret"), ("SCRAM-SHA-256", "carol", "c-secret"), ("SCRAM-SHA-512", "carol", "c-secret")]
WRONG = [
    ("PLAIN", "alice", "wrong"),
    ("PLAIN", "nobody", "a-secret"),
    ("SCRAM-SHA-256", "carol", "wrong"),
    ("SCRAM-SHA-256", "nobody", "c-secret"),
    ("SCRAM-SHA-512", "alice", "a-secret"),
]


def rdkafka(user, **settings):
    mechanism, name, password = user
    base = {
        "bootstrap.servers": bootstrap(),
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": mechanism,
        "sasl.username": name,
        "sasl.password": password,
    }
    return base | settings


def python(user, **settings):
    mechanism, name, password = user
    base = {
        "bootstrap_servers": bootstrap(),
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": mechanism,
        "sasl_plain_username": name,
        "sasl_plain_password": password,
    }
    return base | settings


@check
def librdkafka_produces_and_consumes_by_each_mechanism():
    for user in USERS:
        name = topic(f"rd-{user[0]}")
        producer = Producer(rdkafka(user))
        for number in range(50):
            producer.produce(name, str(number))
        same(producer.flush(30), 0, "unsent")
        consumer = Consumer(rdkafka(user, **{"group.id": name, "auto.offset.reset": "earliest"}))
        consumer.subscribe([name])
        found = []
        until(30, "all records", lambda: found.extend(m.value() for m in consumer.consume(50, 0.2)) or len(found) >= 50)
        consumer.close()
        same(sorted(int(value) for value in found), list(range(50)))


def refused(user):
    """What librdkafka tells of a user, until it is that it does not get in."""
    errors = []
    client = AdminClient(rdkafka(user, error_cb=errors.append))

    def told():
        client.poll(0.1)
        return KafkaError._AUTHENTICATION in {error.code() for error in errors}

    until(10, f"an authentication error of {user}", told)
    try:
        client.list_topics(timeout=0.5)
    except KafkaException:
        return
    raise AssertionError(f"{user} was let in")


@check
def librdkafka_is_told_why_it_is_not_let_in():
    for user in WRONG:
        refused(user)


def write_for(seconds, name, failed):
    """Records one after the other, and what became of them."""
    producer = Producer(rdkafka(USERS[1]))
    end = time.monotonic() + seconds
    sent = 0
    while time.monotonic() < end:
        producer.produce(name, str(sent), on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0.05)
        sent += 1
    unsent = producer.flush(30)
    if unsent or sent < 20:
        failed.append(f"{unsent} of {sent} are unsent")


# It takes longer than two sessions, while others are asked: whoever is asked last waits for it.
FAILED = []
WRITING = threading.Thread(target=write_for, args=(8, topic("again"), FAILED))
WRITING.start()


@check
def kafka_python_produces_and_consumes_by_each_mechanism():
    for user in USERS:
        name = topic(f"py-{user[0]}")
        producer = KafkaProducer(**python(user))
        futures = [producer.send(name, str(number).encode()) for number in range(50)]
        for future in futures:
            future.get(20)
        producer.close()
        consumer = KafkaConsumer(name, auto_offset_reset="earliest", consumer_timeout_ms=10_000, **python(user))
        found = []
        for record in consumer:
            found.append(int(record.value))
            if len(found) == 50:
                break
        consumer.close()
        same(sorted(found), list(range(50)))


@check
def kafka_python_is_not_let_in_with_a_wrong_password():
    for user in WRONG[:3]:
        try:
            # It tries again for as long as it may, and says nothing of why; the node's audit does.
            producer = KafkaProducer(max_block_ms=2000, bootstrap_timeout_ms=2000, **python(user))
            producer.send("x", b"y").get(2)
        except PythonKafkaError:
            continue
        raise AssertionError(f"{user} was let in")


@check
def librdkafka_authenticates_again_without_losing_a_record():
    WRITING.join()
    same(FAILED, [])


main("security")
