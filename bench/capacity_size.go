package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

func whole(v float64) float64 { return math.Round(v) }

func tenth(v float64) float64 {
	if math.Abs(v) < 1 {
		return math.Round(v*100) / 100
	}
	return math.Round(v*10) / 10
}

// planned is the share of a core that a plan uses: the rest is for what comes at once, such as the waiters
// and renewals after an outage, and for the server's own work.
const planned = 0.5

// tripLocks is how many locks a round trip of renewals is for at most.
const tripLocks = 2048

// costs is what things take of the server's core, in µs, and of memory, in bytes.
type costs struct {
	renewal, trip     float64 // of a renewal, and of the round trip in which it is
	alone             float64 // of a renewal in a Cluster
	take              float64 // to take a lock and to release it
	together, single  float64 // of a hand-over, among many at once and alone
	first, other      float64 // of a waiter, a second
	locker            float64 // of a Locker, a second
	early             float64 // renewals for each interval of a lock: they come a little early
	tripsEach         float64 // round trips of a Locker in an interval that has as many locks as the fleet's
	lock, name, queue float64 // bytes in Redis
	connection        float64
	client            float64 // µs of a process's CPU for a renewal
	held              float64 // bytes in a process
}

// costs takes a renewal's cost apart: of the largest process a round trip is for many, of the fleet's for few.
func (m *measured) costs() costs {
	one, f := m.Held[len(m.Held)-1], m.Fleet
	interval := f.TTL / 2
	k := costs{
		alone: m.Cluster.Renewal.Server, take: one.Take.Server + one.Release.Server,
		first: m.Waiters.First.CPU.Server, other: m.Waiters.Other.CPU.Server,
		locker:    lockerCPU(f, m.Held[0]),
		early:     one.Renewals * one.TTL / 2 / float64(one.Locks),
		tripsEach: f.Trips * interval / float64(f.Lockers),
		lock:      one.LockBytes, name: one.NameBytes, queue: m.Waiters.Other.QueueBytes,
		connection: f.ConnectionBytes / f.Connections,
		client:     one.Renewal.Client, held: one.ClientBytes,
	}
	k.together, k.single = m.HandOvers[0].HandOver.Server, m.HandOvers[len(m.HandOvers)-1].HandOver.Server
	if more := f.trips() - one.trips(); more > 0 {
		k.trip = max(0, (f.Renewal.Server-one.Renewal.Server)/more)
	}
	k.renewal = max(0, one.Renewal.Server-k.trip*one.trips())
	return k
}

// core is the share of a core that renewals take: of so many locks in so many processes.
func (k costs) core(locks, processes float64, ttl time.Duration) float64 {
	interval := ttl.Seconds() / 2
	trips := min(locks, max(processes*k.tripsEach, locks/tripLocks))
	return (locks*k.early*k.renewal + trips*k.trip + processes*k.locker*interval) / interval / 1e6
}

// most is the number of locks whose renewals take the planned share of a core; each process has so many.
func (k costs) most(each float64, ttl time.Duration) float64 {
	return planned / k.core(each, 1, ttl) * each
}

var ttls = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute}

func (m *measured) sizing(s *strings.Builder) {
	k := m.costs()
	k.formula(s)
	k.tables(s)
	k.cluster(s)
	k.bigFleet(s)
}

func (k costs) formula(s *strings.Builder) {
	fmt.Fprintf(s, "## The formula\n\nFrom the figures above. All CPU is of the server's core, in µs; interval is the time between two renewals of a lock, half the TTL by default.\n\n"+
		"    share of a core × 1,000,000 =\n"+
		"        locks ÷ interval × %s               a renewal; %s in a Cluster\n"+
		"      + processes × trips ÷ interval × %s   a round trip of renewals; trips: see below\n"+
		"      + locks taken a second × %s           to take one and to release it\n"+
		"      + hand-overs a second × %s            one process's release is another's lock; %s if they come one by one\n"+
		"      + waiters × %s                        the first for its lock; %s each that waits behind it\n"+
		"      + processes × %s                      their subscriptions\n\n",
		number(tenth(k.early*k.renewal)), number(tenth(k.early*k.alone)), number(tenth(k.trip)), number(tenth(k.take)),
		number(tenth(k.together)), number(whole(k.single)), number(tenth(k.first)), number(tenth(k.other)), number(tenth(k.locker)))
	fmt.Fprintf(s, "    bytes in Redis =\n"+
		"        locks × %s + names used within a day, and not held × %s + waiters × %s + connections × %s\n\n",
		number(whole(k.lock)), number(whole(k.name)), number(whole(k.queue)), number(whole(k.connection)))
	fmt.Fprintf(s, "    one process = locks × %s bytes, and locks ÷ interval × %s µs of CPU a second\n\n",
		number(whole(k.held)), number(tenth(k.client)))
	fmt.Fprintf(s, "Renewals of one process that come due at about the same time go in one round trip. A process that took its locks at once has one trip an interval; "+
		"one that took them over time has up to four (measured: %s), or with more than 2,048 locks 16; and none is for more than 2,048 locks, in calls for 256. "+
		"A lock is renewed a little early, so that trips can be shared: %s times an interval, which is in the first figure. "+
		"Plan with half a core: an outage's end, a failover or a deployment brings many requests at once. The kernel's "+
		"buffers of connections and the fragmentation of Redis's memory come on top.\n\n", number(tenth(k.tripsEach)), number(tenth(k.early)))
}

func (k costs) tables(s *strings.Builder) {
	s.WriteString("## Worked out\n\nWhat renewals, and the subscriptions, take of one core. Memory is that of locks and of two connections a process.\n\n" +
		"| | TTL 10s | TTL 30s | TTL 1m | in Redis, MB |\n|---|--:|--:|--:|--:|\n")
	for _, c := range []struct{ locks, processes float64 }{
		{10_000, 1}, {100_000, 1}, {1_000_000, 1}, {10_000_000, 10},
		{10_000, 100}, {100_000, 1000}, {1_000_000, 10_000}, {10_000_000, 100_000},
	} {
		texts := []string{}
		for _, ttl := range ttls {
			texts = append(texts, percent(k.core(c.locks, c.processes, ttl)*1e6))
		}
		texts = append(texts, number(tenth((c.locks*k.lock+c.processes*2*k.connection)/1e6)))
		row(s, fmt.Sprintf("%s locks in %s", number(c.locks), plural(c.processes, "process", "processes")), texts...)
	}
	s.WriteString("\nMore than 100% is more than one server can do. Half a core carries, if it does nothing else:\n\n" +
		"| | TTL 10s | TTL 30s | TTL 1m |\n|---|--:|--:|--:|\n")
	for _, each := range []float64{1_000_000, 100, 1} {
		texts := []string{}
		for _, ttl := range ttls {
			texts = append(texts, rounded(k.most(each, ttl)))
		}
		row(s, "locks, "+number(each)+" in each process", texts...)
	}
	half := planned * 1e6
	fmt.Fprintf(s, "\nOr, whatever the TTL, %s hand-overs a second, or %s if they come one by one, each from another process; or %s locks taken and released a second; or %s waiters, each the first for its lock, "+
		"or %s that wait behind others; or the subscriptions of %s processes.\n\n",
		rounded(half/k.together), rounded(half/k.single), rounded(half/k.take), rounded(half/k.first), rounded(half/k.other), rounded(half/k.locker))
}

func (k costs) cluster(s *strings.Builder) {
	fmt.Fprintf(s, "## Where a Cluster takes over\n\nWhere the formula gives more than half a core, a longer TTL comes first: renewals halve as it doubles, and what it costs is that a "+
		"lock whose holder has died is free later. Then a Cluster: its masters divide the renewals, the hand-overs, the waiters' requests and the memory of locks. "+
		"Two things are to be known. A renewal costs %s µs there instead of %s, since each lock has a call of its own, so a Cluster of two masters "+
		"carries %s times the renewals of one server, one of six %s times. "+
		"And it does not divide all: each process has a connection to each master on which it has locks, and a message about a grant goes to every "+
		"master by the Cluster's bus, so hand-overs between processes grow less than the masters do. Several single servers, with the names divided among them by the "+
		"program and a Locker for each, have neither cost.\n\n",
		number(tenth(k.alone)), number(tenth(k.renewal)), number(tenth(2*k.renewal/k.alone)), number(tenth(6*k.renewal/k.alone)))
}

// bigFleet is a fleet that was not measured.
func (k costs) bigFleet(s *strings.Builder) {
	const processes, each = 100_000.0, 100.0
	const locks = processes * each
	fmt.Fprintf(s, "## 100,000 processes, on paper\n\nNot measured: from the figures above. %s processes with %.0f locks each, each of which hands one over in a minute; "+
		"one process in ten waits for a lock. A process has a subscription, and one connection to each server.\n\n", number(processes), each)
	s.WriteString("| | TTL 10s | TTL 30s | TTL 1m |\n|---|--:|--:|--:|\n")
	rest := (processes/60*k.single + processes/10*k.first + processes*k.locker) / 1e6
	var renewals, cores, servers, masters []string
	for _, ttl := range ttls {
		r := locks * k.early / (ttl.Seconds() / 2)
		renewals = append(renewals, rounded(r))
		single := k.core(locks, processes, ttl) + processes/60*k.single/1e6 + processes/10*k.first/1e6
		cores = append(cores, number(tenth(single)))
		servers = append(servers, number(math.Ceil(single/planned)))
		masters = append(masters, number(math.Ceil((r*k.alone/1e6+rest)/planned)))
	}
	row(s, "renewals a second", renewals...)
	row(s, "server cores, with full round trips", cores...)
	row(s, "single servers at half a core, the names divided among them", servers...)
	row(s, "masters of a Cluster at half a core", masters...)
	n := math.Ceil((k.core(locks, processes, time.Minute)) / planned)
	fmt.Fprintf(s, "\nWhat limits such a fleet is the connections. Every process may want a lock on every server, so each server has %s of them for requests, and its share of %s subscriptions: "+
		"some %s GB in Redis on each, and as much again or more in its kernel. maxclients (10,000 by default) and the limit of open files must be raised above that. "+
		"The subscriptions alone take %s of a core in all, which the servers share. "+
		"The locks take %s GB in all. A fleet of that size should divide itself: if each process uses the locks of one server only, %s servers have %s connections each, "+
		"and nothing else changes.\n",
		number(processes), number(processes), number(tenth(processes*(1+1/max(n, 1))*k.connection/1e9)), percent(processes*k.locker),
		number(tenth(locks*k.lock/1e9)), number(max(n, 1)), rounded(2*processes/max(n, 1)))
}

// rounded keeps two digits: more would claim too much.
func rounded(v float64) string {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return "–"
	}
	unit := math.Pow(10, max(math.Floor(math.Log10(v))-1, 0))
	return number(math.Round(v/unit) * unit)
}

func plural(n float64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + many
}
