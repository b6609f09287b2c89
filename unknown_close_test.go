package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestUnknownClosed: Close in the middle of an Acquire ends it at once, waits for what is
// under way, and no lock is left behind. A session that came just before can be released.
func TestUnknownClosed(t *testing.T) {
	for _, cut := range []bool{false, true} {
		for _, kind := range kinds {
			t.Run(fmt.Sprintf("%s/cut %t", kind.name, cut), func(t *testing.T) {
				t.Parallel()
				onFake(t, func(t *testing.T, e *env) {
					e.load()
					var runs []func() error
					for i := range redistest.Phases(t, instants, 5) {
						locks, link := e.linked(kind.opts...)
						link.Delay(unknownLatency)
						c := &closing{e, fmt.Sprint("lock", i), locks, link, instant(i), cut}
						runs = append(runs, func() error {
							if err := c.run(); err != nil {
								return fmt.Errorf("closed after %v: %w", c.at, err)
							}
							return nil
						})
					}
					atOnce(t, runs)
				})
			})
		}
	}
}

type closing struct {
	e     *env
	name  string
	locks *holdfast.Locker
	link  redistest.Link
	at    time.Duration
	cut   bool // for two seconds from Close on
}

func (c *closing) run() error {
	const cutFor, readTimeout = 2 * time.Second, 5 * time.Second
	type result struct {
		s   *holdfast.Session
		err error
		at  time.Time
	}
	acquired := make(chan result, 1)
	go func() {
		s, err := c.locks.Mutex(c.name).Acquire(context.Background())
		acquired <- result{s, err, time.Now()}
	}()
	time.Sleep(c.at)
	start := time.Now()
	if c.cut {
		c.link.Cut()
		time.AfterFunc(cutFor, c.link.Heal)
	}
	if err := c.locks.Close(); err != nil {
		return err
	}
	if took := time.Since(start); took > readTimeout {
		return fmt.Errorf("Close took %v", took)
	}
	r := <-acquired
	if r.at.After(start) {
		return fmt.Errorf("Acquire returned %v after Close", r.at.Sub(start))
	}
	if r.err == nil {
		if err := r.s.Err(); !errors.Is(err, holdfast.ErrClosed) {
			return fmt.Errorf("the session's Err is %v", err)
		}
		time.Sleep(cutFor)
		if err := r.s.Release(context.Background()); err != nil {
			return err
		}
	} else if !errors.Is(r.err, holdfast.ErrClosed) {
		return r.err
	}
	time.Sleep(cleanUp)
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		if c.e.fake.M.Exists(c.name) {
			return errors.New("the lock is left behind")
		}
	}
	return nil
}

// TestUnknownClientClosed: the order of a shutdown is the Locker first and then the
// client. An Acquire that this interrupts leaves no lock behind: Close is over when that
// has been seen to.
func TestUnknownClientClosed(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			onFake(t, func(t *testing.T, e *env) {
				e.load()
				var runs []func() error
				for i := range redistest.Phases(t, instants, 5) {
					link, client := e.link()
					link.Delay(unknownLatency)
					locks := holdfast.New(client, kind.opts...)
					name, at := fmt.Sprint("lock", i), instant(i)
					runs = append(runs, func() error {
						failed := make(chan error, 1)
						go func() { failed <- second(locks.Mutex(name).Acquire(context.Background())) }()
						time.Sleep(at)
						err := errors.Join(locks.Close(), client.Close())
						if <-failed == nil {
							return err // it came before Close, and is the caller's to release
						}
						time.Sleep(cleanUp)
						if e.fake.M.Exists(name) {
							return fmt.Errorf("closed after %v: the lock is left behind, with a TTL of %v (0 is none)",
								at, e.fake.M.TTL(name))
						}
						return err
					})
				}
				atOnce(t, runs)
			})
		})
	}
}

var (
	bubble  = regexp.MustCompile(`synctest bubble \d+`)
	library = regexp.MustCompile(`(?m)^github\.com/holdfast-go/holdfast(/internal/(task|schedule|send|notify|lease|queue|replicas|store))?\.`)
	// What a Locker has until it is closed.
	lasting = regexp.MustCompile(`\(\*(Scheduler\[\.\.\.\]|Subscription)\)\.run`)
)

// strays returns the stacks of the library's goroutines: those of the caller's bubble, or
// those of no bubble. A watchdog is none.
func strays() []string {
	stacks := make([]byte, 64<<20)
	all := strings.Split(string(stacks[:runtime.Stack(stacks, true)]), "\n\n")
	here := bubble.FindString(all[0])
	var found []string
	for _, stack := range all[1:] {
		if library.MatchString(stack) && !lasting.MatchString(stack) && bubble.FindString(stack) == here {
			found = append(found, stack)
		}
	}
	return found
}

// TestUnknownGoroutines: what a request that is never answered holds up ends with the
// client's time-outs and the clean-up's.
func TestUnknownGoroutines(t *testing.T) {
	const timeout = time.Second
	impatient := func(o *redis.Options) { o.ReadTimeout, o.WriteTimeout, o.DialTimeout = timeout, timeout, timeout }
	eachAlone(t, func(t *testing.T, e *env) {
		for _, f := range cutoffs {
			if f.all {
				continue
			}
			link, _ := e.link()
			var client *redis.Client
			if p, ok := link.(*redistest.Proxy); ok {
				client = p.Client(impatient)
			} else {
				client = link.(*redistest.FakeLink).Client(impatient)
			}
			l := holdfast.New(client, holdfast.WithTTL(400*time.Millisecond))
			t.Cleanup(func() { _ = l.Close() })
			s, lost := e.acquire(l.Mutex(f.name)), e.acquire(l.Mutex(f.name+" lost"))
			f.cut(e, link)
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			go func() { _, _ = l.Mutex("other").Acquire(ctx) }()
			go func() { _, _ = l.Mutex(f.name).Resume(ctx, s.Token()) }()
			go func() { _ = lost.Check(ctx) }()
			go func() { _ = lost.SetTTL(ctx, 300*time.Millisecond) }()
			go func() { _ = s.Release(ctx) }()
		}
		time.Sleep(timeout / 10)
		if len(strays()) == 0 {
			t.Error("nothing is under way")
		}
		time.Sleep(cleanUp + 2*timeout + realNoise) // a new connection takes as many to fail
		for _, stack := range strays() {
			t.Errorf("left:\n%s", stack)
		}
	})
}

// TestUnknownNoConnection: requests that wait for a connection which does not come are over in
// seconds, and none of them goes out after it was given up and taken back, also if
// connections can be had again by then.
func TestUnknownNoConnection(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		const callers, down = 400, 12 * time.Second
		begin := time.Now()
		link := e.fake.NewLink()
		client := link.Client(func(o *redis.Options) {
			o.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				select {
				case <-ctx.Done():
					return nil, ctx.Err()
				case <-time.After(time.Until(begin.Add(down))):
					return link.Dial(ctx, network, addr)
				}
			}
		})
		locks := holdfast.New(client, holdfast.WithTTL(2*time.Minute))
		if _, err := locks.Mutex("alone").TryAcquire(context.Background()); err == nil || time.Since(begin) > 7*time.Second {
			t.Errorf("no connection: %v after %v", err, time.Since(begin))
		}
		var running sync.WaitGroup
		for i := range callers {
			running.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				defer cancel()
				if _, err := locks.Mutex(fmt.Sprint("lock", i)).TryAcquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("no connection: %v", err)
				}
			})
			time.Sleep(5 * time.Millisecond)
		}
		running.Wait()
		_ = locks.Close()
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("closed after %v", took)
		}
		time.Sleep(20 * time.Second)
		for _, key := range e.fake.M.Keys() {
			if !strings.HasPrefix(key, "holdfast:") {
				t.Errorf("%q is held by nobody", key)
			}
		}
	})
}
