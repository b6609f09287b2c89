package main

import "time"

const pythonGap = 150 * time.Millisecond // it tries every 100 ms

// asRedisPy is what redis-py's Lock does in each version, and valkey-py's, which comes from it.
var asRedisPy = map[string]string{
	"key":           "job: string of 32, 12s",
	"default":       "none",
	"refused":       "false",
	"extend":        "adds",
	"stale extend":  "LockNotOwnedError",
	"stale release": "LockNotOwnedError",
	"forced":        "LockNotOwnedError",
	"token to it":   "yes",
	"token from it": "yes; then its release: LockNotOwnedError",
}

const pythonSetting = "`Lock(client, \"job\", timeout=…)`; the token is `lock.local.token`"

var pythonLibraries = []library{
	{
		name: "redis-py-4.3", title: "redis-py 4.3", version: "4.3.", get: python("bookworm", "redis", "sync"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "redis-py-4.3-asyncio", title: "redis-py 4.3, asyncio", version: "4.3.", get: python("bookworm", "redis", "asyncio"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "redis-py-6.1", title: "redis-py 6.1", version: "6.1.", get: python("trixie", "redis", "sync"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "redis-py-6.1-asyncio", title: "redis-py 6.1, asyncio", version: "6.1.", get: python("trixie", "redis", "asyncio"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "redis-py-6.4", title: "redis-py 6.4", version: "6.4.", get: python("forky", "redis", "sync"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "valkey-py-6.1", title: "valkey-py 6.1", version: "6.1.", get: python("forky", "valkey", "sync"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "valkey-py-6.1-asyncio", title: "valkey-py 6.1, asyncio", version: "6.1.", get: python("forky", "valkey", "asyncio"),
		setting: pythonSetting, gap: pythonGap, expect: asRedisPy,
	},
	{
		name: "django-redis-5.2", title: "django-redis 5.2", version: "5.2.", get: python("bookworm", "django_redis", "sync"),
		key: ":1:job", setting: "give Holdfast the name with what `KEY_PREFIX` and `VERSION` put before it, `:1:job`", gap: pythonGap,
		expect: like(asRedisPy, "key", ":1:job: string of 32, 12s"),
	},
	{name: "redis-py-8", title: "redis-py 8", get: nowhere("no release of Debian has it")},
}
