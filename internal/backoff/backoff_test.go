package backoff_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/backoff"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const ms = time.Millisecond

func TestAfter(t *testing.T) {
	for name, c := range map[string]struct {
		n                 int
		least, most, want time.Duration
	}{
		"the first":                 {0, 10 * ms, 200 * ms, 10 * ms},
		"doubled":                   {3, 10 * ms, 200 * ms, 80 * ms},
		"the most":                  {5, 10 * ms, 200 * ms, 200 * ms},
		"the most, exactly":         {2, 50 * ms, 200 * ms, 200 * ms},
		"after very many":           {math.MaxInt, 1, 200 * ms, 200 * ms},
		"more at least than most":   {3, 300 * ms, 200 * ms, 300 * ms},
		"no pause":                  {7, 0, 0, 0},
		"without a limit, no wrap":  {100, ms, math.MaxInt64, math.MaxInt64},
		"between two doublings":     {4, 100 * ms, 500 * ms, 500 * ms},
		"a limit that least equals": {4, 500 * ms, 500 * ms, 500 * ms},
	} {
		if got := backoff.After(c.n, c.least, c.most); got != c.want {
			t.Errorf("%s: %v, not %v", name, got, c.want)
		}
	}
}

// near fails unless got is want, give or take a quarter.
func near(t *testing.T, got, want time.Duration) {
	t.Helper()
	if got < want*3/4 || got > want*5/4 {
		t.Errorf("a pause of %v, not about %v", got, want)
	}
}

func TestPauses(t *testing.T) {
	p := backoff.Pauses{Least: 100 * ms, Most: time.Second}
	for _, want := range []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, time.Second, time.Second} {
		near(t, p.Next(), want)
	}
	p.Most = 150 * ms
	near(t, p.Next(), 150*ms)
	p.Reset()
	near(t, p.Next(), 100*ms)
}

// TestJitter: a quarter either way, and not always the same.
func TestJitter(t *testing.T) {
	least, most := time.Duration(math.MaxInt64), time.Duration(0)
	for range 1000 {
		d := backoff.Jitter(100 * ms)
		near(t, d, 100*ms)
		least, most = min(least, d), max(most, d)
	}
	if least > 80*ms || most < 120*ms {
		t.Errorf("a thousand pauses between %v and %v", least, most)
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := backoff.Pauses{Least: time.Second, Most: time.Minute}
		for _, want := range []time.Duration{time.Second, 2 * time.Second} {
			began := time.Now()
			if !p.Sleep(ctx) {
				t.Error("it ended early")
			}
			near(t, time.Since(began), want)
		}
		began := time.Now()
		time.AfterFunc(ms, cancel)
		if p.Sleep(ctx) || time.Since(began) != ms {
			t.Errorf("it slept for %v though its context ended", time.Since(began))
		}
	})
}
