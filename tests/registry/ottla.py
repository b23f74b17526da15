"""Our own commands as a client among the others: `ottla.py write|read BROKER REGISTRY`. What is written and printed: see run.py."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

NAME = "ottla"
ORDERS = json.loads((pathlib.Path(__file__).parent / "orders.json").read_text())
FORMATS = {"avro": ("avro", "avsc"), "json": ("json-schema", "json"), "protobuf": ("protobuf", "proto")}


def ottla(*arguments, text=None):
    done = subprocess.run([os.environ["OTTLA"], *arguments], input=text, capture_output=True, text=True, timeout=30)
    if done.returncode != 0:
        sys.exit(f"ottla {' '.join(arguments)}: exit {done.returncode}: {done.stderr}")
    return done.stdout


def write(broker, registry):
    with tempfile.TemporaryDirectory() as place:
        for kind, (format, ending) in FORMATS.items():
            for version in (1, 2):
                file = pathlib.Path(place, f"order{version}.{ending}")
                file.write_text(ORDERS[kind][version - 1])
                value = {"client": NAME, "n": version, **({"note": "second"} if version == 2 else {})}
                where = ["-b", broker, "--schema-registry", registry]
                ottla("produce", *where, "--value-format", format, "--schema", str(file), f"reg-{kind}", text=json.dumps(value))
                # What the file is, and what the record names, is one and the same schema.
                known = ottla("schema", "create", "--schema-registry", registry, "-o", "json", f"reg-{kind}-value", str(file))
                print(f"wrote {kind} {version} {json.loads(known)['id']}")


def read(broker, registry):
    for kind, (format, _) in FORMATS.items():
        where = ["-b", broker, "--schema-registry", registry]
        for line in ottla("consume", *where, "--from-beginning", "-e", "--value-format", format, f"reg-{kind}").splitlines():
            value = json.loads(line)
            print(f"read {kind} {value['client']} {value['n']} {value.get('note') or '-'}")


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:4])
