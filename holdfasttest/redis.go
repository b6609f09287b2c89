package holdfasttest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// patience bounds every wait of this package. In a bubble it is the bubble's time.
const patience = 30 * time.Second

// Redis is an embedded Redis that lives as long as one test, and the faults between it and the
// Lockers of that test. Its methods fail the test if they can't do what they say, so call them
// from the test's goroutine, in the bubble in which New was called.
type Redis struct {
	t      testing.TB
	fake   *redistest.Fake
	atEnd  *cleanups
	bubble string // in which New was called; "" is none
	// control is a process that no fault but Freeze concerns; look and direct are its own.
	control *Process
	look    *holdfast.Locker
	direct  *redis.Client

	mu        sync.Mutex
	processes []*Process
	holds     []*Hold
	fault     fault // what new processes begin with
	frozen    bool
	allowed   map[string]bool
	allowAll  bool
	ended     atomic.Bool
}

// New starts an embedded Redis, in memory and without a port. In a testing/synctest bubble, call it
// within the bubble and with the bubble's own t: TTLs and time-outs then go by the bubble's clock.
//
// At the end of the test, after the clean-ups that were registered later than New, every fault is
// ended, and the test fails if a lock is still held or waited for after some seconds: see
// [Redis.AllowHeld]. Then the Lockers and the clients are closed. A test that has failed already is
// not checked.
func New(t testing.TB) *Redis {
	t.Helper()
	r := &Redis{t: t, atEnd: &cleanups{TB: t}, bubble: bubble(), allowed: map[string]bool{}}
	if r.bubble != "" && isOuter(t) {
		t.Fatal("holdfasttest: New was called in a synctest bubble with the t of the test around it: " +
			"use the t that synctest.Test gives to its function")
	}
	r.fake = redistest.NewFake(r.atEnd)
	if r.bubble == "" {
		stopWithin(r.fake.M)
	}
	r.control = r.newProcess("holdfasttest")
	r.direct = r.control.Client()
	r.look = r.control.Locker()
	t.Cleanup(r.end)
	return r
}

// Locker is New(t).Locker(opts...), for a test that needs no faults.
func Locker(t testing.TB, opts ...holdfast.Option) *holdfast.Locker {
	t.Helper()
	return New(t).Locker(opts...)
}

// Locker returns a Locker that is to Redis a process of its own, with a connection of its own. Its
// label is "process-1", "process-2" and so on, unless opts have another. It is closed at the end of
// the test, and may be closed earlier.
func (r *Redis) Locker(opts ...holdfast.Option) *holdfast.Locker {
	r.t.Helper()
	r.enter("Locker")
	return r.Process().Locker(opts...)
}

// Client returns a client for code that makes its Locker itself, or that uses Redis for more than
// locks. See [Process.Client].
func (r *Redis) Client(opts ...func(*redis.Options)) *redis.Client {
	r.t.Helper()
	r.enter("Client")
	return r.Process().Client(opts...)
}

// Process returns what Redis sees as one more process. Use it where a test has several, and a
// fault concerns one of them.
func (r *Redis) Process() *Process {
	r.t.Helper()
	r.enter("Process")
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.newProcess(fmt.Sprintf("process-%d", len(r.processes)+1))
	r.processes = append(r.processes, p)
	p.set(r.fault)
	return p
}

// Cut is [Process.Cut] for all processes of the test, also those that are made later.
func (r *Redis) Cut() { r.t.Helper(); r.setAll("Cut", isCut) }

// Refuse is [Process.Refuse] for all processes of the test, also those that are made later: Redis
// has not been started yet, or has gone away. What is in Redis is kept.
func (r *Redis) Refuse() { r.t.Helper(); r.setAll("Refuse", isRefused) }

// Heal is [Process.Heal] for all processes of the test.
func (r *Redis) Heal() { r.t.Helper(); r.setAll("Heal", isWhole) }

func (r *Redis) setAll(method string, f fault) {
	r.t.Helper()
	r.enter(method)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = f
	for _, p := range r.processes {
		p.set(f)
	}
}

// Freeze makes the server stand still, as SIGSTOP would: it takes connections and requests and
// answers none until [Redis.Thaw]. TTLs run on. Until then only Cut, Refuse, Heal and Thaw work.
func (r *Redis) Freeze() { r.t.Helper(); r.setFrozen("Freeze", true) }

// Thaw ends Freeze: the server runs the requests that have arrived since.
func (r *Redis) Thaw() { r.t.Helper(); r.setFrozen("Thaw", false) }

func (r *Redis) setFrozen(method string, frozen bool) {
	r.t.Helper()
	r.enter(method)
	r.mu.Lock()
	r.frozen = frozen
	r.mu.Unlock()
	if frozen {
		r.fake.Freeze()
	} else {
		r.fake.Thaw()
	}
}

// ForceRelease takes the lock from its holder as an operator does, with [holdfast.Mutex.ForceRelease].
// The holder is notified at once, and ends with ErrForceReleased; of permits, all holders do. Whoever waits
// gets the lock.
func (r *Redis) ForceRelease(name string) {
	r.t.Helper()
	force := r.look.Mutex(name).ForceRelease
	if r.mustBeHeld("ForceRelease", name).Permits > 0 {
		force = r.permits(name).ForceRelease
	}
	ctx, cancel := within()
	defer cancel()
	if err := force(ctx); err != nil {
		r.fail("ForceRelease", name, err)
	}
}

// Delete deletes the lock's key, as an eviction, FLUSHALL or a failover that loses the write does.
// The holder, or each of several, ends with ErrGone, at its next renewal: by default after half of the TTL at
// most.
func (r *Redis) Delete(name string) {
	r.t.Helper()
	r.mustBeHeld("Delete", name)
	ctx, cancel := within()
	defer cancel()
	if err := r.direct.Del(ctx, name).Err(); err != nil {
		r.fail("Delete", name, err)
	}
}

// Expire makes the lock expire: it cuts off all processes, waits until the key's TTL has run out,
// and heals those that were not cut off before. When it returns, the holder, or each of several, has ended
// with ErrExpired. It takes what is left of the TTL, the longest of several; outside of a bubble that is real time.
func (r *Redis) Expire(name string) {
	r.t.Helper()
	before := r.mustBeHeld("Expire", name)
	if before.NoExpiry {
		r.t.Fatalf("holdfasttest: Expire(%q): the lock has no expiry", name)
	}
	undo := r.cutAll()
	defer undo()
	r.waitUntil(before.TTL+patience, func() bool {
		now := r.Holder(name) // of permits, those with the largest fence may be the first to expire
		return !now.Held || now.Kept || now.Fence > before.Fence
	}, func() string { return fmt.Sprintf("Expire(%q): it is %s", name, r.describe(name)) })
}

// cutAll cuts everybody off, those of Hold too.
func (r *Redis) cutAll() (undo func()) {
	var cut []*Process
	for _, p := range r.everybody() {
		if p.now() == isWhole {
			p.set(isCut)
			cut = append(cut, p)
		}
	}
	return func() {
		for _, p := range cut {
			p.set(isWhole)
		}
	}
}

// everybody returns the processes of the test and those of Hold.
func (r *Redis) everybody() []*Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := slices.Clone(r.processes)
	for _, h := range r.holds {
		if h.process != nil {
			all = append(all, h.process)
		}
	}
	return all
}

// mustBeHeld returns who holds the lock.
func (r *Redis) mustBeHeld(method, name string) holdfast.Info {
	r.t.Helper()
	r.enter(method)
	info := r.Holder(name)
	if !info.Held || info.Kept {
		r.t.Fatalf("holdfasttest: %s(%q): nobody holds the lock", method, name)
	}
	return info
}

func (r *Redis) fail(method, name string, err error) {
	r.t.Helper()
	r.t.Fatalf("holdfasttest: %s(%q): %v", method, name, err)
}

// within bounds one request of this package.
func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), patience)
}
