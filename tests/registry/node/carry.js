// What both JavaScript clients share: names, schemas, and the way of bytes to a topic and back.
const fs = require("node:fs");
const path = require("node:path");
const { Kafka, logLevel } = require("kafkajs");

exports.NAMES = { kafkajs: "kafkajs-registry", confluentinc: "confluentinc-js" };
exports.ORDERS = JSON.parse(fs.readFileSync(path.join(__dirname, "..", "orders.json"), "utf8"));

async function write(client, kafka, registry) {
  const producer = kafka.producer();
  await producer.connect();
  for (const kind of client.kinds) {
    for (const version of [1, 2]) {
      const value = { client: client.name, n: version };
      if (version === 2) value.note = "second";
      const bytes = await client.encode(registry, kind, version, value);
      await producer.send({ topic: `reg-${kind}`, messages: [{ value: bytes }] });
      console.log(`wrote ${kind} ${version} ${bytes.readInt32BE(1)}`);
    }
  }
  await producer.disconnect();
}

async function read(client, kafka, registry) {
  const admin = kafka.admin();
  await admin.connect();
  const ends = {};
  for (const kind of client.kinds) {
    const [partition] = await admin.fetchTopicOffsets(`reg-${kind}`);
    ends[`reg-${kind}`] = Number(partition.high);
  }
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: client.name });
  await consumer.connect();
  await consumer.subscribe({ topics: Object.keys(ends), fromBeginning: true });
  let waiting = Object.keys(ends).length;
  await new Promise((done, failed) => {
    consumer
      .run({
        eachMessage: async ({ topic, message }) => {
          const kind = topic.slice("reg-".length);
          const value = await client.decode(registry, kind, message.value).catch(failed);
          console.log(`read ${kind} ${value.client} ${value.n} ${value.note || "-"}`);
          if (Number(message.offset) + 1 === ends[topic] && --waiting === 0) done();
        },
      })
      .catch(failed);
  });
  await consumer.disconnect();
}

exports.main = (client) => {
  const [phase, broker, url] = process.argv.slice(2);
  const kafka = new Kafka({ clientId: client.name, brokers: [broker], logLevel: logLevel.ERROR });
  ({ write, read })[phase](client, kafka, client.open(url)).catch((error) => {
    console.error(error);
    process.exit(1);
  });
};
