package send

import "time"

// gather is a number of requests that are about to come from as many goroutines, and go together. The
// first of them to be sent inline or alone would make two round trips of one.
type gather struct{ missing int }

// Gather announces a request about each of the locks of these names, from a goroutine each. Those of one
// server wait for each other, but no longer than 2 ms. Each goroutine calls done when it sends nothing, or
// nothing more.
func (s *Sender) Gather(names []string) (done func(name string)) {
	all := make(map[*batcher]*gather)
	for _, name := range names {
		b := s.batcher(s.conf.Backend.Server(name), false)
		if all[b] == nil {
			all[b] = new(gather)
		}
		all[b].missing++
	}
	for b, g := range all {
		b.expect(g)
	}
	return func(name string) {
		b := s.batcher(s.conf.Backend.Server(name), false)
		b.mu.Lock()
		defer b.mu.Unlock()
		if g := all[b]; g != nil && b.gather == g {
			b.arrived()
		}
	}
}

// expect has the queue wait for what g announces, unless it waits for others already.
func (b *batcher) expect(g *gather) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.missing < 2 || b.gather != nil {
		return
	}
	b.gather = g
	time.AfterFunc(flushAfter, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.gather == g {
			b.gathered()
		}
	})
}

// arrived counts one that is not waited for any more. Called with mu held.
func (b *batcher) arrived() {
	if b.gather.missing--; b.gather.missing == 0 {
		b.gathered()
	}
}

// gathered ends the wait. Called with mu held.
func (b *batcher) gathered() {
	b.gather = nil
	if len(b.queue) > 0 {
		b.schedule()
	}
}
