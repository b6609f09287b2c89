package proof

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// calm is how long a round goes on without faults.
const calm = 2 * time.Second

// round lets everybody work, strikes for a while, lets them come to rest, and checks.
func (d *director) round() {
	h := &History{Locks: d.locks, Fences: d.Library.Fences, Floor: d.floor, Start: make(map[uint16]uint16), From: now()}
	for i := range d.locks {
		h.Start[uint16(i)] = d.cells.value(uint16(i))
	}
	d.windows, d.dead, d.records = nil, make(map[uint32]int64), nil
	for _, p := range d.workers {
		if err := p.begin(); err != nil {
			d.t.Fatal(errWorker, p.died())
		}
	}
	time.Sleep(d.TTL / 2)
	unwatch := d.watch()
	var striking sync.WaitGroup
	end := time.Now().Add(d.Strikes)
	for _, track := range d.tracks() {
		striking.Go(func() { d.strikeFor(track, end) })
	}
	striking.Wait()
	time.Sleep(d.TTL + calm)
	d.rest(h)
	unwatch()
	for _, p := range d.workers {
		if err := p.died(); err != nil {
			d.t.Fatal(err)
		}
		d.records = append(d.records, p.collect()...)
	}
	h.Sessions, h.Windows, h.Dead = build(d.records), d.windows, d.dead
	r := Check(h, d.bounds())
	r.Violations = append(r.Violations, d.orphans(h)...)
	d.count(h, r)
	if d.Round != nil {
		d.Round(h, r)
	}
	for _, s := range h.Sessions {
		d.floor[s.Lock] = max(d.floor[s.Lock], s.Fence)
	}
}

// rest waits until all that was begun is over. What is not is stuck.
func (d *director) rest(h *History) {
	if d.rig.sentinel != nil {
		if err := await("the Sentinels agree", agreeTime, d.rig.sentinel.Agree); err != nil {
			d.t.Error(err)
		}
	}
	deadline := time.Now().Add(d.bounds().Stuck + 10*time.Second)
	var resting sync.WaitGroup
	for _, p := range d.workers {
		resting.Go(func() {
			if !p.drain(deadline) && d.Stacks != "" {
				_ = p.send(order{Do: "stacks", To: filepath.Join(d.Stacks, fmt.Sprintf("proof-%s-worker%d.txt", d.Deployment, p.job.Worker))})
			}
		})
	}
	resting.Wait()
	h.To = now()
}

// orphans finds locks that are held although everybody has let go.
func (d *director) orphans(h *History) (found []Violation) {
	var left []string
	err := await("no lock is held", d.TTL+4*time.Second, func() bool {
		left = d.rig.left(d.locks)
		return len(left) == 0
	})
	if err == nil {
		return nil
	}
	for _, name := range left {
		found = append(found, Violation{
			What: "stuck", Lock: uint16(slices.Index(d.locks, name)), From: h.To, For: time.Duration(now() - h.To),
			Detail: "it is held in Redis although everybody has released it",
		})
	}
	return found
}

func (d *director) bounds() Bounds {
	return Bounds{
		// TTL and claim, which is no longer, and 2 s; and 2 s for the machine. A client that is late to see a
		// failover, or a replica's end, waits for the failover grace.
		Stuck: 2*d.TTL + 4*time.Second + d.rig.grace,
		Order: 500 * time.Millisecond,
		// Before its own turn comes, each other client has one, of 8 passes or twice its
		// goroutines, and so often as goroutines of its own client are before it.
		Passes: func(clients, goroutines int) int { return clients * (max(8, 2*goroutines) + 1) * goroutines },
		Strict: Strict,
	}
}

// count adds a round to the result.
func (d *director) count(h *History, r *Report) {
	d.result.Rounds++
	d.result.Counts.Add(r.Counts)
	d.result.Ordered += r.Ordered
	d.result.Longest = max(d.result.Longest, r.Longest)
	tally := func(name string) *Tally {
		if d.result.Faults[name] == nil {
			d.result.Faults[name] = &Tally{}
		}
		return d.result.Faults[name]
	}
	for i := range h.Windows {
		w := &h.Windows[i]
		t := tally(w.Name)
		t.Strikes++
		t.Excuses, t.Loses = t.Excuses || w.Excuses, w.Loses
		if w.Err != nil {
			t.Failed++
			d.say("%s %s: %v", w.Name, w.Note, w.Err)
		}
		if w.Loses {
			t.Pauses = append(t.Pauses, h.pause(w))
		}
		if h.follows(r, w) {
			t.Overlapped++
		}
	}
	for _, v := range r.Violations {
		v.Sessions = nil // a run may be long
		if v.Excuse == "" {
			d.result.Violations = append(d.result.Violations, v)
		} else {
			d.result.Excused = append(d.result.Excused, v)
		}
		if w := h.after(v); w != nil {
			t := tally(w.Name)
			t.Overlaps++
			t.Longest = max(t.Longest, v.For)
		}
	}
	d.say("%s round %d: %s", d.Deployment, d.result.Rounds, summary(h, r))
}

// after returns the fault that an overlap followed, excused or not.
func (h *History) after(v Violation) *Window {
	if v.What != "overlap" {
		return nil
	}
	for i := range h.Windows {
		if w := &h.Windows[i]; (w.Excuses || w.Loses) && w.From <= v.From && v.From <= w.Excused {
			return w
		}
	}
	return nil
}

// pause is the longest time, from the fault to the end of what it takes to recover, in which nobody got
// any lock.
func (h *History) pause(w *Window) (longest time.Duration) {
	to := min(w.To, h.To)
	times := []int64{w.From, to}
	for _, s := range h.Sessions {
		if w.From < s.Got && s.Got < to {
			times = append(times, s.Got)
		}
	}
	slices.Sort(times)
	for i := range times[1:] {
		longest = max(longest, time.Duration(times[i+1]-times[i]))
	}
	return longest
}

// follows reports whether an overlap followed the fault.
func (h *History) follows(r *Report, w *Window) bool {
	return slices.ContainsFunc(r.Violations, func(v Violation) bool { return h.after(v) == w })
}

func summary(h *History, r *Report) string {
	c := r.Counts
	return fmt.Sprintf("%d faults; %d operations: %d acquired, of these %d permits, %d beside others, %d not, %d lost, %d uses, %d refused; %d pairs in order; %d violations, %d excused",
		len(h.Windows), c.Operations(), c.Got, c.Permits, c.Beside, c.Failed, c.Lost, c.Uses, c.Refused, r.Ordered,
		len(r.Broken()), len(r.Violations)-len(r.Broken()))
}

func (d *director) say(format string, args ...any) {
	if d.Say != nil {
		d.Say(format, args...)
	}
}
