package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// failing is put in front of a script. It makes one of the script's writes fail, or that one and all
// later ones except DEL, as when the memory is full.
const failing = `local redis = (function()
  local server, left, all = redis, %d, %t
  local writes = {SET = 1, DEL = 1, HSET = 1, HDEL = 1, PEXPIRE = 1}
  local function fails(command)
    if not writes[command] then return false end
    left = left - 1
    if all then return left < 0 and command ~= 'DEL' end
    return left == -1
  end
  return {
    call = function(command, ...)
      if fails(command) then error('failed on purpose', 0) end
      return server.call(command, ...)
    end,
    pcall = function(command, ...)
      if fails(command) then return {err = 'failed on purpose'} end
      return server.pcall(command, ...)
    end,
  }
end)()
`

// doFailing makes a call of a script. After n writes, the next one fails, or all the others do.
func doFailing(c redis.UniversalClient, n int, all bool, call Call) error {
	b := &batch{script: call.script, calls: []*Call{&call}}
	b.fill()
	line := append([]any{"eval", fmt.Sprintf(failing, n, all) + call.script.Source}, b.line[2:]...)
	return c.Do(context.Background(), line...).Err()
}

// TestErrorAfterWrites: Redis undoes nothing if a script fails after it has written. However many writes
// come before the error: an asker that gets it does not have the lock, and a waiter has its place or
// the lock.
func TestErrorAfterWrites(t *testing.T) {
	for what, c := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) {
			for i := range 2 * 2 * 3 * 14 {
				p := partial{t: t, c: c, s: New(c), all: i%2 == 1, waits: i / 4 % 3, n: i / 12, name: fmt.Sprint("lock ", i)}
				token := []string{"", "t"}[i/2%2]
				p.acquire(token)
				c.Del(context.Background(), p.name, auxOf(p.name), queueOf(p.name))
				p.release(token)
			}
		})
	}
}

// partial is one case of TestErrorAfterWrites.
type partial struct {
	t        *testing.T
	c        redis.UniversalClient
	s        *Store
	name     string
	waits, n int
	all      bool
}

func (p *partial) String() string {
	return fmt.Sprintf("%d wait, %d writes before one fails (or all: %v)", p.waits, p.n, p.all)
}

func (p *partial) attempt(id, token string) Attempt {
	return Attempt{ID: NewID(NewLock(Mutex, p.name), strings.Repeat(id, 36), token), TTL: time.Minute}
}

// line makes one attempt hold the lock, and up to two join the queue.
func (p *partial) line(holder, first, second Attempt) {
	p.t.Helper()
	for i, a := range []Attempt{holder, first, second}[:p.waits+1] {
		if _, err := do(p.s, p.s.Acquire(a, i > 0)); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *partial) held() string { return p.c.Get(context.Background(), p.name).Val() }

func (p *partial) queue() string {
	return p.c.HGet(context.Background(), queueOf(p.name), "q").Val()
}

// acquire: NAME is free, and the asker is alone, or the first in the queue.
func (p *partial) acquire(token string) {
	asker, second := p.attempt("b", token), p.attempt("c", "")
	if p.waits > 0 {
		p.line(p.attempt("a", ""), asker, second)
		p.c.Del(context.Background(), p.name)
	}
	err := doFailing(p.c, p.n, p.all, p.s.Acquire(asker, true))
	got := p.held() == asker.Token()
	if got != (err == nil) {
		p.t.Errorf("%v: it has the lock: %v, there was an error: %v", p, got, err != nil)
	}
	if p.waits > 1 && !strings.Contains(p.queue(), second.Token()) {
		p.t.Errorf("%v: who waits has lost its place: %q", p, p.queue())
	}
}

// release: nobody waits for the lock, or up to two attempts do.
func (p *partial) release(token string) {
	holder, first := p.attempt("a", token), p.attempt("b", "")
	p.line(holder, first, p.attempt("c", ""))
	before := p.queue()
	err := doFailing(p.c, p.n, p.all, p.s.Release(holder.ID, 0, 0, nil))
	held := p.held()
	if err == nil && held == holder.Token() {
		p.t.Errorf("%v: released, but held", p)
	}
	if p.waits > 0 && held != first.Token() && p.queue() != before {
		p.t.Errorf("%v: %q has the lock, and in the queue is %q", p, held, p.queue())
	}
}

// TestAnotherTypeTakes: whatever a holder asks, a key of another type is a stranger's lock.
func TestAnotherTypeTakes(t *testing.T) {
	for what, client := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) {
			s, lock := New(client), NewLock(Mutex, "a")
			a := Attempt{ID: NewID(lock, strings.Repeat("a", 36), ""), TTL: time.Minute}
			if r, err := do(s, s.Acquire(a, false)); err != nil || r.Status != Held {
				t.Fatal(r, err)
			}
			client.Del(context.Background(), "a")
			client.RPush(context.Background(), "a", "x")
			for what, c := range map[string]Call{
				"check": s.Check(a.ID), "renew": s.Renew(a.ID, time.Minute, 0, true, 0),
				"extend": s.Extend(a.ID, time.Minute, true, 1), "announce": s.Announce(a),
				"keep": s.Keep(a.ID, 0, 0, time.Minute), "release": s.Release(a.ID, 0, 0, nil),
				"free": s.Free(a.ID, 0, 0), "drop": s.Drop(a.ID), "resume": s.Resume(a),
			} {
				if r, err := do(s, c); err != nil || r.Status != Taken {
					t.Errorf("%s: %+v, %v", what, r, err)
				}
			}
		})
	}
}
