// A broker for tests: a process of its own, on a free port, with its data in a temporary directory. It ends with close(), and also when
// this process ends by whatever death: it watches the other end of its standard input.
'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** The path of the program: OTTLA_BINARY, or the one in this package. */
const binary = () => process.env.OTTLA_BINARY || path.join(__dirname, 'bin', 'ottla');

class Broker {
  /** Starts one; it is ready when the promise is fulfilled. Options: config, dataDir, timeoutMs. */
  static async start(options = {}) {
    const broker = new Broker(options);
    await broker.start();
    return broker;
  }

  constructor({ config = {}, dataDir, timeoutMs = 10_000 } = {}) {
    this.config = config;
    this.dataDir = dataDir;
    this.ownsData = dataDir === undefined;
    this.timeoutMs = timeoutMs;
    this.bootstrapServers = '127.0.0.1:0';
    this.child = null;
    this.said = '';
  }

  /** The number of its process; null if there is none. */
  get pid() {
    return this.child && this.child.pid;
  }

  /** Starts it; after kill() on the port and with the data from before. */
  async start() {
    if (this.child) throw new Error('the broker runs already');
    this.dataDir ??= fs.mkdtempSync(path.join(os.tmpdir(), 'ottla-'));
    const words = ['dev', '--while-stdin', '-o', 'json', '--log-level', 'warn'];
    words.push('--listen', this.bootstrapServers, '--data-dir', this.dataDir);
    if (this.ownsData) words.push('--throw-away');
    for (const [key, value] of Object.entries(this.config)) words.push('--set', `${key}=${value}`);
    this.said = '';
    const child = spawn(binary(), words, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child = child;
    this.ended = new Promise((resolve) => {
      child.once('exit', resolve);
      child.once('error', resolve);
    });
    child.stdin.on('error', () => {});
    child.stderr.on('data', (data) => { this.said = (this.said + data).slice(-65_536); });
    try {
      this.bootstrapServers = (await this.#ready(child)).bootstrap_servers;
    } catch (error) {
      await this.close();
      throw error;
    }
    // A program that has nothing else to do may end.
    for (const one of [child, child.stdin, child.stdout, child.stderr]) one.unref();
  }

  /** SIGKILL. The data stays, start() comes back with it. */
  kill() {
    return this.#end('SIGKILL');
  }

  /** Ends it and removes its data, unless dataDir was given. */
  async close() {
    await this.#end('SIGTERM');
    if (this.ownsData && this.dataDir !== undefined) {
      fs.rmSync(this.dataDir, { recursive: true, force: true });
      this.dataDir = undefined;
    }
  }

  /** While `work` runs connections are refused: the process is killed, and back with its data afterwards. */
  async refusing(work) {
    await this.kill();
    try {
      return await work();
    } finally {
      await this.start();
    }
  }

  /** While `work` runs nothing is answered and connections stay open. */
  async frozen(work) {
    const child = await this.#freeze();
    try {
      return await work();
    } finally {
      child.kill('SIGCONT');
    }
  }

  /** Whatever is asked within the next milliseconds is answered after them; the promise is fulfilled when it is frozen. */
  async delay(ms) {
    const child = await this.#freeze();
    setTimeout(() => child.kill('SIGCONT'), ms);
  }

  #there() {
    if (!this.child) throw new Error('the broker does not run');
    return this.child;
  }

  /** Until each of its threads stands still. */
  async #freeze() {
    const child = this.#there();
    child.kill('SIGSTOP');
    const tasks = `/proc/${child.pid}/task`;
    const stands = (task) => fs.readFileSync(`${tasks}/${task}/stat`, 'utf8').split(') ').pop()[0] === 'T';
    while (child.exitCode === null && !fs.readdirSync(tasks).every(stands)) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return child;
  }

  #ready(child) {
    return new Promise((resolve, reject) => {
      let line = '';
      const fail = (why) => reject(new Error(`${why}\n${this.said}`));
      const timer = setTimeout(() => fail(`not ready after ${this.timeoutMs} ms`), this.timeoutMs);
      child.once('error', (error) => { clearTimeout(timer); fail(error.message); });
      child.once('close', () => { clearTimeout(timer); fail('the broker did not start'); });
      child.stdout.on('data', (data) => {
        line += data;
        if (!line.endsWith('\n')) return;
        clearTimeout(timer);
        resolve(JSON.parse(line));
      });
    });
  }

  async #end(how) {
    const child = this.child;
    this.child = null;
    if (!child) return;
    child.ref();
    // A frozen one hears nothing else.
    child.kill('SIGCONT');
    child.kill(how);
    const late = setTimeout(() => child.kill('SIGKILL'), this.timeoutMs);
    await this.ended;
    clearTimeout(late);
    for (const one of [child.stdin, child.stdout, child.stderr]) one.destroy();
  }
}

module.exports = { Broker, binary };
