// redis-semaphore's process in the comparison: child.go's, for the order "cycle" on one semaphore alone.
//
//	node redissemaphore.mjs POLL
//
// POLL is in ms. It is told what to do on stdin, one JSON object a line, and ends with it. What each order means
// is said in proto.go.

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import Redis from "ioredis";
import { Semaphore } from "redis-semaphore";

const poll = Number(process.argv[2]);
const require = createRequire(import.meta.url);
const versionOf = (name) => require(`${name}/package.json`).version;

const SUB_BITS = 5; // hist.go's

function bucket(ns) {
  const e = ns < 1 ? 0 : Math.max(Math.floor(Math.log2(ns)) - SUB_BITS, 0);
  return e * 2 ** SUB_BITS + Math.floor(ns / 2 ** e);
}

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const message = (err) => String(err?.message ?? err);

// Team is the callers of one order.
class Team {
  answer = { Rate: 0, Count: 0, Failed: 0, Failure: "", Broken: 0 };
  sum = 0;
  buckets = {};
  inside = 0;

  constructor(client, setup, order) {
    Object.assign(this, { client, setup, order });
  }

  async run() {
    const { At, For, Goroutines } = this.order;
    if (At) await pause(Math.max(At / 1e6 - Date.now(), 0));
    this.end = performance.now() + For / 1e6;
    await Promise.all(Array.from({ length: Goroutines }, () => this.caller()));
    const a = this.answer;
    a.Rate = (a.Count * 1e9) / For;
    a.Waits = { sum: this.sum, buckets: this.buckets };
    return a;
  }

  // caller takes a permit and releases it until the time is up, which ends a wait, too.
  async caller() {
    const { Name, Permits } = this.order;
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(), this.end - performance.now());
    const semaphore = new Semaphore(this.client, Name, Permits, {
      lockTimeout: this.setup.TTL / 1e6,
      acquireTimeout: Infinity,
      retryInterval: poll,
    });
    while (performance.now() < this.end) await this.once(semaphore, over.signal);
    clearTimeout(timer);
  }

  async once(semaphore, over) {
    const asked = performance.now();
    try {
      await semaphore.acquire(over);
    } catch (err) {
      if (over.aborted) this.waited(asked, performance.now());
      else await this.fail("acquire", err);
      return;
    }
    const got = performance.now();
    this.waited(asked, got);
    if (++this.inside > this.order.Permits) this.answer.Broken++;
    if (got <= this.end) this.answer.Count++;
    if (this.order.Hold) await pause((this.order.Hold / 1e6) * (0.75 + Math.random() / 2));
    this.inside--;
    await semaphore.release().catch((err) => this.fail("release", err));
  }

  waited(asked, got) {
    const ns = Math.round((got - asked) * 1e6);
    this.sum += ns;
    const b = bucket(ns);
    this.buckets[b] = (this.buckets[b] ?? 0) + 1;
  }

  async fail(what, err) {
    this.answer.Failed++;
    this.answer.Failure = `${what}: ${message(err)}`;
    await pause(1); // a server that is away is not asked in a hot loop
  }
}

// open takes a first permit, so that what is done once has been done.
async function open(setup) {
  const [host, port] = [setup.Addr.replace(/:\d+$/, ""), Number(setup.Addr.match(/\d+$/)[0])];
  const client = new Redis({ host, port });
  const first = new Semaphore(client, `bench:first:${process.pid}`, 1);
  await first.acquire();
  await first.release();
  const Version = `${versionOf("redis-semaphore")} on ioredis ${versionOf("ioredis")} and Node.js ${process.versions.node}`;
  return [client, { Version }];
}

let setup, client;

async function answer(told) {
  if (!setup) {
    setup = told;
    const [opened, first] = await open(setup);
    client = opened;
    return first;
  }
  if (told.Op === "cycle" && told.Permits > 0) return new Team(client, setup, told).run();
  return { Error: `redis-semaphore's process does not know ${told.Op}` };
}

let turn = Promise.resolve();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    turn = turn
      .then(() => answer(JSON.parse(line)))
      .catch((err) => ({ Error: message(err) }))
      .then((a) => process.stdout.write(JSON.stringify(a) + "\n"));
  })
  .on("close", () => process.exit(0));
