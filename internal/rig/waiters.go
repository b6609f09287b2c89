package rig

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Waiting returns how many wait for a lock.
func (e *Env) Waiting(name string) int {
	order := e.Direct.HGet(e.Ctx(), locktest.QueueOf(name), "q").Val()
	return len(order) / 36
}

// Once acquires and releases.
func Once(mu *holdfast.Mutex) error {
	s, err := mu.Acquire(context.Background())
	if err != nil {
		return err
	}
	return s.Release(context.Background())
}

// Wait begins an Acquire that gets a session, and returns when it stands in the queue.
func (e *Env) Wait(mu *holdfast.Mutex, opts ...holdfast.Option) <-chan *holdfast.Session {
	got := make(chan *holdfast.Session, 1)
	go func() {
		s, err := mu.Acquire(e.Ctx(), opts...)
		if err != nil {
			e.T.Error(err)
		}
		got <- s
	}()
	time.Sleep(20 * time.Millisecond)
	return got
}

// Listeners returns Lockers that listen already: each is a process.
func (e *Env) Listeners(n int, opts ...holdfast.Option) (all []*holdfast.Locker, links []redistest.Link) {
	for i := range n {
		l, link := e.Linked(opts...)
		var warm sync.WaitGroup // with a few connections
		for j := range 3 {
			warm.Go(func() {
				if err := Once(l.Mutex(fmt.Sprint("first ", i, j))); err != nil {
					e.T.Error(err)
				}
			})
		}
		warm.Wait()
		all, links = append(all, l), append(links, link)
	}
	time.Sleep(50 * time.Millisecond)
	return all, links
}

// KeepBusy has goroutines of one Locker, or of two, take and release a lock without a pause until
// the time is up, and counts how often they had it.
func (e *Env) KeepBusy(name string, lockers []*holdfast.Locker, d time.Duration, opts ...holdfast.Option) (wait func() int64) {
	var n atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i := range 2 {
		mu := lockers[i%len(lockers)].Mutex(name, opts...)
		wg.Go(func() {
			for time.Now().Before(end) {
				s, err := mu.Acquire(e.Ctx())
				if err == nil {
					time.Sleep(5 * time.Millisecond)
					err = s.Release(e.Ctx())
				}
				if err != nil {
					e.T.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	return func() int64 { wg.Wait(); return n.Load() }
}
