package store

import (
	"strings"
	"testing"
	"time"
)

// TestLateAttemptAfterResume: a copy of a request for permits that arrives when another attempt has taken them
// up by their token takes nothing.
func TestLateAttemptAfterResume(t *testing.T) {
	eachServer(t, func(s *several) {
		lock := NewLock(Permits, "{late}")
		attempt := func(uid, token string) Attempt {
			return Attempt{ID: NewID(lock, strings.Repeat(uid, 36), token), TTL: time.Minute, Want: Want(1, 3)}
		}
		first := attempt("a", "")
		heir := attempt("b", first.Token())
		for what, queue := range map[string]bool{"asks": false, "waits": true} {
			if r, err := do(s.s, s.s.Acquire(first, false)); err != nil || r.Status != Held {
				s.Fatalf("acquire: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Resume(heir)); err != nil || r.Status != Held {
				s.Fatalf("resume: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Acquire(first, queue)); err != nil || r.Status != Withdrawn {
				s.Errorf("the late copy, which %s: %+v, %v", what, r, err)
			}
			if r, err := do(s.s, s.s.Renew(heir.ID, time.Minute, 0, false, 0)); err != nil || r.Status != Held {
				s.Errorf("renew: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.Release(heir.ID, 0, 0, nil)); err != nil || r.Status != Held {
				s.Errorf("release: %+v, %v", r, err)
			}
			if r, err := do(s.s, s.s.InspectQueue(lock)); err != nil || r.Status != Gone || len(r.Queue) != 0 {
				s.Errorf("something is left: %+v, %v", r, err)
			}
		}
	})
}
