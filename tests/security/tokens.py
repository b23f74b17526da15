"""OAUTHBEARER: an issuer of tokens, and clients with good and bad ones.

`issuer DIRECTORY PORT` makes a key of RSA, writes keys.json (what a broker reads) and token (alice's) to the directory and serves /keys, /token
(for the id `me` and the secret `issuer-secret`), /rotate (another key) and /stop. `ADDRESS WEB DIRECTORY ISSUER` are clients: of a listener that
reads the file, of one that asks the issuer; alice is a super user, and nobody else may do anything.
"""
import base64
import http.server
import json
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request


def encoded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *arguments], input=given, check=True, capture_output=True).stdout


def key_file(directory, kid):
    return os.path.join(directory, f"{kid}.pem")


def make_key(directory, kid):
    """The key as a set of keys has it."""
    openssl("genrsa", "-out", key_file(directory, kid), "2048")
    modulus = openssl("rsa", "-in", key_file(directory, kid), "-modulus", "-noout").decode().strip().split("=")[1]
    return {"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": encoded(bytes.fromhex(modulus)), "e": "AQAB"}


def unsigned(header, claims):
    part = lambda value: encoded(value if isinstance(value, bytes) else json.dumps(value).encode())
    return f"{part(header)}.{part(claims)}"


def claims(**changes):
    now = int(time.time())
    whole = {"iss": "https://issuer", "aud": ["kafka"], "sub": "alice", "scope": "all", "iat": now, "exp": now + 3600}
    return {key: value for key, value in (whole | changes).items() if value is not None}


def token(directory, kid="first", header=None, body=None, **changes):
    text = unsigned(header or {"alg": "RS256", "kid": kid}, claims(**changes) if body is None else body)
    signature = openssl("dgst", "-sha256", "-sign", key_file(directory, kid), given=text.encode())
    return f"{text}.{encoded(signature)}"


class Issuer(http.server.BaseHTTPRequestHandler):
    directory, kid, keys = ".", "first", []

    def answer(self, code, body):
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.answer(200, json.dumps({"keys": Issuer.keys}).encode())

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
        if self.path == "/rotate":
            Issuer.kid = "second"
            Issuer.keys = [make_key(Issuer.directory, "second")]
            self.answer(200, b"{}")
        elif self.path == "/stop":
            self.answer(200, b"{}")
            os._exit(0)
        elif self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:issuer-secret").decode():
            self.answer(401, b'{"error":"invalid_client"}')
        elif form.get("grant_type") != ["client_credentials"] or form.get("scope") != ["all"]:
            self.answer(400, b'{"error":"invalid_request"}')
        else:
            given = token(Issuer.directory, Issuer.kid)
            self.answer(200, json.dumps({"access_token": given, "token_type": "Bearer", "expires_in": 3600}).encode())

    def log_message(self, *_):
        pass


if sys.argv[1] == "issuer":
    Issuer.directory = sys.argv[2]
    Issuer.keys = [make_key(Issuer.directory, "first")]
    make_key(Issuer.directory, "stranger")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[3])), Issuer)
    with open(os.path.join(Issuer.directory, "token"), "w") as file:
        file.write(token(Issuer.directory) + "\n")
    with open(os.path.join(Issuer.directory, "keys.new"), "w") as file:
        json.dump({"keys": Issuer.keys}, file)
    # Whoever waits for this finds all of it.
    os.rename(os.path.join(Issuer.directory, "keys.new"), os.path.join(Issuer.directory, "keys.json"))
    server.serve_forever()

ADDRESS, WEB, DIRECTORY, ISSUER = sys.argv[1:5]
del sys.argv[2:]
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../clients/python"))

from confluent_kafka import Consumer, KafkaError, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from checks import check, main, same, topic, until
from speaking import ask, connect


def rdkafka(make, address=ADDRESS, **settings):
    base = {
        "bootstrap.servers": address,
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "OAUTHBEARER",
        "oauth_cb": lambda _: (make(), time.time() + 3600),
    }
    return base | settings


def say(stream, message):
    """Code, message, bytes and lifetime of an answer to SaslAuthenticate."""
    answer = ask(stream, 36, 1, struct.pack(">i", len(message)) + message)
    (code, length), answer = struct.unpack(">hh", answer[:4]), answer[4:]
    length = max(length, 0)
    error, answer = answer[:length], answer[length:]
    (size,) = struct.unpack(">i", answer[:4])
    return code, error, answer[4 : 4 + size], struct.unpack(">q", answer[4 + size : 12 + size])[0]


def knock(given, address=ADDRESS):
    """A connection, and what it hears for a token."""
    stream = connect(address)
    ask(stream, 17, 1, struct.pack(">h", 11) + b"OAUTHBEARER")
    return stream, say(stream, b"n,,\x01auth=Bearer " + given.encode() + b"\x01\x01")


def is_in(given, address=ADDRESS):
    stream, (code, _, told, _) = knock(given, address)
    with stream:
        same(code, 0, "the code of the first answer")
        if not told:
            return True
        same(told, b'{"status":"invalid_token"}', "the first answer")
        code, error, _, _ = say(stream, b"\x01")
        same((code, error), (58, b'{"status":"invalid_token"}'), "the last answer")
        same(stream.recv(1), b"", "the end")
        return False


@check
def librdkafka_produces_and_consumes_as_whom_its_token_names():
    name = topic("bearer")
    producer = Producer(rdkafka(lambda: token(DIRECTORY)))
    for number in range(50):
        producer.produce(name, str(number))
    same(producer.flush(30), 0, "unsent")
    settings = {"group.id": name, "auto.offset.reset": "earliest"}
    consumer = Consumer(rdkafka(lambda: token(DIRECTORY), **settings))
    consumer.subscribe([name])
    found = []
    until(30, "all records", lambda: found.extend(m.value() for m in consumer.consume(50, 0.2)) or len(found) >= 50)
    consumer.close()


@check
def somebody_else_is_let_in_and_may_do_nothing():
    admin = AdminClient(rdkafka(lambda: token(DIRECTORY, sub="bob")))
    future = admin.create_topics([NewTopic(topic("bobs"), 1, 1)])
    try:
        list(future.values())[0].result(20)
        raise AssertionError("bob made a topic")
    except Exception as error:
        if isinstance(error, AssertionError):
            raise
        same(error.args[0].code(), KafkaError.TOPIC_AUTHORIZATION_FAILED, "bob's code")


def write_by_short_tokens(name, failed):
    """Records one after the other, by tokens of four seconds, and what became of them."""
    made = []

    def short():
        made.append(token(DIRECTORY, exp=int(time.time()) + 4))
        return made[-1], time.time() + 4

    producer = Producer(rdkafka(None, oauth_cb=lambda _: short()))
    end, sent = time.monotonic() + 10, 0
    while time.monotonic() < end:
        producer.produce(name, b"x", on_delivery=lambda error, _: error and failed.append(error))
        producer.poll(0.02)
        sent += 1
    unsent = producer.flush(30)
    if unsent or len(made) < 3:
        failed.append(f"{unsent} of {sent} are unsent after {len(made)} tokens")


# It takes several tokens, while others are asked: a later check waits for it.
FAILED = []
WRITING = threading.Thread(target=write_by_short_tokens, args=(topic("again"), FAILED))
WRITING.start()


@check
def a_session_ends_with_its_token():
    stream, (code, _, _, lifetime_ms) = knock(token(DIRECTORY, exp=int(time.time()) + 3))
    with stream:
        same((code, 1000 < lifetime_ms <= 3000), (0, True), f"lifetime {lifetime_ms}")
        ask(stream, 3, 1, struct.pack(">i", 0))
        time.sleep(3.2)
        try:
            ask(stream, 3, 1, struct.pack(">i", 0))
            raise AssertionError("it answers after the end")
        except (ConnectionError, socket.timeout):
            pass
    stream, (_, _, _, lifetime_ms) = knock(token(DIRECTORY))
    stream.close()
    same(3_500_000 < lifetime_ms <= 3_600_000, True, f"lifetime {lifetime_ms}")


@check
def tokens_that_are_not_good_let_nobody_in():
    now = int(time.time())
    with open(key_file(DIRECTORY, "first"), "rb") as file:
        public = openssl("rsa", "-in", key_file(DIRECTORY, "first"), "-pubout", given=file.read())

    def by_secret(secret):
        text = unsigned({"alg": "HS256", "kid": "first"}, claims())
        signature = openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{secret.hex()}", "-binary", given=text.encode())
        return f"{text}.{encoded(signature)}"

    good = token(DIRECTORY)
    stranger = token(DIRECTORY, "stranger", header={"alg": "RS256", "kid": "first"})
    cases = {
        "issuer": token(DIRECTORY, iss="https://else"),
        "no issuer": token(DIRECTORY, iss=None),
        "audience": token(DIRECTORY, aud="else"),
        "no audience": token(DIRECTORY, aud=None),
        "expired": token(DIRECTORY, exp=now - 31),
        "no end": token(DIRECTORY, exp=None),
        "no beginning": token(DIRECTORY, iat=None),
        "not yet": token(DIRECTORY, nbf=now + 90),
        "nobody": token(DIRECTORY, sub=None),
        "alg none": unsigned({"alg": "none"}, claims()) + ".",
        "alg none, signed": unsigned({"alg": "none"}, claims()) + "." + good.split(".")[2],
        "HS256 by the public key": by_secret(public),
        "HS256 by its body": by_secret(public.strip()),
        "a stranger's key": stranger,
        "unknown kid": token(DIRECTORY, "stranger"),
        "another's claims": ".".join([good.split(".")[0], encoded(json.dumps(claims(sub="eve")).encode()), good.split(".")[2]]),
        "deep": token(DIRECTORY, body=b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        "long": token(DIRECTORY, sub="a" * 300_000, iss="https://else"),
    }
    same(is_in(good), True, "the good one")
    for name, bad in cases.items():
        same(is_in(bad), False, name)
    same(is_in(good), True, "the good one")


@check
def a_token_of_a_megabyte_closes_the_connection():
    try:
        knock("a" * (1 << 20))
        raise AssertionError("it was answered")
    except (ConnectionError, socket.timeout):
        pass
    same(is_in(token(DIRECTORY)), True, "the good one")


@check
def librdkafka_authenticates_again_before_its_token_ends():
    WRITING.join()
    same(FAILED, [])


@check
def a_new_key_of_the_issuer_is_taken_and_the_old_one_is_not_any_more():
    """Last: after it the issuer is gone, and what was known stays known."""
    same(is_in(token(DIRECTORY), WEB), True, "the first key")
    urllib.request.urlopen(f"http://{ISSUER}/rotate", b"").read()
    until(25, "the second key", lambda: is_in(token(DIRECTORY, "second"), WEB))
    same(is_in(token(DIRECTORY), WEB), False, "the first key")
    same(is_in(token(DIRECTORY)), True, "the first key where the file has it")
    urllib.request.urlopen(f"http://{ISSUER}/stop", b"").read()
    same(is_in(token(DIRECTORY, "stranger"), WEB), False, "a key that nobody can be asked for")
    same(is_in(token(DIRECTORY, "second"), WEB), True, "the second key, with the issuer gone")


main("tokens")
