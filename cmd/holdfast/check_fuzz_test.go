package main

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/redis/go-redis/v9"
)

// answering is a hook that answers each command itself: with a text where that is what is asked
// for, and else with an error.
type answering struct {
	text string
	err  error
}

func (a answering) ProcessHook(redis.ProcessHook) redis.ProcessHook {
	return func(_ context.Context, cmd redis.Cmder) error {
		switch cmd := cmd.(type) {
		case *redis.StringCmd:
			cmd.SetVal(a.text)
			return nil
		case *redis.MapStringStringCmd:
			cmd.SetVal(map[string]string{"save": a.text, "appendfsync": a.text, "notify-keyspace-events": a.text})
			return nil
		}
		cmd.SetErr(a.err)
		return a.err
	}
}

func (answering) DialHook(redis.DialHook) redis.DialHook {
	return func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("there is no server") }
}

func (answering) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// FuzzCheck: whatever a server says, no check panics, and each finding is whole.
func FuzzCheck(f *testing.F) {
	const info = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:9.1.2\r\nmaxmemory:1\r\naof_enabled:1\r\n" +
		"role:master\r\nconnected_slaves:1\r\nslave0:ip=a,lag=1,b\r\nslave1:lag=\r\ncluster_state:ok\r\n"
	for _, refused := range []string{"NOPERM No permissions to access database", "NOPERM", "ERR unknown command 'time'", "READONLY x", ""} {
		f.Add(info, refused)
		f.Add("", refused)
		f.Add("server_name:", refused)
	}
	f.Fuzz(func(t *testing.T, text, refused string) {
		client := redis.NewClient(&redis.Options{MaxRetries: -1, DB: 5})
		defer client.Close()
		client.AddHook(answering{text, said(refused)})
		target, nodes := &target{client: client}, []node{{"a", true, client}}
		found := target.checkRights(t.Context(), nodes, "a")
		found = append(found, checkClocks(t.Context(), nodes)...)
		for _, check := range []func(context.Context, *redis.Client) finding{
			checkVersion, checkEviction, checkPersistence, checkReplicas, checkCluster, checkNotifications,
		} {
			found = append(found, check(t.Context(), client))
		}
		for _, f := range found {
			if f.Check == "" || f.Found == "" || f.Means == "" || !slices.Contains([]rating{good, warn, bad, unknown}, f.Verdict) {
				t.Errorf("%q, %q: %+v", text, refused, f)
			}
		}
	})
}
