"""Delegation tokens, asked for byte by byte: each line says what was asked and what came back, times as they lie to each other and ids as `id`,
so that two brokers can be held against each other.

argv[1] is a SASL_PLAINTEXT listener with PLAIN (alice a super user, bob, carol, dave) and SCRAM-SHA-256/512, argv[2] an open one; tokens last a day and at
most seven.
"""
import base64
import hashlib
import hmac as mac
import os
import struct
import sys
import time

from speaking import ask, connect

ADDRESS, OPEN = sys.argv[1:3]
DAY = 86_400_000
CREATE, RENEW, EXPIRE, DESCRIBE = 38, 39, 40, 41


def text(value):
    value = value.encode()
    return bytes([len(value) + 1]) + value


def null():
    return b"\0"


class Reader:
    def __init__(self, data):
        self.data = data

    def take(self, count):
        found, self.data = self.data[:count], self.data[count:]
        assert len(found) == count, "short"
        return found

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value, shift = value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value

    def bytes(self):
        return self.take(self.varint() - 1)

    def text(self):
        return self.bytes().decode()


def authenticated(stream, message):
    answer = ask(stream, 36, 1, struct.pack(">i", len(message)) + message)
    code, length = struct.unpack(">hh", answer[:4])
    rest = answer[4 + max(length, 0) :]
    (size,) = struct.unpack(">i", rest[:4])
    return code, rest[4 : 4 + size], struct.unpack(">q", rest[4 + size : 12 + size])[0]


def shake(stream, mechanism):
    ask(stream, 17, 1, struct.pack(">h", len(mechanism)) + mechanism.encode())


def plain(user):
    stream = connect(ADDRESS)
    shake(stream, "PLAIN")
    assert authenticated(stream, f"\0{user}\0secret".encode())[0] == 0, user
    return stream


def scram(mechanism, name, password, tokenauth=True):
    """A connection, or the code of the refusal; and how long the session lasts."""
    hash_name = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
    digest = lambda key, data: mac.new(key, data, hash_name).digest()
    stream = connect(ADDRESS)
    shake(stream, mechanism)
    bare = f"n={name},r=fyko" + (",tokenauth=true" if tokenauth else "")
    code, challenge, _ = authenticated(stream, f"n,,{bare}".encode())
    if code != 0:
        return code, 0
    parts = dict(part.split("=", 1) for part in challenge.decode().split(","))
    salted = hashlib.pbkdf2_hmac(hash_name, password.encode(), base64.b64decode(parts["s"]), int(parts["i"]))
    client = digest(salted, b"Client Key")
    without = f"c=biws,r={parts['r']}"
    signed = f"{bare},{challenge.decode()},{without}".encode()
    signature = digest(hashlib.new(hash_name, client).digest(), signed)
    proof = base64.b64encode(bytes(a ^ b for a, b in zip(client, signature))).decode()
    code, last, lifetime = authenticated(stream, f"{without},p={proof}".encode())
    if code != 0:
        return code, 0
    assert last == b"v=" + base64.b64encode(digest(digest(salted, b"Server Key"), signed)), "the server's proof"
    return stream, lifetime


def create(stream, owner=None, renewers=(), lifetime=-1, version=3):
    kind, name = owner or (None, None)
    body = (text(kind) if kind is not None else null()) + (text(name) if name is not None else null()) if version > 2 else b""
    body += bytes([len(renewers) + 1]) + b"".join(text(kind) + text(name) + b"\0" for kind, name in renewers)
    answer = Reader(ask(stream, CREATE, version, body + struct.pack(">q", lifetime) + b"\0", True))
    code = answer.number("h")
    names = [answer.text() for _ in range(4 if version > 2 else 2)]
    issued, expires, ends = (answer.number("q") for _ in range(3))
    token_id, hmac = answer.text(), answer.bytes()
    shown = (code, names, expires - issued, ends - issued, len(token_id), len(hmac)) if code == 0 else (code, names, issued, expires, ends, token_id, hmac)
    return shown, token_id, hmac


def change(stream, key, hmac, period):
    answer = Reader(ask(stream, key, 2, bytes([len(hmac) + 1]) + hmac + struct.pack(">q", period) + b"\0", True))
    return answer.number("h"), answer.number("q")


def describe(stream, owners=None):
    """Code and tokens: principals, spans, whether the HMAC is there."""
    body = b"\0" if owners is None else bytes([len(owners) + 1]) + b"".join(text(kind) + text(name) + b"\0" for kind, name in owners)
    answer = Reader(ask(stream, DESCRIBE, 3, body + b"\0", True))
    code, tokens = answer.number("h"), []
    for _ in range(answer.varint() - 1):
        names = [answer.text() for _ in range(4)]
        issued, expires, ends = (answer.number("q") for _ in range(3))
        token_id, hmac = answer.text(), answer.bytes()
        renewers = []
        for _ in range(answer.varint() - 1):
            renewers.append((answer.text(), answer.text()))
            answer.take(1)
        answer.take(1)
        tokens.append((names, ends - issued, len(hmac), renewers, token_id))
    return code, tokens


def told(what, *values):
    print(what, *values, sep=" | ", flush=True)


def shown(described):
    code, tokens = described
    return code, sorted(token[:-1] for token in tokens)


def allow(principal, resource_type, name, operation):
    """CreateAcls by alice."""
    with plain("alice") as stream:
        body = bytes([2, resource_type]) + text(name) + b"\x03" + text(principal) + text("*") + bytes([operation, 3]) + b"\0\0"
        answer = ask(stream, 30, 2, body, True)
        assert answer[5:7] == b"\0\0", answer
        # Brokers hear of it a little later.
        end = time.monotonic() + 10
        filter = bytes([resource_type]) + text(name) + b"\x03" + text(principal) + null() + bytes([operation, 3, 0])
        # A code, a message without letters, one resource.
        while ask(stream, 29, 2, filter, True)[4:8] not in (b"\0\0\0\x02", b"\0\0\x01\x02"):
            assert time.monotonic() < end, f"{principal} is not allowed {operation} of {name}"
            time.sleep(0.05)


def settled(alice, count):
    """Kafka's controller knows a token when it has heard of it like everybody else."""
    end = time.monotonic() + 10
    while len(describe(alice)[1]) != count:
        assert time.monotonic() < end, f"{describe(alice)} instead of {count}"
        time.sleep(0.05)


def renewed(mechanism, token_id, password):
    """A log-in; Kafka hears of a token's new end a little later, and of each mechanism by itself."""
    end = time.monotonic() + 10
    while True:
        stream, lifetime = scram(mechanism, token_id, password)
        if lifetime > DAY - 600_000 or time.monotonic() > end:
            return stream, lifetime
        stream.close()


def refused_by_protocol():
    with connect(OPEN) as stream:
        told("open: create", create(stream)[0])
        told("open: renew", change(stream, RENEW, b"x", -1))
        told("open: expire", change(stream, EXPIRE, b"x", -1))
        told("open: describe", describe(stream))


def main():
    refused_by_protocol()
    alice, bob, carol = plain("alice"), plain("bob"), plain("carol")
    good, token_id, hmac = create(bob, renewers=[("User", "carol")])
    told("bob creates", good)
    told("bob creates by version 2", create(bob, version=2)[0])
    told("bob creates a short one", create(bob, lifetime=60_000)[0])
    told("a renewer of another type", create(bob, renewers=[("Group", "x")])[0])
    told("bob for dave", create(bob, owner=("User", "dave"))[0])
    told("alice for dave", create(alice, owner=("User", "dave"))[0])
    told("an owner without a name", create(bob, owner=("User", ""))[0])
    settled(alice, 5)
    told("bob is told", shown(describe(bob)))
    told("carol is told", shown(describe(carol)))
    told("alice is told", shown(describe(alice)))
    told("carol is told of dave", shown(describe(carol, [("User", "dave")])))
    told("carol is told of bob", shown(describe(carol, [("User", "bob")])))
    told("of no owners", shown(describe(bob, [])))
    told("nobody's token", change(bob, RENEW, b"x" * 64, -1))
    with plain("dave") as dave:
        told("dave renews", change(dave, RENEW, hmac, -1))
        told("dave expires", change(dave, EXPIRE, hmac, -1))
    code, until = change(carol, RENEW, hmac, 3_600_000)
    told("carol renews", code, until > 0)
    code, longer = change(bob, RENEW, hmac, 99 * DAY)
    told("bob renews", code, (longer - until) // 60_000)
    password = base64.b64encode(hmac).decode()
    for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"]:
        stream, lifetime = renewed(mechanism, token_id, password)
        told(f"by {mechanism}", type(stream).__name__, round(lifetime / 3_600_000))
        with stream:
            told("by a token: create", create(stream)[0])
            told("by a token: describe", describe(stream))
            told("by a token: renew", change(stream, RENEW, hmac, -1))
            told("by a token: expire", change(stream, EXPIRE, hmac, -1))
        told(f"a wrong password by {mechanism}", scram(mechanism, token_id, "x")[0])
        told(f"not said to be a token by {mechanism}", scram(mechanism, token_id, password, False)[0])
        told(f"an unknown id by {mechanism}", scram(mechanism, "nobody", password)[0])
    allow("User:carol", 7, "User:dave", 14)
    told("carol may describe dave's", shown(describe(carol)))
    allow("User:bob", 7, "User:dave", 13)
    told("bob may create dave's", create(bob, owner=("User", "dave"))[0])
    settled(alice, 6)
    told("carol is told of two", shown(describe(carol, [("User", "dave")])))
    told("bob's for dave are not bob's", shown(describe(bob, [("User", "dave")])))
    dave = plain("dave")
    allow("User:dave", 6, token_id, 8)
    told("dave may describe one", shown(describe(dave, [("User", "bob")])))
    told("an end in an hour", change(bob, EXPIRE, hmac, 3_600_000)[0])
    code, _ = change(bob, EXPIRE, hmac, -1)
    told("an end", code)
    settled(alice, 5)
    told("after the end", change(bob, RENEW, hmac, -1))
    told("after the end: log in", scram("SCRAM-SHA-256", token_id, password)[0])
    _, token_id, hmac = create(bob, lifetime=1)
    settled(alice, 6)
    time.sleep(0.05)
    told("expired: renew", change(bob, RENEW, hmac, -1))
    told("expired: expire later", change(bob, EXPIRE, hmac, 5))
    told("expired: log in", scram("SCRAM-SHA-256", token_id, base64.b64encode(hmac).decode())[0])
    told("expired: expire", change(bob, EXPIRE, hmac, -1)[0])
    told("done")


main()
