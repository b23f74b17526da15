"""Any request of Apache Kafka in any version, written and read from the message files that the reference's client jar carries.

A value is a dict with the names of the message file (`topicData`, not `TopicData`); what is left out has its default, what a version does
not know is not written. `Raw` bytes stand for themselves, and `None` is written as a null wherever it stands: requests may be as wrong as
a test wants them. Needs no package. Nothing in here knows a right answer.
"""
import json
import re
import socket
import struct
import uuid
import zipfile

ZERO = uuid.UUID(int=0)
NUMBERS = {"bool": "?", "int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q", "float64": "d"}


class Closed(Exception):
    """The broker closed the connection instead of answering."""


class Silent(Exception):
    """No answer within the connection's time."""


class Raw(bytes):
    """Bytes that are written where they stand, without a length."""


def varint(number):
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes(out) + bytes([number])


def key_of(field):
    """A field's name in values."""
    return field["name"][0].lower() + field["name"][1:]


def within(versions, version):
    if not versions or versions == "none":
        return False
    low, _, high = versions.partition("-")
    if low.endswith("+"):
        return version >= int(low[:-1])
    return int(low) <= version <= int(high or low)


class Jar:
    """All messages of a kafka-clients jar."""

    def __init__(self, path):
        self.requests, self.responses = {}, {}
        with zipfile.ZipFile(path) as jar:
            for entry in jar.namelist():
                found = re.fullmatch(r"common/message/(\w+?)(Request|Response)\.json", entry)
                if not found:
                    continue
                text = re.sub(r"(?m)^\s*//.*$", "", jar.read(entry).decode())
                kind = self.requests if found[2] == "Request" else self.responses
                kind[found[1]] = json.loads(text)

    def names(self):
        """The APIs that have versions, in the order of their keys."""
        alive = [name for name, schema in self.requests.items() if schema["validVersions"] != "none"]
        return sorted(alive, key=lambda name: self.requests[name]["apiKey"])

    def versions(self, name):
        low, _, high = self.requests[name]["validVersions"].partition("-")
        return range(int(low), int(high or low) + 1)

    def request(self, name, version):
        return Form(self.requests[name], version)

    def response(self, name, version):
        return Form(self.responses[name], version)


class Form:
    """One message in one version."""

    def __init__(self, schema, version):
        self.version, self.fields = version, schema["fields"]
        self.flexible = within(schema.get("flexibleVersions"), version)
        self.structs = {struct["name"]: struct["fields"] for struct in schema.get("commonStructs", [])}

    def fields_of(self, field):
        """The fields of a struct, or of the elements of a list of them; None for anything else."""
        return field.get("fields") or self.structs.get(field["type"].lstrip("[]"))

    def present(self, fields):
        return [field for field in fields if within(field["versions"], self.version)]

    def is_tagged(self, field):
        return "tag" in field and within(field.get("taggedVersions"), self.version)

    def is_nullable(self, field):
        return within(field.get("nullableVersions"), self.version)

    def default(self, field):
        kind, default = field["type"], field.get("default")
        if default == "null":
            return None
        if kind.startswith("[]"):
            return []
        if kind == "bool":
            return default in (True, "true")
        if kind == "float64":
            return float(default or 0)
        if kind in NUMBERS:
            return int(default, 0) if isinstance(default, str) else default or 0
        if kind == "uuid":
            return ZERO
        if kind in ("bytes", "records"):
            return b""
        return default or "" if kind == "string" else {}

    # --- writing

    def encode(self, value, tags=()):
        """The body; `tags` are unknown ones at its end."""
        return self._struct(self.fields, dict(value, _tags=tags) if tags else value)

    def _struct(self, fields, value):
        unknown = set(value) - {key_of(field) for field in fields} - {"_tags"}
        assert not unknown, f"no fields of this message: {unknown}"
        out, tags = b"", []
        for field in self.present(fields):
            key = key_of(field)
            if not self.is_tagged(field):
                out += self._value(field, value[key] if key in value else self.default(field))
            elif key in value:
                tags.append((field["tag"], self._value(field, value[key])))
        if self.flexible:
            tags += value.get("_tags", ())
            out += varint(len(tags)) + b"".join(varint(tag) + varint(len(data)) + data for tag, data in tags)
        return out

    def _flexible(self, field):
        own = field.get("flexibleVersions")
        return self.flexible if own is None else within(own, self.version)

    def _length(self, field, length, old):
        if self._flexible(field):
            return varint(length + 1)
        return struct.pack(">" + old, length)

    def _value(self, field, value):
        if isinstance(value, Raw):
            return bytes(value)
        kind = field["type"]
        if kind.startswith("[]"):
            if value is None:
                return self._length(field, -1, "i")
            element = dict(field, type=kind[2:], nullableVersions="none")
            return self._length(field, len(value), "i") + b"".join(self._value(element, item) for item in value)
        if kind in NUMBERS:
            return struct.pack(">" + NUMBERS[kind], value)
        if kind == "uuid":
            return value.bytes
        if kind in ("string", "bytes", "records"):
            old = "h" if kind == "string" else "i"
            if value is None:
                return self._length(field, -1, old)
            data = value.encode() if isinstance(value, str) else value
            return self._length(field, len(data), old) + data
        if not self.is_nullable(field):
            return self._struct(self.fields_of(field), value)
        return b"\xff" if value is None else b"\x01" + self._struct(self.fields_of(field), value)

    # --- reading

    def decode(self, reader):
        return self._read_struct(self.fields, reader)

    def _read_struct(self, fields, reader):
        found, tagged = {}, {}
        for field in self.present(fields):
            if self.is_tagged(field):
                tagged[field["tag"]] = field
            else:
                found[key_of(field)] = self._read(field, reader)
        if self.flexible:
            for _ in range(reader.varint()):
                tag = reader.varint()
                data = reader.take(reader.varint())
                if tag in tagged:
                    found[key_of(tagged[tag])] = self._read(tagged[tag], Reader(data))
                else:
                    found[f"tag {tag}"] = data
        return found

    def _read(self, field, reader):
        kind, flexible = field["type"], self._flexible(field)
        if kind.startswith("[]"):
            count = reader.varint() - 1 if flexible else reader.number("i")
            element = dict(field, type=kind[2:], nullableVersions="none")
            return None if count < 0 else [self._read(element, reader) for _ in range(count)]
        if kind in NUMBERS:
            return reader.number(NUMBERS[kind])
        if kind == "uuid":
            return uuid.UUID(bytes=reader.take(16))
        if kind in ("string", "bytes", "records"):
            size = reader.varint() - 1 if flexible else reader.number("h" if kind == "string" else "i")
            if size < 0:
                return None
            data = reader.take(size)
            return data.decode("utf-8", "backslashreplace") if kind == "string" else data
        if self.is_nullable(field) and reader.number("b") < 0:
            return None
        return self._read_struct(self.fields_of(field), reader)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        found = self.data[self.at:self.at + count]
        assert len(found) == count, f"the answer ends at {len(self.data)}, {count} bytes wanted at {self.at}"
        self.at += count
        return found

    def number(self, kind):
        return struct.unpack(">" + kind, self.take(struct.calcsize(">" + kind)))[0]

    def varint(self):
        number = shift = 0
        while True:
            byte = self.take(1)[0]
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    def left(self):
        return len(self.data) - self.at


class Connection:
    def __init__(self, jar, address, seconds=20, source=None):
        """`source` is the address of this machine that the broker is to see."""
        host, port = address.rsplit(":", 1)
        self.jar, self.correlation = jar, 0
        self.socket = socket.create_connection((host, int(port)), seconds, source and (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, name, version, body=None, client="answers", payload=None, key=None, claimed=None, header_tags=(), tags=(),
             header_flexible=None):
        """`payload` replaces the encoded body, `key` the API's, `claimed` the version in the header; `client` may be None or bytes."""
        self.correlation += 1
        form = self.jar.request(name, version)
        if payload is None:
            payload = form.encode(body or {}, tags)
        client = client.encode() if isinstance(client, str) else client
        key = self.jar.requests[name]["apiKey"] if key is None else key
        frame = struct.pack(">hhih", key, version if claimed is None else claimed, self.correlation, -1 if client is None else len(client)) + (client or b"")
        if form.flexible if header_flexible is None else header_flexible:
            frame += varint(len(header_tags)) + b"".join(varint(tag) + varint(len(data)) + data for tag, data in header_tags)
        self.raw(struct.pack(">i", len(frame + payload)) + frame + payload)
        return self.correlation

    def raw(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            raise Closed from None

    def frame(self):
        """The next answer's bytes behind its length."""
        return self._take(struct.unpack(">i", self._take(4))[0])

    def _take(self, count):
        data = b""
        while len(data) < count:
            try:
                more = self.socket.recv(count - len(data))
            except TimeoutError:
                raise Silent from None
            except OSError:
                raise Closed from None
            if not more:
                raise Closed
            data += more
        return data

    def answer(self, name, version, correlation=None):
        reader = Reader(self.frame())
        found = reader.number("i")
        assert correlation is None or found == correlation, f"the answer to {found} where {correlation} was expected"
        form = self.jar.response(name, version)
        if form.flexible and name != "ApiVersions":
            assert reader.varint() == 0, "tags in a response's header"
        answer = form.decode(reader)
        if reader.left():
            answer["bytes left over"] = reader.left()
        return answer

    def ask(self, name, version, body=None, read_as=None, **header):
        correlation = self.send(name, version, body, **header)
        return self.answer(name, version if read_as is None else read_as, correlation)
