"""aiokafka (asyncio): producer, consumer, groups and admin against the broker in argv[1]."""
import asyncio
import functools

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError, TopicAlreadyExistsError

from checks import bootstrap, check, main, same, topic


def asynchronous(function):
    @functools.wraps(function)
    def run():
        asyncio.run(asyncio.wait_for(function(), 60))

    return check(run)


async def create(name, partitions=1, configs=None):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap())
    await admin.start()
    try:
        answer = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs or {})])
        same([error[1] for error in answer.topic_errors], [0], "error code")
    finally:
        await admin.close()
    return name


async def send(name, pairs, **settings):
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap(), **settings)
    await producer.start()
    try:
        futures = [await producer.send(name, value, key=key) for key, value in pairs]
        return [await future for future in futures]
    finally:
        await producer.stop()


def consumer(*topics, **settings):
    base = {"bootstrap_servers": bootstrap(), "auto_offset_reset": "earliest", "enable_auto_commit": False}
    return AIOKafkaConsumer(*topics, **(base | settings))


async def take(client, count):
    return [await asyncio.wait_for(client.getone(), 30) for _ in range(count)]


async def codec_round_trip(codec):
    name = await create(topic(f"aio-{codec}"))
    pairs = [(None, b"some compressible value %d" % n) for n in range(500)]
    await send(name, pairs, compression_type=codec)
    client = consumer(name)
    await client.start()
    same([(m.key, m.value) for m in await take(client, 500)], pairs)
    await client.stop()


@asynchronous
async def codec_none():
    await codec_round_trip(None)


@asynchronous
async def codec_gzip():
    await codec_round_trip("gzip")


@asynchronous
async def codec_snappy():
    await codec_round_trip("snappy")


@asynchronous
async def codec_lz4():
    await codec_round_trip("lz4")


@asynchronous
async def codec_zstd():
    await codec_round_trip("zstd")


@asynchronous
async def idempotent_producer():
    name = await create(topic("aio-idempotent"), 2)
    places = await send(name, [(b"k%d" % (n % 5), b"%d" % n) for n in range(500)], enable_idempotence=True)
    same(len({(p.partition, p.offset) for p in places}), 500)


@asynchronous
async def headers_and_timestamps():
    name = await create(topic("aio-shape"))
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap())
    await producer.start()
    await producer.send_and_wait(name, None, key=b"k", headers=[("a", b"1")], timestamp_ms=1_234_567_890_123)
    await producer.stop()
    client = consumer(name)
    await client.start()
    message = (await take(client, 1))[0]
    same((message.key, message.value, message.timestamp, message.headers),
         (b"k", None, 1_234_567_890_123, (("a", b"1"),)))
    await client.stop()


@asynchronous
async def too_large_is_refused():
    name = await create(topic("aio-large"), configs={"max.message.bytes": "1000"})
    try:
        await send(name, [(None, b"x" * 4000)])
    except MessageSizeTooLargeError:
        return
    raise AssertionError("4000 bytes were taken where 1000 are the bound")


@asynchronous
async def seek_and_positions():
    name = await create(topic("aio-seek"))
    await send(name, [(None, b"%d" % n) for n in range(50)])
    client, partition = consumer(), TopicPartition(name, 0)
    await client.start()
    client.assign([partition])
    same((await client.beginning_offsets([partition]))[partition], 0)
    same((await client.end_offsets([partition]))[partition], 50)
    client.seek(partition, 45)
    same([m.offset for m in await take(client, 5)], [45, 46, 47, 48, 49])
    same(await client.position(partition), 50)
    await client.stop()


@asynchronous
async def out_of_range_is_told():
    name = await create(topic("aio-range"))
    await send(name, [(None, b"x")])
    client, partition = consumer(auto_offset_reset="none"), TopicPartition(name, 0)
    await client.start()
    client.assign([partition])
    client.seek(partition, 1000)
    try:
        await asyncio.wait_for(client.getone(), 20)
    except OffsetOutOfRangeError:
        return
    finally:
        await client.stop()
    raise AssertionError("offset 1000 of 1 was served")


@asynchronous
async def commit_and_resume():
    name, group = await create(topic("aio-resume")), topic("aio-resume")
    await send(name, [(None, b"%d" % n) for n in range(40)])
    partition = TopicPartition(name, 0)
    first = consumer(name, group_id=group)
    await first.start()
    await take(first, 40)
    await first.commit({partition: (15, "note")})
    await first.stop()
    second = consumer(name, group_id=group)
    await second.start()
    same(await second.committed(partition), 15)
    same((await take(second, 25))[0].offset, 15)
    await second.stop()


@asynchronous
async def group_shares_the_work():
    name, group = await create(topic("aio-share"), 4), topic("aio-share")
    settings = {"group_id": group, "heartbeat_interval_ms": 300, "session_timeout_ms": 6000}
    one, two = consumer(name, **settings), consumer(name, **settings)
    await one.start()
    await two.start()
    while sorted((len(one.assignment()), len(two.assignment()))) != [2, 2]:
        await asyncio.sleep(0.1)
    await two.stop()
    while len(one.assignment()) != 4:
        await asyncio.sleep(0.1)
    await one.stop()


@asynchronous
async def admin_calls():
    name = await create(topic("aio-admin"), 2)
    try:
        await create(name)
        raise AssertionError("made twice")
    except (TopicAlreadyExistsError, AssertionError) as error:
        assert "made twice" not in str(error)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap())
    await admin.start()
    assert name in await admin.list_topics()
    await admin.create_partitions({name: NewPartitions(3)})
    described = (await admin.describe_topics([name]))[0]
    same(len(described["partitions"]), 3)
    await admin.delete_topics([name])
    while name in await admin.list_topics():
        await asyncio.sleep(0.1)
    await admin.close()


main("aiokafka")
