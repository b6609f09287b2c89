package main

import "time"

const redsyncGap = 300 * time.Millisecond // it tries every 50 to 250 ms

// asRueidislock is what rueidislock does. Its holder has a context; nothing else tells of a loss.
var asRueidislock = map[string]string{
	"key":           "rueidislock:0:job: string of 24, 12s; rueidislock:1:job: string of 24, 12s; rueidislock:2:job: string of 24, 12s",
	"default":       "5s",
	"refused":       "ErrNotLocked",
	"extend":        unsupported,
	"stale extend":  unsupported,
	"stale release": "true",
	"forced":        "true",
	"token to it":   unsupported,
	"token from it": unsupported,
}

var goLibraries = []library{
	{
		name: "redsync", title: "redsync", version: "v4.18.", get: goPeerOf("redsync"), gap: redsyncGap,
		setting: "`NewMutex(\"job\")`, one pool; the token is `mutex.Value()`",
		expect: map[string]string{
			"key":           "job: string of 24, 12s",
			"default":       "8s",
			"refused":       "ErrTaken",
			"extend":        "its own TTL",
			"stale extend":  "ErrTaken",
			"stale release": "ErrTaken",
			"forced":        "ErrLockAlreadyExpired",
			"token to it":   "yes",
			"token from it": "yes; then its release: ErrLockAlreadyExpired",
		},
	},
	{
		name: "redislock", title: "redislock", version: "v0.9.", get: goPeerOf("redislock"), gap: pollGap,
		setting: "`Obtain(ctx, \"job\", ttl, …)`; the token is `lock.Token()`",
		expect: map[string]string{
			"key":           "job: string of 22, 12s",
			"default":       unsupported,
			"refused":       "ErrNotObtained",
			"extend":        "sets, and shortens",
			"stale extend":  "ErrNotObtained",
			"stale release": "ErrLockNotHeld",
			"forced":        "ErrLockNotHeld",
			"token to it":   "yes",
			"token from it": "yes; then its release: ErrLockNotHeld",
		},
		notes: []string{"without a deadline it waits [no longer than its TTL](../findings/redislock-deadline-of-its-own.sh)"},
	},
	{
		name: "rueidislock", title: "rueidislock", version: "v1.0.", get: goPeerOf("rueidislock"), key: "rueidislock:0:job", second: "rueidislock:1:job", gap: pollGap,
		setting: "[two of its three keys](#from-rueidislock), by `AcquireAll`", expect: asRueidislock,
		notes: []string{"the loss of one key [is not told](../findings/rueidislock-lost-key-is-not-told.sh)"},
	},
	{
		name: "rueidislock-1", title: "rueidislock, KeyMajority 1", version: "v1.0.", get: goPeerOf("rueidislock-1"), key: "rueidislock:0:job", gap: pollGap,
		setting: "give Holdfast the name `rueidislock:0:job`", expect: like(asRueidislock, "key", "rueidislock:0:job: string of 24, 12s"),
		notes: []string{"after a slow answer a waiter can go on waiting for a lock that is free, unless `TryNextAfter` is longer than any answer takes"},
	},
	{
		name: "gocron", title: "gocron's locker", version: "v2.2.", get: goPeerOf("gocron"), gap: redsyncGap,
		setting: "the job's name, as `gocron.WithName` gives it; its token is private",
		expect: map[string]string{
			"key":           "job: string of 24, 12s",
			"default":       "8s",
			"refused":       "ErrFailedToObtainLock",
			"extend":        unsupported,
			"stale extend":  unsupported,
			"stale release": "ErrFailedToReleaseLock",
			"forced":        "ErrFailedToReleaseLock",
			"token to it":   unsupported,
			"token from it": unsupported,
		},
		notes: []string{"at its defaults a job runs [on each scheduler, one after the other](../findings/gocron-locker-waits.sh)"},
	},
}
