package list

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2/server"

	"github.com/holdfast-go/holdfast/internal/clock"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/send"
	"github.com/holdfast-go/holdfast/internal/store"
	"github.com/holdfast-go/holdfast/internal/task"
)

func TestMain(m *testing.M) { locktest.Main(m) }

var errStop, errFails = errors.New("stop"), errors.New("fails")

// rig is a Walker on a fake Redis.
type rig struct {
	Walker
	fake  *redistest.Fake
	link  *redistest.FakeLink
	tasks task.Group
	scans atomic.Int32
	asks  atomic.Int32
	ask   func() // called before locks are asked about; may be nil
	fails string // the lock that can't be asked about
}

// backend is what the Sender sends by.
type backend struct {
	*store.Store
	r *rig
}

func (b backend) CanInline() bool { return false }

func (b backend) Do(ctx context.Context, calls ...*store.Call) {
	b.r.asks.Add(int32(len(calls)))
	if b.r.ask != nil {
		b.r.ask()
	}
	b.Store.Do(ctx, calls...)
	for _, c := range calls {
		if c.Lock.Name() == b.r.fails {
			c.Err = errFails
		}
	}
}

func onFake(t *testing.T, test func(t *testing.T, r *rig)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		r := &rig{fake: redistest.NewFake(t)}
		r.link = r.fake.NewLink()
		r.fake.M.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
			if cmd == "SCAN" {
				r.scans.Add(1)
			}
			return false
		})
		st := store.New(r.link.Client())
		r.Walker = Walker{Store: st, Tasks: &r.tasks, Send: send.New(send.Config{
			Backend: backend{st, r}, Aside: st.Aside(), Connections: st.Connections(),
			NoAnswer: st.NoAnswer, Tasks: &r.tasks, Clock: clock.New(clock.System()),
		})}
		test(t, r)
		r.tasks.Wait()
		st.Close()
	})
}

// lock has the name held.
func (r *rig) lock(t *testing.T, name string) {
	t.Helper()
	id := store.NewID(store.NewLock(store.Mutex, name), fmt.Sprintf("%036d", 7), "")
	got, err := r.Send.Ask(t.Context(), r.Store.Acquire(store.Attempt{ID: id, TTL: time.Hour}, false))
	if err != nil || got.Status != store.Held {
		t.Fatalf("%s: %v, %v", name, got.Status, err)
	}
	r.asks.Store(0)
}

func TestEach(t *testing.T) {
	for _, tc := range []struct {
		name    string
		pattern string
		stop    string // found returns false for it
		want    []string
		scans   int32
	}{
		{"all", "*", "", []string{"a1", "a2", "b1", "{a}3"}, 1},
		{"two pages", "*a*", "", []string{"a1", "a2", "{a}3"}, 2},
		{"none", "c*", "", nil, 2},
		{"it stops after a page", "*a*", "{a}3", []string{"{a}3"}, 1},
		{"it stops within a page", "*a*", "a1", []string{"a1", "{a}3"}, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				for _, name := range []string{"a1", "a2", "b1", "{a}3"} {
					r.lock(t, name)
				}
				var found []string
				err := r.Each(t.Context(), tc.pattern, func(lock store.Found, got store.Reply, err error) bool {
					name := lock.Name
					if err != nil || got.Status != store.Held || got.TTL <= 0 {
						t.Errorf("%s: %+v, %v", name, got, err)
					}
					found = append(found, name)
					return name != tc.stop
				})
				slices.Sort(found)
				if err != nil || !slices.Equal(found, tc.want) {
					t.Errorf("found %q, %v", found, err)
				}
				if n := r.scans.Load(); n != tc.scans {
					t.Errorf("it scanned %d times, not %d", n, tc.scans)
				}
			})
		})
	}
}

// The error of one lock does not end the walk.
func TestEachError(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		for _, name := range []string{"a", "b", "c"} {
			r.lock(t, name)
		}
		r.fails = "b"
		failed, held := 0, 0
		err := r.Each(t.Context(), "*", func(lock store.Found, got store.Reply, err error) bool {
			name := lock.Name
			switch {
			case name == "b" && err == errFails:
				failed++
			case name != "b" && err == nil && got.Status == store.Held:
				held++
			default:
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			return true
		})
		if err != nil || failed != 1 || held != 2 {
			t.Errorf("%d failed, %d are held, %v", failed, held, err)
		}
	})
}

// An error of the scan ends the walk.
func TestScanError(t *testing.T) {
	onFake(t, func(t *testing.T, r *rig) {
		r.lock(t, "a")
		r.fake.M.SetError("NOPERM you may not scan")
		defer r.fake.M.SetError("")
		err := r.Each(t.Context(), "*", func(lock store.Found, _ store.Reply, _ error) bool {
			t.Errorf("it found %s", lock.Name)
			return true
		})
		if err == nil || err.Error() != "NOPERM you may not scan" {
			t.Errorf("the walk ends with %v", err)
		}
	})
}

// When the context is done the walk ends at once, with the context's cause. Whatever waits for Redis
// then is a task, which ends with the client's time-outs.
func TestEachEnds(t *testing.T) {
	for _, tc := range []struct {
		name        string
		prepare     func(r *rig, stop func()) // stop ends the context
		scans, asks int32
		waits       bool // a task is left
	}{
		{"before", func(_ *rig, stop func()) { stop() }, 0, 0, false},
		{"in a scan", func(r *rig, stop func()) { r.link.HoldReplies(); time.AfterFunc(time.Second, stop) }, 1, 0, true},
		{"while locks are asked about", func(r *rig, stop func()) {
			r.ask = sync.OnceFunc(func() { r.link.HoldReplies(); time.AfterFunc(time.Second, stop) })
		}, 1, 2, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, r *rig) {
				r.lock(t, "a")
				r.lock(t, "b")
				ctx, cancel := context.WithCancelCause(context.Background())
				began, ended := time.Now(), time.Time{}
				tc.prepare(r, func() { ended = time.Now(); cancel(errStop) })
				err := r.Each(ctx, "*", func(lock store.Found, _ store.Reply, err error) bool {
					name := lock.Name
					t.Errorf("it found %s, %v", name, err)
					return true
				})
				if err != errStop || !time.Now().Equal(ended) {
					t.Errorf("after %v it ends with %v", time.Since(began), err)
				}
				if s, n := r.scans.Load(), r.asks.Load(); s != tc.scans || n < tc.asks || tc.asks == 0 && n > 0 {
					t.Errorf("it scanned %d times and asked about %d locks", s, n)
				}
				r.tasks.Wait()
				if took := time.Since(ended); (took > 0) != tc.waits || took > 20*time.Second {
					t.Errorf("its goroutines ended after %v", took)
				}
				r.link.Heal()
			})
		})
	}
}
