package holdfast

import "context"

// FromContext returns the session that ctx is derived from, the innermost if there are several.
// [Mutex.Lock], [Mutex.Do] and [Mutex.Lead] give out only a context: FromContext returns the
// session behind it, for its fence.
func FromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok
}
