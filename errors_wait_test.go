package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Errors that meet a waiter: one that has been told that another holds the lock.

// trouble is a state in which a waiter's tries fail, and which passes.
type trouble struct {
	name string
	says string // in the error of a try; empty if tries hang and don't fail
	// lets: the last try of a wait gets the lock all the same. It gives up the place in
	// the queue, which a full memory does not deny, nor then what the script writes next.
	lets bool
	on   string // "fake", "real" or, for both, empty
	// begin brings it about for the waiters' link or for the whole server. The locks of
	// those names are free from here on if tries would not fail else: while another holds
	// the lock, they only read.
	begin func(e *env, link redistest.Link, names []string)
	end   func(e *env, link redistest.Link)
}

func say(text string) func(e *env, _ redistest.Link, _ []string) {
	return func(e *env, _ redistest.Link, _ []string) { e.fake.M.SetError(text) }
}

func sayNothing(e *env, _ redistest.Link) { e.fake.M.SetError("") }

func heal(_ *env, link redistest.Link) { link.Heal() }

var troubles = []trouble{
	{
		name: "refused", says: "connection refused",
		begin: func(_ *env, link redistest.Link, _ []string) { link.Refuse() }, end: heal,
	},
	{
		name:  "held",
		begin: func(_ *env, link redistest.Link, _ []string) { link.Cut() }, end: heal,
	},
	{
		name: "reset again and again", says: "reset by peer|EOF|broken pipe", // reading, or writing
		begin: func(_ *env, link redistest.Link, _ []string) {
			link.HoldReplies() // so that each try is under way when it is reset
			go func() {
				for range 200 {
					time.Sleep(5 * time.Millisecond)
					link.Reset()
				}
			}()
		},
		end: heal,
	},
	{name: "loading", on: "fake", says: "LOADING", begin: say("LOADING Redis is loading the dataset in memory"), end: sayNothing},
	{name: "master down", on: "fake", says: "MASTERDOWN", begin: say("MASTERDOWN Link with MASTER is down"), end: sayNothing},
	{name: "cluster down", on: "fake", says: "CLUSTERDOWN", begin: say("CLUSTERDOWN The cluster is down"), end: sayNothing},
	{name: "slot migrating", on: "fake", says: "TRYAGAIN", begin: say("TRYAGAIN Multiple keys request during rehashing of slot"), end: sayNothing},
	{name: "too many clients", on: "fake", says: "max number of clients", begin: say("ERR max number of clients reached"), end: sayNothing},
	{
		name: "busy", on: "real", says: "BUSY",
		begin: func(e *env, _ redistest.Link, _ []string) {
			e.must(e.direct.ConfigSet(e.ctx(), "lua-time-limit", "1").Err())
			endless := e.server.Client(func(o *redis.Options) { o.ReadTimeout = time.Minute })
			go endless.Eval(context.Background(), "while true do end", nil)
			eventually(e.t, "the script runs", func() bool { return redis.HasErrorPrefix(e.direct.Ping(e.ctx()).Err(), "BUSY") })
		},
		end: func(e *env, _ redistest.Link) { e.must(e.direct.ScriptKill(e.ctx()).Err()) },
	},
	{
		name: "paused", on: "real", // for as long as the others last: it can't be called off
		begin: func(e *env, _ redistest.Link, _ []string) {
			e.must(e.direct.Do(e.ctx(), "CLIENT", "PAUSE", 1000).Err())
		},
		end: func(*env, redistest.Link) {},
	},
	{
		name: "memory full", on: "real", says: "OOM", lets: true,
		begin: func(e *env, _ redistest.Link, names []string) { e.freeAnd(names, "CONFIG", "SET", "maxmemory", 1) },
		end: func(e *env, _ redistest.Link) {
			e.must(e.direct.ConfigSet(e.ctx(), "maxmemory", "0").Err())
		},
	},
	{
		name: "replica", on: "real", says: "READONLY",
		begin: func(e *env, _ redistest.Link, names []string) { e.freeAnd(names, "REPLICAOF", "127.0.0.1", 1) },
		end: func(e *env, _ redistest.Link) {
			e.must(e.direct.ReplicaOf(e.ctx(), "NO", "ONE").Err())
		},
	},
}

// freeAnd deletes the locks and makes the server do something before anybody else's
// request: what comes in one piece is run in one go.
func (e *env) freeAnd(names []string, command ...any) {
	e.t.Helper()
	_, err := e.direct.Pipelined(e.ctx(), func(p redis.Pipeliner) error {
		p.Del(e.ctx(), names...)
		p.Do(e.ctx(), command...)
		return nil
	})
	e.must(err)
}

// TestErrorsWaiting: what may pass does not end a wait. If it does not pass in time, the
// result says that the time is up and what the last try met; if it does, the waiter gets
// the lock.
func TestErrorsWaiting(t *testing.T) {
	t.Parallel()
	const retry, patience, lasts = 20 * time.Millisecond, 700 * time.Millisecond, 1200 * time.Millisecond
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			test := func(t *testing.T, e *env) {
				e.load()
				names := []string{"deadline", "wait timeout", "patient"}
				rivals := e.locker(holdfast.WithTTL(time.Minute))
				// A claim as short as the TTL is: a waiter that has been told asks every third of it.
				waiters, link := e.linked(holdfast.WithTTL(300*time.Millisecond), holdfast.WithRetryInterval(retry), holdfast.WithToken(secret))
				type result struct {
					s    *holdfast.Session
					err  error
					took time.Duration
				}
				results := map[string]chan result{}
				holders := map[string]*holdfast.Session{}
				for _, name := range names {
					holders[name] = e.acquire(rivals.Mutex(name))
					results[name] = make(chan result, 1)
				}
				start := time.Now()
				for name, got := range results {
					ctx, opts := context.Background(), []holdfast.Option(nil)
					switch name {
					case "deadline":
						deadline, cancel := context.WithTimeout(ctx, patience)
						defer cancel()
						ctx = deadline
					case "wait timeout":
						opts = append(opts, holdfast.WithWaitTimeout(patience))
					}
					go func() {
						s, err := waiters.Mutex(name).Acquire(ctx, opts...)
						got <- result{s, err, time.Since(start)}
					}()
				}
				time.Sleep(10 * retry) // all have been told
				tr.begin(e, link, names)
				check := func(name string, want error, atMost time.Duration) {
					t.Helper()
					r := <-results[name]
					switch text := fmt.Sprint(r.err); {
					case tr.lets && want == holdfast.ErrWaitTimeout && r.err == nil:
						e.must(r.s.Release(e.ctx()))
					case !errors.Is(r.err, want):
						t.Errorf("%s: the error is %v", name, r.err)
					case tr.says != "" && !mentions(text, tr.says):
						t.Errorf("%s: the last try's error is not in %v", name, r.err)
					case !strings.HasPrefix(text, fmt.Sprintf("holdfast: acquire %q: ", name)):
						t.Errorf("%s: it does not say what and which: %v", name, r.err)
					case r.took < patience-time.Millisecond, r.took > atMost:
						t.Errorf("%s: it took %v", name, r.took)
					case silent(r.err) != nil:
						t.Errorf("%s: %v", name, silent(r.err))
					}
				}
				check("deadline", context.DeadlineExceeded, patience+realNoise)
				// A try that is under way when the wait timeout ends may take a second.
				check("wait timeout", holdfast.ErrWaitTimeout, patience+time.Second+realNoise)
				time.Sleep(lasts - time.Since(start))
				select {
				case r := <-results["patient"]:
					t.Fatalf("the patient waiter gave up: %v", r.err)
				default:
				}
				tr.end(e, link)
				for _, s := range holders {
					_ = s.Release(e.ctx())
				}
				ended := time.Now()
				r := <-results["patient"]
				if r.err != nil {
					t.Fatal(r.err)
				}
				// The back-off: a second and a quarter. A try that hangs hangs no longer.
				if late := time.Since(ended); late > 1250*time.Millisecond+realNoise {
					t.Errorf("the waiter got the lock %v after the end of the trouble", late)
				}
				if err := r.s.Release(e.ctx()); err != nil {
					t.Error(err)
				}
				for _, name := range names { // what could not be taken back at once is soon
					eventually(t, name+" is free", func() bool {
						locked, err := rivals.Mutex(name).Locked(e.ctx())
						return !locked && err == nil
					})
				}
			}
			if tr.on != "real" {
				t.Run("fake", func(t *testing.T) { onFake(t, test) })
			}
			if tr.on != "fake" {
				t.Parallel()
				t.Run("real", func(t *testing.T) { onReal(t, test) })
			}
		})
	}
}

// mentions reports whether text has one of the alternatives, separated by |, in it.
func mentions(text, alternatives string) bool {
	for _, a := range strings.Split(alternatives, "|") {
		if strings.Contains(text, a) {
			return true
		}
	}
	return false
}

// TestErrorsWaitEnds: what does not pass by itself ends a wait at once.
func TestErrorsWaitEnds(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		const retry = 50 * time.Millisecond
		for _, r := range []refusal{
			{name: "rights withdrawn", says: "NOPERM", prepare: func(e *env) redis.UniversalClient {
				e.must(e.direct.Do(e.ctx(), "ACL", "SETUSER", "guest", "-evalsha", "-eval").Err())
				return nil
			}},
			{name: "aux becomes a list", says: "ERR", prepare: func(e *env) redis.UniversalClient {
				_, err := e.direct.TxPipelined(e.ctx(), func(p redis.Pipeliner) error {
					p.Del(e.ctx(), auxOf(denied))
					p.RPush(e.ctx(), auxOf(denied), "x")
					return nil
				})
				e.must(err)
				return nil
			}},
		} {
			e.must(e.direct.FlushAll(e.ctx()).Err())
			holder := e.acquire(e.locker().Mutex(denied))
			waiters := holdfast.New(e.as("~*", "+@all"), holdfast.WithTTL(6*retry), holdfast.WithRetryInterval(retry), holdfast.WithToken(secret))
			t.Cleanup(func() { _ = waiters.Close() })
			failed := make(chan error, 1)
			go func() {
				failed <- second(waiters.Mutex(denied).Acquire(e.ctx(), holdfast.WithWaitTimeout(time.Minute)))
			}()
			time.Sleep(4 * retry)
			r.prepare(e)
			start := time.Now()
			if err := r.check("acquire", <-failed); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
			if took := time.Since(start); took > 2*retry+realNoise {
				t.Errorf("%s: the wait went on for %v", r.name, took)
			}
			_ = holder.Release(e.ctx())
		}
	})
}
