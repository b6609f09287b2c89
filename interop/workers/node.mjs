// A client of a lock library of Node's, for the trials beside Holdfast.
//
//     node.mjs LIBRARY PORT
//
// It is told what to do on stdin and answers on stdout, one JSON object a line (order and answer in worker.go), and
// ends with its stdin. It has one lock at a time. The libraries are found from the working directory.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { randomUUID } from "node:crypto";

const [library, port] = process.argv.slice(2);
const require = createRequire(process.cwd() + "/");
const versionOf = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;

const Redis = (name = "ioredis") => new (require(name))(Number(port), "127.0.0.1");
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Libraries that only know how often to try are told as often as a wait of so long needs.
const tries = (wait, delay) => Math.ceil((wait ?? 0) / delay);

// given is the TTL of a library that has no default: there it is an argument.
function given(ttl) {
  if (!ttl) throw Object.assign(new Error("the TTL is an argument"), { name: "Unsupported" });
  return ttl;
}

class Redlock4 {
  constructor() {
    this.Redlock = require("redlock4");
    this.client = Redis();
    this.redlock = new this.Redlock([this.client], { retryCount: 0 });
  }
  async acquire({ key, ttl, wait }) {
    const patient = new this.Redlock([this.client], { retryCount: tries(wait, 200) });
    const lock = await patient.lock(key, given(ttl));
    this.lock = new this.Redlock.Lock(this.redlock, lock.resource, lock.value, lock.expiration, 0, 0);
    return true;
  }
  adopt({ key, token, ttl }) {
    this.lock = new this.Redlock.Lock(this.redlock, [key], token, Date.now() + ttl, 0, 0);
    return true;
  }
  async extend({ ttl }) {
    await this.lock.extend(ttl);
    return true;
  }
  async release() {
    await this.lock.unlock();
    return true;
  }
  token() {
    return this.lock.value;
  }
}

class Redlock5 {
  constructor(name = "redlock5") {
    const module = require(name);
    this.Redlock = module.default ?? module.Redlock;
    this.Lock = module.Lock;
    this.client = Redis();
    this.redlock = new this.Redlock([this.client], { retryCount: 0 });
    this.redlock.on("error", () => {});
  }
  async acquire({ key, ttl, wait }) {
    const settings = { retryCount: tries(wait, 200), retryDelay: 200, retryJitter: 100 };
    this.lock = await this.redlock.acquire([key], given(ttl), settings);
    return true;
  }
  adopt({ key, token, ttl }) {
    this.lock = new this.Lock(this.redlock, [key], token, [], Date.now() + ttl);
    return true;
  }
  async extend({ ttl }) {
    this.lock = await this.lock.extend(ttl);
    return true;
  }
  async release() {
    await this.lock.release();
    return true;
  }
  token() {
    return this.lock.value;
  }
}

class RedisSemaphore {
  constructor() {
    this.Mutex = require("redis-semaphore").Mutex;
    this.client = Redis();
  }
  make({ key, ttl, wait }, more) {
    const options = { acquireTimeout: wait || 5000, acquireAttemptsLimit: wait ? Infinity : 1, refreshInterval: 0, ...more };
    if (ttl) options.lockTimeout = ttl;
    this.mutex = new this.Mutex(this.client, key, options);
    return this.mutex.tryAcquire();
  }
  acquire(order) {
    return this.make(order);
  }
  adopt(order) {
    return this.make(order, { identifier: order.token, acquiredExternally: true });
  }
  extend() {
    return this.mutex._refresh(); // what its timer calls: there is no public way
  }
  async release() {
    await this.mutex.release();
    return true;
  }
  token() {
    return this.mutex.identifier;
  }
}

class RedlockUniversal {
  async open() {
    const { createLock, IoredisAdapter } = await import(pathToFileURL(require.resolve("redlock-universal")));
    const adapter = new IoredisAdapter(Redis());
    this.make = (key, options) => createLock({ adapter, key, ...options });
  }
  async acquire({ key, ttl, wait }) {
    const options = { retryAttempts: tries(wait, 100) };
    if (ttl) options.ttl = ttl;
    this.lock = this.make(key, options);
    this.handle = await this.lock.acquire();
    return true;
  }
  adopt({ key, token, ttl }) {
    this.lock = this.make(key, { ttl });
    this.handle = { id: randomUUID(), key, value: token, acquiredAt: Date.now(), ttl };
    return true;
  }
  extend({ ttl }) {
    return this.lock.extend(this.handle, ttl);
  }
  release() {
    return this.lock.release(this.handle);
  }
  token() {
    return this.handle.value;
  }
}

class IoredisLock {
  constructor() {
    this.module = require("ioredis-lock");
    this.client = Redis("ioredis4"); // the version that it is written for
  }
  async acquire({ key, ttl, wait }) {
    const options = { delay: 50, retries: tries(wait, 50) };
    if (ttl) options.timeout = ttl;
    this.lock = this.module.createLock(this.client, options);
    await this.lock.acquire(key);
    return true;
  }
  async extend({ ttl }) {
    await this.lock.extend(ttl);
    return true;
  }
  async release() {
    await this.lock.release();
    return true;
  }
  token() {
    return this.lock._id; // there is no public way
  }
}

class Warlock {
  constructor() {
    this.client = require("redis3").createClient(Number(port), "127.0.0.1");
    this.warlock = require("node-redis-warlock")(this.client);
  }
  call(method, ...args) {
    return new Promise((done, failed) => {
      this.warlock[method](...args, (error, ...results) => (error ? failed(error) : done(results)));
    });
  }
  // Its own loop, optimistic, does not tell the id.
  async acquire({ key, ttl, wait }) {
    for (const end = Date.now() + (wait ?? 0); ; await pause(100)) {
      const [unlock, id] = await this.call("lock", key, given(ttl));
      if (unlock) {
        this.held = { key, id };
        return true;
      }
      if (Date.now() >= end) return false;
    }
  }
  adopt({ key, token }) {
    this.held = { key, id: token };
    return true;
  }
  async extend({ ttl }) {
    const [result] = await this.call("touch", this.held.key, this.held.id, ttl);
    return Boolean(result);
  }
  async release() {
    const [result] = await this.call("unlock", this.held.key, this.held.id);
    return Boolean(result);
  }
  token() {
    return this.held.id;
  }
}

class SesamecareRedlock extends Redlock5 {
  constructor() {
    super("@sesamecare-oss/redlock");
  }
}

class RedisKit {
  async open() {
    const { Redlock } = await import(pathToFileURL(require.resolve("@redis-kit/lock")));
    const client = require("redis").createClient({ socket: { port: Number(port), host: "127.0.0.1" } });
    await client.connect();
    this.make = (options) => new Redlock([client], options);
  }
  async acquire({ key, ttl, wait }) {
    this.redlock = this.make({ maxRetryAttempts: tries(wait, 200) });
    this.lock = await this.redlock.acquire(key, given(ttl));
    return this.lock !== null;
  }
  extend({ ttl }) {
    return this.lock.extend(ttl);
  }
  release() {
    return this.lock.release();
  }
  token() {
    return this.lock.token; // private
  }
}

const LIBRARIES = {
  redlock4: [Redlock4, "redlock4"],
  redlock5: [Redlock5, "redlock5"],
  "redis-semaphore": [RedisSemaphore, "redis-semaphore"],
  "redlock-universal": [RedlockUniversal, "redlock-universal"],
  "ioredis-lock": [IoredisLock, "ioredis-lock"],
  "node-redis-warlock": [Warlock, "node-redis-warlock"],
  "@sesamecare-oss/redlock": [SesamecareRedlock, "@sesamecare-oss/redlock"],
  "@redis-kit/lock": [RedisKit, "@redis-kit/lock"],
};

const say = (answer) => process.stdout.write(JSON.stringify(answer) + "\n");
const [Adapter, folder] = LIBRARIES[library];
const adapter = new Adapter();
await adapter.open?.();
say({ version: `${versionOf(folder)} on Node ${process.versions.node}` });

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.token) order.token = Buffer.from(order.token, "base64").toString("latin1");
  try {
    if (!adapter[order.op]) throw Object.assign(new Error(`${library} can't ${order.op}`), { name: "Unsupported" });
    const value = await adapter[order.op](order);
    say(order.op === "token" ? { token: Buffer.from(value, "latin1").toString("base64") } : { ok: value });
  } catch (error) {
    const name = error.name === "Error" ? error.constructor.name : error.name;
    say({ error: name, text: error.message });
  }
}
process.exit(0);
