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
	longer  []time.Duration
	settled int
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, now: 100 * s}
	r.Guard = New(Config{
		Grace: length, Window: window, Now: func() time.Duration { return r.now },
		Changed: func(left time.Duration) { r.changes = append(r.changes, left) },
		Settled: func() { r.settled++ },
		Longer:  func(own, longest time.Duration) { r.longer = append(r.longer, own, longest) },
	})
	return r
}

// pass lets time pass.
func (r *rig) pass(d time.Duration) { r.now += d }

// id is the id of a history.
func id(n int) string { return fmt.Sprintf("%016x", n) }

// at is a server: which history its data has, and how many replicas.
type at struct{ history, replicas int }

// shows is what it shows of its replicas: the first is always the same, and so on.
func (a at) shows() Replicas {
	text := fmt.Sprint(a.replicas)
	for n := range a.replicas {
		text += fmt.Sprintf(" 10.0.0.%d:6379", n)
	}
	return Replicas(text)
}

// look has the Guard look at a server whose stamp is so old.
func (r *rig) look(a at, known time.Duration) {
	r.looked(a, known, a.replicas, 0)
}

// looked is look at a stamp that knows so many replicas, when one has begun to follow syncs times.
func (r *rig) looked(a at, known time.Duration, stamped int, syncs int64) {
	r.Looked("", Seen{
		ID: id(a.history), Known: known, Replicas: a.shows(), Stamped: at{0, stamped}.shows().names(), Syncs: syncs,
		Asked: r.now, Lower: r.Lower(""),
	})
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
	says := [2]any{"master_replid:" + id(a.history), a.shows().pattern()}
	listed := ";" + id(a.history) + " " + string(a.shows()) + ";"
	if q.Says == says || q.Says[1] == "" && strings.Contains(q.Says[0].(string), listed) {
		return true, r.Ran(q), 0
	}
	left, _ = r.Heard(q, id(a.history), a.shows())
	return false, 0, left
}

func (r *rig) must(what string, got, want any) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("after %v, %s: %v, not %v", r.now-100*s, what, got, want)
	}
}

// TestFirstSight: a history gives nothing until it was seen for a grace, and its stamp was looked at.
func TestFirstSight(t *testing.T) {
	r, a := newRig(t), at{history: 1}
	r.must("a look is due", r.Due(""), true)
	r.must("given before an answer", r.gives(a), false)
	r.must("left", r.Left(""), length)
	r.pass(length - 1)
	r.must("given", r.gives(a), false)
	r.must("left", r.Left(""), time.Duration(1))
	r.pass(1)
	r.must("given before a look", r.gives(a), false)
	r.must("left", r.Left(""), time.Duration(0))
	r.look(a, 0)
	r.must("given", r.gives(a), true)
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
	r.Looked("", Seen{ID: id(2), Replicas: None, Settled: true})
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
	r.must("doubtful before a look", r.Doubtful(id(2)), true)
	r.look(b, 0)
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
	lower := id(1) + " 0 10.0.0.1:6379"
	r.must("to lower", r.Lower(""), lower)
	r.must("a look is due", r.Due(""), true)
	r.must("given", r.gives(one), true)
	before := Seen{ID: id(1), Known: time.Hour, Replicas: one.shows(), Stamped: two.shows().names()}
	r.Looked("", before) // it was under way before
	r.must("to lower", r.Lower(""), lower)
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
	r.looked(one, time.Hour, 2, 1)
	r.must("given", r.gives(one), false)
	r.must("left", r.Left(""), window)
	r.pass(window)
	r.looked(one, time.Hour, 2, 1)
	r.must("given", r.gives(one), true)
}

// TestMost: a master that has fewer replicas than others have seen counts as one that has lost some.
func TestMost(t *testing.T) {
	r := newRig(t)
	r.looked(at{1, 1}, time.Hour, 2, 0)
	r.must("given", r.gives(at{1, 1}), false)
	r.must("left", r.Left(""), window)
	r.must("given by two", r.gives(at{1, 2}), true)
}

// TestMore: a replica more is noted, and the same question gives when it is asked again.
func TestMore(t *testing.T) {
	r, one, two := newRig(t), at{1, 1}, at{1, 2}
	r.look(one, time.Hour)
	q := r.Ask("")
	left, again := r.Heard(q, id(1), two.shows())
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
		r.must(fmt.Sprintf("%+v: a look is due", c), r.Due(""), c.want == Again)
		_, worth, _ = r.asks(c.at)
		r.must(fmt.Sprintf("%+v: worth of the next without a look", c), worth, c.want)
		r.look(c.at, time.Hour)
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
	r.look(one, time.Hour)
	r.asks(one)
	r.must("doubtful", r.Doubtful(id(1)), false)
	r.pass(recent)
	r.must("doubtful", r.Doubtful(id(1)), true)
}

// TestSlowAnswers: what counts is when the answer before was asked for, not when it came: the master may
// have been stopped as soon as it had sent that.
func TestSlowAnswers(t *testing.T) {
	one := at{1, 1}
	r := newRig(t)
	r.look(one, time.Hour)
	first := r.Ask("")
	r.pass(recent - 1)
	_, worth, _ := r.answer(first, one) // it was on its way for long
	r.must("worth", worth, Counts)
	r.pass(recent / 2)
	_, worth, _ = r.asks(one)
	r.must("worth", worth, Again)
	r.must("doubtful", r.Doubtful(id(1)), true)
}

// TestFewerThan: what a master gave to who did not know all its replicas yet does not count.
func TestFewerThan(t *testing.T) {
	r, one, two := newRig(t), at{1, 1}, at{1, 2}
	r.look(one, time.Hour)
	q := r.Ask("")
	r.gives(two)
	_, worth, _ := r.answer(q, one) // the second has been promoted
	r.must("worth", worth, Again)
	r.must("given", r.gives(one), false)
	r.must("left", r.Left(""), window)
}

// TestAnother: a replica in place of another does not make up for that.
func TestAnother(t *testing.T) {
	r, b := newRig(t), at{1, 1}
	r.look(b, time.Hour)
	r.must("given", r.gives(b), true)
	q := r.Ask("")
	left, _ := r.Heard(q, id(1), "1 10.0.0.9:6379")
	r.must("left", left, window)
	left, _ = r.Heard(q, id(1), "2 10.0.0.9:6379 10.0.0.0:6379")
	r.must("left", left, time.Duration(0))
	left, _ = r.Heard(q, id(1), "1 10.0.0.0:6379")
	r.must("left", left, window)
}

// TestBackup: what follows a master for a while and has no port is missed by nobody.
func TestBackup(t *testing.T) {
	r, b := newRig(t), at{1, 1}
	r.look(b, time.Hour)
	left, again := r.Heard(r.Ask(""), id(1), b.shows()+" 10.0.0.8:0")
	r.must("left", left, time.Duration(0))
	r.must("again", again, true)
	r.must("given", r.gives(b), false) // it names them
	r.must("given", r.gives(b), true)
}

// TestIdle: a master with replicas that has not answered for a while gives nothing before a look: others may
// have seen more replicas.
func TestIdle(t *testing.T) {
	r, one := newRig(t), at{1, 1}
	r.look(one, time.Hour)
	r.must("a look is due", r.Due(""), false)
	r.pass(recent)
	r.must("a look is due", r.Due(""), true)
	r.looked(one, time.Hour, 2, 0)
	r.must("given", r.gives(one), false)
	r.must("left", r.Left(""), window)
}

// TestJoinable: who knows of no replica looks again if one may have begun to follow without another history.
func TestJoinable(t *testing.T) {
	for _, joinable := range []bool{false, true} {
		r, a := newRig(t), at{history: 1}
		look := func(stamped int) {
			r.Looked("", Seen{
				ID: id(1), Known: time.Hour, Replicas: a.shows(), Stamped: at{0, stamped}.shows().names(), Syncs: 0,
				Joinable: joinable, Asked: r.now,
			})
		}
		look(0)
		r.must("given", r.gives(a), true)
		r.pass(recent)
		r.must("a look is due", r.Due(""), joinable)
		if joinable {
			look(1)
			r.must("given without the replica that another knows of", r.gives(a), false)
		}
	}
}

// TestShort: a replica is missed since the first look that missed it, by anybody, less a margin for the clock.
func TestShort(t *testing.T) {
	for _, c := range []struct{ short, left time.Duration }{
		{0, window}, {stampMargin, window}, {stampMargin + window - 1, 1}, {stampMargin + window, 0},
	} {
		r, a := newRig(t), at{history: 1}
		r.Looked("", Seen{
			ID: id(1), Known: time.Hour, Replicas: a.shows(), Stamped: at{0, 1}.shows().names(), Short: c.short, Asked: r.now,
		})
		r.must(fmt.Sprintf("left of %v", c.short), r.Left(""), c.left)
	}
}

// TestPattern: what is looked for in INFO tells replicas apart that are not the same, also if they are as many.
func TestPattern(t *testing.T) {
	seen := make(map[string]Replicas)
	for _, r := range []Replicas{
		"0", "1", "2", "1 10.0.0.1:1", "1 10.0.0.2:1", "1 10.0.0.1:2", "2 10.0.0.1:1", "2 10.0.0.1:1 10.0.0.2:1", "2 10.0.0.2:1 10.0.0.1:1",
		"1 a.b:1", "1 a-b:1", "1 ::1:1",
	} {
		if other, there := seen[r.pattern()]; there {
			t.Errorf("%q and %q have one pattern, %q", other, r, r.pattern())
		}
		seen[r.pattern()] = r
	}
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
	r.look(a, 0)
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
	r.Looked("", Seen{ID: id(1), Replicas: None, Longest: length + 5*s})
	r.must("longest", r.Longest(), length+5*s)
	r.must("given", r.gives(a), false)
	r.pass(5*s - 1)
	r.must("given", r.gives(a), false)
	r.pass(1)
	r.must("given", r.gives(a), true)
	r.Looked("", Seen{ID: id(1), Replicas: None, Longest: s})
	r.must("longest", r.Longest(), length+5*s)
	r.gives(at{history: 2})
	r.must("left of another", r.Left(""), length+5*s)

	r = newRig(t) // whose W is longer, too, as far as is known
	r.look(at{1, 1}, time.Hour)
	longer := Seen{ID: id(1), Known: time.Hour, Replicas: at{1, 1}.shows(), Longest: length + 5*s}
	r.Looked("", longer)
	r.Looked("", longer)
	r.must("told", fmt.Sprint(r.longer), fmt.Sprint([]time.Duration{length, length + 5*s}))
	r.gives(at{1, 0})
	r.must("left without a replica", r.Left(""), window+5*s)
}

// TestLowered: what came back before the stamp was lowered stays in the stamp, and is missed.
func TestLowered(t *testing.T) {
	for _, back := range []bool{false, true} {
		r, two, one := newRig(t), at{1, 2}, at{1, 1}
		r.look(two, time.Hour)
		r.gives(one)
		r.looked(one, time.Hour, 2, 0)
		r.pass(window)
		r.looked(one, time.Hour, 2, 0)
		r.must("to lower", r.Lower("") != "", true)
		r.Looked("", Seen{ // another look, which was sent before
			ID: id(1), Known: time.Hour, Replicas: one.shows(), Stamped: two.shows().names(), Asked: r.now,
			Syncs: map[bool]int64{true: 1}[back],
		})
		r.must("given", r.gives(one), !back)
	}
}

// TestSharded: each node of a Cluster has a history of its own, and one that is new concerns no other.
func TestSharded(t *testing.T) {
	r := newRig(t)
	r.Sharded = true
	const a, b = "a:1", "b:1"
	nodes := map[string]at{a: {1, 1}, b: {2, 0}}
	look := func(node string, known time.Duration) {
		shows := nodes[node].shows()
		r.Looked(node, Seen{ID: id(nodes[node].history), Known: known, Replicas: shows, Stamped: shows.names(), Asked: r.now})
	}
	gives := func(node string) bool {
		given, worth, _ := r.answer(r.Ask(node), nodes[node])
		return given && worth == Counts
	}
	look(a, time.Hour)
	look(b, time.Hour)
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{true, true})
	r.must("older", r.Older(), "")
	r.must("changes", len(r.changes), 0)
	_, worth, _ := r.answer(r.Ask("c:1"), nodes[b])
	r.must("worth at a node of which nothing is known", worth, Again)

	nodes[b] = at{3, 0} // B's replica was promoted
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{true, false})
	r.must("left at A, B", [2]time.Duration{r.Left(a), r.Left(b)}, [2]time.Duration{0, length})
	look(b, 0)
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{true, false})
	r.must("named", strings.Contains(r.Ask(b).Says[0].(string), id(3)), false)
	r.pass(length - 1)
	gives(a)
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{true, false})
	r.pass(1)
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{true, true})

	nodes[a] = at{1, 0} // A has lost its replica, which may have been promoted
	r.must("given by A, B", [2]bool{gives(a), gives(b)}, [2]bool{false, true})
	r.must("left at A, B", [2]time.Duration{r.Left(a), r.Left(b)}, [2]time.Duration{window, 0})
	nodes[a] = at{1, 2}
	r.must("given by A", gives(a), false) // its replicas are noted
	r.must("given by A", gives(a), true)
	r.pass(recent)
	r.must("given by A, idle", gives(a), false)
	r.must("given by A", gives(a), true)
}

// TestListed: a question names only histories that answer.
func TestListed(t *testing.T) {
	r := newRig(t)
	r.Sharded = true
	for n := range mostShards + 2 {
		r.Looked(fmt.Sprintf("10.0.0.1:%d", n), Seen{ID: id(n), Known: time.Hour, Replicas: None, Asked: r.now})
		if n == mostShards {
			r.pass(listedFor)
		}
	}
	r.must("servers", len(r.servers) <= mostShards, true)
	r.must("histories", len(r.known), mostShards)
	r.pass(listedFor)
	r.Looked("b:1", Seen{ID: id(1), Known: time.Hour, Replicas: None, Asked: r.now})
	r.must("named", r.Ask("b:1").Says[0], any(";"+id(1)+" 0;"))
}

// TestNil: no option, no grace.
func TestNil(t *testing.T) {
	var g *Guard
	if g.Left("") != 0 || g.Doubtful(id(1)) {
		t.Error("there is a grace")
	}
}
