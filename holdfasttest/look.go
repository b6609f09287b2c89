package holdfasttest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/list"
)

// permits returns the permits of a name, to ask about them: that is the same for any number.
func (r *Redis) permits(name string) *holdfast.Semaphore { return r.look.Semaphore(name, 1) }

// Holder returns who holds the lock, and how many wait for it. Of permits that is the holder with the largest
// fence, and how many permits are in use; [holdfast.Semaphore.Holders] has all.
func (r *Redis) Holder(name string) holdfast.Info {
	r.t.Helper()
	r.thawed("Holder", name)
	ctx, cancel := within()
	defer cancel()
	info, err := r.inspect(ctx, name)
	if err != nil {
		r.fail("Holder", name, err)
	}
	return info
}

// inspect asks about a name as a mutex and as permits, since it may be either's. To each, the other is a stranger.
func (r *Redis) inspect(ctx context.Context, name string) (holdfast.Info, error) {
	info, err := r.look.Mutex(name).Inspect(ctx)
	if err != nil {
		return info, err
	}
	permits, err := r.permits(name).Inspect(ctx)
	s, _ := list.Either(list.State(info), list.State(permits))
	return holdfast.Info(s), err
}

// describe says who holds a lock and who waits for it.
func (r *Redis) describe(name string) string {
	r.t.Helper()
	ctx, cancel := within()
	defer cancel()
	info, err := r.inspect(ctx, name)
	if err != nil {
		return fmt.Sprintf("unknown: %v", err)
	}
	text := "free"
	switch {
	case info.Permits > 0:
		if text, err = r.sharedBy(ctx, name); err != nil {
			return fmt.Sprintf("unknown: %v", err)
		}
	case info.Kept:
		text = fmt.Sprintf("kept by the minimum hold of %s for %v more", info.Label, info.TTL)
	case info.Stranger:
		text = "held by a stranger"
	case info.Held:
		text = fmt.Sprintf("held by %s, fence %d, for %v", info.Label, info.Fence, info.HeldFor)
	}
	waiting, err := r.waiting(ctx, name)
	switch {
	case err != nil:
		return fmt.Sprintf("%s; waiting: unknown: %v", text, err)
	case len(waiting) == 0:
		return text
	}
	return text + "; waiting: " + strings.Join(waiting, ", ")
}

// sharedBy says who holds permits.
func (r *Redis) sharedBy(ctx context.Context, name string) (string, error) {
	holders, err := r.permits(name).Holders(ctx)
	if err != nil || len(holders) == 0 {
		return "free", err
	}
	var texts []string
	for _, h := range holders {
		what := fmt.Sprintf("%d of %d permits", h.Permits, h.Limit)
		switch {
		case h.Limit < holdfast.MaxPermits:
		case h.Permits == h.Limit:
			what = "a writer"
		default:
			what = "a reader"
		}
		if h.Kept {
			what += ", kept by a minimum hold"
		}
		texts = append(texts, fmt.Sprintf("%s (%s), fence %d", h.Label, what, h.Fence))
	}
	return "held by " + strings.Join(texts, ", and by "), nil
}

// waiting returns who waits for a lock, as either kind.
func (r *Redis) waiting(ctx context.Context, name string) (labels []string, _ error) {
	_, mutex, err := r.look.Mutex(name).InspectQueue(ctx)
	if err != nil {
		return nil, err
	}
	_, permits, err := r.permits(name).InspectQueue(ctx)
	for _, w := range slices.Concat(mutex, permits) {
		labels = append(labels, w.Label)
	}
	return labels, err
}
