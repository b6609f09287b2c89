// Package within tells from which holds a context is derived: from the innermost, from the one of a
// certain lock, or from a certain one.
//
// A context answers for its own hold by Value, and asks its parent for the others. H is the type of
// holds, L that of lockers: who have locks, by name.
package within

import "context"

// The keys under which the context of a hold answers.
type (
	innermost     struct{}
	ofLock[L any] struct {
		locker *L
		name   string
	}
	itself[H any] struct{ hold *H } // one pointer, so that to ask costs no memory
)

// Value is what the context of hold, which has locker's lock of that name, answers for a key: hold, or
// nil. ours is whether the key is one of this package's: for others a hold has no value.
func Value[H, L any](key any, hold *H, locker *L, name string) (value any, ours bool) {
	switch key {
	case innermost{}, ofLock[L]{locker, name}, itself[H]{hold}:
		return hold, true
	}
	switch key.(type) {
	case ofLock[L], itself[H]:
		return nil, true
	}
	return nil, false
}

// Innermost returns the innermost hold that ctx is derived from, or nil.
func Innermost[H any](ctx context.Context) *H {
	hold, _ := ctx.Value(innermost{}).(*H)
	return hold
}

// Of returns the innermost hold of locker's lock of that name that ctx is derived from, or nil.
func Of[H, L any](ctx context.Context, locker *L, name string) *H {
	hold, _ := ctx.Value(ofLock[L]{locker, name}).(*H)
	return hold
}

// Is reports whether ctx is derived from hold.
func Is[H any](ctx context.Context, hold *H) bool { return ctx.Value(itself[H]{hold}) != nil }
