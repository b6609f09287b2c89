package holdfast_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
)

// lateEar is a client that does not subscribe before its channel is closed.
type lateEar struct {
	*redis.Client
	open chan struct{}
}

func (c lateEar) Subscribe(ctx context.Context, channels ...string) *redis.PubSub {
	select {
	case <-c.open:
	case <-ctx.Done():
	}
	return c.Client.Subscribe(ctx, channels...)
}

// late returns a Locker whose subscription works only after listen was called, which
// returns when it does.
func (e *env) late(p *tap, opts ...holdfast.Option) (l *holdfast.Locker, listen func()) {
	_, client := e.link()
	client.AddHook(p)
	open := make(chan struct{})
	l = holdfast.New(lateEar{client, open}, opts...)
	e.t.Cleanup(func() { _ = l.Close() })
	return l, func() {
		before := len(e.channels())
		close(open)
		for range 5000 {
			if len(e.channels()) > before {
				return
			}
			time.Sleep(time.Millisecond)
		}
		e.t.Fatal("nobody listens")
	}
}

func (e *env) channels() []string {
	channels, err := e.direct.PubSubChannels(e.ctx(), "holdfast:*").Result()
	e.must(err)
	return channels
}

// TestAnnounce: a lock that was asked for before the subscription worked is one of whose
// forced release the holder is told, soon after the subscription works.
func TestAnnounce(t *testing.T) {
	each(t, func(t *testing.T, e *env) {
		p := new(tap)
		l, listen := e.late(p)
		sessions := map[string]*holdfast.Session{
			"renewed":        e.acquire(l.Mutex("renewed")),
			"not renewed":    e.acquire(l.Mutex("not renewed"), holdfast.WithoutRenewal()),
			"without expiry": e.acquire(l.Mutex("without expiry"), holdfast.WithoutExpiry()),
			"token":          e.acquire(l.Mutex("token"), holdfast.WithToken("t")),
		}
		e.must(e.direct.Set(e.ctx(), "resumed", "theirs", time.Minute).Err())
		resumed, err := l.Mutex("resumed").Resume(e.ctx(), "theirs")
		e.must(err)
		sessions["resumed"] = resumed
		time.Sleep(100 * time.Millisecond)
		listen()
		time.Sleep(100 * time.Millisecond)
		left := e.direct.PTTL(e.ctx(), "not renewed").Val()
		if left > 10*time.Second-150*time.Millisecond {
			t.Errorf("a lock that is not renewed has %v left", left)
		}
		other := e.locker()
		for name, s := range sessions {
			e.must(other.Mutex(name).ForceRelease(e.ctx()))
			told := time.Now()
			select {
			case <-s.Done():
			case <-time.After(2 * time.Second): // a renewal is due after 3.75 s or more
			}
			if !errors.Is(s.Err(), holdfast.ErrForceReleased) {
				t.Errorf("%s: %v, %v after the release was forced", name, s.Err(), time.Since(told))
			}
		}
	})
}

// TestAnnounceMany: many leases are announced together, and each once.
func TestAnnounceMany(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		var trips, locks atomic.Int32
		l, listen := e.late(p, holdfast.WithObserver(&holdfast.Observer{
			Sent: func(what holdfast.Traffic, n int, _ time.Duration) {
				if what == holdfast.Renewals {
					trips.Add(1)
					locks.Add(int32(n))
				}
			},
		}))
		const n = 200
		e.take(l, n)
		time.Sleep(100 * time.Millisecond)
		listen()
		time.Sleep(100 * time.Millisecond)
		// A few trips may have begun before the last of them came.
		if trips.Load() > n/20 || locks.Load() != n || p.count("announce") != n {
			t.Errorf("%d round trips for %d locks, %d calls", trips.Load(), locks.Load(), p.count("announce"))
		}
		time.Sleep(20 * time.Second) // renewals, of which none announces again
		if p.count("announce") != n {
			t.Errorf("%d announcements after renewals", p.count("announce"))
		}
	})
}

// TestAnnounceShort: a lock that is given back soon costs its two requests and no more.
func TestAnnounceShort(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		l, listen := e.late(p)
		s := e.acquire(l.Mutex("short"))
		listen()
		time.Sleep(10 * time.Millisecond)
		e.must(s.Release(e.ctx()))
		time.Sleep(10 * time.Second)
		if sent := p.sent(); len(sent) != 2 {
			t.Errorf("%d requests", len(sent))
		}
	})
}

// TestAnnounceCrossing: the subscription works when the grant has not arrived yet.
func TestAnnounceCrossing(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		l, listen := e.late(p)
		deliver := p.holdNext("acquire")
		got := make(chan *holdfast.Session, 1)
		go func() {
			s, _ := l.Mutex("crossing").TryAcquire(e.ctx())
			got <- s
		}()
		synctest.Wait()
		listen()
		deliver()
		s := <-got
		time.Sleep(100 * time.Millisecond)
		e.must(e.locker().Mutex("crossing").ForceRelease(e.ctx()))
		time.Sleep(100 * time.Millisecond)
		if !errors.Is(s.Err(), holdfast.ErrForceReleased) {
			t.Errorf("the session says %v", s.Err())
		}
	})
}

// TestAnnounceAgain: an announcement that failed is made again with the next renewal, and is
// not reported as a renewal that failed.
func TestAnnounceAgain(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		var failed atomic.Int32
		l, listen := e.late(p, holdfast.WithObserver(&holdfast.Observer{
			NotRenewed: func(string, error, time.Duration) { failed.Add(1) },
		}))
		s := e.acquire(l.Mutex("again"))
		p.setDeliver(func(c call, send func() error) error {
			if c.script == "announce" {
				return errors.New("injected")
			}
			return send()
		})
		listen()
		time.Sleep(time.Second)
		if n := p.count("announce"); n != 1 {
			t.Errorf("%d announcements within a second", n)
		}
		p.setDeliver(nil)
		time.Sleep(5 * time.Second)
		e.must(e.locker().Mutex("again").ForceRelease(e.ctx()))
		time.Sleep(100 * time.Millisecond)
		if n := p.count("announce"); n != 2 || !errors.Is(s.Err(), holdfast.ErrForceReleased) || failed.Load() != 0 {
			t.Errorf("%d announcements, %v, %d renewals failed", n, s.Err(), failed.Load())
		}
	})
}

// TestAnnounceLate: an announcement that arrives when another holds the lock changes nothing
// of what Redis knows about that one.
func TestAnnounceLate(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		e.load()
		p := new(tap)
		l, listen := e.late(p)
		s := e.acquire(l.Mutex("late"))
		deliver := p.holdNext("announce")
		listen()
		time.Sleep(50 * time.Millisecond)
		e.must(e.locker().Mutex("late").ForceRelease(e.ctx()))
		e.acquire(e.locker().Mutex("late"))
		time.Sleep(100 * time.Millisecond) // its own announcement
		before, err := e.direct.Get(e.ctx(), auxOf("late")).Result()
		e.must(err)
		deliver()
		time.Sleep(50 * time.Millisecond)
		after, err := e.direct.Get(e.ctx(), auxOf("late")).Result()
		e.must(err)
		if after != before {
			t.Errorf("%q became %q", before, after)
		}
		if !errors.Is(s.Err(), holdfast.ErrForceReleased) {
			t.Errorf("the session says %v", s.Err())
		}
	})
}
