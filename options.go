package holdfast

import (
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"
)

// Defaults, used where no option says otherwise.
const (
	DefaultTTL           = 10 * time.Second
	DefaultRetryInterval = 100 * time.Millisecond // redis-py's sleep
)

// Limits of what is accepted, in bytes.
const (
	MaxNameLen  = 4096
	MaxTokenLen = 4096
	MaxLabelLen = 256
)

const (
	// claimTTL is what a waiter is granted the lock for, until it is heard of (CLAIM in
	// queue.lua), and what a lock without expiry is first taken for, likewise.
	claimTTL = 3 * time.Second
	// idleCheck is how often a session without expiry asks whether it is still the holder.
	idleCheck = 5 * time.Second
	// minGap is the least time in which a renewal makes sense to be tried.
	minGap = 10 * time.Millisecond
	// fewestTries to renew must fit between the first and the end of the lease, counting
	// it.
	fewestTries = 2
)

// maxDuration bounds what is accepted, so that no sum of two overflows.
const maxDuration = 100 * 365 * 24 * time.Hour

// margin is how much earlier than Redis a lease is held to end: 2% for clocks that run
// at different rates (quartz differs by 0.01%; the rest is for a server's clock that is
// slewed or stepped a little) and 20 ms for a timer that fires late.
func margin(ttl time.Duration) time.Duration { return ttl/50 + 20*time.Millisecond }

// Option sets how a lock is taken and held. Given to [New] it is the default of every
// lock, given to [Locker.Mutex] that of one, and given to a call it holds for the
// session that the call makes. The innermost wins.
type Option func(*config)

type config struct {
	ttl        time.Duration
	noExpiry   bool
	interval   time.Duration // 0: half the TTL
	noRenewal  bool
	retry      time.Duration
	wait       time.Duration
	hasWait    bool
	token      string
	hasToken   bool
	label      string
	maxHold    time.Duration
	hasMax     bool
	replicas   int
	ackTimeout time.Duration
	log        *slog.Logger
	observer   *Observer
}

func defaults() config {
	return config{ttl: DefaultTTL, retry: DefaultRetryInterval, label: hostPID(), log: slog.New(slog.DiscardHandler)}
}

// hostPID is the default label.
var hostPID = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil || len(host) > MaxLabelLen-24 {
		host = "?"
	}
	return host + ":" + strconv.Itoa(os.Getpid())
})

// WithTTL sets how long the lock outlives its holder's last sign of life (redis-py's
// timeout; default [DefaultTTL]). Redis counts in milliseconds; a fraction is dropped.
// A session must be able to renew in time: the TTL is refused if it is too short for its
// safety margin of 2% + 20 ms and two tries (84 ms with renewal).
func WithTTL(ttl time.Duration) Option {
	return func(c *config) { c.ttl, c.noExpiry = ttl, false }
}

// WithoutExpiry takes the lock without a TTL (redis-py's timeout=None): a holder that
// dies keeps it until somebody calls [Mutex.ForceRelease]. The session still asks at its
// renewal interval (default 5 s) whether it is the holder, and ends if it is not; it does
// not end because Redis can't be reached, since its key can't expire.
func WithoutExpiry() Option { return func(c *config) { c.noExpiry = true } }

// WithRenewInterval sets the time from one renewal to the next. The default is TTL/2:
// against TTL/3 it saves a third of the commands, and of a TTL of 10 s it leaves 4.8 s
// for three more tries, which is longer than a Sentinel failover takes. An interval that
// leaves room for fewer than two tries before the lease ends is refused.
func WithRenewInterval(d time.Duration) Option {
	return func(c *config) { c.interval, c.noRenewal = d, false }
}

// WithoutRenewal makes the session end with its first TTL unless the caller extends it. A
// lock without expiry is then not looked after at all: see [Session.Check].
func WithoutRenewal() Option { return func(c *config) { c.noRenewal = true } }

// WithRetryInterval sets how often a waiter asks when it can't be told that it has the
// lock, because a stranger such as redis-py holds it or Pub/Sub does not work (redis-py's
// sleep; default [DefaultRetryInterval], at least 1 ms), and how long it pauses after a try
// that failed. Each pause is varied by a quarter, and a waiter asks earlier when the holder's
// TTL runs out earlier.
func WithRetryInterval(d time.Duration) Option { return func(c *config) { c.retry = d } }

// WithWaitTimeout bounds how long Acquire waits for a lock that another holds (redis-py's
// blocking_timeout; default: as long as its context lasts). There is always one try, and
// one more when the time is up; 0 is the one try alone.
func WithWaitTimeout(d time.Duration) Option {
	return func(c *config) { c.wait, c.hasWait = d, true }
}

// WithToken gives the token instead of having a random one made (redis-py's token): any
// bytes, at least one and at most [MaxTokenLen]. Two sessions with the same token still
// exclude each other.
func WithToken(token string) Option {
	return func(c *config) { c.token, c.hasToken = token, true }
}

// WithLabel sets what Inspect shows of the holder (default host:pid), at most
// [MaxLabelLen] bytes.
func WithLabel(label string) Option { return func(c *config) { c.label = label } }

// WithMaxHold caps the whole hold, counted from the acquisition: then the session ends
// with ErrMaxHold, however well its renewals go.
func WithMaxHold(d time.Duration) Option {
	return func(c *config) { c.maxHold, c.hasMax = d, true }
}

// WithReplicas makes an acquisition count only when at least n replicas have it, as they
// say within the timeout (at least 1 ms, and less than the TTL can be trusted for): one
// that too few have is undone, with ErrReplicas, which says how many had it. Default: 0,
// nobody is asked.
//
// Redis replicates asynchronously, so a failover can lose a lock that was acquired just
// before; with n replicas that have it, only one that promotes another can. What follows is
// not waited for: renewals, so a promoted replica may end the lease earlier than the master
// would have, and releases. It costs a round trip and the replicas' lag at each acquisition
// but those passed on within the process. WAIT is what asks them
// (https://redis.io/docs/latest/commands/wait/); a managed Redis may not have it.
func WithReplicas(n int, timeout time.Duration) Option {
	return func(c *config) { c.replicas, c.ackTimeout = n, timeout }
}

// WithLogger reports losses (warn) and renewals that failed (info) to a logger, under
// the attributes lock, fence, error. Default: silent.
func WithLogger(log *slog.Logger) Option {
	return func(c *config) {
		if log == nil {
			log = slog.New(slog.DiscardHandler)
		}
		c.log = log
	}
}

// with returns a copy with more options applied, or the first thing wrong with it.
func (c config) with(opts []Option) (*config, error) {
	for _, opt := range opts {
		opt(&c)
	}
	if err := c.validate(); err != nil {
		return &c, err
	}
	c.ttl = c.ttl.Truncate(time.Millisecond)
	return &c, nil
}

func (c *config) validate() error {
	for what, d := range map[string]time.Duration{
		"TTL": c.ttl, "replicas' timeout": c.ackTimeout, "renew interval": c.interval, "retry interval": c.retry, "wait timeout": c.wait, "maximum hold": c.maxHold,
	} {
		if d > maxDuration {
			return invalid("%s %v is over %v", what, d, maxDuration)
		}
	}
	if err := c.validateLease(); err != nil {
		return err
	}
	switch {
	case c.retry < time.Millisecond:
		return invalid("retry interval %v is under 1ms", c.retry)
	case c.hasWait && c.wait < 0:
		return invalid("wait timeout %v is negative", c.wait)
	case c.hasMax && c.maxHold < time.Millisecond:
		return invalid("maximum hold %v is under 1ms", c.maxHold)
	case c.replicas < 0:
		return invalid("%d replicas are fewer than none", c.replicas)
	case c.replicas > 0 && c.ackTimeout < time.Millisecond:
		return invalid("replicas' timeout %v is under 1ms", c.ackTimeout)
	case c.replicas > 0 && !c.noExpiry && c.ackTimeout >= window(c.ttl):
		return invalid("replicas' timeout %v is not under the %v that a TTL of %v can be trusted for",
			c.ackTimeout, window(c.ttl), c.ttl)
	case c.hasToken && c.token == "":
		return invalid("the token is empty")
	case len(c.token) > MaxTokenLen:
		return invalid("the token has %d bytes, more than %d", len(c.token), MaxTokenLen)
	case len(c.label) > MaxLabelLen:
		return invalid("the label has %d bytes, more than %d", len(c.label), MaxLabelLen)
	}
	return nil
}

// validateLease checks that the TTL outlasts its margin and that enough tries to renew
// fit into it.
func (c *config) validateLease() error {
	if c.interval != 0 && c.interval < time.Millisecond {
		return invalid("renew interval %v is under 1ms", c.interval)
	}
	if c.noExpiry {
		return nil
	}
	if err := c.fits(c.ttl); err != nil {
		return err
	}
	if c.noRenewal {
		return nil
	}
	if most := window(c.ttl) - fewestTries*minGap; c.renewEvery() > most {
		return invalid("renew interval %v leaves fewer than %d tries in a TTL of %v: %v at most",
			c.renewEvery(), fewestTries, c.ttl, most)
	}
	return nil
}

// fits refuses a TTL that is too short to be held.
func (c *config) fits(ttl time.Duration) error {
	switch {
	case ttl < time.Millisecond:
		return invalid("TTL %v is under 1ms", ttl)
	case ttl > maxDuration:
		return invalid("TTL %v is over %v", ttl, maxDuration)
	}
	need := minGap
	if !c.noRenewal {
		need = 2 * fewestTries * minGap // half of it goes by before the first renewal
	}
	if window(ttl) < need {
		return invalid("TTL %v less its safety margin of %v leaves %v, and a session needs %v",
			ttl, margin(ttl), window(ttl), need)
	}
	return nil
}

// window is how long a session may trust a TTL.
func window(ttl time.Duration) time.Duration { return ttl - margin(ttl) }

// renewEvery is the time from one renewal to the next.
func (c *config) renewEvery() time.Duration {
	switch {
	case c.interval != 0:
		return c.interval
	case c.noExpiry:
		return idleCheck
	default:
		return c.ttl / 2
	}
}

// retryRenewal is the time from one try of a renewal to the next: a quarter of what the
// lease leaves for them.
func (c *config) retryRenewal() time.Duration {
	if c.noExpiry {
		return c.renewEvery()
	}
	return min(max((window(c.ttl)-c.renewEvery())/4, minGap), 5*time.Second)
}

// claim is the lease that a waiter is granted.
func (c *config) claim() time.Duration {
	if c.noExpiry {
		return claimTTL
	}
	return min(c.ttl, claimTTL)
}

// alike reports whether a lease taken with these options serves a call with the other's.
func (c *config) alike(o *config) bool {
	return c == o || c.ttl == o.ttl && c.noExpiry == o.noExpiry && c.interval == o.interval &&
		c.noRenewal == o.noRenewal && c.replicas == o.replicas && c.label == o.label && !c.hasToken && !o.hasToken
}
