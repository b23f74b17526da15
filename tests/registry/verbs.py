"""The eleven verbs of `ottla schema` against running registries: what they print, change and refuse. Owns one story; run.py starts the registries."""
import json
import os
import subprocess


class Commands:
    """`ottla schema` against one registry, its files in a directory."""

    def __init__(self, port, place):
        self.port, self.place = port, place
        place.mkdir(exist_ok=True)

    def file(self, name, text):
        (self.place / name).write_text(text)
        return str(self.place / name)

    def run(self, arguments, code):
        """`code` is what it ends with."""
        command = [os.environ["OTTLA"], "schema", *arguments, "--schema-registry", f"http://127.0.0.1:{self.port}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, f"schema {' '.join(arguments)}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def say(self, *arguments, code=0):
        """Standard output, and where it fails what it says of that."""
        done = self.run(arguments, code)
        return done.stdout if code == 0 else done.stdout + done.stderr

    def json(self, *arguments, code=0):
        return json.loads(self.run([*arguments, "-o", "json"], code).stdout)


def record(*fields):
    return json.dumps({"type": "record", "name": "V", "fields": list(fields)})


A = {"name": "a", "type": "int"}
B = {"name": "b", "type": "int", "default": 0}
NEEDED = {"name": "b", "type": "int"}
COMMON = 'syntax = "proto3";\npackage common;\n\nmessage Money {\n  int64 cents = 1;\n}\n'
ORDER = 'syntax = "proto3";\npackage verbs;\n\nimport "common.proto";\n\nmessage Order {\n  common.Money price = 1;\n}\n'
# Its letters are escaped in paths, and it lies in a context.
STRANGE = ":.ctx:a b/c?d%e"


def whole_registry(ask):
    """Everything there is to see of a registry."""
    status, schemas = ask("GET", "/schemas?deleted=true&subjectPrefix=%3A%2A%3A")
    assert status == 200
    seen = [ask("GET", "/config"), ask("GET", "/contexts")]
    subjects = sorted({schema["subject"] for schema in schemas})
    seen += [(subject, ask("GET", f"/config/{subject}")) for subject in subjects if ":" not in subject]
    return sorted(schemas, key=lambda one: (one["subject"], one["version"])), seen


def one_registry(do):
    """All verbs but those that move."""
    one, two, wrong = (do.file(f"{n}.avsc", record(*fields)) for n, fields in enumerate(((A,), (A, B), (A, NEEDED))))
    created = do.json("create", "verbs-value", one)
    assert (created["subject"], created["version"]) == ("verbs-value", 1), created
    assert do.json("create", "verbs-value", one) == created, "the same again is the same"
    assert do.json("check", "verbs-value", two)["compatible"] is True
    refused = do.json("check", "verbs-value", wrong, code=1)
    assert refused["compatible"] is False and "READER_FIELD_MISSING_DEFAULT_VALUE" in refused["messages"][0], refused
    assert "incompatible" in do.say("create", "verbs-value", wrong, code=1)
    do.say("create", "verbs-value", two, "--dry-run")
    assert do.json("list", "--prefix", "verbs-")[0]["versions"] == 1, "a dry run registers nothing"
    assert do.json("create", "verbs-value", two)["version"] == 2
    assert json.loads(do.say("get", "verbs-value", "--version", "1")) == json.loads(record(A))
    assert json.loads(do.say("get", "--id", str(created["id"]))) == json.loads(record(A))
    assert do.json("diff", "verbs-value", "1", "2") == [], "a field with a default goes both ways"
    do.say("compat", "verbs-free", "NONE")
    for name, text in (("int.avsc", '"int"'), ("long.avsc", '"long"')):
        do.say("create", "verbs-free", do.file(name, text))
    assert [(one["direction"], one["rule"]) for one in do.json("diff", "verbs-free")] == [("forward", "TYPE_MISMATCH")]
    do.say("compat", "verbs-value", "FULL")
    assert "FULL" in do.say("compat", "verbs-value")
    do.say("mode", "verbs-value", "READONLY")
    assert "read-only" in do.say("create", "verbs-value", do.file("3.avsc", record(A, B, {**B, "name": "c"})), code=1)
    do.say("mode", "verbs-value", "--unset")
    do.say("create", "verbs-common", do.file("common.proto", COMMON))
    order = do.file("order.proto", ORDER)
    do.say("create", "verbs-order", order, "--reference", "common.proto=verbs-common:1")
    directions = [(one["direction"], one["subject"]) for one in do.json("refs", "verbs-order")]
    assert directions == [("refers to", "verbs-common")], directions
    assert [one["subject"] for one in do.json("refs", "verbs-common")] == ["verbs-order"]
    do.say("create", STRANGE, one)
    assert [one["subject"] for one in do.json("list", "--prefix", STRANGE)] == [STRANGE]
    do.say("delete", "verbs-value", "--version", "1", "--dry-run")
    assert do.json("list", "--prefix", "verbs-value")[0]["versions"] == 2, "a dry run deletes nothing"
    do.say("delete", "verbs-value", "--version", "1")
    assert do.json("list", "--prefix", "verbs-value")[0]["versions"] == 1
    assert do.json("list", "--prefix", "verbs-value", "--deleted")[0]["versions"] == 2
    assert "refer" in do.say("delete", "verbs-common", code=1), "who is referred to stays"


def moved(source, target, ask_source, ask_target, extra):
    """`export` and `import` into a registry that is empty, then again, then with a conflict. `extra`: where else it can be exported from."""
    lines = source.say("export")
    for arguments in extra:
        assert source.say("export", *arguments) == lines, "what the topic holds is what the registry tells"
    file = target.file("all.jsonl", lines)
    target.say("import", "--dry-run", file)
    assert ask_target("GET", "/subjects?subjectPrefix=%3A%2A%3A") == (200, []), "a dry run imports nothing"
    target.say("import", file)
    assert whole_registry(ask_target) == whole_registry(ask_source)
    before = whole_registry(ask_target)
    target.say("import", file)
    assert whole_registry(ask_target) == before, "again is nothing new"
    # The next id is nobody's.
    created = target.json("create", "after-import", target.file("after.avsc", record({**A, "name": "after"})))
    taken = {schema["id"] for schema in before[0] if not schema["subject"].startswith(":.")}
    assert created["id"] not in taken, created
    source.json("create", "after-export", source.file("other.avsc", record({**A, "name": "other"})))
    conflicting = target.file("conflict.jsonl", source.say("export"))
    before = whole_registry(ask_target)
    assert "belongs to another schema" in target.say("import", conflicting, code=1)
    assert whole_registry(ask_target) == before, "a conflict writes nothing"
    half = target.file("half.jsonl", "\n".join(lines.splitlines()[:-1]))
    assert "half a file" in target.say("import", half, code=1)
