#!/bin/sh
# An image's root file system, run as its user and read-only but for its data: image.sh IMAGE BYTES_MAX PORT PORT
set -u
image=$1 most=$2 port=$3 controller=$4
if [ "$(id -u)" != 0 ]; then
    echo "skip - the image is run: needs root for mounts"
    echo "done - image"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - "$image" "$work" <<'END' || echo "not ok - the image can be unpacked"
import hashlib, io, json, sys, tarfile
image, work = sys.argv[1:]
def check(name, held): print(f"{'ok' if held else 'not ok'} - {name}")
blobs = {}
with tarfile.open(image) as archive:
    for member in archive:
        if member.isfile():
            blobs[member.name] = archive.extractfile(member).read()
    def blob(of):
        data = blobs["blobs/" + of["digest"].replace(":", "/")]
        check("a blob is what its digest says", "sha256:" + hashlib.sha256(data).hexdigest() == of["digest"] and len(data) == of["size"])
        return data
    manifest = json.loads(blob(json.loads(blobs["index.json"])["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    import gzip
    layer = gzip.decompress(blob(manifest["layers"][0]))
    check("the layer is what the configuration says", "sha256:" + hashlib.sha256(layer).hexdigest() == config["rootfs"]["diff_ids"][0])
    check("it does not run as root", config["config"]["User"] == "65532:65532")
    check("it says how it is", config["config"]["Healthcheck"]["Test"][1] == "/usr/bin/ottla")
    with tarfile.open(fileobj=io.BytesIO(layer)) as root:
        for member in root: root.extract(member, work + "/root", numeric_owner=True)
    open(work + "/command", "w").write("\n".join(config["config"]["Entrypoint"] + config["config"]["Cmd"]))
    open(work + "/health", "w").write("\n".join(config["config"]["Healthcheck"]["Test"][1:]))
END
bytes=$(du -sb "$work/root" | cut -f1)
if [ "$bytes" -le "$most" ]; then echo "ok - the root file system has $bytes bytes"; else echo "not ok - the root file system has $bytes bytes, more than $most"; fi
cat > "$work/within" <<'END'
set -u
root=$1 work=$2 port=$3 controller=$4
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
# As an engine does.
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
mount -t tmpfs -o uid=65532,gid=65532,mode=750 data "$root/var/lib/ottla"
mkdir -p "$work/empty"
if touch "$root/etc/x" 2>/dev/null; then echo "not ok - the root is read-only"; else echo "ok - the root is read-only"; fi
chroot=$(command -v chroot || echo /usr/sbin/chroot)
export_env="KAFKA_LISTENERS=PLAINTEXT://:$port,CONTROLLER://localhost:$controller KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://localhost:$port KAFKA_CONTROLLER_QUORUM_VOTERS=1@localhost:$controller KAFKA_METRICS_LISTENERS="
env -i $export_env $chroot --userspec=65532:65532 "$root" $(cat "$work/command") > "$work/log" 2>&1 &
broker=$!
health=$(sed "s/localhost:9092/localhost:$port/" "$work/health")
healthy=no
for try in 1 2 3 4 5 6 7 8 9 10; do
    if env -i $chroot --userspec=65532:65532 "$root" $health > "$work/said" 2>&1; then healthy=yes; break; fi
    sleep 0.3
done
if [ $healthy = yes ]; then echo "ok - the health check finds it, by the name of localhost"; else echo "not ok - the health check: $(cat "$work/said" "$work/log" | tr '\n' ' ')"; fi
if echo hello | env -i $chroot --userspec=65532:65532 "$root" /usr/bin/ottla -b "localhost:$port" produce greetings > /dev/null 2> "$work/said"; then echo "ok - it takes a record"; else echo "not ok - a record: $(cat "$work/said")"; fi
who=$(stat -c %u "/proc/$broker")
if [ "$who" = 65532 ]; then echo "ok - it runs as nobody in particular"; else echo "not ok - it runs as $who"; fi
kill -TERM $broker
wait $broker
code=$?
if [ $code = 0 ] || [ $code = 143 ]; then echo "ok - it stops cleanly"; else echo "not ok - it stops with $code: $(tail -3 "$work/log")"; fi
if env -i $chroot --userspec=65532:65532 "$root" $health > /dev/null 2>&1; then echo "not ok - the health check finds what is not there"; else echo "ok - the health check says when it is gone"; fi
END
unshare --mount sh "$work/within" "$work/root" "$work" "$port" "$controller" || echo "not ok - it can be run in a mount namespace of its own"
echo "done - image"
