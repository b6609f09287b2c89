package main

import (
	"maps"
	"time"
)

// like is what a library is expected to do if it does as another, but for some trials: name, outcome, name, outcome…
func like(other map[string]string, but ...string) map[string]string {
	all := maps.Clone(other)
	for i := 0; i < len(but); i += 2 {
		all[but[i]] = but[i+1]
	}
	return all
}

// asRedlock5 is what redlock does, and what comes from it.
var asRedlock5 = map[string]string{
	"key":           "job: string of 32, 12s",
	"default":       unsupported,
	"refused":       "ExecutionError",
	"extend":        "sets, and shortens",
	"stale extend":  "ExecutionError",
	"stale release": "ExecutionError",
	"forced":        "ExecutionError",
	"token to it":   "yes",
	"token from it": "yes; then its release: ExecutionError",
}

const (
	redlockGap = 350 * time.Millisecond // it tries every 200 to 300 ms
	pollGap    = 150 * time.Millisecond // for those that try every 100 ms, or more often
)

var nodeLibraries = []library{
	{
		name: "redlock-4", title: "redlock 4", version: "4.2.", get: node("redlock4"), gap: redlockGap,
		setting: "`redlock.lock(\"job\", ttl)`, one Redis; the token is `lock.value`",
		expect:  like(asRedlock5, "refused", "LockError", "stale extend", "LockError", "stale release", "LockError", "forced", "LockError", "token from it", "yes; then its release: LockError"),
	},
	{
		name: "redlock-5", title: "redlock 5", version: "v5.0.", get: node("redlock5"), gap: redlockGap,
		setting: "`redlock.acquire([\"job\"], ttl)`, one Redis; the token is `lock.value`", expect: asRedlock5,
		notes: []string{"the signal of `using` comes [after the lease](../findings/redlock-signal-after-the-lease.sh)"},
	},
	{
		name: "sesamecare-redlock", title: "@sesamecare-oss/redlock", version: "1.4.", get: node("@sesamecare-oss/redlock"), gap: redlockGap,
		setting: "the same; its scripts select database 0 unless the option `db` says another", expect: asRedlock5,
	},
	{
		name: "redis-semaphore", title: "redis-semaphore, Mutex", version: "5.8.", get: node("redis-semaphore"), gap: pollGap,
		key: "mutex:job", setting: "give Holdfast the name `mutex:job`; the token is `mutex.identifier`",
		expect: map[string]string{
			"key":           "mutex:job: string of 36, 12s",
			"default":       "10s",
			"refused":       "false",
			"extend":        "its own TTL",
			"stale extend":  "false",
			"stale release": "true",
			"forced":        "true",
			"token to it":   "yes",
			"token from it": "yes; then its release: true",
		},
		notes: []string{"a lock that is lost ends the process, unless there is an `onLockLost` (TestRedisSemaphoreLost)"},
	},
	{
		name: "redlock-universal", title: "redlock-universal", version: "0.8.", get: node("redlock-universal"), gap: pollGap,
		setting: "`createLock({ key: \"job\", … })`; the token is `handle.value`",
		expect: like(asRedlock5, "default", "30s", "refused", "LockAcquisitionError", "stale extend", "false", "stale release", "false", "forced", "false",
			"token from it", "yes; then its release: false"),
	},
	{
		name: "ioredis-lock", title: "ioredis-lock", version: "4.0.", get: node("ioredis-lock"), gap: pollGap,
		setting: "`lock.acquire(\"job\")`; its token is private",
		expect: like(asRedlock5, "key", "job: string of 36, 12s", "default", "10s", "refused", "LockAcquisitionError", "stale extend", "LockExtendError",
			"stale release", "LockReleaseError", "forced", "LockReleaseError", "token to it", unsupported, "token from it", "yes; then its release: LockReleaseError"),
	},
	{
		name: "node-redis-warlock", title: "node-redis-warlock", version: "1.0.", get: node("node-redis-warlock"), gap: pollGap,
		key: "job:lock", setting: "give Holdfast the name `job:lock`; the token is the `id` of the callback",
		expect: like(asRedlock5, "key", "job:lock: string of 24, 12s", "refused", "false", "stale extend", "false", "stale release", "false", "forced", "false",
			"token from it", "yes; then its release: false"),
	},
	{
		name: "redis-kit-lock", title: "@redis-kit/lock", version: "0.1.", get: node("@redis-kit/lock"), gap: redlockGap,
		setting: "`redlock.acquire(\"job\", ttl)`, one Redis; its token is private",
		expect: like(asRedlock5, "key", "job: string of 22, 12s", "refused", "false", "stale extend", "false", "stale release", "false", "forced", "false",
			"token to it", unsupported, "token from it", "yes; then its release: false"),
	},
}
