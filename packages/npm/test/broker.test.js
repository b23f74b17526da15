// A small real application (orders in, totals out) with kafkajs, and the broker's own promises. PACKAGE names the installed package.
'use strict';

const assert = require('node:assert');
const { spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const { test } = require('node:test');
const { Kafka, logLevel } = require('kafkajs');
const { Broker } = require('ottla');

const MANY = Number(process.env.OTTLA_BROKERS || 20);

const split = (address) => ({ host: address.split(':')[0], port: Number(address.split(':')[1]) });

const connects = (address) => new Promise((resolve) => {
  const socket = net.connect(split(address));
  socket.once('connect', () => { socket.destroy(); resolve(true); });
  socket.once('error', () => resolve(false));
});

const isAlive = (pid) => {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z';
  } catch {
    return false;
  }
};

async function order(address, orders) {
  const producer = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).producer();
  await producer.connect();
  await producer.send({ topic: 'orders', messages: orders.map(([key, amount]) => ({ key, value: String(amount) })) });
  await producer.disconnect();
}

async function totals(address, count) {
  const consumer = new Kafka({ brokers: [address], logLevel: logLevel.NOTHING }).consumer({ groupId: 'totals' });
  await consumer.connect();
  await consumer.subscribe({ topic: 'orders', fromBeginning: true });
  const sums = {};
  await new Promise((resolve, reject) => {
    const eachMessage = async ({ message }) => {
      sums[message.key] = (sums[message.key] || 0) + Number(message.value);
      if (--count === 0) resolve();
    };
    consumer.run({ eachMessage }).catch(reject);
  });
  await consumer.disconnect();
  return sums;
}

test('the application adds up, over a kill', async () => {
  const broker = await Broker.start();
  const address = broker.bootstrapServers;
  await order(address, [['ann', 3], ['bob', 4]]);
  await broker.kill();
  assert.strictEqual(await connects(address), false);
  await broker.start();
  assert.strictEqual(broker.bootstrapServers, address);
  await order(address, [['ann', 5]]);
  assert.deepStrictEqual(await totals(address, 3), { ann: 8, bob: 4 });
  await broker.close();
});

test('faults begin and end', async () => {
  const broker = await Broker.start();
  const address = broker.bootstrapServers;
  await broker.refusing(async () => assert.strictEqual(await connects(address), false));
  assert.strictEqual(await connects(address), true);
  const asked = () => new Promise((resolve, reject) => {
    const began = Date.now();
    const socket = net.connect(split(address), () => {
      socket.write(Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff]));
    });
    socket.once('data', () => { socket.destroy(); resolve(Date.now() - began); });
    socket.once('error', reject);
  });
  await broker.delay(500);
  assert.ok(await asked() >= 400);
  await broker.frozen(async () => {
    const first = await Promise.race([asked().then(() => 'answered', () => 'ended'), new Promise((r) => setTimeout(r, 300, 'silence'))]);
    assert.strictEqual(first, 'silence');
  });
  await broker.close();
});

test('a bad configuration says why', async () => {
  await assert.rejects(Broker.start({ config: { 'num.partitions': 'many' } }), /num\.partitions/);
});

test('none is left when the process that started it is killed', async () => {
  const program = `require('ottla').Broker.start().then((b) => { console.log(b.pid, b.dataDir); setInterval(() => {}, 1000); })`;
  const parent = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'], cwd: __dirname });
  const [pid, data] = (await new Promise((resolve) => parent.stdout.once('data', resolve))).toString().trim().split(' ');
  assert.ok(isAlive(pid) && fs.existsSync(data));
  parent.kill('SIGKILL');
  for (const deadline = Date.now() + 10_000; isAlive(pid) || fs.existsSync(data);) {
    assert.ok(Date.now() < deadline, 'the broker or its data outlives whoever started it');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
});

test('one after another, and many at once', async () => {
  for (let i = 0; i < MANY; i++) {
    const broker = await Broker.start();
    const { pid, dataDir } = broker;
    assert.ok(await connects(broker.bootstrapServers));
    await broker.close();
    assert.ok(!isAlive(pid) && !fs.existsSync(dataDir));
  }
  const all = await Promise.all(Array.from({ length: 50 }, () => Broker.start({ timeoutMs: 60_000 })));
  assert.strictEqual(new Set(all.map((one) => one.bootstrapServers)).size, 50);
  const pids = all.map((one) => one.pid);
  await Promise.all(all.map((one) => one.close()));
  assert.deepStrictEqual(pids.filter(isAlive), []);
});
