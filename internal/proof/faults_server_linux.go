package proof

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// one are the deployments of one server.
var one = []string{Single, AOF, Everysec, RDB, Clock}

var serverFaults = []fault{
	{name: "server stopped (SIGSTOP)", track: server, on: one, do: func(s *strike) error {
		s.servers[0].Stop()
		time.Sleep(s.between(0.2, 3))
		s.servers[0].Cont()
		return nil
	}},
	{name: "server killed (SIGKILL), nothing on disk", track: server, on: []string{Single}, loses: true, do: restart},
	{name: "server killed (SIGKILL), RDB", track: server, on: []string{RDB}, loses: true, do: restart},
	{name: "server killed (SIGKILL), AOF everysec", track: server, on: []string{Everysec}, loses: true, do: restart},
	{name: "power cut, AOF everysec", track: server, on: []string{Everysec}, loses: true, do: powerCut},
	{name: "server killed (SIGKILL), AOF", track: server, on: []string{AOF}, settle: time.Second, begins: true, do: restart},
	{name: "SCRIPT FLUSH", track: server, do: onMasters("script", "flush")},
	{name: "FLUSHALL", track: server, on: []string{Single, AOF, Everysec, RDB, Sentinel, MinReplicas, Cluster}, excuses: true, do: onMasters("flushall")},
	{name: "CLIENT KILL", track: server, do: func(s *strike) error {
		for _, kind := range []string{"normal", "pubsub"} {
			if err := onMasters("client", "kill", "type", kind)(s); err != nil {
				return err
			}
			time.Sleep(s.between(0, 0.2))
		}
		return nil
	}},
	{name: "CLIENT PAUSE", track: server, do: func(s *strike) error {
		longest := 2.5
		if s.several() {
			longest = 0.7 // else it is a failover
		}
		d := s.between(0.2, longest)
		pause := []any{"client", "pause", d.Milliseconds()}
		if s.r.IntN(2) == 0 && s.has("failover") { // Redis 6.2, which brought both
			pause = append(pause, "write")
		}
		err := onMasters(pause...)(s)
		time.Sleep(d)
		return err
	}},
	{name: "busy script", track: server, do: busy},
	{name: "maxmemory reached", track: server, do: func(s *strike) error {
		master := s.nodes[s.master(s.r)]
		defer master.ConfigSet(context.Background(), "maxmemory", "0")
		err := master.ConfigSet(context.Background(), "maxmemory", "1").Err()
		time.Sleep(s.between(0.2, 2))
		return err
	}},
	{name: "keys evicted", track: server, on: []string{Single, AOF, Cluster}, excuses: true, do: evict},
}

func restart(s *strike) error {
	s.servers[0].Kill()
	time.Sleep(s.between(0, 1.5))
	s.servers[0].Restart()
	if err := s.sure(s.servers[0]); err != nil {
		return err
	}
	return s.nodes[s.servers[0]].ConfigSet(context.Background(), "lua-time-limit", "100").Err()
}

// powerCut kills the server and takes from its AOF what was not on the disk yet: with everysec that of
// up to a second.
func powerCut(s *strike) error {
	var files []string
	for _, pattern := range []string{"appendonlydir/*.incr.aof", "appendonly.aof"} { // the second before Redis 7
		found, err := filepath.Glob(filepath.Join(s.servers[0].Dir(), pattern))
		if err != nil {
			return err
		}
		files = append(files, found...)
	}
	if len(files) != 1 {
		return fmt.Errorf("%d AOFs to cut: %q", len(files), files)
	}
	on, err := os.Stat(files[0])
	if err != nil {
		return err
	}
	time.Sleep(min(time.Second, s.between(0.3, 1)))
	s.servers[0].Kill()
	if err := os.Truncate(files[0], on.Size()); err != nil {
		return err
	}
	return restart(s)
}

// onMasters runs a command on each.
func onMasters(args ...any) func(s *strike) error {
	return func(s *strike) error {
		for _, m := range s.masters() {
			if err := s.nodes[m].Do(context.Background(), args...).Err(); err != nil {
				return fmt.Errorf("%v: %w", args, err)
			}
		}
		return nil
	}
}

// busy has a script run until it is killed; the server answers BUSY to all else from 100 ms
// on.
func busy(s *strike) error {
	longest := 2.0
	if s.several() {
		longest = 0.7
	}
	at, d := s.master(s.r), s.between(0.3, longest)
	runner := at.Client(func(o *redis.Options) { o.MaxRetries, o.ReadTimeout = -1, time.Minute })
	defer runner.Close()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runner.Eval(context.Background(), "while true do end", nil)
	}()
	time.Sleep(d)
	err := await("the script is killed", 10*time.Second, func() bool {
		s.nodes[at].ScriptKill(context.Background())
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	return err
}

// evict has the server drop any key.
func evict(s *strike) error {
	ctx, node := context.Background(), s.nodes[s.master(s.r)]
	defer node.ConfigSet(ctx, "maxmemory-policy", "noeviction")
	defer node.ConfigSet(ctx, "maxmemory", "0")
	if err := node.ConfigSet(ctx, "maxmemory-policy", "allkeys-random").Err(); err != nil {
		return err
	}
	err := node.ConfigSet(ctx, "maxmemory", "1").Err()
	time.Sleep(s.between(0.05, 0.3))
	return err
}

var clockFaults = []fault{
	{name: "server's clock back", track: server, on: []string{Clock}, do: func(s *strike) error {
		return s.step(-s.between(0.1, 3))
	}},
	{name: "server's clock ahead within the margin", track: server, on: []string{Clock}, settle: time.Second, do: func(s *strike) error {
		err := s.step(s.ttl/50 + 10*time.Millisecond) // half of the fixed part is left for what it is for
		time.Sleep(2 * s.ttl)                         // not twice within a TTL
		return err
	}},
	{name: "server's clock ahead of the margin", track: server, on: []string{Clock}, excuses: true, do: func(s *strike) error {
		return s.step(s.between(0.2, 2))
	}},
}

func (s *strike) step(by time.Duration) error {
	s.note = by.String()
	return s.clock.step(by)
}

// sure waits for a server to answer after it was restarted.
func (g *rig) sure(at *redistest.Server) error {
	return await(at.Addr()+" answers", 20*time.Second, func() bool { return g.nodes[at].Ping(context.Background()).Err() == nil })
}
