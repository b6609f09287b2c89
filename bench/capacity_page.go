package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

var errIncomplete = errors.New("the page needs all parts")

// page is what was measured, and what follows from it, in Markdown.
func (m *measured) page() (string, error) {
	if len(m.Held) == 0 || m.Fleet == nil || len(m.Busy) == 0 || m.Cluster == nil || len(m.HandOvers) == 0 || m.Waiters == nil {
		var lack []string
		for _, p := range parts {
			if m.Runs[p.name] == nil {
				lack = append(lack, p.name)
			}
		}
		return "", fmt.Errorf("%w; not measured: %s", errIncomplete, strings.Join(lack, ", "))
	}
	var s strings.Builder
	m.head(&s)
	m.heldTable(&s)
	m.fleetTable(&s)
	m.busyTable(&s)
	m.queueTable(&s)
	m.sizing(&s)
	return s.String(), nil
}

func (m *measured) head(s *strings.Builder) {
	s.WriteString("# How far it goes\n\n" +
		"What one Redis core and one process carry, measured, and a formula to size a deployment by. " +
		"`make capacity` makes this page anew. Server and clients share the machine, on loopback, so the " +
		"figures are CPU for each thing that is done: they say when a core is full, also of a server that has its " +
		"cores for itself. CPU of the server is by INFO, that of the process by getrusage; what both use without locks is subtracted.\n\n")
	for _, p := range parts {
		r := m.Runs[p.name]
		note := ""
		if r.Note != "" {
			note = "; " + r.Note
		}
		fmt.Fprintf(s, "- **%s**: %s, for %v%s\n", p.name, r.Began.Format("2006-01-02 15:04 UTC"),
			seconds(r.Took).Round(time.Second), note)
	}
	var commands, machines []string
	for _, p := range parts {
		if c := "`" + m.Runs[p.name].Command + "`"; !slices.Contains(commands, c) {
			commands = append(commands, c)
		}
		if machine := m.Runs[p.name].Machine; !slices.Contains(machines, machine) {
			machines = append(machines, machine)
		}
	}
	fmt.Fprintf(s, "\nBy %s, on %s.\n\n", strings.Join(commands, " and "), strings.Join(machines, "; and on "))
}

func (m *measured) heldTable(s *strings.Builder) {
	last := m.Held[len(m.Held)-1]
	fmt.Fprintf(s, "## Locks that one process holds\n\nOne Locker, a client with go-redis's defaults, 64 goroutines that take the locks, "+
		"TTL %v, so that each is renewed every %v at the latest. The largest number is held for %s.\n\n",
		seconds(last.TTL), seconds(last.TTL)/2, span(last.For))
	row(s, "", cells(m.Held, func(h *holding) string { return number(float64(h.Locks)) + " locks" })...)
	rule(s, len(m.Held))
	holdingRows(s, m.Held)
	least, most := m.Held[0].Renewal, m.Held[0].Renewal
	for _, h := range m.Held {
		least = cpu{min(least.Client, h.Renewal.Client), min(least.Server, h.Renewal.Server)}
		most = cpu{max(most.Client, h.Renewal.Client), max(most.Server, h.Renewal.Server)}
	}
	fmt.Fprintf(s, "\nFrom the cheapest to the dearest a renewal's CPU differs by %s in the process and by %s in the server. ",
		times(most.Client/least.Client), times(most.Server/least.Server))
	s.WriteString("When a lock is one of many, its memory is in no cache of the CPU by the time it is renewed: what a renewal takes more is the wait for it, in the process, " +
		"where the collection of garbage looks at all locks, too, and in Redis, which looks the key up. " +
		"A lock that was released leaves its fence in Redis for a day, so that the next holder's is larger: " +
		"names that were used within a day take memory, too. A shorter or a longer name takes as many bytes less or more; those here have " +
		fmt.Sprintf("%d to %d. ", len(lockName)+2, len(fmt.Sprint(lockName, ":", last.Locks-1))) +
		"A lock whose context's Done channel is in use takes 280 bytes more in the process ([bench.md](bench.md)).\n\n")
}

// holdingRows are the rows of several measurements of held locks.
func holdingRows(s *strings.Builder, all []*holding) {
	for _, r := range []struct {
		name string
		cell func(h *holding) string
	}{
		{"lost", func(h *holding) string { return number(float64(h.Lost)) }},
		{"held for", func(h *holding) string { return span(h.For) }},
		{"locks taken a second", func(h *holding) string { return number(h.Rate) }},
		{"CPU of process + server to take one, µs", func(h *holding) string { return both(h.Take) }},
		{"… to release one", func(h *holding) string { return both(h.Release) }},
		{"bytes of a lock in the process", func(h *holding) string { return number(whole(h.ClientBytes)) }},
		{"… in Redis", func(h *holding) string { return number(whole(h.LockBytes)) }},
		{"… in Redis, after it was released", func(h *holding) string { return number(whole(h.NameBytes)) }},
		{"renewals a second", func(h *holding) string { return number(h.Renewals) }},
		{"… in a round trip", func(h *holding) string { return number(h.Renewals / h.Trips) }},
		{"CPU of process + server for a renewal, µs", func(h *holding) string { return both(h.Renewal) }},
		{"share of a core, process + server", func(h *holding) string { return percent(h.Core.Client) + " + " + percent(h.Core.Server) }},
	} {
		row(s, r.name, cells(all, r.cell)...)
	}
}

func (m *measured) fleetTable(s *strings.Builder) {
	f, one := m.Fleet, m.Held[0]
	n := float64(f.Lockers)
	fmt.Fprintf(s, "## Many processes on one server\n\n%s Lockers with %d locks each, TTL %v, for %s. Each has a subscription of its own, as "+
		"if it were a process; processes would share nothing, but here all are in one, and %s Lockers share a client, "+
		"for want of file descriptors: %s connections in all.\n\n",
		number(n), f.Locks/f.Lockers, seconds(f.TTL), span(f.For), number(float64(f.Share)), number(f.Connections))
	row(s, "", fmt.Sprintf("%s × %d locks", number(n), f.Locks/f.Lockers))
	rule(s, 1)
	holdingRows(s, []*holding{f})
	row(s, "a Locker without locks: goroutines", number((f.Goroutines-one.Goroutines)/(n-1)))
	row(s, "… bytes in the process, with go-redis's buffers", number(whole((f.ProcessBytes-one.ProcessBytes)/(n-1))))
	row(s, "… bytes in Redis, a connection", number(whole(f.ConnectionBytes/f.Connections)))
	row(s, "… CPU of process + server, µs a second", both(cpu{f.Idle.Client / n, lockerCPU(f, one)}))
	s.WriteString("\nAn idle Locker costs the server a PING every 3 s, on its subscription, by which it notices a dead connection. A round trip of renewals is for fewer locks " +
		"here, so that each renewal costs more.\n\n")
}

func (m *measured) busyTable(s *strings.Builder) {
	fmt.Fprintf(s, "## A busy core\n\nThe same for %s locks of one process with shorter and shorter TTLs; and on a Cluster (of one node, which has all slots): there each lock "+
		"has a script call of its own, since locks are in different slots.\n\n", number(float64(m.Busy[0].Locks)))
	all := append(slices.Clone(m.Busy), m.Cluster)
	row(s, "", cells(all, func(h *holding) string {
		where := ""
		if h == m.Cluster {
			where = "Cluster, "
		}
		return where + "TTL " + seconds(h.TTL).String()
	})...)
	rule(s, len(all))
	holdingRows(s, all)
	s.WriteByte('\n')
}

func (m *measured) queueTable(s *strings.Builder) {
	h := m.HandOvers[0]
	fmt.Fprintf(s, "## Hand-overs and waiters\n\n%d processes take %d locks in turn: each has a goroutine for each lock, so a lock that is released "+
		"goes to another process, and its releaser waits again behind the others.\n\n", h.Processes, h.Locks)
	s.WriteString("| | hand-overs a second | CPU of processes + server for one, µs | share of a core, processes + server |\n|---|--:|--:|--:|\n")
	for _, h := range m.HandOvers {
		name := "released at once"
		if h.Hold > 0 {
			name = fmt.Sprintf("each held for %v", seconds(h.Hold))
		}
		row(s, name, number(h.Rate), both(h.HandOver), percent(h.Core.Client)+" + "+percent(h.Core.Server))
	}
	w := m.Waiters
	fmt.Fprintf(s, "\nA hand-over is the release, the grant, its message, and the next request of the process that released. The first line's processes and "+
		"server fill the machine's cores together. The second line's have little to do, so that fewer requests go together.\n\n"+
		"%s goroutines wait for as many locks, which another process holds; then as many of a third process wait behind them:\n\n", number(float64(w.Waiters)))
	s.WriteString("| | asks a second | CPU of process + server, µs a second | bytes in the process | bytes in Redis |\n|---|--:|--:|--:|--:|\n")
	for _, x := range []struct {
		name string
		waiter
	}{{"the first in its queue", w.First}, {"another", w.Other}} {
		row(s, x.name, number(x.Asks), both(x.CPU), number(whole(x.ClientBytes)), number(whole(x.QueueBytes)))
	}
	s.WriteString("\nThe goroutines of one process that wait for the same lock are one waiter.\n\n")
}

// lockerCPU is what a Locker without locks takes of the server's CPU, in µs a second: beside what the server
// takes for one, which is for itself.
func lockerCPU(f, one *holding) float64 {
	return max(f.Idle.Server-one.Idle.Server, 0) / float64(max(f.Lockers-1, 1))
}

func cells(all []*holding, cell func(*holding) string) (texts []string) {
	for _, h := range all {
		texts = append(texts, cell(h))
	}
	return texts
}

func row(s *strings.Builder, name string, texts ...string) {
	fmt.Fprintf(s, "| %s | %s |\n", name, strings.Join(texts, " | "))
}

func rule(s *strings.Builder, columns int) {
	fmt.Fprintf(s, "|---|%s\n", strings.Repeat("--:|", columns))
}

func both(c cpu) string { return number(tenth(c.Client)) + " + " + number(tenth(c.Server)) }

// percent is a share of a core of which so many µs a second are used.
func percent(micros float64) string {
	p := micros / 1e4
	if p < 10 {
		return number(tenth(p)) + "%"
	}
	return number(whole(p)) + "%"
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// span is a time that was waited for, without what was spent beside it.
func span(s float64) string { return seconds(s).Round(time.Second).String() }
