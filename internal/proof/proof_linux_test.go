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

// TestShortRound puts each kind of single server through a round of faults.
func TestShortRound(t *testing.T) {
	for _, kind := range []string{Single, AOF, Clock} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			result := Run(t, Config{
				Seed: seed, Deployment: kind, Library: Holdfast, For: time.Second, Strikes: 8 * time.Second,
				Workers: 4, Clients: 6, Locks: 10, TTL: time.Second, Think: 10 * time.Millisecond,
				Say: t.Logf, Round: func(h *History, r *Report) {
					for _, v := range r.Broken() {
						var text strings.Builder
						h.Print(&text, v)
						t.Error(text.String())
					}
				},
			})
			if c := result.Counts; c.Got < 1000 || c.Uses < 1000 {
				t.Errorf("only %d acquisitions and %d uses: that shows nothing", c.Got, c.Uses)
			}
		})
	}
}
