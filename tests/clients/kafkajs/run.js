// kafkajs (JavaScript): producer, consumer, groups and admin against the broker in argv[2]; prints `ok - NAME` lines.
// NODE_PATH names the directory of the modules.
'use strict'
const { Kafka, CompressionTypes, CompressionCodecs, logLevel, ConfigResourceTypes, Partitioners } = require('kafkajs')
const assert = require('assert').strict

CompressionCodecs[CompressionTypes.Snappy] = require('kafkajs-snappy')
const zstd = new Promise(resolve => require('zstd-codec').ZstdCodec.run(codec => resolve(new codec.Simple())))
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async encoder => Buffer.from((await zstd).compress(encoder.buffer)),
  decompress: async buffer => Buffer.from((await zstd).decompress(buffer)),
})

const run = `${process.pid}-${Math.floor(Date.now() / 1000)}`
const named = name => `js-${name}-${run}`
const kafka = new Kafka({ clientId: 'checks', brokers: [process.argv[2]], logLevel: logLevel.NOTHING, retry: { retries: 10 } })
const admin = kafka.admin()
const checks = []
const check = (name, body) => checks.push([name, body])

async function create(name, numPartitions = 1, configEntries = []) {
  await admin.createTopics({ topics: [{ topic: named(name), numPartitions, configEntries }], waitForLeaders: false })
  await until('the broker knows its new topic', () => admin.fetchTopicMetadata({ topics: [named(name)] }).then(() => true, () => false))
  return named(name)
}

async function send(topic, messages, options = {}, settings = {}) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...settings })
  await producer.connect()
  try {
    return await producer.send({ topic, messages, ...options })
  } finally {
    await producer.disconnect()
  }
}

async function until(what, probe, seconds = 30) {
  const end = Date.now() + seconds * 1000
  while (!(await probe())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

// A group member that keeps what it reads.
async function member(groupId, topic, settings = {}) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 6000, maxWaitTimeInMs: 200, ...settings })
  const self = { consumer, records: [], owned: [] }
  consumer.on(consumer.events.GROUP_JOIN, event => { self.owned = event.payload.memberAssignment[topic] || [] })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async ({ partition, message }) => { self.records.push({ partition, ...message }) } })
  return self
}

async function readAll(topic, count) {
  const self = await member(`${topic}-reader`, topic)
  await until(`${count} records`, () => self.records.length >= count)
  await self.consumer.disconnect()
  return self.records
}

for (const [name, type] of Object.entries({ none: 0, gzip: 1, snappy: 2, zstd: 4 })) {
  check(`codec_${name}`, async () => {
    const topic = await create(`codec-${name}`)
    const values = Array.from({ length: 500 }, (_, n) => `some compressible value ${n}`)
    await send(topic, values.map(value => ({ value })), { compression: type })
    assert.deepEqual((await readAll(topic, 500)).map(m => m.value.toString()), values)
  })
}

check('acks', async () => {
  const topic = await create('acks')
  for (const acks of [0, 1, -1]) await send(topic, [{ value: String(acks) }], { acks })
  assert.equal((await readAll(topic, 3)).length, 3)
})

check('idempotent_producer', async () => {
  const topic = await create('idempotent', 2)
  const messages = Array.from({ length: 300 }, (_, n) => ({ key: `k${n % 7}`, value: String(n) }))
  await send(topic, messages, { acks: -1 }, { idempotent: true, maxInFlightRequests: 1 })
  const last = {}
  for (const { key, value } of await readAll(topic, 300)) {
    assert(Number(value) > (last[key] ?? -1), `order of ${key}`)
    last[key] = Number(value)
  }
})

check('headers_timestamps_tombstones', async () => {
  const topic = await create('shape')
  await send(topic, [{ key: 'k', value: null, headers: { a: 'one', b: Buffer.from([0, 255]) }, timestamp: '1234567890123' }])
  const [message] = await readAll(topic, 1)
  assert.equal(message.value, null)
  assert.equal(message.timestamp, '1234567890123')
  assert.equal(message.headers.a.toString(), 'one')
  assert.deepEqual([...message.headers.b], [0, 255])
})

check('too_large_is_refused', async () => {
  const topic = await create('large', 1, [{ name: 'max.message.bytes', value: '1000' }])
  await assert.rejects(send(topic, [{ value: 'x'.repeat(4000) }]), error => /larger than the max/.test(error.message))
})

check('commit_and_resume', async () => {
  const topic = await create('resume')
  await send(topic, Array.from({ length: 50 }, (_, n) => ({ value: String(n) })))
  const groupId = named('resume-group')
  const first = await member(groupId, topic, {})
  await until('50 records', () => first.records.length >= 50)
  await first.consumer.stop()
  await first.consumer.commitOffsets([{ topic, partition: 0, offset: '20', metadata: 'note' }]).catch(() => {})
  await first.consumer.disconnect()
  await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '20' }] })
  const [committed] = await admin.fetchOffsets({ groupId, topics: [topic] })
  assert.equal(committed.partitions[0].offset, '20')
  const second = await member(groupId, topic)
  await until('30 records', () => second.records.length >= 30)
  assert.equal(second.records[0].offset, '20')
  await second.consumer.disconnect()
})

check('seek', async () => {
  const topic = await create('seek')
  await send(topic, Array.from({ length: 20 }, (_, n) => ({ value: String(n) })))
  const self = await member(named('seek-group'), topic)
  await until('20 records', () => self.records.length >= 20)
  self.consumer.seek({ topic, partition: 0, offset: '15' })
  await until('5 more', () => self.records.length >= 25)
  assert.equal(self.records[20].offset, '15')
  await self.consumer.disconnect()
})

check('group_shares_the_work', async () => {
  const topic = await create('share', 4)
  const members = [await member(named('share-group'), topic), await member(named('share-group'), topic)]
  await until('2 partitions each', () => members.every(m => m.owned.length === 2))
  assert.deepEqual([...members[0].owned, ...members[1].owned].sort(), [0, 1, 2, 3])
  await send(topic, Array.from({ length: 200 }, (_, n) => ({ key: String(n), value: 'x' })))
  await until('200 records', () => members[0].records.length + members[1].records.length >= 200)
  await members[1].consumer.disconnect()
  await until('the one that stays owns all', () => members[0].owned.length === 4)
  await members[0].consumer.disconnect()
})

check('admin_topics', async () => {
  const topic = await create('admin', 2)
  assert.equal(await admin.createTopics({ topics: [{ topic }] }), false)
  assert((await admin.listTopics()).includes(topic))
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
  assert.deepEqual(topics[0].partitions.map(p => p.leader), [1, 1])
  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  await until('4 partitions', async () => (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length === 4)
  await admin.deleteTopics({ topics: [topic] })
  await until('gone', async () => !(await admin.listTopics()).includes(topic))
})

check('admin_configs', async () => {
  const topic = await create('configs', 1, [{ name: 'retention.ms', value: '777777' }])
  const ask = async () => {
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configNames: ['retention.ms'] }]
    return (await admin.describeConfigs({ resources, includeSynonyms: false })).resources[0].configEntries[0].configValue
  }
  assert.equal(await ask(), '777777')
  await admin.alterConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries: [{ name: 'retention.ms', value: '888888' }] }] })
  await until('the new value', async () => (await ask()) === '888888')
})

check('admin_offsets_groups_records', async () => {
  const topic = await create('offsets')
  await send(topic, Array.from({ length: 30 }, () => ({ value: 'x', timestamp: '1600000000000' })))
  const [end] = await admin.fetchTopicOffsets(topic)
  assert.deepEqual([end.low, end.high], ['0', '30'])
  const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, 1600000000000)
  assert.equal(found.offset, '0')
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '10' }] })
  assert.equal((await admin.fetchTopicOffsets(topic))[0].low, '10')
  const groupId = named('described')
  const self = await member(groupId, topic)
  await until('20 records', () => self.records.length >= 20)
  const { groups } = await admin.describeGroups([groupId])
  assert.deepEqual([groups[0].state, groups[0].members.length], ['Stable', 1])
  assert((await admin.listGroups()).groups.some(group => group.groupId === groupId))
  await self.consumer.disconnect()
  await admin.deleteGroups([groupId])
  assert(!(await admin.listGroups()).groups.some(group => group.groupId === groupId))
})

check('describe_cluster', async () => {
  const cluster = await admin.describeCluster()
  assert.deepEqual(cluster.brokers.map(broker => broker.nodeId), [1])
  assert.equal(cluster.clusterId.length, 22)
})

async function main() {
  await admin.connect()
  const only = process.argv.slice(3)
  for (const [name, body] of checks) {
    if (only.length && !only.includes(name)) continue
    let timer
    const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('not within 60 s')), 60000) })
    try {
      await Promise.race([body(), limit])
      console.log(`ok - kafkajs ${name}`)
    } catch (error) {
      console.log(`not ok - kafkajs ${name}: ${String(error.message).replace(/\s+/g, ' ').slice(0, 300)}`)
      console.error(error)
    }
    clearTimeout(timer)
  }
  console.log('done - kafkajs')
}

main().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
