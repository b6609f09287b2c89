package proof

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// handFaults are failovers of a healthy deployment, by hand.
var handFaults = []fault{
	{name: "SENTINEL FAILOVER", track: server, on: watched, loses: true, settle: 5 * time.Second, moves: true, do: sentinelFailover},
	{name: "FAILOVER TO", track: server, on: watched, settle: 5 * time.Second, moves: true, command: "failover", do: failoverTo},
	{name: "replica promoted by hand", track: server, on: []string{Moved}, loses: true, do: promote},
	{name: "replica promoted by hand, and given up again", track: server, on: []string{Moved}, loses: true, do: thereAndBack},
	{name: "master killed, replica promoted by hand", track: server, on: []string{Moved}, loses: true, do: killAndPromote},
}

// sentinelFailover leaves the old master a master until a Sentinel demotes it, 11 s later, or, as an
// operator may, demotes it earlier. A worker that does not hear of it goes on with the old one.
func sentinelFailover(s *strike) error {
	ctx, old := context.Background(), s.sentinel.Master()
	if s.r.IntN(2) == 0 {
		deaf := s.links[s.slot][:len(s.sentinel.Sentinels)]
		for _, link := range deaf {
			link.Cut()
			defer link.Heal()
		}
		s.note = fmt.Sprintf("worker slot %d hears of it late ", s.slot)
	}
	err := await("a Sentinel begins a failover", failoverTime, func() bool {
		any := s.sentinel.Sentinels[s.r.IntN(len(s.sentinel.Sentinels))]
		return s.nodes[any].Do(ctx, "sentinel", "failover", redistest.MasterName).Err() == nil
	})
	if err != nil {
		return err
	}
	since := now()
	if err := s.promoted(old); err != nil {
		return err
	}
	if s.r.IntN(2) == 0 {
		time.Sleep(s.between(0, 3))
		host, port := hostPort(s.sentinel.Master())
		err = s.nodes[old].ReplicaOf(ctx, host, port).Err()
	}
	return errors.Join(err, s.demoted(old, since), s.replicated())
}

// failoverTo hands the role of the master on without loss (FAILOVER TO), and tells the Sentinels, which
// don't notice for 20 s.
func failoverTo(s *strike) error {
	ctx, old := context.Background(), s.sentinel.Master()
	var replicas []*redistest.Server
	for _, n := range s.servers {
		if n != old {
			replicas = append(replicas, n)
		}
	}
	i := s.r.IntN(len(replicas))
	next, other := replicas[i], replicas[len(replicas)-1-i]
	host, port := hostPort(next)
	if err := s.nodes[old].Do(ctx, "failover", "to", host, port, "timeout", 5000).Err(); err != nil {
		return err
	}
	err := await("the replica is the master", failoverTime, func() bool { return s.role(next) == "master" && s.role(old) == "slave" })
	if err != nil {
		return err
	}
	err = errors.Join(s.nodes[other].ReplicaOf(ctx, host, port).Err(), s.replicated(), s.sentinel.Watch(next))
	for _, one := range s.sentinel.Sentinels {
		s.patient(one)
	}
	return err
}

// demoted waits until a master that was replaced since that time is one no more.
func (s *strike) demoted(old *redistest.Server, since int64) error {
	err := await("the old master is a replica", failoverTime, func() bool { return s.role(old) == "slave" })
	if s.kind != MinReplicas { // there it takes no writes long before
		s.over(since)
	}
	return err
}

// over notes that a master that was replaced went on answering until now.
func (s *strike) over(since int64) {
	if took := time.Duration(now() - since); took > s.window {
		s.beyond = true
		s.note += "the old master answered for " + took.Round(time.Millisecond).String()
	}
}

// lead has the address lead to a server: for one worker later than for the others.
func (s *strike) lead(to *redistest.Server, later time.Duration) {
	for slot, links := range s.links {
		if slot != s.slot {
			links[0].Lead(to)
			links[0].Reset()
		}
	}
	time.Sleep(later)
	s.links[s.slot][0].Lead(to)
	s.links[s.slot][0].Reset()
	s.at = to
}

// other is the server to which the address does not lead.
func (s *strike) other() *redistest.Server {
	if s.at == s.servers[0] {
		return s.servers[1]
	}
	return s.servers[0]
}

// follow makes one server another's replica.
func (s *strike) follow(replica, master *redistest.Server) error {
	host, port := hostPort(master)
	return s.nodes[replica].ReplicaOf(context.Background(), host, port).Err()
}

func (s *strike) masterByHand(replica *redistest.Server) error {
	return s.nodes[replica].ReplicaOf(context.Background(), "no", "one").Err()
}

// promote leaves the old master a master for a while, and one worker with it.
func promote(s *strike) error {
	old, next := s.at, s.other()
	err := s.masterByHand(next)
	since := now()
	s.lead(next, s.between(0.5, 2.5))
	err = errors.Join(err, s.follow(old, next))
	s.over(since)
	return errors.Join(err, s.replicated())
}

// thereAndBack moves the address to the replica for so long that it gives locks, and back to a master
// that nobody has demoted.
func thereAndBack(s *strike) error {
	old, next := s.at, s.other()
	move := func(to *redistest.Server, since int64) {
		s.lead(to, s.between(0, 2))
		s.over(since)
	}
	err := s.masterByHand(next)
	move(next, now())
	time.Sleep(s.d.grace + s.between(1, 2))
	move(old, now())
	return errors.Join(err, s.follow(next, old), s.replicated())
}

func killAndPromote(s *strike) error {
	old, next := s.at, s.other()
	old.Kill()
	err := s.masterByHand(next)
	s.lead(next, 0)
	old.Restart()
	return errors.Join(err, s.sure(old), s.follow(old, next), s.replicated())
}
