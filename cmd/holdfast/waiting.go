package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	terminal "golang.org/x/term"

	"github.com/holdfast-go/holdfast"
)

const (
	// typeAfter is how long a call has waited when the type of the key is looked at.
	typeAfter = 100 * time.Millisecond
	// sayAfter is how long it has waited when that is told.
	sayAfter = time.Second
	// typeTimeout bounds a look at the type where something waits for it.
	typeTimeout = time.Second
)

// isTerminal reports whether somebody reads what is written.
func isTerminal(out io.Writer) bool {
	file, ok := out.(*os.File)
	return ok && terminal.IsTerminal(int(file.Fd()))
}

// notALock is the error about a name whose key is no string.
func notALock(name, kind string) error {
	return &statusError{status: statusNotALock, err: fmt.Errorf("%q is no lock: there is a key of that name that holds a %s", name, kind)}
}

// wrongType returns the type of the lock's key if it can be no lock's. It returns nothing for a key
// that is a string or absent, or that has permits, and if the type can't be told, because the user may not ask,
// say.
func (t *target) wrongType(ctx context.Context, locks *holdfast.Locker, name string) string {
	ctx, cancel := context.WithTimeout(ctx, typeTimeout)
	defer cancel()
	found := make(chan string, 1) // the client does not always heed its context
	go func() {
		kind, err := t.client.Type(ctx, name).Result()
		if err != nil || kind == "string" || kind == "none" {
			kind = ""
		}
		if kind == "hash" {
			if info, err := locks.Semaphore(name, 1).Inspect(ctx); err != nil || !info.Stranger {
				kind = ""
			}
		}
		found <- kind
	}()
	select {
	case kind := <-found:
		return kind
	case <-ctx.Done():
		return ""
	}
}

// waiting looks at a lock while a call waits for it.
type waiting struct {
	target *target
	locks  *holdfast.Locker
	name   string
	talks  bool // tell who holds it
	log    io.Writer
	wrong  func(kind string) // called once if the key can be no lock's

	mu   sync.Mutex
	over bool
}

// begin starts to look, in a goroutine that ends soon after end.
func (w *waiting) begin(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	go w.look(ctx)
	return func() {
		cancel()
		w.mu.Lock() // not for long: nothing that waits is done with it
		defer w.mu.Unlock()
		w.over = true
	}
}

// unlessOver calls f, unless the wait has ended.
func (w *waiting) unlessOver(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.over {
		f()
	}
}

func (w *waiting) look(ctx context.Context) {
	if !pauses(ctx, typeAfter) {
		return
	}
	if kind := w.target.wrongType(ctx, w.locks, w.name); kind != "" {
		w.unlessOver(func() { w.wrong(kind) })
		return
	}
	for w.talks && pauses(ctx, sayAfter) {
		s, err := lookAt(ctx, w.locks, w.name)
		if err == nil && s.Grace > 0 {
			w.unlessOver(func() {
				fmt.Fprintf(w.log, "holdfast: waits for %q: Redis may have lost locks, so none is given for another %s\n", w.name, seconds(s.Grace))
			})
			return
		}
		// A lock that is free at this moment is about to be given to somebody.
		if err == nil && s.Held {
			w.unlessOver(func() { fmt.Fprintf(w.log, "holdfast: waits for %q: %s\n", w.name, heldBy(s)) })
			return
		}
	}
}

// pauses reports whether ctx lasts for so long.
func pauses(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// heldBy says who holds a lock, since when, and when its TTL ends.
func heldBy(s seen) string {
	info := s.Info
	who := "held by " + holder(info)
	switch {
	case info.Stranger:
		who = "held by a stranger, which is not Holdfast"
	case info.Permits > 0:
		return s.sharedBy()
	}
	if !info.Since.IsZero() {
		who += fmt.Sprintf(" since %s (%s ago)", info.Since.Local().Format(time.DateTime), seconds(info.HeldFor))
	}
	if info.NoExpiry {
		return who + ", without a TTL"
	}
	return who + fmt.Sprintf(", %s of its TTL left", seconds(info.TTL))
}

// waitFor calls acquire, tells who holds the lock if it takes long, and gives up if the key can be no
// lock's.
func (p *program) waitFor(ctx context.Context, t *target, locks *holdfast.Locker,
	acquire func(context.Context, ...holdfast.Option) (*holdfast.Session, error)) (*holdfast.Session, error) {
	// Not cancelled at the end: the session's context is derived from it.
	ctx, cancel := context.WithCancelCause(ctx)
	w := waiting{target: t, locks: locks, name: p.name, talks: p.talks, log: p.log, wrong: func(kind string) { cancel(notALock(p.name, kind)) }}
	end := w.begin(ctx)
	session, err := acquire(ctx)
	end()
	var wrong *statusError
	if errors.As(context.Cause(ctx), &wrong) {
		if err == nil { // both at once
			_ = session.Release(context.WithoutCancel(ctx))
		}
		return nil, wrong
	}
	if errors.Is(err, holdfast.ErrHeld) || errors.Is(err, holdfast.ErrWaitTimeout) {
		if kind := t.wrongType(ctx, locks, p.name); kind != "" {
			return nil, notALock(p.name, kind)
		}
	}
	if err != nil {
		cancel(nil)
	}
	return session, err
}
