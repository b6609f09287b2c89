package tick_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/internal/tick"
)

// TestOnceTooLate: Redis answers a try, which came within the skew, after the time of a try, when the lock is
// not kept any more. A tick that another has run is not run again.
func TestOnceTooLate(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		skew := tick.LeastSkew
		a, b := &tick.Job{Mutex: r.Locker().Mutex("job"), Skew: skew}, &tick.Job{Mutex: r.Locker().Mutex("job"), Skew: skew}
		must(t, take(t, b).End()) // its connection is there
		time.Sleep(time.Second)
		began := time.Now()
		must(t, take(t, a).End())
		time.Sleep(time.Until(began.Add(9 * time.Millisecond)))
		r.Freeze()
		time.AfterFunc(20*time.Millisecond, r.Thaw)
		if run, err := b.Once(t.Context()); !errors.Is(err, holdfast.ErrNoAnswer) {
			t.Errorf("%v after the first: %v, %v", time.Since(began), run, err)
		}
		r.WaitFree("job")
	})
}

// TestEndWaits: the end of a run waits for the session's groups.
func TestEndWaits(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		run, ended := take(t, job(r.Locker())), false
		must(t, run.Do(func(ctx context.Context) error {
			s, _ := holdfast.FromContext(ctx)
			group, _ := s.Group()
			group.Go(func() error { time.Sleep(time.Minute); ended = true; return nil })
			return nil
		}))
		if must(t, run.End()); !ended {
			t.Error("a group is still running")
		}
		r.WaitFree("job")
	})
}
