package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// What a caller gets to see of Redis's errors and of the network's.

const (
	secret = "sesame-5c1f" // the token of all these tests
	denied = "denied"      // the name of their locks
)

// refusal is a state in which Redis answers a first try with an error.
type refusal struct {
	name string
	// says is how Redis's answer starts ("ERR": whatever it says); empty if it is the
	// network's error.
	says string
	is   error // what errors.Is finds besides
	// prepare brings it about and returns the client that meets it.
	prepare func(e *env) redis.UniversalClient
	on      string // "fake", "real" or, for both, empty
}

var refusals = []refusal{
	{name: "no right to the script", says: "NOPERM", on: "real", prepare: func(e *env) redis.UniversalClient {
		return e.as("~*", "+@all", "-evalsha", "-eval")
	}},
	{name: "no right to the keys", says: "NOPERM", on: "real", prepare: func(e *env) redis.UniversalClient {
		return e.as("~other*", "+@all")
	}},
	{name: "no right to a command in the script", says: "ERR", on: "real", prepare: func(e *env) redis.UniversalClient {
		return e.as("~*", "+@all", "-get")
	}},
	{name: "wrong password", says: "WRONGPASS", on: "real", prepare: func(e *env) redis.UniversalClient {
		return e.server.Client(func(o *redis.Options) { o.Username, o.Password = "nobody", "wrong" })
	}},
	{name: "aux is a list", says: "ERR", on: "real", prepare: func(e *env) redis.UniversalClient {
		e.direct.RPush(e.ctx(), auxOf(denied), "x")
		return e.client()
	}},
	{name: "aux is somebody else's", says: "ERR", on: "real", prepare: func(e *env) redis.UniversalClient {
		e.must(e.direct.Set(e.ctx(), auxOf(denied), "not our own text-", 0).Err())
		return e.client()
	}},
	{name: "no right to ask the time", says: "ERR", on: "real", prepare: func(e *env) redis.UniversalClient {
		return e.as("~*", "+@all", "-time")
	}},
	{name: "memory full", says: "OOM", on: "real", prepare: func(e *env) redis.UniversalClient {
		e.must(e.direct.ConfigSet(e.ctx(), "maxmemory", "1").Err())
		return e.client()
	}},
	{name: "replica", says: "READONLY", on: "real", prepare: func(e *env) redis.UniversalClient {
		e.must(e.direct.ReplicaOf(e.ctx(), "127.0.0.1", "1").Err())
		return e.client()
	}},
	{name: "loading", says: "LOADING", on: "fake", prepare: func(e *env) redis.UniversalClient {
		c := e.client()
		e.must(c.Ping(e.ctx()).Err())
		e.fake.M.SetError("LOADING Redis is loading the dataset in memory")
		e.t.Cleanup(func() { e.fake.M.SetError("") })
		return c
	}},
	{name: "refused", is: syscall.ECONNREFUSED, prepare: func(e *env) redis.UniversalClient {
		link, client := e.link()
		link.Refuse()
		return client
	}},
}

// client returns a client on a link of its own.
func (e *env) client() redis.UniversalClient {
	_, client := e.link()
	return client
}

// as returns a client of a user with these rights.
func (e *env) as(rights ...string) *redis.Client {
	e.t.Helper()
	args := []any{"ACL", "SETUSER", "guest", "reset", "on", ">guest"}
	args = append(args, redistest.KnownRights(e.t, e.direct, append([]string{"&*"}, rights...)...)...)
	e.must(e.direct.Do(e.ctx(), args...).Err())
	return e.server.Client(func(o *redis.Options) { o.Username, o.Password = "guest", "guest" })
}

// TestErrorsFirstTry: an error at the first try is returned at once. It is the one that
// Redis gave, names the lock and what was tried, and keeps the token to itself.
func TestErrorsFirstTry(t *testing.T) {
	t.Parallel()
	acquire := func(opts ...holdfast.Option) func(*holdfast.Mutex, context.Context) error {
		return func(mu *holdfast.Mutex, ctx context.Context) error {
			_, err := mu.Acquire(ctx, opts...)
			return err
		}
	}
	token := holdfast.WithToken(secret)
	tries := map[string]func(mu *holdfast.Mutex, ctx context.Context) error{
		"acquire":                      acquire(token),
		"acquire, with a time to wait": acquire(token, holdfast.WithWaitTimeout(time.Minute)),
		"acquire, without expiry":      acquire(token, holdfast.WithoutExpiry()),
		"acquire, by its own token":    acquire(),
		"try to acquire": func(mu *holdfast.Mutex, ctx context.Context) error {
			_, err := mu.TryAcquire(ctx, token)
			return err
		},
	}
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			test := func(t *testing.T, e *env) {
				e.load()
				client, p := r.prepare(e), &tap{}
				client.(*redis.Client).AddHook(p)
				l := holdfast.New(client)
				t.Cleanup(func() { _ = l.Close() })
				before := fmt.Sprint(e.dump())
				for what, try := range tries {
					start, sent := time.Now(), p.count("acquire")
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					err := try(l.Mutex(denied), ctx)
					cancel()
					// go-redis dials five times within half a second.
					if took := time.Since(start); took > e.atMost(time.Second) {
						t.Errorf("%s took %v", what, took)
					}
					most := 1
					if r.name == "refused" {
						most = 2 // it is asked again, by a connection of its own, while go-redis dials
					}
					if e.fake == nil {
						most += 3 // a busy machine may be late to answer: it is asked again, three times at most
					}
					if n := p.count("acquire") - sent; n < 1 || n > most {
						t.Errorf("%s asked %d times", what, n)
					}
					op, _, _ := strings.Cut(what, ",")
					if err := r.check(op, err); err != nil {
						t.Errorf("%s: %v", what, err)
					}
				}
				if after := fmt.Sprint(e.dump()); after != before {
					t.Errorf("left behind: %s; it was %s", after, before)
				}
			}
			if r.on != "real" {
				t.Run("fake", func(t *testing.T) { onFake(t, test) })
			}
			if r.on != "fake" {
				t.Parallel()
				t.Run("real", func(t *testing.T) { onReal(t, test) })
			}
		})
	}
}

// dump is every key, past SetError.
func (e *env) dump() []string {
	if e.fake != nil {
		return e.fake.M.Keys()
	}
	return e.keys()
}

// check looks at an error of an operation on the lock.
func (r refusal) check(op string, err error) error {
	var answer redis.Error
	switch {
	case err == nil:
		return errors.New("no error")
	case r.says != "" && !errors.As(err, &answer), r.says != "" && r.says != "ERR" && !redis.HasErrorPrefix(err, r.says):
		return fmt.Errorf("it is not Redis's %s: %w", r.says, err)
	case r.is != nil && !errors.Is(err, r.is):
		return fmt.Errorf("it is not %v: %w", r.is, err)
	case !strings.HasPrefix(err.Error(), fmt.Sprintf("holdfast: %s %q: ", op, denied)):
		return fmt.Errorf("it does not say what and which: %w", err)
	case errors.Is(err, holdfast.ErrLost), errors.Is(err, holdfast.ErrHeld), errors.Is(err, holdfast.ErrWaitTimeout):
		return fmt.Errorf("it says more than is known: %w", err)
	}
	return silent(err)
}

// silent reports an error that gives the token away.
func silent(err error) error {
	for _, verb := range []string{"%v", "%+v", "%#v", "%q"} {
		if text := fmt.Sprintf(verb, err); strings.Contains(text, secret) {
			return fmt.Errorf("printed by %s it holds the token: %s", verb, text)
		}
	}
	return nil
}

// TestErrorsUnknownCommand: a server or proxy that has no scripts quotes the arguments
// that it was sent, and the token is one of them.
func TestErrorsUnknownCommand(t *testing.T) {
	for command, args := range map[string][]string{
		"EVALSHA": {"--rename-command", "EVALSHA", ""},
		// One of these two suffices to bring a script to the server.
		"EVAL and SCRIPT": {"--rename-command", "EVAL", "", "--rename-command", "SCRIPT", ""},
	} {
		t.Run(command, func(t *testing.T) {
			s := redistest.Start(t, args...)
			l := holdfast.New(s.Client())
			defer l.Close()
			mu := l.Mutex(denied)
			for what, err := range map[string]error{
				"acquire": second(mu.Acquire(t.Context(), holdfast.WithToken(secret))),
				"resume":  second(mu.Resume(t.Context(), secret)),
			} {
				if err := (refusal{says: "ERR"}).check(what, err); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func second[A any](_ A, err error) error { return err }

// TestErrorsConfirmation: a lock without expiry is taken for a short while first. If it
// can't be made permanent it is given back, not left until that while is over.
func TestErrorsConfirmation(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		l := holdfast.New(e.as("~*", "+@all", "-persist"))
		t.Cleanup(func() { _ = l.Close() })
		_, err := l.Mutex(denied).Acquire(e.ctx(), holdfast.WithToken(secret), holdfast.WithoutExpiry())
		if err := (refusal{says: "ERR"}).check("acquire", err); err != nil {
			t.Error(err)
		}
		time.Sleep(500 * time.Millisecond)
		if left := e.direct.PTTL(e.ctx(), denied).Val(); left > 0 {
			t.Errorf("the lock is left behind for %v", left)
		}
	})
}

// TestErrorsOfSessions: the errors of a session's operations are Redis's own, too, leave
// the session alive and the question open, and don't hold the token.
func TestErrorsOfSessions(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		ctx := e.ctx()
		l := holdfast.New(e.as("~*", "+@all"))
		t.Cleanup(func() { _ = l.Close() })
		s := e.acquire(l.Mutex(denied), holdfast.WithToken(secret))
		e.must(e.direct.Do(ctx, "ACL", "SETUSER", "guest", "-evalsha", "-eval").Err())
		for op, err := range map[string]error{
			"check":          s.Check(ctx),
			"look at":        second(s.Owned(ctx)),
			"extend":         s.Extend(ctx, time.Second),
			"set the TTL of": s.SetTTL(ctx, time.Minute),
			"reacquire":      s.Reacquire(ctx),
			"inspect":        second(l.Mutex(denied).Inspect(ctx)),
			"resume":         second(l.Mutex(denied).Resume(ctx, secret)),
		} {
			if err := (refusal{says: "NOPERM"}).check(op, err); err != nil {
				t.Errorf("%s: %v", op, err)
			}
		}
		if err := s.Err(); err != nil {
			t.Errorf("the session ended: %v", err)
		}
		if err := (refusal{says: "NOPERM"}).check("release", s.Release(ctx)); err != nil {
			t.Errorf("release: %v", err)
		}
		e.must(e.direct.Do(ctx, "ACL", "SETUSER", "guest", "+evalsha", "+eval").Err())
		if err := s.Release(ctx); err != nil {
			t.Error(err)
		}
	})
}
