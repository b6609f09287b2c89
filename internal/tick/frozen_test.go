package tick_test

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/tick"
	"github.com/holdfast-go/holdfast/internal/tick/ticktest"
)

const frozenTTL = 90 * time.Millisecond

// frozen is a process that is stopped again and again: it looks at the context of its run without a
// pause, and writes down what it finds at its first look after that.
func frozen(p ticktest.Plan, log *ticktest.Log, client *redis.Client, stop <-chan struct{}) error {
	locks := holdfast.New(client, holdfast.WithTTL(frozenTTL))
	defer locks.Close()
	parent, cancel := context.WithCancel(context.Background())
	go func() { // ends with the process, which the test ends by stop
		<-stop
		cancel()
	}()
	j := &tick.Job{Mutex: locks.Mutex("job"), Skew: tick.DefaultSkew}
	for trial := int64(0); ; trial++ {
		run, err := j.InTurn(parent) // what the last trial has lost expires first
		if parent.Err() != nil {
			if err == nil {
				_ = run.End()
			}
			return nil
		}
		if err != nil {
			return err
		}
		ctx := run.Context()
		log.Add(ticktest.Event{What: ticktest.Begun, Tick: trial})
		what := ticktest.Done
		var now time.Time
		for last := time.Now(); ; {
			now = time.Now()
			stopped := now.Sub(last) > frozenTTL
			last = now
			over := ctx.Err() != nil // the first look, if it was stopped before it
			if stopped && !over {
				what = "live"
			}
			if stopped || over { // or it was stopped within the few instructions above, or starved
				break
			}
		}
		_ = run.End()
		log.Add(ticktest.Event{What: what, Tick: trial, At: now})
	}
}
