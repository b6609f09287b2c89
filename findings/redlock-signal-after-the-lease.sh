#!/usr/bin/env bash
# One would expect: the abort signal that redlock's using() gives to the work comes before the lease
# ends, or at the latest with it. What happens: the extension begins 500 ms before the end of a lease
# of 2 s, and the signal comes when the extension has failed with all its retries: more than a second
# after the lease has ended. No timer watches the end. With retryCount 0 it comes at about the end.
# redlock 5.0.0-beta.2 for Node.js, ioredis 5.4.1.
. "$(dirname "$0")/lib.sh"
begin "redlock's using() aborts the work after the lease has ended"
(cd "$dir" && npm init -y && npm install redlock@5.0.0-beta.2 ioredis@5.4.1) >"$dir/npm.log" 2>&1 || { cat "$dir/npm.log"; exit 1; }
echo "with redlock@5.0.0-beta.2 ioredis@5.4.1, Node.js $(node --version)"
cat >"$dir/work.mjs" <<'JS'
import Client from 'ioredis'
import module from 'redlock'
const Redlock = module.default ?? module
const redis = new Client(process.argv[2])
const ttl = 2000
for (const settings of [{}, { retryCount: 0 }]) {
  const redlock = new Redlock([redis], settings)
  redlock.on('error', () => {})
  let after
  await redlock.using(['job'], ttl, async (signal) => {
    const granted = Date.now()
    await redis.del('job') // the lock is lost
    while (!signal.aborted && Date.now() - granted < 10000) await new Promise((r) => setTimeout(r, 5))
    after = Date.now() - granted
  }).catch(() => {})
  console.log(`settings ${JSON.stringify(settings)}: the signal came ${after > ttl + 500 ? 'long after' : 'at'} the end of the lease of ${ttl} ms, after ${after} ms`)
}
redis.disconnect()
JS
node "$dir/work.mjs" "redis://$addr" | expect 'settings \{\}: the signal came long after' 'retryCount":0\}.*, after (1[0-9]{3}|2[0-4][0-9]{2}) ms'
