// Package task counts what a Close has to wait for: goroutines, and stretches of the callers' own.
//
// A sync.WaitGroup does not allow its counter to rise from zero while somebody waits. Here it may:
// what ends may start something else, and a caller may come in at any time.
//
// The mutex guards the channel on which Wait waits. Nothing else is locked while it is held. The
// package joins every goroutine that Go starts, in Wait, and stops none: that is the caller's.
package task

import (
	"sync"
	"sync/atomic"
)

// Group counts tasks. Its zero value has none.
type Group struct {
	running atomic.Int64
	mu      sync.Mutex
	idle    chan struct{} // closed when no task is running; nil unless somebody waits; under mu
}

// Go runs f as a task, in a goroutine of its own.
func (g *Group) Go(f func()) {
	g.Enter()
	go func() {
		defer g.Leave()
		f()
	}()
}

// Enter begins a task that the caller runs. Leave ends it.
func (g *Group) Enter() { g.running.Add(1) }

// Leave ends a task. It costs a lock only if it is the last one.
func (g *Group) Leave() {
	if g.running.Add(-1) > 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.idle != nil && g.running.Load() == 0 { // another may have entered since
		close(g.idle)
		g.idle = nil
	}
}

// Wait returns when no task is running.
func (g *Group) Wait() {
	g.mu.Lock()
	if g.running.Load() > 0 && g.idle == nil {
		g.idle = make(chan struct{})
	}
	idle := g.idle
	g.mu.Unlock()
	if idle != nil {
		<-idle
	}
}
