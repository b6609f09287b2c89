package proof

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// failoverTime is more than any of these takes on a busy machine.
const failoverTime = 40 * time.Second

// watched are the deployments of Sentinels.
var watched = []string{Sentinel, Brisk, MinReplicas}

var sentinelFaults = []fault{
	{name: "Sentinel failover, master killed", track: server, on: watched, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.sentinel.Master()
		old.Kill()
		return errors.Join(s.promoted(old), s.returns(old))
	}},
	{name: "Sentinel failover, master frozen, then thawed", track: server, on: watched, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.sentinel.Master()
		old.Stop()
		err := s.promoted(old)
		since := now()
		old.Cont() // and takes writes for 10 s, until a Sentinel makes it a replica
		return errors.Join(err, s.demoted(old, since), s.replicated())
	}},
	{name: "Sentinel failover, unreplicated writes lost", track: server, on: watched, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.sentinel.Master()
		for _, replica := range s.servers {
			if replica != old {
				replica.Stop()
			}
		}
		time.Sleep(s.between(0.3, 0.7)) // what is written now is lost
		old.Kill()
		for _, replica := range s.servers {
			if replica != old {
				replica.Cont()
			}
		}
		return errors.Join(s.promoted(old), s.returns(old))
	}},
}

// promoted waits until the Sentinels name another master, and that one knows.
func (s *strike) promoted(old *redistest.Server) error {
	return await("another master", failoverTime, func() bool {
		m := s.sentinel.Master()
		return m != old && s.role(m) == "master"
	})
}

// returns starts a master that was killed again, as the replica of its successor.
func (s *strike) returns(old *redistest.Server) error {
	old.Restart()
	err := s.sure(old)
	host, port := hostPort(s.sentinel.Master())
	return errors.Join(err, s.nodes[old].ReplicaOf(context.Background(), host, port).Err(), s.nodes[old].ConfigSet(context.Background(), "lua-time-limit", "100").Err(), s.replicated())
}

var clusterFaults = []fault{
	{name: "Cluster failover, master killed", track: server, on: []string{Cluster}, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.master(s.r)
		old.Kill()
		err := s.taken(old)
		old.Restart()
		return errors.Join(err, s.sure(old), s.replicated())
	}},
	{name: "Cluster failover, master frozen, then thawed", track: server, on: []string{Cluster}, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.master(s.r)
		old.Stop()
		err := s.taken(old)
		old.Cont()
		return errors.Join(err, s.replicated())
	}},
	{name: "Cluster failover, unreplicated writes lost", track: server, on: []string{Cluster}, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.master(s.r)
		replica := s.replicaOf(old)
		if replica == nil {
			return errors.New("the master has no replica")
		}
		replica.Stop()
		time.Sleep(s.between(0.3, 0.7))
		old.Kill()
		replica.Cont()
		err := s.taken(old)
		old.Restart()
		return errors.Join(err, s.sure(old), s.replicated())
	}},
	{name: "Cluster failover on demand", track: server, on: []string{Cluster}, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.master(s.r)
		replica := s.replicaOf(old)
		if replica == nil {
			return errors.New("the master has no replica")
		}
		if err := s.nodes[replica].ClusterFailover(context.Background()).Err(); err != nil {
			return err
		}
		return errors.Join(s.taken(old), s.replicated())
	}},
	{name: "CLUSTER FAILOVER TAKEOVER", track: server, on: []string{Cluster}, loses: true, settle: 5 * time.Second, moves: true, do: func(s *strike) error {
		old := s.master(s.r)
		replica := s.replicaOf(old)
		if replica == nil {
			return errors.New("the master has no replica")
		}
		if err := s.nodes[replica].Do(context.Background(), "cluster", "failover", "takeover").Err(); err != nil {
			return err
		}
		return errors.Join(s.taken(old), s.replicated())
	}},
}

func (s *strike) replicaOf(master *redistest.Server) *redistest.Server {
	_, port := hostPort(master)
	for _, r := range s.servers {
		if s.role(r) == "slave" && s.info(r, "replication", "master_port") == port {
			return r
		}
	}
	return nil
}

// taken waits until three nodes other than the old master are masters.
func (s *strike) taken(old *redistest.Server) error {
	return await("a replica is promoted", failoverTime, func() bool {
		masters := 0
		for _, n := range s.servers {
			if n != old && s.role(n) == "master" {
				masters++
			}
		}
		return masters == 3
	})
}
