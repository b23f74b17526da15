"""Small batches that decompress to a gibibyte, for the broker in argv[1]; prints `ok - bomb CODEC: CODE` when answered.

Whether a broker takes such a record or refuses it is its own affair; that it answers, and what memory it used, is not.
"""
import sys
import time
import zlib

import lz4.frame
import zstandard

sys.argv = [sys.argv[0], sys.argv[1]]
SIZE = 1 << 30
CHUNK = b"\0" * (1 << 20)


def varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes(out) + bytes([n])


def head():
    """Everything of one record up to its value of SIZE zeros; the last byte after it is the count of headers."""
    value = varint(SIZE << 1)
    body = b"\0\0\0" + varint(1) + value
    return varint((len(body) + SIZE + 1) << 1) + body


def compressed(feed, finish):
    out = [feed(head())]
    for _ in range(SIZE // len(CHUNK)):
        out.append(feed(CHUNK))
    out.append(feed(b"\0"))
    out.append(finish())
    return b"".join(out)


def gzip():
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    return 1, compressed(coder.compress, coder.flush)


def lz4_frame():
    coder = lz4.frame.LZ4FrameCompressor(block_linked=False, block_size=lz4.frame.BLOCKSIZE_MAX64KB)
    start = coder.begin()
    return 3, start + compressed(coder.compress, coder.flush)


def zstd():
    coder = zstandard.ZstdCompressor(level=3).compressobj()
    return 4, compressed(coder.compress, coder.flush)


import refusals  # noqa: E402  (it reads argv)


def main():
    refusals.create("bombs", configs=[("max.message.bytes", "100000000")])
    time.sleep(0.5)
    for make in (zstd, gzip, lz4_frame):
        codec, payload = make()
        data = refusals.batch(attributes=codec, payload=payload, count=1)
        started = time.monotonic()
        client = refusals.Connection()
        client.socket.settimeout(60)
        try:
            code = refusals.produce(data, topic="bombs", client=client)
        except OSError as error:
            code = type(error).__name__
        took = time.monotonic() - started
        answered = isinstance(code, int)
        line = f"bomb {make.__name__}: {len(payload)} bytes, answer {code} after {took:.1f} s"
        print(("ok - " if answered else "not ok - ") + line, flush=True)
    print("done - bomb")


main()
