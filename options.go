package holdfast

import (
	"context"
	"log/slog"
	"time"

	"github.com/holdfast-go/holdfast/internal/settings"
	"github.com/holdfast-go/holdfast/internal/store"
)

// Defaults, used where no option says otherwise.
const (
	DefaultTTL           = settings.TTL           // 10 s
	DefaultRetryInterval = settings.RetryInterval // 100 ms, as redis-py's sleep
)

// Limits of what is accepted, in bytes.
const (
	MaxNameLen  = store.MaxNameLen     // 4096
	MaxTokenLen = settings.MaxTokenLen // 4096
	MaxLabelLen = settings.MaxLabelLen // 256
)

// Option sets how a lock is taken and held. Given to [New] it is the default of every
// lock, given to [Locker.Mutex] that of one lock, and given to a call it is for the session
// that the call makes. The innermost wins.
type Option func(*config)

type config struct {
	settings.Settings
	waitCtx  context.Context // bounds the wait, beside the call's; may be nil
	log      *slog.Logger    // nil: see warn
	observer *Observer
	all      *Sessions // that the session is one of, or nil
}

func defaults() config { return config{Settings: settings.Default()} }

// WithTTL sets the lock's time to live, counted from each renewal (redis-py's timeout;
// default [DefaultTTL]). Redis counts in milliseconds; a fraction is dropped. A TTL is
// refused if it is too short for the safety margin of 2% + 20 ms and two tries to renew:
// the least is 84 ms with renewal.
func WithTTL(ttl time.Duration) Option {
	return func(c *config) { c.TTL, c.NoExpiry = ttl, false }
}

// WithoutExpiry takes the lock without a TTL (redis-py's timeout=None): if the holder dies, the
// lock stays held until somebody calls [Mutex.ForceRelease]. The session still asks at its
// renewal interval (default 5 s) whether it is the holder, and ends if it is not. It does not
// end if Redis can't be reached, since its key can't expire.
func WithoutExpiry() Option { return func(c *config) { c.NoExpiry = true } }

// WithRenewInterval sets the time from one renewal to the next, at least 1 ms. The default is
// TTL/2: compared with TTL/3 it saves a third of the commands, and at a TTL of 10 s it leaves
// 4.8 s for more tries, which is longer than a Sentinel failover takes. An interval that leaves
// room for fewer than two tries before the lease ends is refused.
func WithRenewInterval(d time.Duration) Option {
	return func(c *config) { c.Interval, c.NoRenewal = d, false }
}

// WithoutRenewal makes the session end with its first TTL unless the caller extends it. With
// [WithoutExpiry] the session then does not ask whether it is still the holder: see
// [Session.Check].
func WithoutRenewal() Option { return func(c *config) { c.NoRenewal = true } }

// WithRetryInterval sets how often a waiter asks if it can't be notified of a release, because a
// stranger such as redis-py holds the lock or Pub/Sub does not work, and how long it first
// pauses after a try that failed (redis-py's sleep; default [DefaultRetryInterval], at least
// 1 ms). Each pause is varied by a quarter, and a waiter asks earlier if the holder's TTL runs
// out earlier.
func WithRetryInterval(d time.Duration) Option { return func(c *config) { c.Retry = d } }

// WithWaitTimeout bounds how long Acquire waits for a lock that another holds (redis-py's
// blocking_timeout; default: as long as its context lasts). There is always one try, and
// one more when the time is up. 0 means a single try, whose error is that of TryAcquire:
// ErrHeld, which is ErrWaitTimeout, too. The try may take up to 1 s; after that ErrWaitTimeout
// says that Redis did not answer.
func WithWaitTimeout(d time.Duration) Option {
	return func(c *config) { c.Wait, c.HasWait = d, true }
}

// WithToken sets the token, instead of a random one (redis-py's token): any bytes, at least
// one and at most [MaxTokenLen]. Two sessions with the same token still exclude each other.
func WithToken(token string) Option {
	return func(c *config) { c.Token, c.HasToken = token, true }
}

// WithLabel sets the text that Inspect shows of the holder (default host:pid), at most
// [MaxLabelLen] bytes.
func WithLabel(label string) Option { return func(c *config) { c.Label = label } }

// WithMaxHold ends the session with ErrMaxHold so long after the acquisition, even if renewals
// succeed. At least 1 ms; default: never.
func WithMaxHold(d time.Duration) Option {
	return func(c *config) { c.MaxHold, c.HasMax = d, true }
}

// WithMinHold keeps the lock for at least so long after it was taken (at least 1 ms; default: not
// at all), even if it is released earlier: for work that must run once on machines whose clocks
// differ, and that may take less time than they differ by. Release does not wait: it leaves the
// rest of the time to Redis, as the key's TTL, so the process may end. In that time nobody
// has the lock, and [Info] says Kept; after that whoever has waited longest gets it. Waiters in this
// process wait for it, too. [Mutex.ForceRelease] ends it early.
//
// The time begins when the lock was known to be held; if another session of this process passed
// it on, it begins then. It applies if the work failed, too, and after the end of the context. It
// does not apply to a session that was detached, nor if Redis did not answer the release, the
// process died, or the session was lost: then only the TTL counts. A minimum hold longer than the
// maximum hold ([WithMaxHold]) is refused.
func WithMinHold(d time.Duration) Option {
	return func(c *config) { c.MinHold, c.HasMin = d, true }
}

// WithDrain lets work that is under way finish, still holding, when the caller's context ends. That
// ends waiting at once, and no session begins after it, but the context of a session that holds the
// lock goes on, renewed, until Release or for d at most; its cause is then [ErrDrainOver] and the
// cause of the caller's context. A loss, the maximum hold, Close and the end of an outer session,
// from whose context the caller's is derived, end it at once. [Session.Draining] tells the work.
// The deadline of the session's context is d after the caller's. Default: 0, which turns it off.
func WithDrain(d time.Duration) Option { return func(c *config) { c.Drain = d } }

// WithWaitContext has ctx bound the wait, too, but not the hold: the session goes on when ctx ends.
// Its context is derived from the one that is given to Acquire. If ctx ends while Acquire waits,
// the error is ctx's cause (and its Err). Default: only the call's context bounds the wait. ctx
// must not be nil.
func WithWaitContext(ctx context.Context) Option {
	mustContext(ctx)
	return func(c *config) { c.waitCtx = ctx }
}

// WithReplicas makes an acquisition count only when at least n replicas confirm it within the
// timeout (at least 1 ms, and less than the time for which the TTL can be trusted). If too few
// do, it is undone, and ErrReplicas says how many had it. Default: 0, no replica is asked.
//
// Redis replicates asynchronously, so a failover can lose a lock that was acquired just before. If n
// replicas have it, it is lost only if a replica without it is promoted. Renewals and releases are not
// waited for. The option costs a round trip and the replicas' lag at each acquisition, but not when the
// lock is passed on within the process. It uses WAIT (https://redis.io/docs/latest/commands/wait/), which a
// managed Redis may not have.
func WithReplicas(n int, timeout time.Duration) Option {
	return func(c *config) { c.Replicas, c.AckTimeout = n, timeout }
}

// WithTurnsForStrangers lets workers of other libraries get the lock while Holdfast's workers
// are busy with it. Strangers poll, and as long as a Holdfast worker waits, a lock that another
// one releases is never free: beside two busy goroutines redis-py gets nothing. With this
// option, once in every (1 ms or more), a release leaves the lock free for gap (1 ms to 10 s,
// at most every) although others wait, and within the process it is passed on no longer than
// every. Gap must be longer than the strangers' poll interval: 150 ms suits redis-py's 100 ms,
// and a second is a good every.
//
// No Holdfast worker takes the lock in that time; TryAcquire returns ErrHeld, and waiters keep their
// places. With [WithMinHold] the gap comes when the minimum hold has ended. Default: off; both 0 turns it off.
func WithTurnsForStrangers(every, gap time.Duration) Option {
	return func(c *config) { c.TurnEvery, c.TurnGap = every, gap }
}

// WithFailoverGrace closes the gap that a crash, a restart or a failover leaves: what the last master
// acknowledged may be missing in the data of the next. A server whose data has another replication
// history than before gives no lock for d. Every lease that the last one gave is over by then, and
// sessions that are live are renewed meanwhile as ever. Waiters keep their places; TryAcquire returns an
// [ErrFailoverGrace], which is an [ErrHeld], too. Default: off. Only for [New].
//
// d must be at least 1.02 times the sum of the Locker's TTL and of the time for which a master that was
// replaced may go on answering: 0 with a single server, 15 s with Sentinel, of a Cluster
// cluster-node-timeout; "holdfast check" says what it should be. All users of a lock must have the option,
// with the same d and TTL. No lock of the Locker has a longer TTL, none is without expiry, and a session
// that was extended is believed for no longer than that TTL after each confirmation. The first Locker that
// a deployment ever sees waits for d. docs/failover.md has the rules, and what they do not cover.
func WithFailoverGrace(d time.Duration) Option {
	return func(c *config) { c.Failover = &settings.Failover{Grace: d} }
}

// WithLinger keeps the lock in this process for up to d after a release for which nobody waits. The next
// call of the Locker with the same options has it without a request to Redis, with a larger fence, in
// microseconds; the release returns nil without one. Whoever else asks is given it at once: Redis tells the
// Locker, which gives the lock back. Until then it is held: a process that is killed, cut off or frozen keeps it as
// a holder does, for up to the TTL; redis-py and other strangers, which can't ask, find it held until d after
// its last use; and [Info] says MayRest. Up to 4,096 locks rest in a Locker; Close gives them back, and
// waits for that for up to 5 s. Nothing rests while the Locker can't be told: while Pub/Sub does not work, or
// if the token was given or read. Not with [WithoutExpiry]. Default: 0, which turns it off.
func WithLinger(d time.Duration) Option { return func(c *config) { c.Linger = d } }

// WithLogger logs losses, errors that [Mutex.Lead] does not return and campaigns that it tries again
// (warn), and renewals that failed (info), with the attributes lock, fence and error. Default:
// [slog.Default] gets what is logged at warn, since work may have overlapped; failed renewals are
// not logged, since the next one most often succeeds. nil turns all of it off.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) {
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		c.log = log
	}
}

// warn logs what must not be lost in silence.
func (c *config) warn(text string, attrs ...any) {
	log := c.log
	if log == nil {
		log = slog.Default()
	}
	log.Warn(text, attrs...)
}

// shared returns what a lock's options amount to, which is that of another lock if the two are equal: many
// locks that are held with the same options need it once.
func (l *Locker) shared(c *config) *config {
	last := l.recent.Load()
	switch {
	case c.waitCtx != nil || c.all != nil: // of one call
	case last != nil && *c == *last:
		return last
	default:
		l.recent.Store(c)
	}
	return c
}

// with returns a copy with more options applied, or the first thing wrong with it.
func (c config) with(opts []Option) (*config, error) {
	of := c.Failover
	for _, opt := range opts {
		opt(&c)
	}
	if of != nil {
		if err := c.SetFailover(of); err != nil {
			return &c, invalid("%w", err)
		}
	}
	if err := c.Validate(); err != nil {
		return &c, invalid("%w", err)
	}
	c.TTL = c.TTL.Truncate(time.Millisecond)
	return &c, nil
}
