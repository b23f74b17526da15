"""The real text and what must come back of it.

  lines.py prepare INPUT DIR          Debian's package index -> DIR/part-{0..3}.tsv (KEY TAB LINE, a key is in one part only)
                                      and DIR/expected (NUMBER KEY CHECKSUM, one line per line of the text)
  lines.py produce HOST:PORT TOPIC FILE CODEC          one part through confluent-kafka
  lines.py committed HOST:PORT GROUP TOPIC             PARTITION OFFSET END, one line per partition
  lines.py verify DIR                                  DIR/member-* against DIR/expected; prints ok / not ok lines

A line's value is its number, a blank, and the line as it stands in the index.
"""
import glob
import sys
import zlib
from collections import defaultdict


def prepare(source, directory):
    parts = [open(f"{directory}/part-{n}.tsv", "w", encoding="utf-8") for n in range(4)]
    key, count, size = "none", 0, 0
    with open(source, encoding="utf-8", errors="replace") as lines, open(f"{directory}/expected", "w") as expected:
        for line in lines:
            line = line.rstrip("\n").replace("\t", " ").replace("\r", " ")
            if line.startswith("Package: "):
                key = line[9:]
            value = f"{count} {line}"
            encoded = value.encode()
            parts[zlib.crc32(key.encode()) % 4].write(f"{key}\t{value}\n")
            expected.write(f"{count} {key} {zlib.crc32(encoded)}\n")
            count, size = count + 1, size + len(encoded) + len(key)
    for part in parts:
        part.close()
    print(f"{count} lines, {size} bytes")


def produce(bootstrap, topic, file, codec):
    from confluent_kafka import Producer
    failed = []
    client = Producer({"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True, "linger.ms": 20,
                       "queue.buffering.max.messages": 50000, "message.timeout.ms": 120000})

    def delivered(error, _):
        if error:
            failed.append(error)

    with open(file, "rb") as lines:
        for line in lines:
            key, value = line.rstrip(b"\n").split(b"\t", 1)
            while True:
                try:
                    client.produce(topic, value=value, key=key, on_delivery=delivered)
                    break
                except BufferError:
                    client.poll(0.1)
            client.poll(0)
    left = client.flush(120)
    if left or failed:
        sys.exit(f"{left} left, {len(failed)} failed: {failed[:2]}")


def committed(bootstrap, group, topic):
    from confluent_kafka import Consumer, TopicPartition
    client = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    partitions = client.list_topics(topic, timeout=20).topics[topic].partitions
    for place in client.committed([TopicPartition(topic, p) for p in sorted(partitions)], timeout=20):
        end = client.get_watermark_offsets(TopicPartition(topic, place.partition), timeout=20)[1]
        print(place.partition, max(place.offset, 0), end)


def verify(directory):
    expected, keys = {}, {}
    for line in open(f"{directory}/expected"):
        number, rest = line.split(" ", 1)
        key, checksum = rest.rstrip("\n").rsplit(" ", 1)
        expected[int(number)] = (key, int(checksum))
    places, wrong, total, others = {}, 0, 0, 0
    for file in glob.glob(f"{directory}/member-*.out"):
        for line in open(file):
            words = line.split()
            if len(words) != 5 or words[0] != "got":
                continue
            total += 1
            place, number, checksum = (int(words[1]), int(words[2])), int(words[3]), int(words[4])
            if expected.get(number, (None, None))[1] != checksum:
                wrong += 1
            if places.setdefault(place, number) != number:
                others += 1
    distinct = set(places.values())
    report(f"every one of {len(expected)} lines arrived", len(distinct) == len(expected), f"{len(expected) - len(distinct)} are missing")
    report("every line is what was sent", wrong == 0, f"{wrong} differ")
    report("an offset always holds the same line", others == 0, f"{others} hold another one")
    report("no line is in the log twice", len(places) == len(distinct), f"{len(places) - len(distinct)} are")
    last, disorder, homes = {}, 0, defaultdict(set)
    for (partition, _), number in sorted(places.items()):
        key = expected[number][0]
        homes[key].add(partition)
        if last.get(key, -1) > number:
            disorder += 1
        last[key] = number
    report("a key's lines are in order", disorder == 0, f"{disorder} are not")
    report("a key's lines are in one partition", all(len(home) == 1 for home in homes.values()), "they are not")
    report("most lines were read once", total < 2 * len(expected), f"{total} deliveries of {len(expected)} lines")
    print(f"# {total} deliveries, {total - len(distinct)} of them repeated")
    print("done - verify")


def report(name, held, why):
    print(f"ok - {name}" if held else f"not ok - {name}: {why}")


{"prepare": prepare, "produce": produce, "committed": committed, "verify": verify}[sys.argv[1]](*sys.argv[2:])
