package proof

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Config is what to run.
type Config struct {
	Seed       uint64
	Deployment string
	Library    Library
	For        time.Duration // no round begins after it,
	Rounds     int           // except if these are not done yet
	Strikes    time.Duration // how long faults strike in a round
	Workers    int           // processes
	Clients    int           // of each
	Locks      int
	// Fresh, if not 0, is for how long one lock after the other is asked for, by everybody; Hold is for
	// how long each is held at most then. So there are many new leases that a fault may lose.
	Fresh, Hold time.Duration
	TTL         time.Duration
	Grace       bool // with the failover grace that the deployment needs
	Think       time.Duration
	Only        string // faults whose name holds one of these, separated by commas; all if empty
	Say         func(format string, args ...any)
	Stacks      string // directory for the goroutines of workers in which somebody is stuck; none if empty
	// Round is shown each history and its report.
	Round func(*History, *Report)
}

// Result is what came of all rounds.
type Result struct {
	Rounds     int
	Counts     Counts
	Ordered    int
	Faults     map[string]*Tally
	Violations []Violation // that nothing excuses
	Excused    []Violation
	Longest    time.Duration
	Took       time.Duration
	Grace      time.Duration // of the clients; 0: none
}

// Tally is what one fault did.
type Tally struct {
	Strikes int // done
	Failed  int // that could not be done, or whose end was not reached in time
	Excuses bool
	Loses   bool // what was acknowledged may be lost; with a failover grace that excuses nothing
	// Pauses are, for each strike that Loses, for how long nobody got any lock.
	Pauses []time.Duration
	// Overlapped is after how many strikes there were overlaps, Longest the longest of them.
	Overlapped int
	Overlaps   int
	Longest    time.Duration
}

// director leads the rounds.
type director struct {
	Config
	t       testing.TB
	rig     *rig
	grace   time.Duration // 0: none
	locks   []string
	cells   *cells
	path    string
	workers []*process // by slot
	started uint32     // workers so far
	floor   map[uint16]int64
	decks   map[string]*deck
	result  Result
	moving  atomic.Bool // a fault moves the masters

	mu      sync.Mutex
	windows []Window
	dead    map[uint32]int64
	records []Record // of workers that were killed
}

// Run runs rounds until the time is up, and returns what it found. It fails t only where the
// rounds can't be run.
func Run(t testing.TB, c Config) *Result {
	t.Helper()
	d := &director{Config: c, t: t, floor: make(map[uint16]int64), decks: make(map[string]*deck)}
	d.result.Faults = make(map[string]*Tally)
	if c.Grace {
		d.grace = graceOf(c.Deployment, c.TTL)
	}
	if c.Grace && !c.Library.Graced {
		t.Fatalf("proof: %s has no failover grace", c.Library.Name)
	}
	d.result.Grace = d.grace
	d.rig = newRig(t, c.Deployment, c.Workers, c.TTL, d.grace)
	if d.grace > 0 {
		err := error(nil)
		if late := await("the history is settled", 20*time.Second, func() bool {
			err = settle(d.rig.target(0)) // Redis may not have counted the replicas yet
			return err == nil
		}); late != nil {
			t.Fatal(errors.Join(late, err))
		}
	}
	for i := range c.Locks {
		d.locks = append(d.locks, nameOf(i, c.Library.Permits))
	}
	d.path = filepath.Join(t.TempDir(), "cells")
	var err error
	if d.cells, err = openCells(d.path, c.Locks); err != nil {
		t.Fatal(err)
	}
	defer d.cells.close()
	d.workers = make([]*process, c.Workers)
	defer d.dismiss()
	for slot := range d.workers {
		if d.workers[slot], err = d.launch(slot); err != nil {
			t.Fatal(err)
		}
	}
	d.deal()
	begin := time.Now()
	for (d.result.Rounds < c.Rounds || time.Since(begin) < c.For) && !t.Failed() {
		d.round()
	}
	d.result.Took = time.Since(begin)
	return &d.result
}

func (d *director) launch(slot int) (*process, error) {
	d.mu.Lock()
	number := d.started*slots + uint32(slot)
	d.started++
	d.mu.Unlock()
	return launch(job{
		Worker: number, Library: d.Library.Name, Target: d.rig.target(slot), Clients: d.Clients,
		Locks: d.locks, Cells: d.path, Seed: d.Seed, Think: d.Think, Fresh: d.Fresh, Hold: d.Hold,
	})
}

func (d *director) dismiss() {
	for _, p := range d.workers {
		if p != nil {
			p.kill()
		}
	}
}

// replace kills the worker of a slot and starts another.
func (d *director) replace(slot int) error {
	p := d.workers[slot]
	p.kill()
	d.mu.Lock()
	d.dead[p.job.Worker] = now()
	d.records = append(d.records, p.collect()...)
	d.mu.Unlock()
	next, err := d.launch(slot)
	if err != nil {
		return err
	}
	d.workers[slot] = next
	return next.begin()
}

// deck deals the faults of a track in an order that the seed decides, each once before any
// comes again.
type deck struct {
	r     *rand.Rand
	cards []fault
	at    int
}

func (d *deck) next() *fault {
	if d.at%len(d.cards) == 0 {
		d.r.Shuffle(len(d.cards), func(i, j int) { d.cards[i], d.cards[j] = d.cards[j], d.cards[i] })
	}
	d.at++
	return &d.cards[(d.at-1)%len(d.cards)]
}

// deal makes a deck for each track: two for the network, and one of the server's faults that
// excuse an overlap, which strike in rounds of their own. So in the other rounds nothing
// excuses anything.
func (d *director) deal() {
	for i, track := range []string{network, "network 2", server, excusing, workers} {
		k := &deck{r: rand.New(rand.NewPCG(d.Seed, uint64(i)))}
		for _, f := range allFaults {
			if strings.HasPrefix(track, f.track) && d.excuses(&f) == (track == excusing) &&
				f.applies(d.Deployment) && d.rig.has(f.command) && (!f.injected || d.Library.Injects) && d.chosen(f.name) {
				k.cards = append(k.cards, f)
			}
		}
		if len(k.cards) > 0 {
			d.decks[track] = k
		}
	}
}

// excuses reports whether an overlap may follow the fault.
func (d *director) excuses(f *fault) bool { return f.excuses || f.loses && d.grace == 0 }

// excusing is the track of the server's faults that excuse an overlap.
const excusing = server + ", excusing"

// tracks returns those of the next round: of the server's two, the one that is behind.
func (d *director) tracks() []string {
	skip := ""
	if s, e := d.decks[server], d.decks[excusing]; s != nil && e != nil {
		if skip = excusing; s.at*len(e.cards) > e.at*len(s.cards) {
			skip = server
		}
	}
	var list []string
	for track := range d.decks {
		if track != skip {
			list = append(list, track)
		}
	}
	return list
}

func (d *director) chosen(name string) bool {
	return d.Only == "" || slices.ContainsFunc(strings.Split(d.Only, ","), func(part string) bool { return strings.Contains(name, part) })
}

// strikeFor has the faults of a deck strike one after the other.
func (d *director) strikeFor(track string, end time.Time) {
	k := d.decks[track]
	for time.Now().Before(end) {
		f := k.next()
		s := &strike{rig: d.rig, d: d, r: k.r, slot: k.r.IntN(d.Workers)}
		w := Window{Name: f.name, From: now(), Excuses: d.excuses(f), Loses: f.loses}
		if f.track != server {
			w.Groups = 1 << s.slot
			s.note = fmt.Sprintf("worker slot %d", s.slot)
		}
		at := d.open(w)
		if f.moves {
			d.moving.Store(true)
		}
		err := f.do(s)
		if f.moves {
			time.Sleep(3 * lookPause) // the last change is seen meanwhile
			d.moving.Store(false)
		}
		d.shut(at, func(w *Window) {
			w.Note, w.Err = s.note, err
			w.Excuses = w.Excuses || s.beyond
			w.Excused = now() + int64(d.TTL) // what was trusted before it ended is over by then
			w.To = now() + int64(d.TTL) + int64(f.settle)
			if f.unsettles() {
				w.To += int64(d.grace)
			}
		})
		if f.unsettles() && d.grace > 0 { // else there is nothing that the next fault could lose
			time.Sleep(d.grace + s.between(1.5, 3))
		}
		time.Sleep(time.Duration(k.r.Int64N(int64(d.TTL / 2))))
	}
}

// open and shut mark the time of a fault.
func (d *director) open(w Window) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.To, w.Excused = never, never
	d.windows = append(d.windows, w)
	return len(d.windows) - 1
}

func (d *director) shut(at int, f func(*Window)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f(&d.windows[at])
}

var errWorker = errors.New("a worker ended that nobody had killed")
