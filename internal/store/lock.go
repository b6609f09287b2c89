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

// kind is a kind of lock: the scripts that take it, hold it and give it back, and its other keys.
type kind struct {
	*scripts.Set
	aux, queue suffixes
}

// kinds are those of a Store without a Guard, and graced those of one that has a Guard.
var kinds, graced = [...]kind{
	Mutex:   {scripts.Mutex, suffixes{":t:", ":n:{"}, suffixes{":u:", ":q:{"}},
	Permits: {scripts.Permits, suffixes{":v:", ":s:{"}, suffixes{":x:", ":p:{"}},
}, [...]kind{
	Mutex:   {scripts.GracedMutex, kinds[Mutex].aux, kinds[Mutex].queue},
	Permits: {scripts.GracedPermits, kinds[Permits].aux, kinds[Permits].queue},
}

// Kind says what is taken.
type Kind uint8

// The kinds of locks.
const (
	Mutex   Kind = iota // NAME, by one holder
	Permits             // permits of NAME, of which several holders have some
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Mutex, Permits} }

// Other is the kind to which locks of this kind are strangers.
func (k Kind) Other() Kind { return Permits - k }

// NewLock returns the lock of that kind and name, which is given in any replication history.
func NewLock(of Kind, name string) *Lock { return newLock(&kinds[of], name) }

func newLock(k *kind, name string) *Lock {
	return &Lock{k, [3]any{name, k.aux.of(name), k.queue.of(name)}}
}

// Lock returns the lock of that kind and name. If the Store has a Guard, it is given only as that allows.
func (s *Store) Lock(of Kind, name string) *Lock {
	if s.guard != nil {
		return newLock(&graced[of], name)
	}
	return NewLock(of, name)
}

// Queue is the key of the lock's queue.
func (l *Lock) Queue() string { return l.keys[2].(string) }

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
	Want  string // of permits: see Want
	Label string
	// Channel is what the asker listens to, or empty: see [Store.Subscribe].
	Channel string
}

// info is the asker's channel, want and label in the form in which scripts have them.
func (a *Attempt) info() string { return a.Channel + " " + a.Want + a.Label }
