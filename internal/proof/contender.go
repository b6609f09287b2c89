package proof

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Target is where a client finds the deployment.
type Target struct {
	Kind  string // single, sentinel or cluster
	Addrs []string
	// Route says which proxy leads to an address.
	Route map[string]string
	TTL   time.Duration
	Grace time.Duration // the failover grace; 0: none
}

// Contender is a lock library set up as one client of a deployment.
type Contender interface {
	// Acquire waits for so many permits of the name until ctx ends. LimitOf says how many there are: of a
	// mutex one.
	Acquire(ctx context.Context, name string, permits int) (Hold, error)
	// Exhaust takes all of the client's connections for so long, if it knows how.
	Exhaust(d time.Duration)
	Close()
}

// Injector is a Contender whose client can be told that the machine has slept, or that its
// wall clock was stepped.
type Injector interface {
	Suspend(d time.Duration)
	StepWall(d time.Duration)
}

// Hold is a lock that is held.
type Hold interface {
	Context() context.Context // done when the library knows that the lock is no longer held
	Fence() int64             // 0 if the library has none
	Release() error
}

// Library is a contender that can be chosen.
type Library struct {
	Name   string
	Fences bool // each hold has one, and the order of waiting is promised
	// Permits: it has semaphores and read-write locks.
	Permits bool
	// Injects: its contenders are Injectors.
	Injects bool
	// Graced: its contenders go by the Target's failover grace.
	Graced bool
	Open   func(Target) (Contender, error)
}

// Codes of why an acquisition failed or ended.
var codes = []struct {
	name string
	err  error
}{
	{"other", nil},
	{"released", holdfast.ErrReleased},
	{"expired", holdfast.ErrExpired},
	{"taken", holdfast.ErrTaken},
	{"gone", holdfast.ErrGone},
	{"force-released", holdfast.ErrForceReleased},
	{"suspended", holdfast.ErrSuspended},
	{"closed", holdfast.ErrClosed},
	{"deadline", context.DeadlineExceeded},
	{"cancelled", context.Canceled},
}

func codeOf(err error) uint8 {
	for i, c := range codes {
		if c.err != nil && errors.Is(err, c.err) {
			return uint8(i)
		}
	}
	return 0
}

// CodeName says what a code means.
func CodeName(code uint8) string { return codes[code].name }
