package main

import "time"

// asSymfony is what Symfony's RedisStore does. Its lock is a sorted set that holds the token.
var asSymfony = map[string]string{
	"key":           "job: zset, 12s",
	"default":       "5m0s",
	"refused":       "false",
	"extend":        "sets, and shortens",
	"stale extend":  "LockConflictedException",
	"stale release": "true",
	"forced":        "true",
	"token to it":   "extend: LockConflictedException",
	"token from it": "ErrTaken",
}

const (
	symfonySetting = "`createLock('job', ttl)`; tokens can't be handed over"
	symfonyNote    = "it takes the lock for 300 s first and then sets the TTL, so if it dies in between nobody gets the lock for 5 min (TestSymfonyFirstTTL)"
)

// asLaravel is what Cache::lock does. Its prefixes are those of a new application.
var asLaravel = map[string]string{
	"key":           laravelKey + ": string of 16, 12s",
	"default":       "none",
	"refused":       "false",
	"extend":        unsupported,
	"stale extend":  unsupported,
	"stale release": "false",
	"forced":        "false",
	"token to it":   "yes",
	"token from it": "yes; then its release: false",
}

const (
	laravelKey     = "laravel_database_laravel_cache:job"
	laravelSetting = "give Holdfast the name with both prefixes, that of the Redis connection and that of the cache; the token is `$lock->owner()`"
	laravelGap     = 300 * time.Millisecond // it tries every 250 ms
)

var phpLibraries = []library{
	{
		name: "symfony-5.4", version: "5.4.", title: "Symfony 5.4", get: php("bookworm", "symfony", "phpredis"),
		setting: symfonySetting, gap: pollGap, expect: asSymfony, notes: []string{symfonyNote},
	},
	{
		name: "symfony-5.4-predis", version: "5.4.", title: "Symfony 5.4, predis", get: php("bookworm", "symfony", "predis"),
		setting: symfonySetting, gap: pollGap, expect: asSymfony, notes: []string{symfonyNote},
	},
	{
		name: "symfony-6.4", version: "6.4.", title: "Symfony 6.4", get: php("trixie", "symfony", "phpredis"),
		setting: symfonySetting, gap: pollGap, expect: asSymfony, notes: []string{symfonyNote},
	},
	{
		name: "symfony-7.4", version: "7.4.", title: "Symfony 7.4", get: php("forky", "symfony", "phpredis"),
		setting: symfonySetting, gap: pollGap, expect: asSymfony, notes: []string{symfonyNote},
	},
	{
		name: "laravel-8", version: "8.", title: "Laravel 8", get: php("bookworm", "laravel", "phpredis"),
		key: laravelKey, setting: laravelSetting, gap: laravelGap, expect: asLaravel,
	},
	{
		name: "laravel-8-predis", version: "8.", title: "Laravel 8, predis", get: php("bookworm", "laravel", "predis"),
		key: laravelKey, setting: laravelSetting, gap: laravelGap, expect: asLaravel,
	},
	{
		name: "laravel-10", version: "10.", title: "Laravel 10", get: php("trixie", "laravel", "phpredis"),
		key: laravelKey, setting: laravelSetting, gap: laravelGap, expect: asLaravel,
	},
	{
		name: "laravel-13", version: "13.", title: "Laravel 13", get: php("forky", "laravel", "phpredis"),
		key: "laravel_database_laravel_cachejob", setting: laravelSetting, gap: laravelGap,
		expect: like(asLaravel, "key", "laravel_database_laravel_cachejob: string of 16, 12s", "extend", "sets, and shortens", "stale extend", "false"),
	},
}
