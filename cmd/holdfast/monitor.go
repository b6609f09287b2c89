package main

import (
	"context"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/holdfast-go/holdfast"
)

// monitor knows how a lead goes, for --listen. Its methods may be called on nil, which knows nothing:
// without --listen there is none.
type monitor struct {
	name string // of the lock

	mu      sync.Mutex
	session *holdfast.Session // of the term; nil between terms
	began   time.Time         // the term
	until   time.Time         // its end, zero while it lasts
	led     time.Duration     // in earlier terms
	other   *leading          // who leads as far as Redis was asked, while this process waits
	waits   bool
	killed  time.Time // when the program was; zero if it was not, or has ended
	count   counts
}

// counts are since the command began.
type counts struct {
	terms, campaignFailures, renewals, renewalFailures int
	starts                                             int
	exits                                              map[string]int // by result
	losses                                             map[string]int // by cause
}

// leading is who leads.
type leading struct {
	label string
	fence int64
	since time.Time
}

// How a program ended.
const (
	resultSuccess = "success" // by itself, with status 0
	resultFailure = "failure" // by itself, with another
	resultStopped = "stopped" // holdfast made it end
)

var results = []string{resultSuccess, resultFailure, resultStopped}

// losses are the causes of a loss. What is none of them is causeOther.
var losses = []struct {
	err   error
	cause string
}{
	{holdfast.ErrExpired, "expired"},
	{holdfast.ErrTaken, "taken"},
	{holdfast.ErrGone, "gone"},
	{holdfast.ErrForceReleased, "force_released"},
	{holdfast.ErrSuspended, "suspended"},
}

const causeOther = "other"

func newMonitor(name string) *monitor {
	return &monitor{name: name, count: counts{exits: make(map[string]int), losses: make(map[string]int)}}
}

// change runs f while nobody else changes anything. f must not ask a session: if its time is up, that
// calls the observer.
func (m *monitor) change(f func()) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// observer counts renewals; nil without a monitor.
func (m *monitor) observer() *holdfast.Observer {
	if m == nil {
		return nil
	}
	return &holdfast.Observer{
		Renewed:    func(string, time.Duration) { m.change(func() { m.count.renewals++ }) },
		NotRenewed: func(string, error, time.Duration) { m.change(func() { m.count.renewalFailures++ }) },
	}
}

// campaignFailed: a try to get the lock failed.
func (m *monitor) campaignFailed() { m.change(func() { m.count.campaignFailures++ }) }

// begins: this process leads.
func (m *monitor) begins(s *holdfast.Session) {
	m.change(func() {
		m.session, m.began, m.until = s, time.Now(), time.Time{}
		m.count.terms++
	})
}

// over: the term is over, or has to be because the lock is about to be lost. It is called before the
// lock can be another's.
func (m *monitor) over() {
	m.change(func() {
		if m.until.IsZero() {
			m.until = time.Now()
		}
	})
}

// ended: the term is over, and so is its program. why is that of the outcome, or why there was no program.
func (m *monitor) ended(why error) {
	m.over()
	m.change(func() {
		if m.session != nil {
			m.led += m.term()
		}
		m.session = nil
		if why != nil && !errors.Is(why, holdfast.ErrMaxHold) {
			m.count.losses[lossOf(why)]++
		}
	})
}

func lossOf(why error) string {
	for _, l := range losses {
		if errors.Is(why, l.err) {
			return l.cause
		}
	}
	return causeOther
}

// programStarts, programKilled and programEnds: of the term's program.
func (m *monitor) programStarts() { m.change(func() { m.count.starts++ }) }
func (m *monitor) programKilled() { m.change(func() { m.killed = time.Now() }) }

func (m *monitor) programEnds(status int, stopped bool) {
	result := resultFailure
	switch {
	case stopped:
		result = resultStopped
	case status == 0:
		result = resultSuccess
	}
	m.change(func() {
		m.killed = time.Time{}
		m.count.exits[result]++
	})
}

// askEvery is how often Redis is asked who leads, while this process waits.
const askEvery = 5 * time.Second

// waitsFor: this process waits for the lock until end is called. Meanwhile who leads is asked, in a
// goroutine that ends soon after end: with the answer of Redis, or the client's time-out.
func (m *monitor) waitsFor(ctx context.Context, lock *holdfast.Mutex) (end func()) {
	if m == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	m.change(func() { m.waits = true })
	go m.look(ctx, lock)
	return func() {
		cancel()
		m.change(func() { m.waits, m.other = false, nil })
	}
}

func (m *monitor) look(ctx context.Context, lock *holdfast.Mutex) {
	for pause := typeAfter; pauses(ctx, pause); pause = jittered(askEvery) {
		info, err := lock.Inspect(ctx)
		var other *leading
		if err == nil && info.Held && !info.Kept && !info.Stranger {
			other = &leading{info.Label, info.Fence, info.Since}
		}
		m.change(func() {
			if ctx.Err() == nil {
				m.other = other
			}
		})
	}
}

// snapshot is how a lead goes at one moment.
type snapshot struct {
	leads, waits bool
	leader       *leading      // nil if that is not known
	remaining    time.Duration // of the lease
	led          time.Duration // in all terms
	unkilled     time.Duration // since the program was killed, if it has not ended
	count        counts
}

// now asks nobody.
func (m *monitor) now() snapshot {
	m.mu.Lock()
	session := m.session
	m.mu.Unlock()
	gone := session != nil && session.Err() != nil // perhaps before anybody else has noticed

	m.mu.Lock()
	defer m.mu.Unlock()
	s := snapshot{waits: m.waits, leader: m.other, led: m.led, count: m.count.copy()}
	if m.session != nil {
		if m.session == session && gone && m.until.IsZero() {
			m.until = time.Now()
		}
		s.led += m.term()
	}
	if s.leads = m.session != nil && m.session == session && m.until.IsZero(); s.leads {
		// A fence is the server's time, in microseconds.
		s.leader = &leading{session.Label(), session.Fence(), time.UnixMicro(session.Fence())}
		s.remaining = max(time.Until(session.ValidUntil()), 0)
	}
	if !m.killed.IsZero() {
		s.unkilled = time.Since(m.killed)
	}
	return s
}

// term is how long the term has lasted.
func (m *monitor) term() time.Duration {
	if m.until.IsZero() {
		return time.Since(m.began)
	}
	return m.until.Sub(m.began)
}

func (c counts) copy() counts {
	c.exits, c.losses = maps.Clone(c.exits), maps.Clone(c.losses)
	return c
}
