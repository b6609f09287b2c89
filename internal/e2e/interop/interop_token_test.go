package interop_test

import (
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast"
)

// A token that Go detached is Python's to extend and to release.
func TestInteropDetach(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		for _, text := range [][]bool{nil, {true}} { // by bytes, and by decoded replies
			s := f.try(f.lock(holdfast.WithTTL(10 * time.Second)))
			token, err := s.Detach(f.ctx())
			f.ok(err)
			f.ended(s, holdfast.ErrDetached)
			f.is(token)
			f.ttl(10 * time.Second)

			lock := py.lock("foo", 10*time.Second, text...)
			lock.owned().is(t, false)
			lock.adopt(token).is(t, true)
			lock.owned().is(t, true)
			lock.extend(10*time.Second, false).is(t, true)
			f.ttl(20 * time.Second)
			f.ok(s.Release(f.ctx())) // which does nothing
			f.refused(f.lock())
			lock.extend(40*time.Second, true).is(t, true)
			f.ttl(40 * time.Second)
			lock.reacquire().is(t, true)
			f.ttl(10 * time.Second)
			f.is(token)
			lock.release().is(t, true)
			f.is("")
		}
		s := f.try(f.lock(holdfast.WithoutExpiry()))
		token, err := s.Detach(f.ctx())
		f.ok(err)
		lock := py.lock("foo", none)
		lock.adopt(token).is(t, true)
		lock.extend(time.Second, false).raises(t, "LockError")
		f.ttl(none)
		lock.release().is(t, true)
		f.is("")
	})
}

// Python takes a token up while its session still holds it: it may release the lock, and
// the session finds out.
func TestInteropAdopt(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		s := f.try(f.lock(holdfast.WithTTL(2 * time.Second)))
		start := time.Now()
		lock := py.lock("foo", 10*time.Second)
		lock.adopt(s.Token()).is(t, true)
		lock.extend(10*time.Second, false).is(t, true)
		owned(f, s, true)
		lock.release().is(t, true)
		f.ended(s, holdfast.ErrGone)
		f.within(time.Since(start), 0, time.Second)
		f.is("")
		f.fails(s.Release(f.ctx()), holdfast.ErrGone)
	})
}

// Go takes up what Python acquired, with a timeout.
func TestInteropResume(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		old := f.try(f.lock())
		f.release(old)
		lock := py.lock("foo", time.Second)
		lock.acquire(0).is(t, true)
		f.inspect(holdfast.Info{Held: true, Stranger: true, TTL: time.Second})
		_, err := f.lock().Resume(f.ctx(), lock.token()+"x")
		f.fails(err, holdfast.ErrTaken)

		s, err := f.lock(holdfast.WithLabel("gopher")).Resume(f.ctx(), lock.token(), holdfast.WithTTL(800*time.Millisecond))
		f.ok(err)
		if s.Token() != lock.token() || s.Fence() <= old.Fence() {
			f.Fatalf("token %q of %q, fence %d after %d", s.Token(), lock.token(), s.Fence(), old.Fence())
		}
		f.inspect(holdfast.Info{Held: true, Label: "gopher", Fence: s.Fence(), TTL: time.Second})
		time.Sleep(1500 * time.Millisecond)
		owned(f, s, true) // renewed since
		f.is(s.Token())

		lock.owned().is(t, true) // Python has the token still
		lock.extend(20*time.Second, true).is(t, true)
		f.ttl(20 * time.Second)
		f.ok(s.Reacquire(f.ctx()))
		f.ttl(800 * time.Millisecond)
		f.release(s)
		f.is("")
		lock.owned().is(t, false)
		lock.release().raises(t, "LockNotOwnedError")
		_, err = f.lock().Resume(f.ctx(), s.Token())
		f.fails(err, holdfast.ErrGone)
	})
}

// A longer timeout is not shortened, None neither, and a shorter one is lengthened.
func TestInteropResumeTTL(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		for _, c := range []struct {
			timeout time.Duration
			opt     holdfast.Option
			want    time.Duration
		}{
			{time.Minute, holdfast.WithTTL(10 * time.Second), time.Minute},
			{10 * time.Second, holdfast.WithTTL(time.Minute), time.Minute},
			{10 * time.Second, holdfast.WithoutExpiry(), none},
			{none, holdfast.WithoutExpiry(), none},
			{none, holdfast.WithTTL(10 * time.Second), none},
		} {
			lock := py.lock("foo", c.timeout)
			lock.acquire(0).is(t, true)
			f.inspect(holdfast.Info{Held: true, Stranger: true, TTL: max(c.timeout, 0), NoExpiry: c.timeout == none})
			s, err := f.lock(c.opt, holdfast.WithLabel("gopher")).Resume(f.ctx(), lock.token())
			f.ok(err)
			f.ttl(c.want)
			if s.ValidUntil().IsZero() != (c.want == none) {
				f.Fatalf("%+v: valid until %v", c, s.ValidUntil())
			}
			f.inspect(holdfast.Info{Held: true, Label: "gopher", Fence: s.Fence(), TTL: max(c.want, 0), NoExpiry: c.want == none})
			if c.want == none {
				f.fails(s.Extend(f.ctx(), time.Second), holdfast.ErrNoExpiry)
			} else {
				f.trusts(s, c.want)
			}
			token, err := s.Detach(f.ctx()) // and back
			f.ok(err)
			f.is(token)
			lock.release().is(t, true)
			f.is("")
		}
	})
}

// odd are names and tokens that something on the way might treat in its own manner.
var odd = []string{
	"plain", "ключ/🔒", "e\u0301 \u00e9", "two words ", "it's \"quoted\" `so` \\", "line\r\nbreak\n", "nul\x00mid", "\x00", "\xff\xfe\x80",
	"cut \xf0\x9f\x94", "{tag}", "a{b}c{d}", "{}", "}{", "*?[a-z]%s$1", "0", "-1", "nil", "\t", "4b1f9d0e-66b1-4ac8-9f8e-d1f2ab1c2d3e",
	"holdfast:", "HOLDFAST:1:n:{foo}",
}

func TestInteropNamesAndTokens(t *testing.T) {
	t.Parallel()
	withPeer(t, func(f foo, py *peer) {
		for i, name := range odd {
			f.name = name
			ours, theirs := odd[(i+1)%len(odd)], odd[(i+7)%len(odd)]
			f.Logf("name %q, tokens %q, %q", name, ours, theirs)
			mu := f.lock()
			s := f.try(mu, holdfast.WithToken(ours))
			f.is(ours)
			locks := []pyLock{py.lock(name, 10*time.Second)}
			if utf8.ValidString(name + ours + theirs) {
				locks = append(locks, py.lock(name, 10*time.Second, true))
			}
			for _, lock := range locks {
				lock.locked().is(t, true)
				lock.adopt(theirs).is(t, true)
				lock.owned().is(t, false)
				lock.extend(time.Second, false).raises(t, "LockNotOwnedError")
				lock.adopt(ours).is(t, true)
				lock.owned().is(t, true)
				lock.extend(40*time.Second, true).is(t, true)
				f.ttl(40 * time.Second)
				owned(f, s, true)
			}
			locks[0].release().is(t, true)
			f.is("")
			owned(f, s, false)
			f.fails(s.Err(), holdfast.ErrGone)

			for _, lock := range locks {
				lock.acquire(0, theirs).is(t, true)
				f.is(theirs)
				f.inspect(holdfast.Info{Held: true, Stranger: true, TTL: 10 * time.Second})
				f.refused(mu)
				_, err := mu.Resume(f.ctx(), ours)
				f.fails(err, holdfast.ErrTaken)
				s, err = mu.Resume(f.ctx(), theirs)
				f.ok(err)
				f.inspect(holdfast.Info{Held: true, Label: label(f, s), Fence: s.Fence(), TTL: 10 * time.Second})
				lock.owned().is(t, true)
				f.release(s)
				lock.locked().is(t, false)
				lock.release().raises(t, "LockNotOwnedError")
			}
		}
	})
}

// label returns the label that Inspect shows; it is only known to be there.
func label(f foo, s *holdfast.Session) string {
	f.Helper()
	info, err := f.lock().Inspect(f.ctx())
	if err != nil || info.Label == "" {
		f.Fatalf("Inspect = %+v, %v", info, err)
	}
	return info.Label
}
