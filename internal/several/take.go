package several

import (
	"fmt"
	"slices"

	"github.com/holdfast-go/holdfast/internal/endctx"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/operr"
	"github.com/holdfast-go/holdfast/internal/queue"
)

// MaxLocks is how many locks can be taken together. Package holdfast documents it.
const MaxLocks = 256

// Order returns the names in the order in which all who take several locks take them, each once. An error
// is about the first of the names that are returned.
func Order(names []string) ([]string, error) {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	switch {
	case len(names) == 0:
		return []string{""}, fmt.Errorf("no names are given")
	case len(names) > MaxLocks:
		return names, fmt.Errorf("%d names are given, more than %d", len(names), MaxLocks)
	}
	return names, nil
}

// Queues are where locks are waited for: see [queue.Queues].
type Queues interface {
	All(ws []*queue.Waiter, once bool, got func(at int, h lease.Holder, err error) error) (at int, err error)
}

// Take takes the locks that the waiters want, and adds the hold of each. conclude is told of each lock that
// was had, and with what error, or of the one that was not, and returns the error that counts. Take returns
// of which lock the error is; what was had is the caller's to give back. once means not to wait.
func (a *All[H]) Take(queues Queues, waiters []*queue.Waiter, once bool, conclude func(at int, h lease.Holder, err error) error) (at int, err error) {
	given := waiters[0].Ctx
	wait, unbind := endctx.Either(given, a.Context()) // the loss of one ends the wait for another
	defer unbind()
	began := max(a.now(), 1) // 0 would be the begin of each wait
	for _, w := range waiters {
		w.Ctx, w.Began = wait, began
	}
	told := -1
	at, err = queues.All(waiters, once, func(at int, h lease.Holder, err error) error {
		told = at
		a.Add(any(h).(H))
		return conclude(at, h, operr.Ended(given, err))
	})
	switch {
	case err == nil:
		if d, ok := a.Parent().(*endctx.Delayed); ok {
			d.Watch()
		}
		return told, a.Cause() // one of them may have ended meanwhile
	case told < at:
		err = conclude(at, nil, operr.Ended(given, err))
	}
	return at, err
}
