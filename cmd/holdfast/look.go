package main

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/list"
)

// seen is what a look at a name has found.
type seen struct {
	holdfast.Info
	queue   []holdfast.Waiter // first those who wait for what the name is held as
	holders []holdfast.Holder // of permits
}

// lookAt asks who holds a name, and who waits for it. It asks for a mutex and for permits, since a name may be
// either's, in one round trip.
func lookAt(ctx context.Context, locks *holdfast.Locker, name string) (s seen, _ error) {
	var mutex, permits holdfast.Info
	var waiters, others []holdfast.Waiter
	sem := locks.Semaphore(name, 1) // whatever its size
	ask, ctx := errgroup.WithContext(ctx)
	ask.Go(func() (err error) { mutex, waiters, err = locks.Mutex(name).InspectQueue(ctx); return })
	ask.Go(func() (err error) { permits, others, err = sem.InspectQueue(ctx); return })
	ask.Go(func() (err error) { s.holders, err = sem.Holders(ctx); return })
	if err := ask.Wait(); err != nil {
		return seen{}, err
	}
	var shared bool
	if s.Info, shared = either(mutex, permits); shared {
		waiters, others = others, waiters
	} else {
		s.holders = nil
	}
	s.queue = append(waiters, others...)
	return s, nil
}

// glanceAt is lookAt for the state alone.
func glanceAt(ctx context.Context, locks *holdfast.Locker, name string) (holdfast.Info, error) {
	var mutex, permits holdfast.Info
	ask, ctx := errgroup.WithContext(ctx)
	ask.Go(func() (err error) { mutex, err = locks.Mutex(name).Inspect(ctx); return })
	ask.Go(func() (err error) { permits, err = locks.Semaphore(name, 1).Inspect(ctx); return })
	err := ask.Wait()
	info, _ := either(mutex, permits)
	return info, err
}

// either is list.Either.
func either(mutex, permits holdfast.Info) (holdfast.Info, bool) {
	s, shared := list.Either(list.State(mutex), list.State(permits))
	return holdfast.Info(s), shared
}

// held returns the lock that the name is held as.
func (s *seen) held(locks *holdfast.Locker, name string) lock {
	if s.Permits > 0 {
		return locks.Semaphore(name, 1)
	}
	return locks.Mutex(name)
}

// who names the holder that has a fence, or all if that is none of theirs.
func (s *seen) who(fence int64) string {
	for _, h := range s.holders {
		if h.Fence == fence {
			return labelText(h.Label)
		}
	}
	return holder(s.Info)
}

// question asks whether it shall be taken from the holder of a fence.
func (s *seen) question(fence int64) string {
	if s.Permits > 0 { // more than one may be shown, with equal labels
		return fmt.Sprintf("Take it from %s, fence %d? [y/N] ", s.who(fence), fence)
	}
	return "Take it from this holder? [y/N] "
}

// has reports whether a holder has that fence; 0 is a stranger's.
func (s *seen) has(fence int64) bool {
	for _, h := range s.holders {
		if h.Fence == fence {
			return true
		}
	}
	return s.Permits == 0 && s.Fence == fence
}

// isRW reports whether permits are those of a read-write lock.
func isRW(info holdfast.Info) bool { return info.Limit == holdfast.MaxPermits }

// shareText says in short how many permits of a semaphore are in use, or who has a read-write lock.
func shareText(info holdfast.Info) string {
	switch {
	case !isRW(info):
		return fmt.Sprintf("(%d of %d permits)", info.Permits, info.Limit)
	case info.Permits == info.Limit:
		return "(a writer)"
	case info.Permits == 1:
		return "(1 reader)"
	}
	return fmt.Sprintf("(%d readers)", info.Permits)
}

// weightText is what a holder has, or a waiter wants, of what a name is held as; empty if that is a lock.
func weightText(info holdfast.Info, permits int) string {
	switch {
	case permits == 0 && info.Permits > 0:
		return "(as a lock)" // and waits until nobody holds permits
	case permits == 0:
		return ""
	case permits == holdfast.MaxPermits:
		return "writer"
	case isRW(info):
		return "reader"
	case permits == 1:
		return "1 permit"
	}
	return fmt.Sprintf("%d permits", permits)
}

// mostNamed is how many holders a line names.
const mostNamed = 8

// sharedBy says who holds permits, in a line.
func (s *seen) sharedBy() string {
	var names []string
	for i, h := range s.holders {
		if i == mostNamed {
			names = append(names, fmt.Sprintf("%d more", len(s.holders)-i))
			break
		}
		name := markKept(labelText(h.Label), h.Kept)
		if h.Permits > 1 && !isRW(s.Info) {
			name += fmt.Sprintf(" (%d)", h.Permits)
		}
		names = append(names, name)
	}
	by := strings.Join(names, ", ")
	switch {
	case !isRW(s.Info):
		return fmt.Sprintf("%d of %d permits held by %s", s.Permits, s.Limit, by)
	case s.Permits == s.Limit:
		return "held by the writer " + by
	}
	return "held by the readers " + by
}
