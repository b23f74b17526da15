"""TLS: clients of every kind on listeners with stores of every kind; who is not let in; keys that change; three nodes with nothing else.

See nodes.py for the environment.
"""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from confluent_kafka import Consumer, KafkaError, Producer
from kafka import KafkaConsumer, KafkaProducer

import nodes
from checks import check, main, same, topic, until
from nodes import PLAIN, USERS, Node, java, kcat, key, ottla, ports, store, trust

LISTENERS = ["P12", "LEGACY", "MUTUAL", "JAVA", "SASL", "OPEN", "CONTROLLER"]
METRICS = ports(len(LISTENERS) + 1)[-1]
PORT = dict(zip(LISTENERS, ports(len(LISTENERS))))
AT = {name: f"localhost:{port}" for name, port in PORT.items()}
CA = key("authority.crt")
RELOADED = os.path.join(nodes.SCRATCH, "reloaded.pem")
REVOKED = os.path.join(nodes.SCRATCH, "revoked.crl")


def node():
    """One node with all of them."""
    listeners = ",".join(f"{name}://localhost:{port}" for name, port in PORT.items())
    protocols = {"SASL": "SASL_SSL", "OPEN": "PLAINTEXT", "CONTROLLER": "PLAINTEXT"}
    shutil.copy(key("server.pem"), RELOADED)
    shutil.copy(key("nobody.crl"), REVOKED)
    properties = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@localhost:{PORT['CONTROLLER']}",
        "controller.listener.names": "CONTROLLER",
        "listeners": listeners,
        "advertised.listeners": listeners.rsplit(",", 1)[0],
        "inter.broker.listener.name": "OPEN",
        "listener.security.protocol.map": ",".join(f"{name}:{protocols.get(name, 'SSL')}" for name in PORT),
        "metrics.listeners": f"http://127.0.0.1:{METRICS}",
        "offsets.topic.num.partitions": 4,
        "offsets.topic.replication.factor": 1,
        "group.initial.rebalance.delay.ms": 0,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:alice",
        "allow.everyone.if.no.acl.found": "true",
        "ssl.client.auth": "none",
        "listener.name.mutual.ssl.client.auth": "required",
        "listener.name.mutual.ssl.principal.mapping.rules": "RULE:^CN=(.*?),.*$/$1/L,DEFAULT",
        "listener.name.mutual.ssl.crl.location": REVOKED,
        "listener.name.java.ssl.key.password": "key-secret",
        "listener.name.java.ssl.enabled.protocols": "TLSv1.2",
        "listener.name.sasl.ssl.key.password": "key-secret",
        "listener.name.sasl.ssl.keystore.location": RELOADED,
        "listener.name.sasl.ssl.keystore.type": "PEM",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl.plain.sasl.jaas.config": USERS,
    }
    properties |= store("server.p12", "PKCS12", "listener.name.p12.") | store("server.legacy.p12", "PKCS12", "listener.name.legacy.")
    properties |= store("server.jks", "JKS", "listener.name.mutual.") | trust("trust.JKS", "JKS", "listener.name.mutual.")
    properties |= store("java.jks", "JKS", "listener.name.java.")
    return Node("one", properties).start().ready()


ONE = node()
SSL = {"security.protocol": "SSL", "ssl.ca.location": CA}
ALICE = SSL | {"ssl.certificate.location": key("alice.crt"), "ssl.key.location": key("alice.key")}
BOB = SSL | {"ssl.certificate.location": key("bob.crt"), "ssl.key.location": key("bob.key")}
SASL = SSL | {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "alice", "sasl.password": "a-secret"}
LIBRDKAFKA = {"P12": SSL, "LEGACY": SSL, "MUTUAL": ALICE, "JAVA": SSL | {"ssl.ca.location": key("java.crt")}, "SASL": SASL}


def java_properties(listener):
    found = {"security.protocol": "SSL"} | trust("trust.PKCS12", "PKCS12")
    if listener == "MUTUAL":
        found |= store("alice.jks", "JKS")
    if listener == "JAVA":
        found = {"security.protocol": "SSL", "ssl.truststore.type": "PEM", "ssl.truststore.location": key("java.crt")}
    if listener == "SASL":
        found |= {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN"}
        found["sasl.jaas.config"] = f'{PLAIN} username="alice" password="a-secret";'
    return found


def round_trip(address, settings, name, count=2_000, size=1_000):
    """Records of some size there and back, by librdkafka."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "linger.ms": 5} | settings)
    for number in range(count):
        producer.produce(name, f"{number} {'x' * size}", partition=0)
        producer.poll(0)
    same(producer.flush(30), 0, "unsent")
    consumer = Consumer({"bootstrap.servers": address, "group.id": name, "auto.offset.reset": "earliest"} | settings)
    consumer.subscribe([name])
    found = []
    end = time.monotonic() + 30
    while len(found) < count and time.monotonic() < end:
        for message in consumer.consume(1_000, 0.5):
            if not message.error():
                found.append(int(message.value().split(b" ")[0]))
    consumer.close()
    same(found, list(range(count)), "records")


@check
def librdkafka_on_every_listener():
    for listener, settings in LIBRDKAFKA.items():
        round_trip(AT[listener], settings, topic(f"rd-{listener}"))


@check
def large_records_pass():
    settings = {"message.max.bytes": 1_000_000}
    round_trip(AT["P12"], LIBRDKAFKA["P12"] | settings, topic("large"), count=40, size=900_000)


@check
def kafka_python_on_every_listener():
    for listener in ("P12", "MUTUAL", "SASL"):
        name = topic(f"py-{listener}")
        settings = {"bootstrap_servers": AT[listener], "security_protocol": "SSL", "ssl_cafile": CA}
        if listener == "MUTUAL":
            settings |= {"ssl_certfile": key("alice.crt"), "ssl_keyfile": key("alice.key")}
        if listener == "SASL":
            settings |= {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN"}
            settings |= {"sasl_plain_username": "alice", "sasl_plain_password": "a-secret"}
        producer = KafkaProducer(**settings)
        for number in range(100):
            producer.send(name, str(number).encode(), partition=0)
        producer.flush(30)
        consumer = KafkaConsumer(name, auto_offset_reset="earliest", consumer_timeout_ms=10_000, **settings)
        found = []
        for message in consumer:
            found.append(int(message.value))
            if len(found) == 100:
                break
        same(found, list(range(100)), listener)


@check
def kcat_with_pkcs12_and_without_a_certificate():
    settings = {"security_protocol": "ssl", "ssl_ca_location": CA}
    known = settings | {"ssl_keystore_location": key("alice.p12"), "ssl_keystore_password": "store-secret"}
    same(kcat(AT["MUTUAL"], "-L", **known)[0], 0, "exit code with a certificate")
    code, said = kcat(AT["MUTUAL"], "-L", **settings)
    assert code != 0 and "certificate required" in said, said


@check
def javas_console_on_every_listener():
    for listener in ("P12", "MUTUAL", "JAVA", "SASL"):
        name, properties = topic(f"java-{listener}"), java_properties(listener)
        tools = "org.apache.kafka.tools"
        code, said = java(f"{tools}.ConsoleProducer", "--topic", name, properties=properties, address=AT[listener], words="one\ntwo\n")
        same(code, 0, said[-300:])
        more = ["--topic", name, "--from-beginning", "--max-messages", "2", "--timeout-ms", "20000"]
        code, said = java(f"{tools}.consumer.ConsoleConsumer", *more, properties=properties, address=AT[listener])
        same([line for line in said.splitlines() if line in ("one", "two")], ["one", "two"], said[-300:])


@check
def our_commands_in_both_spellings():
    for listener, settings in LIBRDKAFKA.items():
        for properties in (settings, java_properties(listener)):
            code, said = ottla("topic", "list", properties=properties, address=AT[listener])
            same(code, 0, said)


@check
def who_is_not_believed_is_told_so_on_both_sides():
    cases = [
        ("P12", SSL | {"ssl.ca.location": key("stranger.crt")}, "signed by nobody who is trusted here"),
        ("MUTUAL", SSL, "asks for a certificate"),
        ("MUTUAL", SSL | {"ssl.certificate.location": key("self.crt"), "ssl.key.location": key("self.key")}, "does not trust the certificate"),
        ("OPEN", SSL, "closed the connection during the TLS handshake"),
        ("JAVA", LIBRDKAFKA["JAVA"] | {"ssl.enabled.protocols": "TLSv1.3"}, "no version of TLS in common"),
        ("SASL", SASL | {"sasl.password": "wrong"}, "Invalid username or password"),
    ]
    for listener, properties, why in cases:
        code, said = ottla("topic", "list", properties=properties, address=AT[listener], seconds=30)
        assert code != 0 and why in said, f"{listener} {why}: {said}"
        time.sleep(1.1)  # each kind of line comes once a second
    code, said = ottla("topic", "list", properties={"request.timeout.ms": "3000"}, address=AT["P12"], seconds=30)
    assert code != 0, said
    lines = ("does not trust the certificate", "shows no certificate", "signed by nobody who is trusted", "speaks no TLS")
    for why in lines + ("the client speaks TLS",):
        assert why in ONE.said(), f"{why}: {ONE.said()[-2000:]}"
    same("a-secret" in ONE.said() or "store-secret" in ONE.said(), False, "secrets in the log")


@check
def a_certificate_is_a_user():
    name = topic("alices")
    same(ottla("topic", "create", name, properties=ALICE, address=AT["MUTUAL"])[0], 0, "create")
    arguments = ["--allow", "User:alice", "--operation", "all", "--topic", name]
    code, said = ottla("acl", "create", *arguments, properties=ALICE, address=AT["MUTUAL"])
    same(code, 0, said)
    round_trip(AT["MUTUAL"], ALICE, name, count=10)
    for listener, settings in (("MUTUAL", BOB), ("P12", SSL)):
        refused = []
        producer = Producer({"bootstrap.servers": AT[listener], "acks": "all", "message.timeout.ms": 8_000} | settings)
        producer.produce(name, "x", on_delivery=lambda error, _: refused.append(error and error.code()))
        producer.flush(20)
        same(refused, [KafkaError.TOPIC_AUTHORIZATION_FAILED], listener)


def replace(file, by):
    shutil.copy(key(by), file + ".new")
    os.replace(file + ".new", file)


@check
def who_is_revoked_is_turned_away_while_the_node_runs():
    def bobs():
        return ottla("topic", "list", properties=BOB, address=AT["MUTUAL"], seconds=30)

    same(bobs()[0], 0, "bob before")
    replace(REVOKED, "bob.crl")
    until(20, "bob is refused", lambda: bobs()[0] != 0)
    code, said = bobs()
    assert code != 0 and "was revoked" in said, said
    until(5, "a line of the log", lambda: "was revoked" in ONE.said())
    same(ottla("topic", "list", properties=ALICE, address=AT["MUTUAL"])[0], 0, "alice")
    # Of the other side: who holds a server against the list that names its own authority, and one that names nobody's.
    same(ottla("topic", "list", properties=ALICE | {"ssl.crl.location": key("bob.crl")}, address=AT["MUTUAL"])[0], 0, "a client with a list")
    code, said = ottla("topic", "list", properties=ALICE | {"ssl.crl.location": key("nothing.pem")}, address=AT["MUTUAL"])
    assert code != 0 and "no block X509 CRL" in said, said
    replace(REVOKED, "nobody.crl")
    until(20, "bob is back", lambda: bobs()[0] == 0)


def shown(port):
    """The certificate that a listener shows."""
    return ssl.get_server_certificate(("localhost", port))


@check
def changed_keys_are_shown_and_no_connection_is_lost():
    name = topic("kept")
    errors = []
    settings = SASL | {"error_cb": errors.append, "bootstrap.servers": AT["SASL"], "acks": "all"}
    producer = Producer(settings)
    producer.produce(name, "before")
    same(producer.flush(20), 0, "unsent")
    before = shown(PORT["SASL"])
    shutil.copy(key("server2.pem"), RELOADED + ".new")
    os.replace(RELOADED + ".new", RELOADED)
    until(15, "the new certificate", lambda: shown(PORT["SASL"]) != before)
    producer.produce(name, "after")
    same(producer.flush(20), 0, "unsent after it")
    same([str(error) for error in errors], [], "errors")
    # What cannot be read changes nothing.
    now = shown(PORT["SASL"])
    with open(RELOADED, "w") as file:
        file.write("damaged")
    until(15, "a line about it", lambda: "changed keys are not in force" in ONE.said())
    same(shown(PORT["SASL"]), now, "certificate")
    shutil.copy(key("server.pem"), RELOADED)
    until(15, "the first certificate", lambda: shown(PORT["SASL"]) != now)


def dynamic(name, value):
    """A dynamic value of this broker, by our own command."""
    found = ottla("config", "set", "--broker", "1", f"{name}={value}", properties={}, address=AT["OPEN"])
    same(found[0], 0, found[1])


@check
def a_hundred_reloads_under_load_fail_no_request():
    """By IncrementalAlterConfigs; each is waited for until it is shown."""
    name, errors, failed, done = topic("reloaded"), [], [], threading.Event()
    sent = [0]

    def write():
        settings = SASL | {"bootstrap.servers": AT["SASL"], "acks": "all", "linger.ms": 1, "retries": 0, "enable.idempotence": False}
        producer = Producer(settings | {"error_cb": errors.append})
        while not done.is_set():
            producer.produce(name, "x" * 100, partition=0, on_delivery=lambda error, _: error and failed.append(error))
            producer.poll(0.005)
            sent[0] += 1
        failed.extend([f"{unsent} unsent" for unsent in [producer.flush(30)] if unsent])

    writer = threading.Thread(target=write)
    writer.start()
    until(20, "records", lambda: sent[0] > 20)
    location = "listener.name.sasl.ssl.keystore.location"
    try:
        for number in range(100):
            before = shown(PORT["SASL"])
            dynamic(location, key(("server2.pem", "server.pem")[number % 2]))
            until(15, f"change {number}", lambda: shown(PORT["SASL"]) != before)
    finally:
        done.set()
        writer.join()
    same(([str(error) for error in errors], [str(error) for error in failed][:3]), ([], []), f"errors of {sent[0]} records")
    assert sent[0] > 500, sent
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS}/metrics") as answer:
        told = answer.read().decode()
    ends = [line.split()[-1] for line in told.splitlines() if line.startswith('ottla_tls_certificate_expiry_seconds{listener="SASL"}')]
    wanted = ssl.cert_time_to_seconds(nodes.run("openssl", "x509", "-noout", "-enddate", "-in", key("server.crt"))[1].strip().split("=")[1])
    same([float(one) for one in ends], [float(wanted)], "the end of the certificate in /metrics")
    # The file's own value again, for who comes later.
    code, said = ottla("config", "unset", "--broker", "1", location, properties={}, address=AT["OPEN"])
    same(code, 0, said)


@check
def sslscan_finds_nothing_weak():
    for listener in ("P12", "SASL"):
        asked = ["sslscan", "--no-colour", "--no-fallback", AT[listener]]
        found = subprocess.run(asked, capture_output=True, text=True, timeout=120).stdout
        lines = [" ".join(line.split()) for line in found.splitlines()]
        for version, state in (("SSLv2", "disabled"), ("SSLv3", "disabled"), ("TLSv1.0", "disabled"), ("TLSv1.1", "disabled"),
                               ("TLSv1.2", "enabled"), ("TLSv1.3", "enabled")):
            assert f"{version} {state}" in lines, f"{version}: {found}"
        suites = [line.split() for line in lines if line.startswith(("Accepted ", "Preferred "))]
        assert len(suites) >= 6, found
        for _, version, _, _, name, *_ in suites:
            is_good = name.startswith("TLS_") if version == "TLSv1.3" else name.startswith("ECDHE-") and ("GCM" in name or "CHACHA20" in name)
            assert is_good, f"{version} {name}"
        assert not any(line.startswith("Compression enabled") for line in lines), found
        assert "Session renegotiation not supported" in lines or "Secure session renegotiation supported" in lines, found
        hearts = [line for line in lines if "heartbleed" in line]
        assert hearts and all("not vulnerable" in line for line in hearts), found


@check
def noise_and_half_handshakes_cost_nobody_anything():
    held = []
    for number in range(300):
        one = socket.create_connection(("localhost", PORT["P12"]))
        one.sendall([b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01", os.urandom(64), b"GET / HTTP/1.1\r\n\r\n"][number % 4])
        held.append(one)
    for number in range(200):
        context = ssl._create_unverified_context()
        with socket.create_connection(("localhost", PORT["P12"])) as one:
            with context.wrap_socket(one) as secure:
                secure.sendall([b"\x00\x00\x00\x05hello", b"\xff\xff\xff\xff", b"\x00\x00"][number % 3])
    same(ottla("topic", "list", properties=SSL, address=AT["P12"])[0], 0, "exit code")
    for one in held:
        one.close()
    assert ONE.alive(), ONE.said()[-1000:]


def alone(at, controller):
    """A node of its own, whose clients speak TLS."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@localhost:{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"SSL://localhost:{at},CONTROLLER://localhost:{controller}",
        "listener.security.protocol.map": "SSL:SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SSL",
    }


def pem(name):
    return {"ssl.keystore.type": "PEM", "ssl.keystore.location": key(name)}


@check
def what_cannot_be_in_force_refuses_the_start():
    good = store("server.p12", "PKCS12")
    cases = [
        ({}, "it has no key"),
        (good | {"ssl.keystore.password": "wrong"}, "the password is wrong"),
        (good | {"ssl.keystore.location": "/nowhere/x.p12"}, "No such file"),
        (good | {"ssl.client.auth": "required"}, "no trust store"),
        (good | {"ssl.enabled.protocols": "TLSv1"}, "TLSv1 is not spoken here"),
        (good | {"ssl.cipher.suites": "TLS_RSA_WITH_AES_128_CBC_SHA"}, "is not spoken here"),
        (good | {"ssl.provider": "Other"}, "this is not in force"),
        (good | {"ssl.principal.mapping.rules": "RULE:nothing"}, "ssl.principal.mapping.rules"),
        (good | trust("trust.JKS", "JKS", password="wrong") | {"ssl.client.auth": "required"}, "the password is wrong"),
        (good | trust("server.pem", "JKS") | {"ssl.client.auth": "required"}, "whose type is PEM"),
        (store("java.jks", "JKS") | {"ssl.key.password": "wrong"}, "the key's password is wrong"),
        (store("java.jks", "JKS"), "the key's password is wrong"),
        (pem("server.pem"), "no ssl.key.password"),
        (pem("misfit.pem"), "is not that of its certificate"),
        (pem("nothing.pem"), "no certificate in it"),
        (pem("server.pem") | {"ssl.keystore.password": "x"}, "key store password cannot be specified with PEM"),
    ]
    at, controller = ports(2)
    for properties, why in cases:
        base = alone(at, controller) | {"log.dirs": os.path.join(nodes.SCRATCH, "refused")}
        code, said = nodes.run(nodes.OTTLA, "server", "-c", nodes.write("refused.properties", base | properties), seconds=20)
        assert code != 0 and why in said and "why:" in said and "try:" in said, f"{why}: {said}"
        assert "secret" not in said, said


@check
def certificates_that_end_are_told_and_those_that_ended_are_refused():
    cases = [
        ("soon.pem", SSL, None, "expires in"),
        ("expired.pem", SSL, "has expired", "has expired"),
        ("elsewhere.pem", SSL, "is for another host name", None),
        ("elsewhere.pem", SSL | {"ssl.endpoint.identification.algorithm": "none"}, None, None),
        ("self.pem", SSL, "signed by nobody who is trusted here", None),
        ("self.pem", SSL | {"ssl.ca.location": key("self.crt")}, None, None),
        ("self.pem", SSL | {"enable.ssl.certificate.verification": "false"}, None, None),
    ]
    at, controller = ports(2)
    for number, (name, properties, refusal, line) in enumerate(cases):
        one = Node(f"ends-{number}", alone(at, controller) | pem(name)).start().ready()
        code, said = ottla("topic", "list", properties=properties, address=f"localhost:{at}", seconds=30)
        same(code == 0, refusal is None, f"{name}: {said}")
        assert refusal is None or refusal in said, f"{refusal}: {said}"
        assert line is None or until(5, line, lambda: line in one.said())
        one.kill()


@check
def three_nodes_with_nothing_but_tls_between_them():
    found = ports(6)
    brokers, controllers = found[:3], found[3:]
    voters = ",".join(f"{number + 1}@localhost:{port}" for number, port in enumerate(controllers))
    trio = []
    for number in range(3):
        properties = {
            "process.roles": "broker,controller",
            "node.id": number + 1,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"SASL_SSL://localhost:{brokers[number]},CONTROLLER://localhost:{controllers[number]}",
            "advertised.listeners": f"SASL_SSL://localhost:{brokers[number]}",
            "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:SASL_SSL",
            "security.inter.broker.protocol": "SASL_SSL",
            "sasl.mechanism.inter.broker.protocol": "PLAIN",
            "sasl.mechanism.controller.protocol": "PLAIN",
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": USERS,
            "listener.name.controller.plain.sasl.jaas.config": USERS,
            "listener.name.controller.ssl.client.auth": "required",
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "offsets.topic.replication.factor": 3,
            "broker.session.timeout.ms": 3_000,
        }
        trio.append(Node(f"trio-{number + 1}", properties | store("server.p12", "PKCS12") | trust("trust.PKCS12", "PKCS12")).start())
    for one in trio:
        one.ready()
    bootstrap = ",".join(f"localhost:{port}" for port in brokers)
    name = topic("trio")
    code, said = ottla("topic", "create", name, "--partitions", "3", properties=SASL, address=bootstrap)
    same(code, 0, said)
    acknowledged = []
    told = lambda error, message: acknowledged.append(int(message.value())) if error is None else None
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "enable.idempotence": True, "linger.ms": 5} | SASL)
    sent = 0
    for victim in trio:
        for _ in range(20):
            for _ in range(100):
                producer.produce(name, str(sent), on_delivery=told)
                sent += 1
            producer.poll(0.02)
        victim.kill()
        for _ in range(10):
            for _ in range(100):
                producer.produce(name, str(sent), on_delivery=told)
                sent += 1
            producer.poll(0.05)
        same(producer.flush(60), 0, "unsent")
        victim.start().ready()
    same(sorted(acknowledged), list(range(sent)), "acknowledged")
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name, "auto.offset.reset": "earliest"} | SASL)
    consumer.subscribe([name])
    found, end = [], time.monotonic() + 30
    while len(found) < sent and time.monotonic() < end:
        found += [int(message.value()) for message in consumer.consume(1_000, 0.5) if not message.error()]
    consumer.close()
    same(sorted(found), list(range(sent)), "read")
    for one in trio:
        one.kill()


try:
    main_exit = os._exit
    os._exit = lambda code: [one.kill() for one in nodes.NODES] and main_exit(code)
    main("tls")
finally:
    for one in nodes.NODES:
        one.kill()
