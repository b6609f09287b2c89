package store

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// scanCount is how many keys a server looks at for one page. It takes well under a millisecond.
const scanCount = 512

// ErrEndOfScan says that there are no more pages. It is not io.EOF, with which a connection may end.
var ErrEndOfScan = errors.New("end of scan")

// Scan goes through the locks that have an AUX. It is for one goroutine at a time.
type Scan struct {
	store   *Store
	pattern string
	steps   []step // that are left; nil before the first page
	cursor  uint64
	seen    map[Found]bool // SCAN may return a key twice
}

// Found is a lock that a Scan has found.
type Found struct {
	Kind Kind
	Name string
}

// step is one SCAN of one server's keys.
type step struct {
	server redis.Cmdable
	match  string
}

// Scan looks for names that match a pattern of Redis's KEYS.
func (s *Store) Scan(pattern string) *Scan {
	return &Scan{store: s, pattern: pattern, seen: make(map[Found]bool)}
}

// Next returns the next page of locks, which may be empty, and ErrEndOfScan after the last.
func (c *Scan) Next(ctx context.Context) (locks []Found, err error) {
	began := time.Now()
	if c.steps == nil {
		if err := c.plan(ctx); err != nil {
			return nil, c.store.inTime(began, err)
		}
	}
	if len(c.steps) == 0 {
		return nil, ErrEndOfScan
	}
	at := c.steps[0]
	keys, cursor, err := at.server.Scan(ctx, c.cursor, at.match, scanCount).Result()
	if err != nil {
		return nil, c.store.inTime(began, err)
	}
	if c.cursor = cursor; cursor == 0 {
		c.steps = c.steps[1:]
	}
	for _, key := range keys {
		kind, name, ok := nameOf(key)
		if lock := (Found{kind, name}); ok && !c.seen[lock] {
			c.seen[lock] = true
			locks = append(locks, lock)
		}
	}
	return locks, nil
}

// plan finds out which servers there are.
func (c *Scan) plan(ctx context.Context) error {
	if c.store.unfit != nil {
		return c.store.unfit
	}
	servers := []redis.Cmdable{c.store.client}
	if cluster, ok := c.store.client.(*redis.ClusterClient); ok {
		servers = nil
		var mu sync.Mutex
		err := cluster.ForEachMaster(ctx, func(_ context.Context, master *redis.Client) error {
			mu.Lock()
			defer mu.Unlock()
			servers = append(servers, master)
			return nil
		})
		if err != nil {
			return err
		}
	}
	c.steps = []step{}
	for _, server := range servers {
		for _, match := range auxPatterns(c.pattern) {
			c.steps = append(c.steps, step{server, match})
		}
	}
	return nil
}
