#!/usr/bin/env bash
# One would expect: of a semaphore with one permit one member at a time has it, each for its own
# lockTimeout, which is an option of each member. What happens: whoever asks removes all permits that were
# refreshed longer ago than its own lockTimeout. So a member with a lockTimeout of 1 s takes the permit of
# one with 10 s, which is refreshed every 8 s: both have it. The one that lost it hears of that at its next
# refresh, seconds later.
# redis-semaphore 5.8.0 for Node.js, ioredis 5.4.1.
. "$(dirname "$0")/lib.sh"
begin "A member of redis-semaphore's Semaphore with a shorter lockTimeout takes another's permit"
(cd "$dir" && npm init -y && npm install redis-semaphore@5.8.0 ioredis@5.4.1) >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log"; exit 1; }
echo "with redis-semaphore@5.8.0 ioredis@5.4.1, Node.js $(node --version)"
cat >"$dir/work.mjs" <<'JS'
import Client from 'ioredis'
import { Semaphore } from 'redis-semaphore'
const redis = new Client(process.argv[2])
const began = Date.now()
let lost
const first = new Semaphore(redis, 'api', 1, { lockTimeout: 10000, onLockLost: () => { lost = Date.now() } })
await first.acquire()
for (const lockTimeout of [10000, 1000]) {
  const second = new Semaphore(redis, 'api', 1, { lockTimeout, acquireTimeout: 3000, onLockLost: () => {} })
  const had = await second.acquire().then(() => true, () => false)
  console.log(`a second member with lockTimeout ${lockTimeout}: ${had ? 'has the permit, too' : 'waits'}; the first was ${lost ? '' : 'not '}told`)
  if (had) await second.release()
}
while (!lost && Date.now() - began < 12000) await new Promise((r) => setTimeout(r, 50))
console.log(`the first was told ${lost ? 'at its next refresh, after ' + Math.round((lost - began) / 1000) + ' s' : 'nothing'}`)
await first.release()
redis.disconnect()
JS
node "$dir/work.mjs" "redis://$addr" | expect 'lockTimeout 10000: waits' 'lockTimeout 1000: has the permit, too; the first was not told' 'told at its next refresh, after 8 s'
