"""Makes the wheel that carries the binary: `build.py BINARY OUT VERSION`. Needs nothing but Python; the same input gives the same bytes."""

import base64
import hashlib
import pathlib
import sys
import zipfile

HERE = pathlib.Path(__file__).parent
# Where the binary is static any glibc, and musl, will do; else it is for machines like this one.
STATIC = ["py3-none-manylinux2014_x86_64", "py3-none-musllinux_1_1_x86_64"]
DYNAMIC = ["py3-none-linux_x86_64"]

METADATA = """Metadata-Version: 2.1
Name: ottla
Version: {version}
Summary: A broker of Apache Kafka's protocol for tests: with ottla.Broker() as broker
License: Apache-2.0
Requires-Python: >=3.9
Description-Content-Type: text/markdown

{description}"""


def main(binary, out, version):
    info = f"ottla-{version}.dist-info"
    program = pathlib.Path(binary).read_bytes()
    all_tags = DYNAMIC if b"/ld-linux-x86-64.so.2" in program[:4096] else STATIC
    tags = "".join(f"Tag: {tag}\n" for tag in all_tags)
    files = [
        ("ottla/bin/ottla", program, 0o755),
        (f"{info}/METADATA", METADATA.format(version=version, description=(HERE / "README.md").read_text()).encode(), 0o644),
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: ottla\nRoot-Is-Purelib: false\n{tags}".encode(), 0o644),
        (f"{info}/licenses/LICENSE", (HERE.parent.parent / "LICENSE").read_bytes(), 0o644),
    ]
    for source in sorted((HERE / "ottla").glob("*.py")):
        files.append((f"ottla/{source.name}", source.read_text().replace("@VERSION@", version).encode(), 0o644))
    files.append((f"ottla/py.typed", b"", 0o644))
    record = ""
    for name, data, _ in files:
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    files.append((f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode(), 0o644))
    compressed = ".".join(tag.removeprefix("py3-none-") for tag in all_tags)
    wheel = pathlib.Path(out) / f"ottla-{version}-py3-none-{compressed}.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in files:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100000 | mode) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    print(wheel)


if __name__ == "__main__":
    main(*sys.argv[1:])
