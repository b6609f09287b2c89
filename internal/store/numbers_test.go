package store

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/scripts"
)

// agreed is a test of the numbers that the scripts and Go must agree on.
type agreed struct {
	*testing.T
	s *Store
	c redis.UniversalClient
}

// TestNumbersAgree: the scripts do what package scripts says in numbers.go.
func TestNumbersAgree(t *testing.T) {
	for what, client := range map[string]redis.UniversalClient{
		"fake": redistest.NewFake(t).NewLink().Client(),
		"real": redistest.Start(t).Client(),
	} {
		t.Run(what, func(t *testing.T) {
			n := agreed{t, New(client), client}
			n.owners()
			n.waiters()
			n.turns(scripts.MaxTurn, Busy)
			n.turns(scripts.MaxTurn+time.Second, Held)
		})
	}
}

func (n agreed) do(c Call, want Status) Reply {
	n.Helper()
	r, err := do(n.s, c)
	if err != nil || r.Status != want {
		n.Fatalf("%+v, %v; want %d", r, err, want)
	}
	return r
}

// about reports whether d is less than a second below limit.
func about(d, limit time.Duration) bool { return limit-time.Second < d && d <= limit }

func (n agreed) attempt(lock *Lock, digit string) Attempt {
	return Attempt{ID: NewID(lock, strings.Repeat(digit, scripts.AttemptLen), ""), TTL: time.Minute}
}

// owners: of an owner string the first AttemptLen characters are the attempt, and a fence has no
// more digits than a Lua number holds.
func (n agreed) owners() {
	lock, ctx := NewLock(Mutex, "owners"), context.Background()
	id := NewID(lock, strings.Repeat("a", scripts.AttemptLen), "given")
	r := n.do(n.s.Acquire(Attempt{ID: id, TTL: time.Minute}, false), Held)
	if held := n.c.Get(ctx, lock.Name()).Val(); held != "given" || id.Token() != "given" {
		n.Errorf("NAME holds %q, Token is %q", held, id.Token())
	}
	if aux := n.c.Get(ctx, auxOf(lock.Name())).Val(); !strings.HasPrefix(aux, fmt.Sprintf("%016d-", r.Fence)) || r.Fence >= scripts.MaxFence {
		n.Errorf("the fence is %d, AUX is %q", r.Fence, aux)
	}
	a := n.attempt(NewLock(Mutex, "short"), "a")
	r = n.do(n.s.Acquire(a, false), Held)
	if held := n.c.Get(ctx, "short").Val(); held != a.Token() {
		n.Errorf("NAME holds %q, Token is %q", held, a.Token())
	}
}

// waiters: a grant is for Claim, and its message has AttemptInMessage characters of the attempt. A
// waiter is alive for Alive.
func (n agreed) waiters() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	lock := NewLock(Mutex, "waiters")
	holder, waiter := n.attempt(lock, "a"), n.attempt(lock, "b")
	waiter.Channel, waiter.Label = "channel", "label"
	sub := n.c.Subscribe(ctx, waiter.Channel)
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		n.Fatal(err)
	}
	n.do(n.s.Acquire(holder, false), Held)
	n.do(n.s.Acquire(waiter, true), Busy)
	queue := n.do(n.s.InspectQueue(lock), Held).Queue
	if len(queue) != 1 || !about(queue[0].Alive, scripts.Alive) || queue[0].Label != waiter.Label {
		n.Errorf("in the queue: %+v", queue)
	}
	if scripts.Alive < 3*scripts.Claim {
		n.Error("a waiter that asks twice within a claim may count as dead")
	}
	n.do(n.s.Release(holder.ID, 0, 0, nil), Held)
	if left := n.c.PTTL(ctx, lock.Name()).Val(); !about(left, scripts.Claim) {
		n.Errorf("the claim is for %v", left)
	}
	for {
		m, err := sub.ReceiveMessage(ctx)
		if err != nil {
			n.Fatal(err)
		}
		if text, ok := strings.CutPrefix(m.Payload, "g "); ok {
			part, _, _ := strings.Cut(text, " ")
			if len(part) != scripts.AttemptInMessage || !waiter.Begins(part) {
				n.Errorf("the message is %q", m.Payload)
			}
			return
		}
	}
}

// turns: while a turn of strangers lasts, the first in the queue does not get NAME. One that would
// last too long is none.
func (n agreed) turns(gap time.Duration, want Status) {
	lock := NewLock(Mutex, "turns "+gap.String())
	holder, waiter := n.attempt(lock, "a"), n.attempt(lock, "b")
	n.do(n.s.Acquire(holder, false), Held)
	n.do(n.s.Acquire(waiter, true), Busy)
	n.do(n.s.Release(holder.ID, 0, 0, nil).LeavingFree(0, gap), Held)
	if r := n.do(n.s.Acquire(waiter, true), want); want == Busy && !about(r.TTL, gap) {
		n.Errorf("the turn lasts %v yet, of %v", r.TTL, gap)
	}
}
