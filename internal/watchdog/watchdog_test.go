package watchdog_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/lease"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/notify"
	"github.com/holdfast-go/holdfast/internal/queue"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
	"github.com/holdfast-go/holdfast/internal/trust"
	"github.com/holdfast-go/holdfast/internal/watchdog"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// session takes a lock, and is its Holder.
type session struct{ cause atomic.Pointer[error] }

func (*session) Terms() *lease.Terms {
	return &lease.Terms{Terms: trust.Terms{TTL: 10 * time.Second}}
}
func (*session) NoExpiry()                                              {}
func (s *session) Take(*lease.Lease, time.Duration, int64) lease.Holder { return s }
func (s *session) Ended() bool                                          { return s.cause.Load() != nil }
func (*session) Until() time.Duration                                   { return trust.Forever }
func (*session) KeepRenewing() bool                                     { return false }
func (*session) Poll()                                                  {}
func (s *session) End(cause error)                                      { s.cause.CompareAndSwap(nil, &cause) }
func (*session) EndMaxHold()                                            {}
func (*session) Named(err error) error                                  { return err }
func (*session) Lost(error)                                             {}
func (*session) Renewed(time.Duration)                                  {}
func (*session) NotRenewed(error, time.Duration)                        {}

var errClosed = errors.New("closed")

// TestRenewsTogether: leases that are due at about the same time are renewed by one request and hold on
// for many TTLs; when the Locker is closed, their sessions end with its cause.
func TestRenewsTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		fake := redistest.NewFake(t)
		st, c, tasks := store.New(fake.NewLink().Client()), clock.New(clock.System()), new(task.Group)
		closed, cancel := context.WithCancelCause(context.Background())
		var trips, renewals atomic.Int32
		w := watchdog.New(watchdog.Config{Store: st, Clock: c, Tasks: tasks, Closed: closed, Sent: func(leases int, _ time.Duration) {
			trips.Add(1)
			renewals.Add(int32(leases))
		}})
		sender := send.New(send.Config{Backend: st, Aside: st.Aside(), NoAnswer: st.NoAnswer, Tasks: tasks, Clock: c})
		sub := notify.New(closed, notify.Config{Tasks: tasks, Clock: c}) // never started
		qs := queue.New(queue.Config{Store: st, Send: sender, Notify: sub, Tasks: tasks, Closed: closed, Now: c.Now})
		env := lease.Env{Clock: c, Store: st, Sched: w.Sched(), Events: qs, Channel: sub.Channel, Patience: sender.Patience}

		var sessions [3]session
		for i := range sessions {
			waiter := queue.Waiter{Lock: &lease.Lock{Env: &env, Name: fmt.Sprint("lock", i)}, Ctx: t.Context(), Retry: time.Second}
			waiter.Init(&sessions[i])
			if _, err := qs.Once(&waiter); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		for i := range sessions {
			if sessions[i].Ended() {
				t.Errorf("lock%d: %v", i, *sessions[i].cause.Load())
			}
		}
		if n := renewals.Load(); n < 3*8 || trips.Load() > n/2 {
			t.Errorf("%d renewals in %d round trips", n, trips.Load())
		}
		cancel(errClosed)
		w.Sched().Stop()
		tasks.Wait()
		st.Close()
		for i := range sessions {
			if cause := sessions[i].cause.Load(); cause == nil || *cause != errClosed {
				t.Errorf("lock%d has not ended with the Locker", i)
			}
		}
	})
}
