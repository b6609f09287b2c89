package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// holdFlags are how run and lead hold a lock.
type holdFlags struct {
	ttl, grace, maxHold, failover time.Duration
	label                         string
	passRedis, verbose            bool
}

const (
	defaultTTL   = 15 * time.Second
	defaultGrace = 5 * time.Second
)

func (f *holdFlags) addFlags(cmd *cobra.Command) {
	durationVar(cmd, &f.ttl, "ttl", "", defaultTTL,
		"how long the lock outlives this process's last sign of life; it is renewed well before that")
	durationVar(cmd, &f.grace, "grace", "", defaultGrace,
		"time from SIGTERM to SIGKILL for a program that has to end, both before the lease can")
	durationVar(cmd, &f.maxHold, "max-hold", "", 0,
		"stop the program after so long (default: never)")
	durationVar(cmd, &f.failover, "failover-grace", "", 0,
		"after a crash, a restart or a failover of Redis take no lock for so long (default: off; all users of the lock need it)")
	cmd.Flags().StringVar(&f.label, "label", "",
		"`TEXT` that ls and inspect show of the holder (default host:pid)")
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false,
		"say who holds the lock while it waits, also if stderr is no terminal")
	cmd.Flags().BoolVar(&f.passRedis, "pass-redis", false,
		"leave REDIS_URL, REDISCLI_AUTH and holdfast's passwords in the program's environment")
}

// window is how long a lease of this TTL is trusted: see "Time" in the library's manual.
func window(ttl time.Duration) time.Duration { return ttl - ttl/50 - 20*time.Millisecond }

// killMargin is how long before the end of what is trusted of the lease the program is
// killed: what is left for the signal, and for a machine that is busy.
func killMargin(ttl time.Duration) time.Duration { return ttl/50 + 100*time.Millisecond }

// spare is how long renewals may fail before the program has to be told to end.
func (f *holdFlags) spare() time.Duration { return window(f.ttl) - f.grace - killMargin(f.ttl) }

// renewEvery is how often the lease is renewed: more often than the library does for each of
// thousands of locks. So most of the TTL is left when Redis goes away, and a loss shows soon.
func (f *holdFlags) renewEvery() time.Duration { return min(f.ttl/6, f.spare()/2) }

// options validates the flags and returns what they mean for the lock.
func (f *holdFlags) options(cmd *cobra.Command) ([]holdfast.Option, error) {
	if f.ttl < time.Second {
		return nil, usageError(fmt.Errorf("--ttl %v is less than %v", f.ttl, time.Second))
	}
	most := (window(f.ttl) - f.ttl/4 - killMargin(f.ttl)).Truncate(time.Millisecond)
	if f.grace < 0 || f.grace > most {
		return nil, usageError(fmt.Errorf("--grace %v does not fit into --ttl %v: 0s to %v, so that renewals have a quarter of the TTL "+
			"and the program is dead before the lease can end", f.grace, f.ttl, most))
	}
	opts := []holdfast.Option{
		holdfast.WithTTL(f.ttl),
		holdfast.WithRenewInterval(f.renewEvery()),
	}
	if cmd.Flags().Changed("max-hold") {
		opts = append(opts, holdfast.WithMaxHold(f.maxHold))
	}
	if cmd.Flags().Changed("label") {
		opts = append(opts, holdfast.WithLabel(f.label))
	}
	return opts, nil
}

// locker returns the options of the Locker.
func (f *holdFlags) locker() []holdfast.Option {
	return append(withGrace(f.ttl, f.failover), holdfast.WithLogger(nil))
}

// withGrace returns the options of a Locker with a failover grace, none for 0.
func withGrace(ttl, grace time.Duration) []holdfast.Option {
	if grace == 0 {
		return nil
	}
	return []holdfast.Option{holdfast.WithTTL(ttl), holdfast.WithFailoverGrace(grace)}
}

// settle sees to it that a session that has just begun has enough of its lease left to
// start a program under: one that was handed over begins with a short one.
func (f *holdFlags) settle(ctx context.Context, s *holdfast.Session) (err error) {
	for range 3 {
		if time.Until(s.ValidUntil()) > f.grace+killMargin(f.ttl)+f.spare()/2 {
			return s.Err()
		}
		// A renewal that overtakes this request fails it, and does the same.
		if err = s.Reacquire(ctx); err == nil || s.Err() != nil {
			return err
		}
	}
	return err
}

// environment is the child's: ours, without what tells how to log in to Redis unless that was
// asked for, and then what tells of the lock.
func (f *holdFlags) environment(name string, s *holdfast.Session) []string {
	env := os.Environ()
	if !f.passRedis {
		env = slices.DeleteFunc(env, func(variable string) bool {
			key, _, _ := strings.Cut(variable, "=")
			return slices.Contains(redisEnvironment, key)
		})
	}
	return append(env,
		"HOLDFAST_NAME="+name,
		fmt.Sprintf("HOLDFAST_FENCE=%d", s.Fence()),
		"HOLDFAST_VALID_UNTIL="+s.ValidUntil().UTC().Format("2006-01-02T15:04:05.000Z07:00"),
	)
}

const environmentHelp = `Holdfast adds to the program's environment HOLDFAST_NAME, HOLDFAST_FENCE (a number
that grows with every holder: a store that refuses a smaller one is safe from a holder
that is late) and HOLDFAST_VALID_UNTIL, the time until which the lock was certain when
the program was started; later renewals extend it. REDIS_URL and the other variables
that tell holdfast how to log in to Redis are left out, unless --pass-redis is given:
see "holdfast help connection".`

// lockError is what could not be done about a lock, with the exit status for it.
func lockError(t *target, err error) error {
	status := statusUnavailable
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*signalled)), errors.As(err, new(*statusError)):
		return err
	case errors.Is(err, holdfast.ErrInvalid):
		status = statusUsage
	case errors.Is(err, holdfast.ErrHeld), errors.Is(err, holdfast.ErrWaitTimeout), errors.Is(err, holdfast.ErrOtherFence):
		status = statusConflict
	case errors.Is(err, holdfast.ErrLost):
		status = statusLost
	case errors.Is(err, context.Canceled):
		status = statusInterrupted
	default:
		return t.unavailable(err)
	}
	return &statusError{status: status, err: err}
}
