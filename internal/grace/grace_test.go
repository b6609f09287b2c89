package grace

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	s      = time.Second
	length = 10 * s
	window = 4 * s
)

// rig is a Guard of a single address, whose clock the test moves.
type rig struct {
	*Guard
	t       *testing.T
	now     time.Duration
	changes []time.Duration
	settled int
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: 100 * s}
	r.Guard = New(Config{
		Grace: length, Window: window, Now: func() time.Duration { return r.now },
		Changed: func(left time.Duration) { r.changes = append(r.changes, left) },
		Settled: func() { r.settled++ },
	})
	return r
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) { r.now += d }

// id is the id of a history.
func id(n int) string { return fmt.Sprintf("%016x", n) }

// at is a server: which history its data has, and how many replicas.
type at struct{ history, replicas int }

// look has the Guard look at a server whose stamp is so old.
func (r *rig) look(a at, known time.Duration) {
	r.Looked("", Seen{ID: id(a.history), Known: known, Replicas: a.replicas, Most: a.replicas})
}

// gives asks a server for a lock, and reports whether it gives it.
func (r *rig) gives(a at) bool {
	gives, _, _ := r.asks(a)
	return gives
}

// asks asks a server for a lock: whether it gives it, and what that is worth; else what the Guard says of
// the answer.
func (r *rig) asks(a at) (gives bool, worth Verdict, left time.Duration) {
	return r.answer(r.Ask(""), a)
}

func (r *rig) answer(q Question, a at) (gives bool, worth Verdict, left time.Duration) {
	info := fmt.Sprintf("role:master\r\nconnected_slaves:%d\r\nmaster_replid:%s0123456789abcdef01234567\r\n", a.replicas, id(a.history))
	history, replicas := q.Says[0].(string), q.Says[1].(string)
	if replicas != "" && strings.Contains(info, history) && strings.Contains(info, replicas) {
		return true, r.Ran(q), 0
	}
	left, _ = r.Heard(q, id(a.history), a.replicas)
	return false, 0, left
}

func (r *rig) must(what string, got, want any) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("after %v, %s: %v, not %v", r.now-100*s, what, got, want)
	}
}

// TestFirstSight: a history gives nothing until it was seen for a grace.
func TestFirstSight(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.must("a look is due", r.Due(""), true)
	r.must("given before an answer", r.gives(a), false)
	r.must("left", r.Left(""), length)
	r.pass(length - 1)
	r.must("given", r.gives(a), false)
	r.must("left", r.Left(""), time.Duration(1))
	r.pass(1)
	r.must("given", r.gives(a), true)
	r.must("left", r.Left(""), time.Duration(0))
	r.must("changes", len(r.changes), 0)
}

// TestStamp: the age of the stamp counts if it is the grace and a minute more; for less, what is left of
// that counts, or the first sight if that is sooner.
func TestStamp(t *testing.T) {
	for _, c := range []struct{ known, left time.Duration }{
		{0, length}, {time.Minute, length}, {time.Minute + 1, length - 1},
		{time.Minute + length - 1, 1}, {time.Minute + length, 0}, {time.Hour, 0},
	} {
		r, a := newRig(t), at{history: 1}
		r.look(a, c.known)
		r.must("a look is due", r.Due(""), false)
		r.must(fmt.Sprintf("left of %v", c.known), r.Left(""), c.left)
		r.must("given", r.gives(a), c.left == 0)
		r.pass(c.left)
		r.must("given", r.gives(a), true)
	}
}

// TestSettledByAStamp: who waits is told if a stamp makes the wait shorter.
func TestSettledByAStamp(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.look(a, 0)
	r.must("told", r.settled, 0)
	r.pass(s)
	r.gives(a)
	r.must("a look is due", r.Due(""), true)
	r.look(a, time.Hour)
	r.must("told", r.settled, 1)
	r.must("given", r.gives(a), true)
	r.look(a, time.Hour)
	r.must("told", r.settled, 1)
}

// TestLooks: a history that gives nothing is looked at once a second, and another one at once.
func TestLooks(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.look(a, 0)
	r.gives(a)
	r.must("a look is due", r.Due(""), false)
	r.pass(lookEvery)
	r.gives(a)
	r.must("a look is due", r.Due(""), true)
	r.look(a, 0)
	r.gives(at{history: 2})
	r.must("a look is due", r.Due(""), true)
}

// TestThereAndBack: an older history gives nothing any more once a younger one was seen. Its own answers
// don't put the younger one back.
func TestThereAndBack(t *testing.T) {
	r, a, b := newRig(t), at{history: 1}, at{history: 2}
	r.look(a, time.Hour)
	r.must("given by A", r.gives(a), true)
	r.must("given by B", r.gives(b), false)
	r.must("changes", fmt.Sprint(r.changes), fmt.Sprint([]time.Duration{length}))
	r.look(b, time.Hour)
	r.must("given by B, whose stamp is old", r.gives(b), true)
	r.pass(3 * s)
	r.must("given by A", r.gives(a), false)
	r.must("A gives nothing", r.Left("") > 0, true)
	r.must("older", r.Older(), id(1))
	r.look(a, time.Hour)
	r.must("given by A with an old stamp", r.gives(a), false)
	r.must("given by B at the first question", r.gives(b), false) // it named none
	r.must("given by B", r.gives(b), true)
	r.pass(time.Hour)
	r.must("given by A", r.gives(a), false)
	r.must("given by B at the first question", r.gives(b), false) // it named none
	r.must("given by B", r.gives(b), true)
	r.must("changes", len(r.changes), 1)
}

// TestGivenBack: an older history counts again a grace after it was seen with all its replicas, since then
// its successor is one of them.
func TestGivenBack(t *testing.T) {
	r, a, alone, b := newRig(t), at{1, 2}, at{1, 1}, at{2, 1}
	begin := func() {
		r = newRig(t)
		r.look(a, time.Hour)
		r.gives(a)
		r.look(b, 0)
		r.pass(time.Hour)
		r.gives(b)
		r.must("given by A without its successor", r.gives(alone), false)
		r.pass(time.Hour)
		r.must("given by A without its successor", r.gives(alone), false)
		r.pass(recent - 1)
		r.must("given by A with all", r.gives(a), false)
	}
	begin()
	r.pass(length - 1)
	r.must("given by A", r.gives(a), false)
	r.pass(1)
	r.gives(a)
	r.must("given by A", r.gives(a), true)
	r.must("older", r.Older(), id(2))
	r.must("given by B", r.gives(b), false)

	begin()
	r.gives(b) // it is there yet
	r.pass(length)
	r.gives(a)
	r.must("given by A", r.gives(a), false)

	begin()
	r.gives(alone)
	r.pass(length)
	r.gives(a)
	r.must("given by A", r.gives(a), false)
}

// TestOrder: which history is the younger one is not decided by which was seen first, if a stamp says
// how old they are.
func TestOrder(t *testing.T) {
	r, a, b := newRig(t), at{history: 1}, at{history: 2}
	r.look(b, 5*s) // a new process, after a failover
	r.gives(a)     // the old master
	r.look(a, time.Hour)
	r.must("older", r.Older(), id(1))
	r.must("given by A", r.gives(a), false)
	r.pass(length)
	r.gives(b)
	r.must("given by B", r.gives(b), true)
}

// TestSettled: an operator may settle a history, which says nothing of its age.
func TestSettled(t *testing.T) {
	r, b := newRig(t), at{history: 2}
	r.look(at{history: 1}, time.Hour)
	r.gives(b)
	r.Looked("", Seen{ID: id(2), Settled: true})
	r.gives(b)
	r.must("given", r.gives(b), true)
	r.must("older", r.Older(), id(1))
}

// TestGivenLate: what a history gave before a younger one was seen does not count after that.
func TestGivenLate(t *testing.T) {
	r, a, b := newRig(t), at{history: 1}, at{history: 2}
	r.look(a, time.Hour)
	q := r.Ask("")
	r.gives(b)
	_, worth, _ := r.answer(q, a)
	r.must("worth", worth, Refused)
	r.must("doubtful", r.Doubtful(id(1)), true)
	r.must("doubtful", r.Doubtful(id(2)), false)
	r.must("doubtful", r.Doubtful(id(3)), true)
	r.pass(time.Hour)
	r.must("doubtful", r.Doubtful(id(1)), true)
}

// TestFewer: a master with fewer replicas gives nothing until they are back, or were gone for the window.
func TestFewer(t *testing.T) {
	two, one, none := at{1, 2}, at{1, 1}, at{1, 0}
	begin := func() *rig {
		r := newRig(t)
		r.look(two, time.Hour)
		r.must("given", r.gives(two), true)
		r.must("given by one", r.gives(one), false)
		r.must("a look is due", r.Due(""), true)
		r.look(one, time.Hour)
		r.must("left", r.Left(""), window)
		return r
	}

	r := begin() // back
	r.pass(s)
	r.must("given", r.gives(two), true)
	r.must("left", r.Left(""), time.Duration(0))
	r.pass(window)
	r.must("given by one", r.gives(one), false)

	r = begin() // gone
	r.pass(window - 1)
	r.must("given", r.gives(one), false)
	r.look(one, time.Hour)
	r.must("given", r.gives(one), false)
	r.pass(1)
	r.must("given before a look", r.gives(one), false)
	r.must("a look is due", r.Due(""), true)
	r.look(one, time.Hour)
	r.must("to lower", r.Lower(""), id(1)+"1")
	r.must("a look is due", r.Due(""), true)
	r.must("given", r.gives(one), true)
	r.Looked("", Seen{ID: id(1), Known: time.Hour, Replicas: 1, Most: 2}) // it was under way before
	r.must("to lower", r.Lower(""), id(1)+"1")
	r.must("given", r.gives(one), true)
	r.look(one, time.Hour)
	r.must("to lower", r.Lower(""), "")
	r.must("given", r.gives(one), true)
	r.must("given by none", r.gives(none), false)

	r = begin() // another goes
	r.pass(window - 1)
	r.look(none, time.Hour)
	r.pass(window - 1)
	r.look(none, time.Hour)
	r.must("given", r.gives(none), false)
	r.pass(1)
	r.look(none, time.Hour)
	r.must("given", r.gives(none), true)

	r = begin() // one came and went
	r.pass(time.Hour)
	r.Looked("", Seen{ID: id(1), Known: time.Hour, Replicas: 1, Most: 2, Syncs: 1})
	r.must("given", r.gives(one), false)
	r.must("left", r.Left(""), window)
	r.pass(window)
	r.Looked("", Seen{ID: id(1), Known: time.Hour, Replicas: 1, Most: 2, Syncs: 1})
	r.must("given", r.gives(one), true)
}

// TestMost: a master that has fewer replicas than others have seen counts as one that has lost some.
func TestMost(t *testing.T) {
	r := newRig(t)
	r.Looked("", Seen{ID: id(1), Known: time.Hour, Replicas: 1, Most: 2})
	r.must("given", r.gives(at{1, 1}), false)
	r.must("left", r.Left(""), window)
	r.must("given by two", r.gives(at{1, 2}), true)
}

// TestMore: a replica more is noted, and the same question gives when it is asked again.
func TestMore(t *testing.T) {
	r, one, two := newRig(t), at{1, 1}, at{1, 2}
	r.look(one, time.Hour)
	q := r.Ask("")
	left, again := r.Heard(q, id(1), 2)
	r.must("left", left, time.Duration(0))
	r.must("again", again, true)
	r.must("given", r.gives(two), true)
	r.must("given by one", r.gives(one), false)
}

// TestRecent: a gift of a master with replicas counts only if it was asked for after another answer, and
// comes soon after that.
func TestRecent(t *testing.T) {
	one, none := at{1, 1}, at{1, 0}
	for _, c := range []struct {
		at    at
		pause time.Duration // between the answer before and the question
		took  time.Duration // the answer
		want  Verdict
	}{
		{one, 0, 0, Counts}, {one, recent - 1, 0, Counts}, {one, 0, recent - 1, Counts},
		{one, recent, 0, Again}, {one, 0, recent, Again}, {one, recent / 2, recent / 2, Again},
		{none, time.Hour, time.Hour, Counts},
	} {
		r := newRig(t)
		r.look(c.at, time.Hour)
		r.pass(c.pause)
		q := r.Ask("")
		r.pass(c.took)
		_, worth, _ := r.answer(q, c.at)
		r.must(fmt.Sprintf("%+v: worth", c), worth, c.want)
		_, worth, _ = r.asks(c.at)
		r.must(fmt.Sprintf("%+v: worth of the next", c), worth, Counts)
	}
	r := newRig(t) // two questions lie in a frozen master's sockets
	r.look(one, time.Hour)
	first, next := r.Ask(""), r.Ask("")
	r.pass(time.Hour)
	for _, q := range []Question{first, next} {
		_, worth, _ := r.answer(q, one)
		r.must("worth", worth, Again)
	}
	r.must("doubtful", r.Doubtful(id(1)), true)
	r.asks(one)
	r.must("doubtful", r.Doubtful(id(1)), false)
	r.pass(recent)
	r.must("doubtful", r.Doubtful(id(1)), true)
}

// TestForgotten: only so many histories are remembered, and one that was forgotten is new. What it gave
// meanwhile does not count.
func TestForgotten(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.look(a, time.Hour)
	q := r.Ask("")
	for n := range mostKnown {
		r.gives(at{history: 2 + n})
	}
	r.must("known", len(r.known), mostKnown)
	_, worth, _ := r.answer(q, a)
	r.must("worth", worth, Refused)
	r.must("given", r.gives(a), false)
	r.pass(length - 1)
	r.must("given", r.gives(a), false)
	r.pass(1)
	r.must("given", r.gives(a), true)
}

// TestLongest: whoever has a longer grace makes everybody's as long.
func TestLongest(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.gives(a)
	r.pass(length)
	r.Looked("", Seen{ID: id(1), Longest: length + 5*s})
	r.must("longest", r.Longest(), length+5*s)
	r.must("given", r.gives(a), false)
	r.pass(5*s - 1)
	r.must("given", r.gives(a), false)
	r.pass(1)
	r.must("given", r.gives(a), true)
	r.Looked("", Seen{ID: id(1), Longest: s})
	r.must("longest", r.Longest(), length+5*s)
	r.gives(at{history: 2})
	r.must("left of another", r.Left(""), length+5*s)
}

// TestNil: no option, no grace.
func TestNil(t *testing.T) {
	var g *Guard
	if g.Left("") != 0 || g.Doubtful(id(1)) {
		t.Error("there is a grace")
	}
}
