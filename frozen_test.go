package holdfast_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMachineSlept(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer holdfast.SetClock(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		mu := e.locker().Mutex("a", holdfast.WithTTL(10*time.Second))

		s := e.acquire(mu)
		time.Sleep(time.Second)
		slept.Add(int64(2 * time.Second)) // a nap that the lease outlasts
		if s.Err() != nil {
			t.Fatalf("ended by a short sleep: %v", s.Err())
		}
		time.Sleep(time.Minute)
		if s.Err() != nil {
			t.Fatalf("not renewed after a short sleep: %v", s.Err())
		}

		slept.Add(int64(11 * time.Second))
		if s.Context().Err() == nil {
			t.Fatal("the first look after the sleep found the context live")
		}
		if err := s.Err(); !errors.Is(err, holdfast.ErrSuspended) || !errors.Is(err, holdfast.ErrLost) || errors.Is(err, holdfast.ErrExpired) {
			t.Errorf("Err = %v", err)
		}
		_ = s.Release(e.ctx())

		s = e.acquire(mu)
		done := s.Done()
		slept.Add(int64(time.Hour))
		begin := time.Now()
		<-done // nobody looks
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Done was closed %v after the machine woke", took)
		}
		if !errors.Is(s.Err(), holdfast.ErrSuspended) {
			t.Errorf("Err = %v", s.Err())
		}
		_ = s.Release(e.ctx())
	})
}

func TestWallClockStep(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var step atomic.Int64
		defer holdfast.SetClock(clock.Source{Wall: func() time.Time {
			return time.Now().Round(0).Add(time.Duration(step.Load()))
		}})()
		l := e.locker()
		s := e.acquire(l.Mutex("a"))
		fixed := e.acquire(l.Mutex("b"), holdfast.WithoutRenewal(), holdfast.WithTTL(time.Minute))
		forever := e.acquire(l.Mutex("c"), holdfast.WithoutExpiry(), holdfast.WithoutRenewal())
		gone := e.acquire(l.Mutex("d"), holdfast.WithTTL(time.Hour))
		_ = e.direct.Del(e.ctx(), "d").Err()
		time.Sleep(2 * time.Second)
		for _, by := range []time.Duration{time.Hour, -time.Hour, time.Hour} {
			step.Add(int64(by))
			time.Sleep(2 * time.Second)
			for _, s := range []*holdfast.Session{s, fixed, forever} {
				if s.Err() != nil {
					t.Errorf("a step by %v ended %v: %v", by, s, s.Err())
				}
			}
		}
		if !errors.Is(gone.Err(), holdfast.ErrGone) {
			t.Errorf("the step made nobody ask: %v", gone.Err())
		}
		if left := e.direct.PTTL(e.ctx(), "b").Val(); left > 52*time.Second {
			t.Errorf("the session without renewal has %v left: renewed", left)
		}
		if left := e.direct.PTTL(e.ctx(), "c").Val(); left != -1 {
			t.Errorf("the lock without expiry has a TTL of %v", left)
		}
	})
}

const frozenTTL = 90 * time.Millisecond

// frozen is the process that is stopped: it looks at its context without a pause.
func frozen(addr, name string) error {
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithTTL(frozenTTL))
	defer locks.Close()
	lines := bufio.NewScanner(os.Stdin)
	for {
		s, err := locks.Mutex(name).Acquire(context.Background())
		if err != nil {
			return err
		}
		ctx := s.Context()
		fmt.Println("held")
		for last := time.Now(); ; {
			now := time.Now()
			stopped := now.Sub(last) > frozenTTL
			last = now
			err := ctx.Err() // the first look, if it was stopped before it
			if stopped {
				if err == nil {
					fmt.Println("live")
				} else {
					fmt.Println("done:", context.Cause(ctx))
				}
				break
			}
			if err != nil { // stopped within the few instructions above, or starved
				fmt.Println("done:", context.Cause(ctx))
				break
			}
		}
		if !lines.Scan() {
			return nil
		}
		_ = s.Release(context.Background())
	}
}

// children are the functions that a test runs in a process of its own.
var children = map[string]func(addr, arg string) error{"frozen": frozen, "fences": fences}

const childEnv = "HOLDFAST_TEST_CHILD"

// runChild runs in place of the tests if this process is a child.
func runChild() {
	name := os.Getenv(childEnv)
	if name == "" {
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := children[name](os.Args[1], os.Args[2]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type child struct {
	cmd *exec.Cmd
	in  *os.File
	out *bufio.Scanner
}

// startChild starts this binary again as one of the children. It ends when its standard
// input does, so also when the test's process is killed, and is killed by the cleanup.
func startChild(t *testing.T, name, addr, arg string) *child {
	t.Helper()
	cmd := exec.Command(os.Args[0], addr, arg)
	cmd.Env = append(os.Environ(), childEnv+"="+name)
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	t.Cleanup(func() {
		w.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return &child{cmd, w, bufio.NewScanner(out)}
}

func (c *child) line(t *testing.T) string {
	t.Helper()
	if !c.out.Scan() {
		t.Fatal("the child is gone")
	}
	return c.out.Text()
}

func (c *child) expect(t *testing.T, want string) {
	t.Helper()
	if got := c.line(t); got != want {
		t.Fatalf("the child says %q, want %q", got, want)
	}
}

// TestFenceAcrossProcesses: 10,000 acquisitions by 4 processes, each of which appends
// its fence to a list while it holds the lock.
func TestFenceAcrossProcesses(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	var all []*child
	for range 4 {
		all = append(all, startChild(t, "fences", server.Addr(), ""))
	}
	for _, c := range all {
		c.expect(t, "finished")
	}
	list, err := server.Client().LRange(t.Context(), "fences", 0, -1).Result()
	if err != nil || len(list) != 4*fencesEach {
		t.Fatalf("%d fences, %v", len(list), err)
	}
	for i := 1; i < len(list); i++ {
		// All have 16 digits, until the year 2286.
		if list[i] <= list[i-1] || len(list[i]) != 16 {
			t.Fatalf("fence %s after %s", list[i], list[i-1])
		}
	}
}

const fencesEach = 2500

func fences(addr, _ string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	client := redis.NewClient(&redis.Options{Addr: addr})
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithRetryInterval(time.Millisecond))
	defer locks.Close()
	for range fencesEach {
		if err := locks.Mutex("a").Do(context.Background(), func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			return client.RPush(ctx, "fences", s.Fence()).Err()
		}); err != nil {
			return err
		}
	}
	fmt.Println("finished")
	return nil
}
