package store

import (
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/scripts"
)

// Lock is a lock: its kind and its keys, in the form in which they are sent.
type Lock struct {
	kind *kind
	keys [3]any // NAME, AUX and the queue: strings
}

// kind is a kind of lock: the scripts that take it, hold it and give it back. The mutex is the only
// one so far.
type kind struct {
	acquire, acquireAll, resume    *scripts.Script
	renew, extend, check, announce *scripts.Script // of a holder
	release, free, drop            *scripts.Script
	inspect, force                 *scripts.Script
}

var mutex = kind{
	acquire: scripts.Acquire, acquireAll: scripts.AcquireAll, resume: scripts.Resume,
	renew: scripts.Renew, extend: scripts.Extend, check: scripts.Check, announce: scripts.Announce,
	release: scripts.Release, free: scripts.Free, drop: scripts.Drop,
	inspect: scripts.Inspect, force: scripts.Force,
}

// graced is the mutex of a Store with a Guard.
var graced = func() kind {
	k := mutex
	g := &scripts.Graced
	k.acquire, k.acquireAll, k.resume, k.release, k.force = g.Acquire, g.AcquireAll, g.Resume, g.Release, g.Force
	return k
}()

// NewLock returns the mutex of that name, which is given in any replication history.
func NewLock(name string) *Lock {
	return &Lock{&mutex, [3]any{name, auxOf(name), queueOf(name)}}
}

// Lock returns the mutex of that name. If the Store has a Guard, it is given only as that allows.
func (s *Store) Lock(name string) *Lock {
	l := NewLock(name)
	if s.guard != nil {
		l.kind = &graced
	}
	return l
}

// Name is the lock's name.
func (l *Lock) Name() string { return l.keys[0].(string) }

// ID says whose a lease is.
type ID struct {
	Lock *Lock
	// owner is the attempt, of scripts.AttemptLen characters, and then the token if the caller
	// gave it; a token that Holdfast made is its own attempt. A string, in the form in which it is
	// sent.
	owner any
}

// NewID returns the ID of an attempt with a token that the caller gave; with an empty one, the
// attempt is the token.
func NewID(lock *Lock, attempt, token string) ID { return ID{lock, attempt + token} }

// Token is what NAME holds while the lease lasts.
func (id ID) Token() string { return tokenOf(id.owner) }

// Begins reports whether the attempt begins with part.
func (id ID) Begins(part string) bool { return strings.HasPrefix(id.owner.(string), part) }

// tokenOf returns the token of an owner.
func tokenOf(owner any) string {
	text, _ := owner.(string)
	if len(text) > scripts.AttemptLen {
		return text[scripts.AttemptLen:]
	}
	return text
}

// NoExpiry as a TTL means none.
const NoExpiry = -time.Millisecond

// Attempt is an ID that asks for the lock.
type Attempt struct {
	ID
	TTL   time.Duration
	Label string
	// Channel is what the asker listens to, or empty: see [Store.Subscribe].
	Channel string
}

// info is the asker's channel and label in the form in which scripts have them.
func (a *Attempt) info() string { return a.Channel + " " + a.Label }
