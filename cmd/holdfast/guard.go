package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/holdfast-go/holdfast"
)

// guard watches over the program that runs under one session of a lock.
type guard struct {
	session *holdfast.Session
	child   *child
	grace   time.Duration
	margin  time.Duration // see killMargin
	every   time.Duration // how often the lease is renewed, and the watcher is told of it
	log     io.Writer
	signals <-chan os.Signal
	monitor *monitor // nil if nobody asks

	// Once the program has to end:
	why    error
	told   time.Time
	killed bool
	// follow is set when we shall stop as soon as the program has.
	follow bool
	// ended is set when a signal was forwarded that asks the program, and so us, to end.
	ended bool
}

// outcome is how a term went.
type outcome struct {
	status int   // of the program
	why    error // why it was made to end; nil if it ended by itself
	ended  bool  // somebody asked for the end of it all
}

// runUnder runs a program under a session, which it releases.
func runUnder(s *holdfast.Session, p *program, signals <-chan os.Signal) (outcome, error) {
	if err := p.flags.settle(context.Background(), s); err != nil {
		return outcome{}, errors.Join(err, s.Release(context.Background()))
	}
	c, err := start(p.args[0], p.args[1:], p.flags.environment(p.name, s))
	if err != nil {
		_ = s.Release(context.Background())
		return outcome{}, cannotStart(p.args[0], err)
	}
	t := &guard{session: s, child: c, grace: p.flags.grace, margin: killMargin(p.flags.ttl), every: p.flags.renewEvery(),
		log: p.log, signals: signals, monitor: p.monitor}
	if c.unwatched != nil {
		t.say("no watcher could be started (%v): if holdfast is stopped, the program goes on", c.unwatched)
	}
	t.monitor.programStarts()
	t.watch()
	t.clear()
	status, by := c.status()
	t.monitor.programEnds(status, t.why != nil)
	t.monitor.over()
	o := outcome{status: status, why: t.why, ended: t.ended || c.tty >= 0 && interrupts(by)}
	// Not deferred: the lock is given back only when the program is gone.
	switch err := t.release(); {
	case err == nil || o.why != nil:
	case errors.Is(err, holdfast.ErrLost):
		o.why = err
		t.say("%s", message(err))
	default:
		t.say("%s; the lock expires by itself within %v", message(err), p.flags.ttl)
	}
	return o, nil
}

// releaseTime is how long holdfast goes on trying to give the lock back if Redis does not answer.
// When it has ended nobody does, and the lock stays for its TTL.
const releaseTime = 15 * time.Second

// release gives the lock back. If Redis does not answer, it tries again, until the time is up or a
// signal asks for the end.
func (t *guard) release() error {
	err := t.session.Release(context.Background())
	if err == nil || t.why != nil || !passing(err) || errors.Is(err, holdfast.ErrLost) {
		return err
	}
	t.say("%s; it goes on trying for %v", message(err), releaseTime)
	end := time.After(releaseTime)
	for pause := 100 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		select {
		case <-end:
			return err
		case sig := <-t.signals:
			if asksToEnd(sig) {
				return err
			}
		case <-time.After(pause):
			if err = t.session.Release(context.Background()); err == nil || !passing(err) {
				return err
			}
		}
	}
}

func cannotStart(program string, err error) error {
	status := statusCannotRun
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		status = statusNotFound
	}
	return &statusError{status: status, err: fmt.Errorf("starting %s: %w", program, err)}
}

func (t *guard) say(format string, args ...any) {
	fmt.Fprintf(t.log, "holdfast: "+format+"\n", args...)
}

// watch returns when the program has ended, and sees to it that it does before the lease.
func (t *guard) watch() {
	done := t.session.Done()
	for {
		wait := t.due()
		t.child.mayRun(t.allowed())
		timer := time.NewTimer(min(wait, t.every))
		select {
		case <-t.child.exited:
			timer.Stop()
			return
		case sig := <-t.signals:
			t.forward(sig)
		case <-t.child.stopped:
			if t.follow || t.child.tty >= 0 {
				t.follow = false
				t.pause()
			}
		case <-done:
			done = nil
			t.end(t.session.Err())
		case <-timer.C:
		}
		timer.Stop()
	}
}

// left is how long the program may run.
func (t *guard) left() time.Duration { return time.Until(t.session.ValidUntil()) - t.margin }

// allowed is how long the watcher lets the program run: a little longer than this process does.
func (t *guard) allowed() time.Duration {
	left := t.left()
	if t.why != nil {
		left = min(left, time.Until(t.told.Add(t.grace)))
	}
	return left + t.margin/2
}

// due does what the time demands, and returns how long nothing more is due.
func (t *guard) due() time.Duration {
	if t.killed {
		return time.Hour
	}
	left := t.left()
	if t.why == nil && left > t.grace {
		return left - t.grace
	}
	if t.why == nil {
		t.end(fmt.Errorf("%w: no renewal was confirmed, and the lease ends in %v", holdfast.ErrExpired, max(left+t.margin, 0).Round(time.Millisecond)))
	}
	// A renewal that comes now makes the time no longer; it was told.
	if wait := min(left, time.Until(t.told.Add(t.grace))); wait > 0 {
		return wait
	}
	t.killed = true
	t.monitor.programKilled()
	t.child.signal(sigKill)
	t.say("killed the program, which had not ended after %v", time.Since(t.told).Round(time.Millisecond))
	return time.Hour
}

// end tells the program to end.
func (t *guard) end(why error) {
	if t.why != nil {
		return
	}
	t.why, t.told = why, time.Now()
	t.monitor.over()
	t.child.mayRun(t.allowed()) // first: this process may be stopped behind it
	t.child.signal(sigTerm)
	if t.session.Err() == nil || errors.Is(why, holdfast.ErrMaxHold) {
		t.child.signal(sigCont) // it may be stopped; while the lease lasts, it may go on until it ends
	}
	t.say("%s; the program is told to end (SIGTERM)", message(why))
}

// forward passes a signal on.
func (t *guard) forward(sig os.Signal) {
	switch sig {
	case sigStop:
		t.child.signal(sig)
		if t.follow = tellsStops; !tellsStops {
			t.pause()
		}
		return
	case sigCont:
		if t.due(); t.killed {
			return // not a step further
		}
	}
	t.ended = t.ended || asksToEnd(sig)
	t.child.signal(sig)
}

// pause stops with the program and goes on with it, unless the lease has ended meanwhile.
func (t *guard) pause() {
	t.child.pause()
	if t.session.Err() == nil {
		t.child.signal(sigCont)
	}
}

// clearTime is how long what was killed may take to be gone.
const clearTime = 5 * time.Second

// leaveTime is how long a process that the program has left behind in its group has to leave
// it: a daemon that was just started does that as its first act.
const leaveTime = 250 * time.Millisecond

// clear ends what the program has left behind in its group, before the lock is given back.
func (t *guard) clear() {
	for leave := time.Now().Add(min(leaveTime, t.left())); t.why == nil && t.child.left() && time.Now().Before(leave); {
		time.Sleep(time.Millisecond)
	}
	if !t.child.left() {
		return
	}
	t.child.signal(sigTerm)
	end := time.Now().Add(min(t.grace, t.left()))
	for t.child.left() {
		switch late := time.Since(end); {
		case late > clearTime: // another user's, or stuck in the kernel
			t.say("the program has left processes behind that can't be killed, in group %d", t.child.pid())
			return
		case late > 0:
			t.child.signal(sigKill)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
