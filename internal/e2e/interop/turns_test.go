package interop_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// TestStrangersRedisPy: redis-py, beside two busy goroutines of one process or of two, gets its
// share of the lock.
func TestStrangersRedisPy(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		const d = 3 * time.Second
		for processes := 1; processes <= 2; processes++ {
			for _, c := range []struct {
				opts  []holdfast.Option
				least float64
			}{
				{nil, 0}, // nothing is promised
				{[]holdfast.Option{holdfast.WithTurnsForStrangers(500*time.Millisecond, 150*time.Millisecond)}, 3},
			} {
				lock := py.lock("foo", 20*time.Second)
				lock.locked().is(t, false) // Python is up
				lockers, _ := f.Listeners(processes)
				ours := f.KeepBusy("foo", lockers, d, c.opts...)
				theirs := lock.tell("count", order{Key: "counter", Seconds: d.Seconds(), Pause: 0.005})
				n, ok := theirs.Value.(float64)
				if !ok || n < c.least {
					t.Errorf("%d processes, %d options: redis-py had the lock %v times, want %v; %s", processes, len(c.opts), n, c.least, theirs.Text)
				}
				t.Logf("%d processes, %d options: %v by redis-py, %d by ours", processes, len(c.opts), n, ours())
			}
		}
	})
}
