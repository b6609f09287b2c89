package proof

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	ChildMain(Holdfast)
	redis.SetLogger(quiet{})
	goleak.VerifyTestMain(m)
}

// TestShortRound puts each deployment through a round of the faults that excuse nothing, and
// one of them through those that excuse an overlap, too.
func TestShortRound(t *testing.T) {
	for _, kind := range Deployments {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			rounds := 1
			if kind == Single {
				rounds = 2
			}
			result := Run(t, Config{
				Seed: seed, Deployment: kind, Library: Holdfast, Rounds: rounds, Strikes: 5 * time.Second,
				Workers: 4, Clients: 6, Locks: 10, TTL: time.Second, Think: 30 * time.Millisecond,
				Say: t.Logf, Round: func(h *History, r *Report) { failOn(t, h, r) },
			})
			if c := result.Counts; c.Got < 100 || c.Uses < 300 || len(result.Faults) < 8 {
				t.Errorf("%d faults, %d acquisitions and %d uses: that shows little", len(result.Faults), c.Got, c.Uses)
			}
		})
	}
}

// failOn reports what breaks the promise.
func failOn(t *testing.T, h *History, r *Report) {
	for _, v := range r.Broken() {
		var text strings.Builder
		h.Print(&text, v)
		t.Error(text.String())
	}
}
