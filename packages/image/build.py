"""Makes the OCI image: `build.py BINARY OUT VERSION`. Needs nothing but Python, no engine; the same input gives the same bytes.

From scratch: the binary, a configuration, a user without rights, a directory for data. `podman load`, `docker load`, `skopeo copy oci-archive:`
take it. Everything but /var/lib/ottla may be mounted read-only.
"""

import gzip
import hashlib
import io
import json
import pathlib
import re
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).parent
UID = 65532
USER = f"ottla:x:{UID}:{UID}:ottla:/var/lib/ottla:/sbin/nologin\n"


def entry(archive, name, mode, data=None, uid=0):
    info = tarfile.TarInfo(name)
    info.mode, info.uid, info.gid, info.mtime = mode, uid, uid, 0
    if data is None:
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    else:
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))


def libraries(binary):
    """The loader and libraries of a binary that is not static."""
    if b"/ld-linux-x86-64.so.2" not in pathlib.Path(binary).read_bytes()[:4096]:
        return []
    said = subprocess.run(["ldd", binary], check=True, capture_output=True, text=True).stdout
    return sorted(set(re.findall(r"(/\S+) \(0x", said)))


def layer(binary):
    listeners = "PLAINTEXT://:9092,CONTROLLER://localhost:9093"
    properties = (HERE.parent / "server.properties").read_text().replace("@LISTENERS@", listeners)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for directory in ["dev", "proc", "sys", "etc", "etc/ottla", "usr", "usr/bin", "usr/share", "usr/share/doc", "usr/share/doc/ottla", "var", "var/lib"]:
            entry(archive, directory, 0o755)
        entry(archive, "tmp", 0o1777)
        entry(archive, "var/lib/ottla", 0o750, uid=UID)
        entry(archive, "etc/passwd", 0o644, f"root:x:0:0:root:/:/sbin/nologin\n{USER}".encode())
        entry(archive, "etc/group", 0o644, f"root:x:0:\nottla:x:{UID}:\n".encode())
        # Engines put their own over it.
        entry(archive, "etc/hosts", 0o644, b"127.0.0.1 localhost\n::1 localhost\n")
        # localhost before a name server is asked.
        entry(archive, "etc/nsswitch.conf", 0o644, b"passwd: files\ngroup: files\nhosts: files dns\n")
        entry(archive, "etc/ottla/server.properties", 0o644, properties.encode())
        entry(archive, "usr/share/doc/ottla/LICENSE", 0o644, (HERE.parent.parent / "LICENSE").read_bytes())
        for directory in sorted({str(pathlib.Path(path).parent).strip("/") for path in libraries(binary)}):
            for up in [*reversed(pathlib.PurePath(directory).parents[:-1]), directory]:
                entry(archive, str(up), 0o755)
        for path in libraries(binary):
            entry(archive, path.strip("/"), 0o755, pathlib.Path(path).read_bytes())
        entry(archive, "usr/bin/ottla", 0o755, pathlib.Path(binary).read_bytes())
    return raw.getvalue()


def main(binary, out, version):
    blobs = {}

    def blob(data):
        digest = hashlib.sha256(data).hexdigest()
        blobs[digest] = data
        return {"digest": f"sha256:{digest}", "size": len(data)}

    def document(value):
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()

    tar = layer(binary)
    packed = blob(gzip.compress(tar, 9, mtime=0))
    config = blob(document({
        "architecture": "amd64",
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": f"{UID}:{UID}",
            "ExposedPorts": {"9092/tcp": {}},
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/ottla"],
            "Cmd": ["server", "-c", "/etc/ottla/server.properties"],
            "Volumes": {"/var/lib/ottla": {}},
            "WorkingDir": "/var/lib/ottla",
            "StopSignal": "SIGTERM",
            # Of Docker's kind: OCI has none, and passes it on.
            "Healthcheck": {
                "Test": ["CMD", "/usr/bin/ottla", "-b", "localhost:9092", "--timeout", "3s", "cluster", "info"],
                "Interval": 10_000_000_000,
                "Timeout": 5_000_000_000,
                "StartPeriod": 5_000_000_000,
                "Retries": 3,
            },
            "Labels": {
                "org.opencontainers.image.title": "ottla",
                "org.opencontainers.image.version": version,
                "org.opencontainers.image.licenses": "Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "comment": "from scratch"}],
    }))
    manifest = blob(document({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", **packed}],
    }))
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            **manifest,
            "platform": {"architecture": "amd64", "os": "linux"},
            "annotations": {"org.opencontainers.image.ref.name": version},
        }],
    }
    image = pathlib.Path(out) / f"ottla-{version}-oci.tar"
    with tarfile.open(image, "w", format=tarfile.USTAR_FORMAT) as archive:
        entry(archive, "oci-layout", 0o644, document({"imageLayoutVersion": "1.0.0"}))
        entry(archive, "index.json", 0o644, document(index))
        entry(archive, "blobs", 0o755)
        entry(archive, "blobs/sha256", 0o755)
        for digest in sorted(blobs):
            entry(archive, f"blobs/sha256/{digest}", 0o644, blobs[digest])
    print(image)


if __name__ == "__main__":
    main(*sys.argv[1:])
