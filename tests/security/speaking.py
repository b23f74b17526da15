"""Kafka's protocol over a bare socket, as far as a log-in needs it."""
import socket
import struct


def connect(address, seconds=20):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), seconds)


def exactly(stream, count):
    found = b""
    while len(found) < count:
        more = stream.recv(count - len(found))
        if not more:
            raise ConnectionError("closed")
        found += more
    return found


def frame(key, version, body, flexible=False):
    request = struct.pack(">hhih", key, version, 7, -1) + (b"\0" if flexible else b"") + body
    return struct.pack(">i", len(request)) + request


def ask(stream, key, version, body, flexible=False):
    """The body of the answer."""
    stream.sendall(frame(key, version, body, flexible))
    answer = exactly(stream, struct.unpack(">i", exactly(stream, 4))[0])[4:]
    return answer[1:] if flexible else answer
