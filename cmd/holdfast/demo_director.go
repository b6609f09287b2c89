package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// grace is what a scene may take beyond what the protocol takes: for processes
// to start and for a busy machine.
const grace = 3 * time.Second

// director runs the scenes, and checks everything that the workers tell.
type director struct {
	ttl    time.Duration
	team   *team
	screen *screen
	lock   *holdfast.Mutex // to look at the lock from outside

	history history
	leader  string // the last elected
	fence   int64
	frozen  map[string]bool // those that may lose a term and write late

	handovers []handover
	accepted  int
	refused   int
}

// handover is a row of the table at the end.
type handover struct {
	scene    string
	from, to string
	took     time.Duration
	bound    string
}

// run plays all scenes and then sums up.
func (d *director) run(ctx context.Context) error {
	scenes := []struct {
		title string
		play  func(context.Context) error
	}{
		{"Election", d.playElection},
		{"Leader killed", d.playKill},
		{"Leader frozen past its TTL, then thawed", d.playFreeze},
		{"Resignation", d.playResignation},
	}
	for i, scene := range scenes {
		d.screen.heading(fmt.Sprintf("%d  %s", i+1, scene.title))
		if err := scene.play(ctx); err != nil {
			d.screen.flush()
			err = fmt.Errorf("scene %d (%s) went wrong: %w", i+1, scene.title, err)
			return errors.Join(err, d.twoOwners(time.Now()))
		}
	}
	return d.sumUp()
}

// await sees to the events of all workers until done, asked after each, says
// that what it waits for has come. An event may come from any worker at any
// time, so done keeps what it needs of it.
func (d *director) await(ctx context.Context, within time.Duration, what string, done func(teamEvent) bool) error {
	late := time.NewTimer(within)
	defer late.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-late.C:
			return fmt.Errorf("waited %v for %s", within, what)
		case ev := <-d.team.events:
			if err := d.see(ev); err != nil {
				return err
			}
			if done(ev) {
				return nil
			}
		}
	}
}

// awaitWrites waits for the leader to have n more writes accepted.
func (d *director) awaitWrites(ctx context.Context, n int) error {
	leader, fence := d.leader, d.fence
	what := fmt.Sprintf("%d writes of %s", n, leader)
	return d.await(ctx, time.Duration(n)*workEvery+grace, what, func(ev teamEvent) bool {
		if ev.Kind == eventWrote && ev.worker == leader && ev.Fence == fence {
			n--
		}
		return n == 0
	})
}

// awaitSuccessor waits for another worker to lead than the one that does now.
func (d *director) awaitSuccessor(ctx context.Context, within time.Duration) (elected teamEvent, err error) {
	old := d.leader
	err = d.await(ctx, within, "a successor of "+old, func(ev teamEvent) bool {
		elected = ev
		return ev.Kind == eventElected && ev.worker != old
	})
	return elected, err
}

// see shows and records an event, and returns an error if it should not be.
func (d *director) see(ev teamEvent) error {
	d.history.record(ev.worker, ev.event)
	short := d.screen.fences.short
	switch ev.Kind {
	case eventCampaigning:
		d.screen.say(ev.At, ev.worker, "campaigns")
	case eventElected:
		if ev.Fence <= d.fence {
			return fmt.Errorf("%s was elected with fence %d, not above %d, the last one", ev.worker, ev.Fence, d.fence)
		}
		d.leader, d.fence = ev.worker, ev.Fence
		d.screen.say(ev.At, ev.worker, "elected, fence %s", short(ev.Fence))
	case eventWrote:
		if ev.Late {
			return fmt.Errorf("the store accepted a late write of %s, fence %d", ev.worker, ev.Fence)
		}
		d.accepted++
		d.screen.wrote(ev.worker, ev.event)
	case eventRefused:
		d.refused++
		d.screen.say(ev.At, "store", "refuses %s: fence %s is older than %s", ev.worker, short(ev.Fence), short(ev.Newest))
		if !d.frozen[ev.worker] {
			return fmt.Errorf("the store refused a write of %s, which nobody had frozen", ev.worker)
		}
	case eventContextDone:
		if !d.frozen[ev.worker] {
			return fmt.Errorf("%s lost its term though nobody had touched it: %s", ev.worker, ev.Text)
		}
	case eventResigned:
		d.screen.say(ev.At, ev.worker, "resigns")
	case eventFailed, eventExited:
		return fmt.Errorf("%s %s: %s", ev.worker, ev.Kind, ev.Cause)
	}
	return nil
}

// say puts a line of the director's own into the timeline.
func (d *director) say(format string, args ...any) {
	d.screen.say(time.Now().UnixNano(), "director", format, args...)
}

func (d *director) handedOver(scene, from, to string, took time.Duration, bound string) {
	d.handovers = append(d.handovers, handover{scene: scene, from: from, to: to, took: took, bound: bound})
}

// takeover is how long a leader's place stays empty at most when it could not
// resign: its TTL, and what a waiter lets pass between two asks.
func (d *director) takeover() time.Duration { return d.ttl + retryInterval*5/4 }
