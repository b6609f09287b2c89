package failover_test

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestLookMemoryFull: a stamp that can't be written, since the server's memory is full, is why no lock is given. What
// is held is released all the same.
func TestLookMemoryFull(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	x := newMember(t, server.Addr())
	settle(t, x)
	held := x.try("held")
	must(t, admin.Del(ctx(t), stamp).Err())
	must(t, admin.ConfigSet(ctx(t), "maxmemory", "1").Err())
	m := newMember(t, server.Addr())
	if s, err := m.Mutex("lock").TryAcquire(ctx(t)); err == nil || errors.Is(err, holdfast.ErrHeld) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("TryAcquire: %v, %v", s, err)
	}
	if err := m.SettleHistory(ctx(t)); err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("SettleHistory: %v", err)
	}
	must(t, held.Release(ctx(t)))
	if n := admin.DBSize(ctx(t)).Val(); n != 1 { // the fence
		t.Errorf("%d keys: %q", n, admin.Keys(ctx(t), "*").Val())
	}
	must(t, admin.ConfigSet(ctx(t), "maxmemory", "0").Err())
	settle(t, m)
	m.try("lock")
}

// TestLookScriptUnknown: a server that has forgotten the scripts is given them again.
func TestLookScriptUnknown(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	x := newMember(t, server.Addr())
	settle(t, x)
	x.try("other")
	must(t, server.Client().ScriptFlush(ctx(t)).Err())
	newMember(t, server.Addr()).try("lock")
}

// TestLookClosed: Close ends the wait for a look, and nothing is left behind.
func TestLookClosed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	link := server.Proxy(t)
	m := newClient(t, link.Addr(), &redis.Options{ReadTimeout: 2 * time.Second}, holdfast.WithFailoverGrace(time.Hour))
	m.refused("lock")
	time.Sleep(1100 * time.Millisecond)
	m.refused("lock") // so long after the look that the next comes with the next question
	must(t, admin.Del(ctx(t), stamp).Err())
	link.HoldReplies()
	waits := m.wait("lock")
	there(t, server, stamp) // the look has run, and its answer is on its way
	must(t, m.Close())
	if got := <-waits; !errors.Is(got.err, holdfast.ErrClosed) {
		t.Errorf("%v, %v", got.Session, got.err)
	}
	link.Heal()
	if keys := admin.Keys(ctx(t), "*lock*").Val(); len(keys) != 0 {
		t.Errorf("there are keys: %q", keys)
	}
}

// TestLongerGrace: the longest grace counts for all, who are told so once.
func TestLongerGrace(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	const long = time.Hour
	newMember(t, server.Addr(), holdfast.WithFailoverGrace(long)).refused("lock")
	var log strings.Builder
	m := newMember(t, server.Addr(), holdfast.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
	for range 3 {
		_, err := m.Mutex("lock").TryAcquire(ctx(t))
		if !errors.Is(err, holdfast.ErrFailoverGrace) || !strings.Contains(err.Error(), "1h0m0s") || !strings.Contains(err.Error(), grace.String()) {
			t.Errorf("TryAcquire: %v", err)
		}
	}
	must(t, m.Close())
	if n := strings.Count(log.String(), "longest=1h0m0s"); n != 1 || !strings.Contains(log.String(), "own="+grace.String()) {
		t.Errorf("it is logged %d times: %s", n, &log)
	}
}
