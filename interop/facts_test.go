package main

import (
	"context"
	"errors"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/bsm/redislock"
	"github.com/go-redsync/redsync/v4"
	"github.com/go-redsync/redsync/v4/redis/goredis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestPatience: how long redsync and redislock wait by default, for a lock that Holdfast holds for longer than they ever
// held it. docs/interop.md says what to set before the first worker of Holdfast comes.
func TestPatience(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	locks := holdfast.New(client, holdfast.WithLogger(nil))
	defer locks.Close()
	s, err := locks.Mutex(name).Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Release(context.WithoutCancel(t.Context()))
	const ttl = 700 * time.Millisecond
	for _, c := range []struct {
		library     string
		lock        func() error
		want        error
		least, most time.Duration
	}{
		{"redsync", redsync.New(goredis.NewPool(client)).NewMutex(name).Lock, &redsync.ErrTaken{}, 1600 * time.Millisecond, 20 * time.Second},
		{"redislock", func() error {
			_, err := redislock.New(client).Obtain(context.Background(), name, ttl, &redislock.Options{RetryStrategy: redislock.LinearBackoff(20 * time.Millisecond)})
			return err
		}, context.DeadlineExceeded, ttl, 10 * ttl},
	} {
		start := time.Now()
		err := c.lock()
		took := time.Since(start)
		t.Logf("%s: %v after %v", c.library, err, took.Round(time.Millisecond))
		if taken := new(redsync.ErrTaken); !errors.Is(err, c.want) && !errors.As(err, &taken) || took < c.least || took > c.most {
			t.Errorf("%s: %v after %v; want %v after %v to %v", c.library, err, took, c.want, c.least, c.most)
		}
	}
}

// TestSymfonyFirstTTL: Symfony takes a lock for 300 s, and sets the TTL that was asked for by a second request, so that a
// process that dies in between leaves it held for 5 min.
func TestSymfonyFirstTTL(t *testing.T) {
	t.Parallel()
	s := testStore(t)
	lib := ofMachine(t, s, "symfony-5.4", "symfony-6.4", "symfony-7.4")
	server := redistest.Start(t)
	client, link := server.Client(), server.Proxy(t)
	cmd, err := lib.get(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	w, err := launch(t.Context(), cmd.on(link.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	take := acquire(12*time.Second, 0)
	if err := errors.Join(w.must(take), w.must(order{Op: "release"})); err != nil { // it knows the server by now
		t.Fatal(err)
	}
	link.HoldReplies()
	took := make(chan error, 1)
	go func() { took <- w.must(take) }() // ends when the replies come, and is waited for below
	waitFor(t, "the lock is taken", func() bool { return client.Exists(t.Context(), name).Val() == 1 })
	if ttl := client.PTTL(t.Context(), name).Val(); ttl < 4*time.Minute || ttl > 5*time.Minute {
		t.Errorf("first the TTL is %v; docs/interop.md says 300 s", ttl)
	}
	link.Heal()
	if err := <-took; err != nil {
		t.Fatal(err)
	}
	if ttl := client.PTTL(t.Context(), name).Val(); ttl < time.Second || ttl > 12*time.Second {
		t.Errorf("in the end the TTL is %v instead of 12 s", ttl)
	}
}

// TestRedisSemaphoreLost: a process whose redis-semaphore lock is lost ends, unless it has an onLockLost.
func TestRedisSemaphoreLost(t *testing.T) {
	t.Parallel()
	cmd, err := find("redis-semaphore").get(t.Context(), testStore(t))
	if err != nil {
		lack(t, err)
	}
	server := redistest.Start(t)
	_, port, _ := strings.Cut(server.Addr(), ":")
	for _, c := range []struct {
		options string
		ends    bool
	}{{"", true}, {", onLockLost: () => process.exit(0)", false}} {
		script := `const { Mutex } = require("redis-semaphore"), client = new (require("ioredis"))(` + port + `, "127.0.0.1");
			(async () => {
				await new Mutex(client, "job", { lockTimeout: 500` + c.options + ` }).acquire();
				await client.del("mutex:job");
				setTimeout(() => process.exit(7), 20000);
			})()`
		node := exec.CommandContext(t.Context(), "node", "-e", script)
		node.Dir = cmd.dir
		out, _ := node.CombinedOutput()
		status := node.ProcessState.ExitCode()
		if c.ends && (status != 1 || !strings.Contains(string(out), "Lost mutex for key mutex:job")) || !c.ends && status != 0 {
			t.Errorf("options %q: status %d; it said %s", c.options, status, out)
		}
	}
}
