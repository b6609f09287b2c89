package main

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// retryInterval is how long a worker pauses after a try that failed. The demo's workers
// use the library's defaults, so that it shows what users get.
const retryInterval = holdfast.DefaultRetryInterval

var workerNames = []string{"worker-1", "worker-2", "worker-3"}

// since is the time from an instant to that of an event.
func since(start time.Time, at int64) time.Duration {
	return time.Unix(0, at).Sub(start)
}

func (d *director) playElection(ctx context.Context) error {
	for _, name := range workerNames {
		m, err := d.team.start(name)
		if err != nil {
			return err
		}
		d.say("starts %s, process %d", name, m.pid())
	}
	var first, elected int64 // first to campaign
	campaigning := 0
	err := d.await(ctx, grace, "three campaigns and an election", func(ev teamEvent) bool {
		switch ev.Kind {
		case eventCampaigning:
			campaigning++
			if first == 0 || ev.At < first {
				first = ev.At
			}
		case eventElected:
			elected = ev.At
		}
		return campaigning == len(workerNames) && elected != 0
	})
	if err != nil {
		return err
	}
	d.handedOver("Election", "nobody", d.leader, time.Duration(elected-first), "connecting and a round trip")
	if err := d.awaitWrites(ctx, 9); err != nil {
		return err
	}
	return d.lookFromOutside(ctx)
}

// lookFromOutside asks Redis who leads, as someone who has no part in it.
func (d *director) lookFromOutside(ctx context.Context) error {
	info, err := d.lock.Inspect(ctx)
	if err != nil {
		return fmt.Errorf("inspecting the lock: %w", err)
	}
	if !info.Held || info.Label != d.leader || info.Fence != d.fence {
		return fmt.Errorf("inspection says held=%t by %q with fence %d, but %s leads with %d",
			info.Held, info.Label, info.Fence, d.leader, d.fence)
	}
	d.say("asks Redis: held by %s, fence %s, %.1fs left",
		info.Label, d.screen.fences.short(info.Fence), info.TTL.Seconds())
	return nil
}

func (d *director) playKill(ctx context.Context) error {
	// A process has just had its write accepted when its last event came, so it
	// is not in the midst of one: what comes next is the same in every run.
	victim, fence := d.leader, d.fence
	if err := d.awaitWrites(ctx, 1); err != nil {
		return err
	}
	d.say("kills %s (SIGKILL)", victim)
	killed := time.Now()
	if err := d.team.kill(victim); err != nil {
		return fmt.Errorf("killing %s: %w", victim, err)
	}
	d.history.killed(victim, fence, killed.UnixNano())

	elected, err := d.awaitSuccessor(ctx, d.takeover()+grace)
	if err != nil {
		return err
	}
	d.handedOver("Leader killed", victim, d.leader, since(killed, elected.At), d.takeoverBound())
	if err := d.awaitWrites(ctx, 6); err != nil {
		return err
	}
	m, err := d.team.start(victim)
	if err != nil {
		return err
	}
	d.say("starts %s again, process %d", victim, m.pid())
	err = d.await(ctx, grace, victim+" to campaign", func(ev teamEvent) bool {
		return ev.Kind == eventCampaigning && ev.worker == victim
	})
	if err != nil {
		return err
	}
	return d.awaitWrites(ctx, 6)
}

func (d *director) playFreeze(ctx context.Context) error {
	victim, fence := d.leader, d.fence
	if err := d.awaitWrites(ctx, 1); err != nil {
		return err
	}
	d.frozen[victim] = true
	d.say("freezes %s (SIGSTOP)", victim)
	stopped := time.Now()
	if err := d.team.freeze(victim); err != nil {
		return fmt.Errorf("freezing %s: %w", victim, err)
	}
	elected, err := d.awaitSuccessor(ctx, d.takeover()+grace)
	if err != nil {
		return err
	}
	d.handedOver("Leader frozen", victim, d.leader, since(stopped, elected.At), d.takeoverBound())
	if err := d.awaitWrites(ctx, 6); err != nil {
		return err
	}
	if err := d.thaw(ctx, victim, fence); err != nil {
		return err
	}
	if err := d.writeLate(ctx, victim); err != nil {
		return err
	}
	delete(d.frozen, victim)
	return d.awaitWrites(ctx, 6)
}

// thaw lets a frozen worker go on. The first thing that it sees of its lost term
// must be that its context is done, and why.
func (d *director) thaw(ctx context.Context, victim string, fence int64) error {
	d.say("thaws %s (SIGCONT)", victim)
	thawed := time.Now()
	if err := d.team.thaw(victim); err != nil {
		return fmt.Errorf("thawing %s: %w", victim, err)
	}
	var done teamEvent
	err := d.await(ctx, grace, victim+" to find its context done", func(ev teamEvent) bool {
		done = ev
		return ev.Kind == eventContextDone && ev.worker == victim && ev.Fence == fence
	})
	if err != nil {
		return err
	}
	for _, look := range done.Looks {
		if look > thawed.UnixNano() {
			return fmt.Errorf("%s found its context live %v after it was thawed", victim, since(thawed, look))
		}
	}
	if !done.Lost {
		return fmt.Errorf("%s's context is done for a cause that is not ErrLost: %s", victim, done.Text)
	}
	d.screen.say(done.At, victim, "finds its context done at its first look, %v after the thaw",
		since(thawed, done.At).Round(100*time.Microsecond))
	d.screen.say(done.At, victim, "cause %s: %s", done.Cause, done.Text)
	return nil
}

// writeLate has a worker write with the fence of the term that it has lost.
func (d *director) writeLate(ctx context.Context, victim string) error {
	d.say("has %s write all the same, with its old fence", victim)
	if err := d.team.order(victim, orderWriteLate); err != nil {
		return err
	}
	return d.await(ctx, grace, "the store to refuse a late write of "+victim, func(ev teamEvent) bool {
		return ev.Kind == eventRefused && ev.worker == victim && ev.Late
	})
}

func (d *director) playResignation(ctx context.Context) error {
	old, fence := d.leader, d.fence
	if err := d.awaitWrites(ctx, 1); err != nil {
		return err
	}
	d.say("asks %s to resign", old)
	if err := d.team.order(old, orderResign); err != nil {
		return err
	}
	// The two events come through two pipes: in either order.
	var resigned, elected int64
	err := d.await(ctx, grace, old+" to resign and a successor", func(ev teamEvent) bool {
		switch {
		case ev.Kind == eventResigned && ev.worker == old && ev.Fence == fence:
			resigned = ev.At
		case ev.Kind == eventElected && ev.worker != old:
			elected = ev.At
		}
		return resigned != 0 && elected != 0
	})
	if err != nil {
		return err
	}
	took := time.Duration(elected - resigned)
	if took >= d.ttl {
		return fmt.Errorf("%s led %v after the resignation: not handed over, but expired", d.leader, took)
	}
	d.handedOver("Resignation", old, d.leader, took, d.resignationBound())
	return d.awaitWrites(ctx, 9)
}

// What bounds a hand-over, for the table.

func (d *director) takeoverBound() string {
	return fmt.Sprintf("TTL %v + a round trip", d.ttl)
}

func (d *director) resignationBound() string {
	return "a round trip, at most 1s"
}
