package holdfast_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast"
)

// transcript collects all that the library says, from any goroutine.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (tr *transcript) Write(p []byte) (int, error) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.Write(p)
}

// say prints values in each way that fmt has.
func (tr *transcript) say(values ...any) {
	for _, v := range values {
		fmt.Fprintf(tr, "%v %+v %#v %s %q\n", v, v, v, v, v)
	}
}

func (tr *transcript) String() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.text.String()
}

// observer tells the transcript all that it is told.
func (tr *transcript) observer() *holdfast.Observer {
	return &holdfast.Observer{
		Acquired: func(ctx context.Context, name string, how holdfast.Acquisition, waited time.Duration) {
			tr.say("acquired", ctx, name, how, waited)
		},
		NotAcquired: func(ctx context.Context, name string, err error, waited time.Duration) {
			tr.say("not acquired", ctx, name, err, waited)
		},
		Renewed:    func(name string, margin time.Duration) { tr.say("renewed", name, margin) },
		NotRenewed: func(name string, err error, margin time.Duration) { tr.say("not renewed", name, err, margin) },
		Lost: func(ctx context.Context, name string, cause error, held time.Duration) {
			tr.say("lost", ctx, name, cause, held)
		},
		Released: func(ctx context.Context, name string, passed bool, held time.Duration) {
			tr.say("released", ctx, name, passed, held)
		},
		Sent: func(what holdfast.Traffic, locks int, took time.Duration) { tr.say("sent", what, locks, took) },
	}
}

// TestTokensAreKept: no token, given or made, is in a log, an error, an inspection, or in
// what an observer is told, while locks are had, waited for, handed over, renewed, refused,
// taken, force-released and lost.
func TestTokensAreKept(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		const ttl = 300 * time.Millisecond
		tr := &transcript{}
		log := slog.New(slog.NewTextHandler(tr, &slog.HandlerOptions{Level: slog.LevelDebug}))
		locker := func(opts ...holdfast.Option) *holdfast.Locker {
			return e.locker(append(opts, holdfast.WithTTL(ttl), holdfast.WithLogger(log), holdfast.WithObserver(tr.observer()))...)
		}
		var tokens []string
		for i, l := range []*holdfast.Locker{locker(), locker(holdfast.WithToken("given-0b5e1f7a"))} {
			tokens = append(tokens, throughAll(e, tr, l, fmt.Sprint("lock", i))...)
		}
		if len(tokens) < 6 {
			t.Fatalf("only %d tokens were seen", len(tokens))
		}
		said := tr.String()
		for _, want := range []string{"acquired", "renewed", "released", "lost", "not acquired", "sent", "held by another", "force-released", "key gone", "taken by another"} {
			if !strings.Contains(said, want) {
				t.Errorf("nothing of %q was said", want)
			}
		}
		for _, token := range tokens {
			if strings.Contains(said, token) || strings.Contains(said, strings.ReplaceAll(token, "-", "")) {
				at := strings.Index(said, token)
				t.Errorf("a token was shown, after: %s", said[max(0, at-300):max(at, 0)])
			}
		}
	})
}

// throughAll takes locks through what can happen to them, tells all that came of it, and
// returns the tokens.
func throughAll(e *env, tr *transcript, l *holdfast.Locker, name string) (tokens []string) {
	mu, ctx := l.Mutex(name), e.ctx()
	other := e.locker()
	hold := func() *holdfast.Session {
		s := e.acquire(mu)
		tokens = append(tokens, s.Token())
		tr.say(s, s.Context(), mu, l)
		return s
	}
	look := func(s *holdfast.Session) {
		info, err := mu.Inspect(ctx)
		tr.say(info, err, s, s.Check(ctx), s.Err(), context.Cause(s.Context()), s.Extend(ctx, time.Second))
	}
	s := hold()
	_, err := other.Mutex(name).TryAcquire(ctx, holdfast.WithLogger(slog.New(slog.NewTextHandler(tr, nil))))
	tr.say(err)
	_, err = mu.TryAcquire(ctx)
	tr.say(err)
	time.Sleep(400 * time.Millisecond) // renewed
	look(s)
	tr.say(s.Release(ctx))
	look(s)

	s = hold()
	e.must(e.direct.Set(ctx, name, "another's", time.Second).Err())
	look(s)
	_, err = mu.Resume(ctx, tokens[0])
	tr.say(err, s.Release(ctx))
	e.must(e.direct.Del(ctx, name).Err())

	s = hold()
	e.must(mu.ForceRelease(ctx))
	<-s.Done()
	look(s)

	s = hold()
	e.must(e.direct.Del(ctx, name).Err())
	<-s.Done()
	look(s)
	tr.say(s.Release(ctx))
	return tokens
}

// TestTokensAreRandom: tokens that nobody gave are random UUIDs (of crypto/rand): different
// each time, each of their 122 random bits as often set as not.
func TestTokensAreRandom(t *testing.T) {
	t.Parallel()
	onReal(t, func(t *testing.T, e *env) {
		const n = 2000
		lockers := []*holdfast.Locker{e.locker(), e.locker()}
		seen := make(map[uuid.UUID]bool, n)
		var set [128]int
		for i := range n {
			s := e.acquire(lockers[i%2].Mutex("lock"))
			token, err := uuid.Parse(s.Token())
			if err != nil || token.Version() != 4 {
				t.Fatalf("a token is no random UUID: version %v, %v", token.Version(), errors.Unwrap(err))
			}
			seen[token] = true
			for bit := range set {
				set[bit] += bits.OnesCount8(token[bit/8] & (0x80 >> (bit % 8)))
			}
			e.must(s.Release(e.ctx()))
		}
		if len(seen) != n {
			t.Errorf("%d tokens, %d of them different", n, len(seen))
		}
		fixed := 0
		for bit, times := range set {
			switch {
			case times == 0 || times == n:
				fixed++
			case times < n/2-180 || times > n/2+180: // 8 standard deviations
				t.Errorf("bit %d was set %d times of %d", bit, times, n)
			}
		}
		if fixed != 6 { // version and variant
			t.Errorf("%d bits never change", fixed)
		}
	})
}
