package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// prepare makes room for N locks and has as many goroutines as will take them use their
// connections, so that neither counts as what a held lock costs.
func (w *child) prepare(o order) (answer, error) {
	w.names, w.holds = make([]string, o.N), make([]held, o.N)
	errs := make([]error, o.Goroutines)
	var running sync.WaitGroup
	for g := range o.Goroutines {
		running.Go(func() {
			release, _, err := w.c.lock(fmt.Sprint(o.Name, ":first:", g))(context.Background())
			if err == nil {
				err = release()
			}
			errs[g] = err
		})
	}
	running.Wait()
	for i := range w.names {
		w.names[i] = fmt.Sprint(o.Name, ":", i)
	}
	return answer{}, errors.Join(errs...)
}

// take acquires the locks and keeps them.
func (w *child) take(o order) (answer, error) {
	ctx := context.Background()
	if o.Patience > 0 {
		// The sessions live on this context, so only an end of patience cancels it.
		bound, cancel := context.WithTimeout(ctx, longest)
		defer time.AfterFunc(o.Patience, cancel).Stop()
		ctx = bound
	}
	a := answer{Times: make([]int64, o.N)}
	errs := make([]error, o.Goroutines)
	var next atomic.Int64
	var running sync.WaitGroup
	for g := range o.Goroutines {
		running.Go(func() {
			for i := next.Add(1) - 1; i < int64(o.N); i = next.Add(1) - 1 {
				release, lost, err := w.c.lock(w.names[i])(ctx)
				if err != nil {
					errs[g] = err
					continue
				}
				a.Times[i] = time.Now().UnixNano()
				w.holds[i] = held{release, lost}
				time.Sleep(o.Stagger)
			}
		})
	}
	running.Wait()
	return a, errors.Join(errs...)
}

// wait begins to wait for the locks. The goroutines end with the process.
func (w *child) wait() {
	for _, name := range w.names {
		go func() { _, _, _ = w.c.lock(name)(context.Background()) }()
	}
}

// use asks the held locks' contexts for their channels, as work that waits for their end does.
func (w *child) use() answer {
	for _, h := range w.holds {
		if h.lost != nil {
			h.lost.Done()
		}
	}
	return answer{}
}

// watch waits for the locks to be lost.
func (w *child) watch(o order) answer {
	a := answer{Times: make([]int64, len(w.holds))}
	ctx, cancel := context.WithTimeout(context.Background(), o.Patience)
	defer cancel()
	var running sync.WaitGroup
	for i, h := range w.holds {
		if h.lost == nil {
			a.Silent = true
			continue
		}
		running.Go(func() {
			select {
			case <-h.lost.Done():
				a.Times[i] = time.Now().UnixNano()
			case <-ctx.Done():
			}
		})
	}
	running.Wait()
	return a
}

// drop releases the locks. Lost is how many were lost before, or turned out to be.
func (w *child) drop(o order) (a answer) {
	var lost atomic.Int64
	var next atomic.Int64
	var running sync.WaitGroup
	for range o.Goroutines {
		running.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(w.holds)); i = next.Add(1) - 1 {
				h := w.holds[i]
				gone := h.lost != nil && h.lost.Err() != nil
				if h.release() != nil || gone {
					lost.Add(1)
				}
			}
		})
	}
	running.Wait()
	a.Lost = int(lost.Load())
	return a
}

// memory collects the garbage and says what is left.
func (w *child) memory() (a answer) {
	runtime.GC()
	runtime.GC() // what the first one's finalizers let go
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	a.Bytes = int64(m.HeapAlloc + m.StackInuse)
	a.Goroutines = int64(runtime.NumGoroutine())
	return a
}

// cpu says how much of it the process has used.
func (w *child) cpu() (a answer, err error) {
	var u syscall.Rusage
	err = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	a.CPU = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	if counts, ok := w.c.(interface{ counted() sent }); ok {
		a.Sent = counts.counted()
	}
	return a, err
}
