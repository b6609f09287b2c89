package tick_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/internal/tick"
	"github.com/holdfast-go/holdfast/internal/tick/ticktest"
)

func TestMain(m *testing.M) { ticktest.Main(m, frozen) }

func onFake(t *testing.T, test func(t *testing.T, r *holdfasttest.Redis)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, holdfasttest.New(t)) })
}

func job(locks *holdfast.Locker) *tick.Job {
	return &tick.Job{Mutex: locks.Mutex("job"), Skew: tick.DefaultSkew}
}

// take takes the lock, and must get it.
func take(t *testing.T, j *tick.Job) *tick.Run {
	t.Helper()
	run, err := j.Once(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return run
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// TestOnceForTheSkew: of a job that takes a millisecond the lock is kept for the skew, and the try
// that comes at its end.
func TestOnceForTheSkew(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		a, b := job(r.Locker()), job(r.Locker())
		for range 3 {
			run := take(t, a)
			began := time.Now()
			time.Sleep(time.Millisecond)
			must(t, run.End())
			if took := time.Since(began); took > 100*time.Millisecond {
				t.Errorf("End took %v", took)
			}
			for _, after := range []time.Duration{10 * time.Millisecond, time.Second, time.Second + 490*time.Millisecond} {
				time.Sleep(time.Until(began.Add(after)))
				for _, other := range []*tick.Job{a, b} {
					if run, err := other.Once(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
						t.Fatalf("%v after the first: %v, %v", after, run, err)
					}
				}
			}
			time.Sleep(time.Until(began.Add(time.Second + 510*time.Millisecond)))
			must(t, take(t, b).End())
			time.Sleep(2 * time.Second)
		}
	})
}

// TestOnceOverrun: a job that takes longer than the skew is run by nobody else meanwhile, and can be
// as soon as it has ended.
func TestOnceOverrun(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		a, b := job(r.Locker()), job(r.Locker())
		run := take(t, a)
		for range 60 {
			time.Sleep(time.Second)
			for _, other := range []*tick.Job{a, b} {
				if _, err := other.Once(t.Context()); !errors.Is(err, holdfast.ErrHeld) {
					t.Fatal(err)
				}
			}
		}
		must(t, run.End())
		must(t, take(t, b).End())
	})
}

// TestOnceWithoutRedis: a tick waits half of the skew for Redis, and not longer, whether it refuses
// or does not answer; the error is no deadline of the caller's.
func TestOnceWithoutRedis(t *testing.T) {
	for name, fault := range map[string]struct{ begin, end func(r *holdfasttest.Redis) }{
		"refused": {(*holdfasttest.Redis).Refuse, (*holdfasttest.Redis).Heal},
		"cut":     {(*holdfasttest.Redis).Cut, (*holdfasttest.Redis).Heal},
		"frozen":  {(*holdfasttest.Redis).Freeze, (*holdfasttest.Redis).Thaw},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
				for _, skew := range []tick.Skew{tick.DefaultSkew, tick.Skew(2 * time.Minute)} {
					j := &tick.Job{Mutex: r.Locker().Mutex("job"), Skew: skew}
					fault.begin(r)
					began := time.Now()
					run, err := j.Once(t.Context())
					took := time.Since(began)
					if !errors.Is(err, holdfast.ErrNoAnswer) || errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), skew.Try().String()) {
						t.Fatalf("%v, %v", run, err)
					}
					if late := took - skew.Try(); late < -time.Second || late > 200*time.Millisecond {
						t.Errorf("it took %v of %v: %v", took, skew.Try(), err)
					}
					time.AfterFunc(skew.Try()/2, func() { fault.end(r) })
					if name != "refused" && skew == tick.DefaultSkew {
						time.Sleep(time.Minute) // the requests of the first try are served first, and undone
					}
					run, err = j.Once(t.Context()) // it is back within the time
					if err != nil {
						t.Fatalf("skew %v: %v", time.Duration(skew), err)
					}
					must(t, run.End())
					time.Sleep(skew.Hold() + time.Minute)
				}
			})
		})
	}
}

// TestOnceEnds: the caller's end, wrong use and the Locker's end are not tried again.
func TestOnceEnds(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		locks := r.Locker()
		ctx, cancel := context.WithCancelCause(t.Context())
		stop := errors.New("stop")
		cancel(stop)
		closed := r.Locker()
		must(t, closed.Close())
		began := time.Now()
		for _, c := range []struct {
			ctx  context.Context
			mu   *holdfast.Mutex
			want error
		}{
			{ctx, locks.Mutex("job"), stop},
			{t.Context(), locks.Mutex(""), holdfast.ErrInvalid},
			{t.Context(), locks.Mutex("job", holdfast.WithMaxHold(time.Second)), holdfast.ErrInvalid},
			{t.Context(), closed.Mutex("job"), holdfast.ErrClosed},
		} {
			j := &tick.Job{Mutex: c.mu, Skew: tick.DefaultSkew}
			if _, err := j.Once(c.ctx); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
		}
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("they took %v", took)
		}
	})
}

// TestTooOften: ticks that come sooner than the lock is kept are found, and told once, with both
// numbers.
func TestTooOften(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		j := job(r.Locker())
		told := 0
		for range 10 {
			run, err := j.Once(t.Context())
			switch {
			case err == nil:
				must(t, run.End())
			case !errors.Is(err, holdfast.ErrHeld):
				t.Fatal(err)
			case errors.Is(err, tick.ErrTooOften):
				told++
				if !strings.Contains(err.Error(), "1s ago") || !strings.Contains(err.Error(), "kept for 1.5s") {
					t.Error(err)
				}
			}
			time.Sleep(time.Second)
		}
		if told != 1 {
			t.Errorf("told %d times", told)
		}
	})
}

// TestTickOfAnother: a tick that another has is not one that comes too often.
func TestTickOfAnother(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		a, b := job(r.Locker()), job(r.Locker())
		for range 10 {
			must(t, take(t, a).End())
			time.Sleep(100 * time.Millisecond)
			if _, err := b.Once(t.Context()); !errors.Is(err, holdfast.ErrHeld) || errors.Is(err, tick.ErrTooOften) {
				t.Error(err)
			}
			a, b = b, a
			time.Sleep(1700 * time.Millisecond)
		}
	})
}

// TestSkew: a skew that is too small, or that the defaults of the locks don't allow, is refused with
// both numbers.
func TestSkew(t *testing.T) {
	onFake(t, func(t *testing.T, r *holdfasttest.Redis) {
		must(t, tick.DefaultSkew.Check(r.Locker()))
		must(t, tick.LeastSkew.Check(r.Locker()))
		for _, skew := range []tick.Skew{0, -1, tick.LeastSkew - 1} {
			if err := skew.Check(r.Locker()); !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "under 10ms") {
				t.Errorf("%v: %v", time.Duration(skew), err)
			}
		}
		err := tick.Skew(time.Minute).Check(r.Locker(holdfast.WithMaxHold(time.Minute)))
		if !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "1m30s is over the maximum hold 1m0s") {
			t.Error(err)
		}
	})
}
