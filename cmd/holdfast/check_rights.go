package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// checkRights tries what the library does, on keys that only this call knows. To ask for
// the rights themselves would need a right that a worker seldom has.
func (t *target) checkRights(ctx context.Context, name string) []finding {
	aux, channel := "holdfast:2:n:{"+name+"}", "holdfast:2:w:"+rand.Text()
	if strings.Contains(name, "{") {
		aux = "holdfast:2:t:" + name
	}
	defer t.client.Del(ctx, name, aux)
	needed := t.denied(ctx, [][]any{
		{"set", name, "x", "px", 5000}, {"get", name}, {"mget", name}, {"pexpire", name, 5000}, {"pttl", name}, {"persist", name}, {"del", name},
		{"hset", aux, "x", "x"}, {"hget", aux, "x"}, {"hdel", aux, "x"}, {"pexpire", aux, 5000},
		{"time"}, {"eval", "return 1", 1, name}, {"evalsha", strings.Repeat("0", 40), 1, name},
	})
	told := t.denied(ctx, [][]any{{"publish", channel, "x"}, {"pubsub", "numsub", channel}, {"ping"}})
	if err := t.subscribe(ctx, channel); redis.HasErrorPrefix(err, "NOPERM") {
		told = append(told, missing([]any{"subscribe"}, err))
	}
	listing := t.denied(ctx, [][]any{{"scan", 0, "count", 1}})

	user := ""
	if who, err := t.client.Do(ctx, "acl", "whoami").Text(); err == nil {
		user = " as user " + who
	}
	const check = "rights"
	switch {
	case len(needed) > 0:
		return []finding{{check, bad, "missing" + user + ": " + rights(needed, told, listing), "Locks can't be taken or given back without them."}}
	case len(told) > 0:
		return []finding{{check, warn, "missing" + user + ": " + rights(told, listing), "Without the right to tell each other waiters poll: a hand-over takes up to a second."}}
	case len(listing) > 0:
		return []finding{{check, warn, "missing" + user + ": " + rights(listing), "ls and top can't list locks; all else works."}}
	}
	return []finding{{check, good, "all that are needed" + user, "Tried one by one, on keys of their own."}}
}

func rights(lists ...[]string) string {
	all := slices.Concat(lists...)
	slices.Sort(all)
	return strings.Join(slices.Compact(all), " ")
}

// denied runs commands and returns the rights that are missing.
func (t *target) denied(ctx context.Context, commands [][]any) (names []string) {
	for _, command := range commands {
		if err := t.client.Do(ctx, command...).Err(); redis.HasErrorPrefix(err, "NOPERM") {
			names = append(names, missing(command, err))
		}
	}
	return names
}

// missing names, as ACL SETUSER does, the right that a command lacks. A command may be
// allowed and its key or channel not.
func missing(command []any, err error) string {
	switch text := err.Error(); {
	case strings.Contains(text, "channel"):
		return "&holdfast:2:w:*"
	case strings.Contains(text, "access") && strings.HasPrefix(fmt.Sprint(command[1]), "holdfast:2:"):
		return "~holdfast:2:*"
	case strings.Contains(text, "access"):
		return "~NAME"
	}
	return fmt.Sprint("+", command[0])
}

func (t *target) subscribe(ctx context.Context, channel string) error {
	sub := t.client.Subscribe(ctx, channel)
	defer sub.Close()
	_, err := sub.ReceiveTimeout(ctx, pingTimeout)
	return err
}

// checkTrial takes a lock, hands it over and gives it back.
func (t *target) checkTrial(ctx context.Context, locks *holdfast.Locker, name string) finding {
	const check = "trial lock"
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	failed := func(err error) finding {
		return finding{check, bad, message(err), "What a program under a lock would need does not work."}
	}
	began := time.Now()
	first, err := locks.Mutex(name).Acquire(ctx)
	if err != nil {
		return failed(err)
	}
	took := time.Since(began)
	defer t.client.Del(context.WithoutCancel(ctx), "holdfast:2:n:{"+name+"}", "holdfast:2:t:"+name)
	// The next in line is another process, as far as Redis knows.
	other := holdfast.New(t.client)
	defer other.Close()
	type won struct {
		s   *holdfast.Session
		err error
		at  time.Time
	}
	next := make(chan won, 1)
	go func() { // ends with ctx at the latest; next is read from below
		s, err := other.Mutex(name).Acquire(ctx)
		next <- won{s, err, time.Now()}
	}()
	for info, err := locks.Mutex(name).Inspect(ctx); err == nil && info.Waiters == 0; info, err = locks.Mutex(name).Inspect(ctx) {
		time.Sleep(5 * time.Millisecond)
	}
	released := time.Now()
	errRelease := first.Release(ctx)
	second := <-next
	if second.err != nil {
		return failed(second.err)
	}
	if err := errors.Join(errRelease, second.s.Release(ctx)); err != nil {
		return failed(err)
	}
	if second.s.Fence() <= first.Fence() {
		return finding{check, bad, fmt.Sprintf("fence %d after %d", second.s.Fence(), first.Fence()), "Fences must grow."}
	}
	return finding{check, good, fmt.Sprintf("taken in %v, handed over in %v", took.Round(10*time.Microsecond), second.at.Sub(released).Round(10*time.Microsecond)),
		"A hand-over takes one round trip, if waiters can be told."}
}
