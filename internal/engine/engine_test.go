package engine

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/internal/grace"
	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/store"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// onFake makes an Engine on a fake Redis, which counts its round trips.
func onFake(t *testing.T, test func(t *testing.T, e *Engine, link *redistest.FakeLink, calls *atomic.Int32)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(30 * time.Second) }) // go-redis ends with its own time-outs
		link, calls := redistest.NewFake(t).NewLink(), new(atomic.Int32)
		e := new(Engine)
		e.Init(link.Client(), Config{
			Guard:    func(*Engine) *grace.Guard { return nil },
			Calls:    func(int, time.Duration) { calls.Add(1) },
			Renewals: func(int, time.Duration) {},
		})
		test(t, e, link, calls)
	})
}

var errClosed = errors.New("closed on purpose")

// TestInit: an Engine that is not used does no I/O and has no goroutine.
func TestInit(t *testing.T) {
	onFake(t, func(t *testing.T, e *Engine, link *redistest.FakeLink, calls *atomic.Int32) {
		before := runtime.NumGoroutine()
		link.Refuse()
		time.Sleep(time.Minute)
		if n := runtime.NumGoroutine(); n > before || calls.Load() != 0 {
			t.Errorf("%d goroutines, before %d; %d calls", n, before, calls.Load())
		}
		e.Close(errClosed)
	})
}

// TestAsk: a request is answered, its round trip is told, and Close ends what waits for an answer with the
// cause.
func TestAsk(t *testing.T) {
	for _, once := range []bool{false, true} {
		onFake(t, func(t *testing.T, e *Engine, link *redistest.FakeLink, calls *atomic.Int32) {
			inspect := e.Store.Inspect(e.Store.Lock(store.Mutex, "a"))
			if r, err := e.Ask(t.Context(), inspect, once); err != nil || r.Status != store.Gone || calls.Load() != 1 {
				t.Errorf("%+v, %v, %d calls", r, err, calls.Load())
			}
			link.Cut()
			time.AfterFunc(time.Second, func() { e.Close(errClosed) })
			if _, err := e.Ask(t.Context(), inspect, once); !errors.Is(err, errClosed) {
				t.Errorf("once %v: %v, want %v", once, err, errClosed)
			}
			link.Heal()
		})
	}
}
