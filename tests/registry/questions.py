"""Four hundred requests that two registries are asked alike: lines of method, path and body. Data and what combines it; sends nothing."""
import json


def record(*fields, **more):
    listed = [{"name": name, "type": kind, **rest} for name, kind, rest in fields]
    return {"type": "record", "name": "R", "fields": listed, **more}


def f(name, kind="int", **rest):
    return (name, kind, rest)


def enum(*symbols, **more):
    return {"type": "enum", "name": "E", "symbols": list(symbols), **more}


def obj(required=(), closed=False, **properties):
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    if closed:
        schema["additionalProperties"] = False
    return schema


TEXT, NUMBER = {"type": "string"}, {"type": "integer"}

# What comes first, and what is to come after it.
PAIRS = {
    "AVRO": [
        ("int", "long"),
        ("long", "int"),
        ("string", "bytes"),
        ("int", "string"),
        (["int", "string"], ["int"]),
        (["int"], ["int", "string"]),
        (record(f("a")), record(f("a"), f("b"))),
        (record(f("a")), record(f("a"), f("b", default=0))),
        (record(f("a"), f("b")), record(f("a"))),
        (record(f("a"), f("b", default=0)), record(f("a"))),
        (record(f("a")), record(f("z", aliases=["a"]))),
        (record(f("a")), {**record(f("a")), "name": "S"}),
        (record(f("a")), {**record(f("a")), "name": "S", "aliases": ["R"]}),
        (enum("A", "B"), enum("A")),
        (enum("A"), enum("A", "B")),
        (enum("A", "B", default="A"), enum("A", default="A")),
        ({"type": "array", "items": "int"}, {"type": "array", "items": "long"}),
        ({"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
        ({"type": "fixed", "name": "F", "size": 4}, {"type": "fixed", "name": "F", "size": 8}),
        (record(f("a", ["null", "int"], default=None)), record(f("a"))),
        (record(f("a")), record(f("a", ["null", "int"], default=None))),
        (record(f("a"), doc="one"), record(f("a"), doc="two")),
    ],
    "JSON": [
        (TEXT, NUMBER),
        (NUMBER, {"type": "number"}),
        ({"type": "number"}, NUMBER),
        (obj(a=TEXT), obj(a=TEXT, b=TEXT)),
        (obj(a=TEXT, closed=True), obj(a=TEXT, b=TEXT, closed=True)),
        (obj(a=TEXT, b=TEXT, closed=True), obj(a=TEXT, closed=True)),
        (obj(a=TEXT), obj(a=TEXT, required=["a"])),
        (obj(a=TEXT, required=["a"]), obj(a=TEXT)),
        ({**TEXT, "maxLength": 5}, {**TEXT, "maxLength": 9}),
        ({**TEXT, "maxLength": 9}, {**TEXT, "maxLength": 5}),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}),
        ({"enum": ["a"]}, {"enum": ["a", "b"]}),
        ({"oneOf": [TEXT, NUMBER]}, {"oneOf": [TEXT]}),
        ({"oneOf": [TEXT]}, {"oneOf": [TEXT, NUMBER]}),
        ({"type": "array", "items": NUMBER}, {"type": "array", "items": TEXT}),
        (obj(a=TEXT), {**obj(a=TEXT), "description": "said"}),
    ],
}
LEVELS = ["BACKWARD", "FORWARD", "FULL"]


def text(kind, schema):
    return {"schema": json.dumps(schema), **({} if kind == "AVRO" else {"schemaType": kind})}


def of_pairs():
    """Each pair at each level, and what it left behind."""
    for kind, pairs in PAIRS.items():
        for number, (old, new) in enumerate(pairs):
            for level in LEVELS:
                subject = f"{kind.lower()}-{number}-{level.lower()}"
                yield "PUT", f"/config/{subject}", {"compatibility": level}
                yield "POST", f"/subjects/{subject}/versions", text(kind, old)
                yield "POST", f"/compatibility/subjects/{subject}/versions/latest", text(kind, new)
                yield "POST", f"/subjects/{subject}/versions", text(kind, new)
                yield "GET", f"/subjects/{subject}/versions", None


def of_one_subject():
    """The life of a subject, and what is wrong with requests."""
    one, two = {"schema": '"string"'}, {"schema": '{"type": "string", "x": 1}'}
    yield "GET", "/subjects", None
    yield "GET", "/config", None
    yield "GET", "/mode", None
    yield "GET", "/schemas/types", None
    for path in ("/subjects/none/versions", "/subjects/none/versions/1", "/subjects/none/versions/latest", "/config/none"):
        yield "GET", path, None
    yield "GET", "/config/none?defaultToGlobal=true", None
    yield "DELETE", "/subjects/none", None
    yield "POST", "/subjects/none", one
    yield "GET", "/schemas/ids/100000", None
    yield "GET", "/schemas/ids/100000/versions", None
    yield "POST", "/subjects/life/versions", one
    yield "POST", "/subjects/life/versions", one
    yield "POST", "/subjects/life-2/versions", one
    yield "PUT", "/config/life", {"compatibility": "NONE"}
    yield "POST", "/subjects/life/versions", two
    # Of a schema that nothing else uses: whether its id outlives it is each one's own.
    yield "POST", "/subjects/life/versions", {"schema": '"double"'}
    for path in ("", "/1", "/latest", "/-1", "/9", "/0", "/x", "/1/schema", "/1/referencedby"):
        yield "GET", f"/subjects/life/versions{path}", None
    yield "POST", "/subjects/life", one
    yield "POST", "/subjects/life", {"schema": '"long"'}
    yield "POST", "/subjects/life", {"schema": "nonsense"}
    for body in ({}, {"schema": ""}, {"schema": "nonsense"}, {"schema": '{"type":"record"}'}, {"schema": '"x"'}):
        yield "POST", "/subjects/wrong/versions", body
    yield "POST", "/subjects/wrong/versions", {"schema": "{}", "schemaType": "XML"}
    yield "POST", "/subjects/wrong/versions", {"schema": "nonsense", "schemaType": "JSON"}
    yield "PUT", "/config", {"compatibility": "SOMETIMES"}
    yield "PUT", "/config", {}
    yield "PUT", "/config/life", {"compatibility": "full"}
    yield "POST", "/compatibility/subjects/none/versions/latest", one
    yield "POST", "/compatibility/subjects/life/versions/9", one
    yield "POST", "/compatibility/subjects/life/versions/x", one
    yield "POST", "/compatibility/subjects/life/versions/latest", {"schema": "nonsense"}
    yield "DELETE", "/subjects/life/versions/9", None
    yield "DELETE", "/subjects/life/versions/2?permanent=true", None
    yield "DELETE", "/subjects/life/versions/2", None
    yield "DELETE", "/subjects/life/versions/2", None
    yield "GET", "/subjects/life/versions", None
    yield "GET", "/subjects/life/versions?deleted=true", None
    yield "GET", "/subjects/life/versions/2", None
    yield "GET", "/subjects/life/versions/2?deleted=true", None
    yield "DELETE", "/subjects/life/versions/2?permanent=true", None
    yield "GET", "/subjects/life/versions?deleted=true", None
    yield "DELETE", "/subjects/life?permanent=true", None
    yield "DELETE", "/subjects/life", None
    yield "DELETE", "/subjects/life", None
    yield "GET", "/subjects/life/versions", None
    yield "POST", "/subjects/life/versions", one
    yield "GET", "/subjects/life/versions", None
    yield "DELETE", "/subjects/life", None
    yield "DELETE", "/subjects/life?permanent=true", None
    yield "GET", "/subjects/life/versions?deleted=true", None
    yield "DELETE", "/config/life", None
    yield "GET", "/config/life", None
    yield "POST", "/subjects/base/versions", {"schema": json.dumps(record(f("a"), namespace="n"))}
    refers = {"schema": '{"type":"array","items":"n.R"}', "references": [{"name": "n.R", "subject": "base", "version": 1}]}
    yield "POST", "/subjects/refers/versions", refers
    yield "POST", "/subjects/refers/versions", {**refers, "references": [{"name": "n.R", "subject": "base", "version": 7}]}
    yield "GET", "/subjects/refers/versions/1", None
    yield "GET", "/subjects/base/versions/1/referencedby", None
    yield "DELETE", "/subjects/base/versions/1", None
    yield "DELETE", "/subjects/base", None
    yield "DELETE", "/subjects/refers", None
    yield "DELETE", "/subjects/base", None
    yield "GET", "/nothing", None
    yield "POST", "/config", {"compatibility": "FULL"}


def questions():
    # One of the two takes it, which would move all ids behind it.
    last = ("POST", "/subjects/wrong/versions", {"schema": '"int"', "stranger": 1})
    return [*of_one_subject(), *of_pairs(), last]


if __name__ == "__main__":
    print(len(questions()))
