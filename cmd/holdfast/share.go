package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

// lock is a Mutex or a Semaphore.
type lock interface {
	Err() error
	Acquire(context.Context, ...holdfast.Option) (*holdfast.Session, error)
	TryAcquire(context.Context, ...holdfast.Option) (*holdfast.Session, error)
	ForceReleaseFence(ctx context.Context, fence int64) error
	ForceReleaseStranger(context.Context) error
}

// shareFlags say that others may hold the name at the same time, and how many.
type shareFlags struct {
	permits, weight int
	read, write     bool
}

const shareHelp = `With --permits N at most N programs hold NAME at a time, on all machines together.
--weight K takes K of the N at once. With --read and --write NAME is a read-write lock:
readers hold it together, a writer alone. Who waits is served in the order of arrival: a
program that needs more than is free is not overtaken, so nobody waits for ever. If
members give different N, the smaller counts. All other flags and exit statuses are as
for a lock. HOLDFAST_FENCE tells one holder from another; of those that hold NAME at
the same time, either may have the larger. A "run" without these flags excludes those with
them, too, but stands in no line with them: use --permits 1 or --write instead.`

func (f *shareFlags) addFlags(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.permits, "permits", 0, "let `N` programs hold NAME at a time: a semaphore (default: one, a lock)")
	cmd.Flags().IntVar(&f.weight, "weight", 1, "take `K` of the permits")
	cmd.Flags().BoolVar(&f.read, "read", false, "hold NAME together with others that read: a read-write lock")
	cmd.Flags().BoolVar(&f.write, "write", false, "hold NAME alone, while nobody reads or writes: a read-write lock")
}

// validate says what is wrong with the flags.
func (f *shareFlags) validate(cmd *cobra.Command) error {
	counted := cmd.Flags().Changed("permits")
	switch {
	case f.read && f.write:
		return usageError(errors.New("--read and --write exclude each other"))
	case counted && (f.read || f.write):
		return usageError(errors.New("--permits is for a semaphore, --read and --write are for a read-write lock"))
	case counted && (f.permits < 1 || f.permits > holdfast.MaxPermits):
		return usageError(fmt.Errorf("--permits %d is not between 1 and %d", f.permits, holdfast.MaxPermits))
	case !counted && cmd.Flags().Changed("weight"):
		return usageError(errors.New("--weight is for a semaphore: it needs --permits"))
	case counted && (f.weight < 1 || f.weight > f.permits):
		return usageError(fmt.Errorf("--weight %d is not between 1 and --permits %d", f.weight, f.permits))
	}
	return nil
}

// lock is what the flags want of a name.
func (f *shareFlags) lock(locks *holdfast.Locker, name string, opts []holdfast.Option) lock {
	switch {
	case f.read: // as RWMutex has it
		return locks.Semaphore(name, holdfast.MaxPermits, opts...)
	case f.write:
		return locks.RWMutex(name, opts...)
	case f.permits > 0:
		return locks.Semaphore(name, f.permits, append(opts, holdfast.WithWeight(f.weight))...)
	}
	return locks.Mutex(name, opts...)
}
