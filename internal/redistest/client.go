package redistest

import (
	"testing"

	"github.com/redis/go-redis/v9"
)

// newClient applies opts to o and makes a client that the test closes. Closing
// it twice does no harm, so tests may close it themselves. With a nil t (a
// shared server) the caller closes it.
func newClient(t testing.TB, o *redis.Options, opts []func(*redis.Options)) *redis.Client {
	for _, opt := range opts {
		opt(o)
	}
	c := redis.NewClient(o)
	if t != nil {
		t.Cleanup(func() { c.Close() })
	}
	return c
}
