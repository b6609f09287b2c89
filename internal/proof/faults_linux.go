package proof

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// fault is something that goes wrong for a while.
type fault struct {
	name  string
	track string   // faults of different tracks overlap in time
	on    []string // the deployments it is for; nil: all
	// excuses: an overlap may follow, until the next renewal.
	excuses bool
	// loses: what was acknowledged may be lost. Without a failover grace that excuses an overlap.
	loses bool
	// begins: the server goes on with another replication history, though nothing is lost.
	begins bool
	// settle is what the deployment takes to recover, beside the TTL.
	settle time.Duration
	// injected: it is for libraries whose clients can be told.
	injected bool
	moves    bool // it makes other servers masters
	// command is what the servers must have for it, as COMMAND INFO calls it, if not all have it.
	command string
	do      func(s *strike) error
}

// Tracks.
const (
	network = "network"
	server  = "server"
	workers = "workers"
)

// strike is one fault at work.
type strike struct {
	*rig
	d    *director
	r    *rand.Rand
	slot int // the worker it hits, if it hits one
	note string
	// beyond: a master that was replaced went on answering for longer than the failover grace bears.
	beyond bool
}

// between returns a time of a to b TTLs.
func (s *strike) between(a, b float64) time.Duration {
	return time.Duration((a + (b-a)*s.r.Float64()) * float64(s.ttl))
}

// eachLink does something to the worker's connections: to all servers, or now and then to
// one of them. What it returns does something else to the same.
func (s *strike) eachLink(f func(*redistest.Proxy)) (then func(func(*redistest.Proxy))) {
	links := s.links[s.slot]
	if len(links) > 1 && s.r.IntN(3) == 0 {
		i := s.r.IntN(len(links))
		links = links[i : i+1]
	}
	then = func(f func(*redistest.Proxy)) {
		for _, l := range links {
			f(l)
		}
	}
	then(f)
	return then
}

// held has a hold last for a while.
func held(hold func(*redistest.Proxy)) func(s *strike) error {
	return func(s *strike) error {
		then := s.eachLink(hold)
		time.Sleep(s.between(0.3, 3))
		then((*redistest.Proxy).Heal)
		return nil
	}
}

var networkFaults = []fault{
	{name: "requests black-holed", track: network, do: held((*redistest.Proxy).HoldRequests)},
	{name: "replies black-holed", track: network, do: held((*redistest.Proxy).HoldReplies)},
	{name: "both ways black-holed", track: network, do: held((*redistest.Proxy).Cut)},
	{name: "connections refused", track: network, do: held((*redistest.Proxy).Refuse)},
	{name: "connections reset", track: network, do: func(s *strike) error {
		for range 1 + s.r.IntN(5) {
			s.eachLink((*redistest.Proxy).Reset)
			time.Sleep(s.between(0, 0.3))
		}
		return nil
	}},
	{name: "delayed beyond the TTL", track: network, settle: time.Second, do: func(s *strike) error {
		d := s.between(0.6, 1.5) // each way
		then := s.eachLink(func(l *redistest.Proxy) { l.Delay(d) })
		time.Sleep(s.between(1, 2.5))
		then(func(l *redistest.Proxy) { l.Delay(0) })
		time.Sleep(d)
		return nil
	}},
	{name: "reply lost after the script ran", track: network, do: func(s *strike) error {
		for range 1 + s.r.IntN(5) {
			then := s.eachLink((*redistest.Proxy).HoldReplies)
			time.Sleep(s.between(0.02, 0.3))
			then((*redistest.Proxy).Reset)
			then((*redistest.Proxy).Heal)
			time.Sleep(s.between(0, 0.1))
		}
		return nil
	}},
	{name: "request applied late", track: network, settle: time.Second, do: func(s *strike) error {
		d := s.between(0.1, 2)
		then := s.eachLink(func(l *redistest.Proxy) { l.Delay(d) })
		time.Sleep(s.between(0.02, 0.2))
		then((*redistest.Proxy).ResetLate) // what is on its way arrives after the connection's death
		then(func(l *redistest.Proxy) { l.Delay(0) })
		time.Sleep(d)
		return nil
	}},
}

var workerFaults = []fault{
	{name: "worker stopped (SIGSTOP)", track: workers, do: func(s *strike) error {
		p := s.d.workers[s.slot]
		p.signal(syscall.SIGSTOP)
		time.Sleep(s.between(0.3, 3))
		p.signal(syscall.SIGCONT)
		return nil
	}},
	{name: "worker killed (SIGKILL)", track: workers, settle: 3 * time.Second, do: func(s *strike) error {
		return s.d.replace(s.slot)
	}},
	{name: "worker starved (GOMAXPROCS=1)", track: workers, do: func(s *strike) error {
		d := s.between(0.5, 2)
		err := s.d.workers[s.slot].send(order{Do: "hog", For: d})
		time.Sleep(d)
		return err
	}},
	{name: "pool exhausted", track: workers, settle: time.Second, do: func(s *strike) error {
		d := 1 + s.r.IntN(3) // Redis counts the seconds of BLPOP
		err := s.d.workers[s.slot].send(order{Do: "exhaust", For: time.Duration(d) * time.Second})
		time.Sleep(time.Duration(d) * time.Second)
		return err
	}},
	{name: "calls cancelled", track: workers, do: func(s *strike) error {
		return s.d.workers[s.slot].send(order{Do: "cancel"})
	}},
}

// injectedFaults are what can't be done to a process from outside.
var injectedFaults = []fault{
	{name: "machine suspended (injected)", track: workers, injected: true, do: func(s *strike) error {
		return s.d.workers[s.slot].send(order{Do: "suspend", For: s.between(0.1, 3)})
	}},
	{name: "client's clock ahead (injected)", track: workers, injected: true, do: func(s *strike) error {
		return s.d.workers[s.slot].send(order{Do: "step", For: s.between(0.1, 20)})
	}},
	{name: "client's clock back (injected)", track: workers, injected: true, do: func(s *strike) error {
		return s.d.workers[s.slot].send(order{Do: "step", For: -s.between(0.1, 20)})
	}},
}

// unsettles reports whether a replication history begins, in which a failover grace gives no lock yet.
func (f *fault) unsettles() bool { return f.loses || f.begins || f.moves }

func (f *fault) applies(kind string) bool { return f.on == nil || slices.Contains(f.on, kind) }

// allFaults is every fault there is.
var allFaults = slices.Concat(networkFaults, workerFaults, injectedFaults, serverFaults, clockFaults, sentinelFaults, handFaults, clusterFaults, slotFaults)
