//go:build unix

package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestProgramEnvironment: the program is not told how to log in to Redis, unless that is asked for.
func TestProgramEnvironment(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.allow(t, append([]any{">Q1Z"}, redistest.KnownRights(t, r.client, "~*", "&*", "+@all")...)...)
	for _, args := range [][]string{{"run"}, {"lead", "--restart", "never"}} {
		for _, pass := range []bool{false, true} {
			all := slices.Clone(args)
			if pass {
				all = append(all, "--pass-redis")
			}
			tool := newTool(t, "worker:Q1Z@"+r.Addr(), append(all, "a", "--", "env")...)
			for _, name := range redisEnvironment[1:] {
				if name != envPasswordFile && !strings.Contains(name, "TLS") { // which name files
					tool.cmd.Env = append(tool.cmd.Env, name+"=Q1Z")
				}
			}
			tool.cmd.Env = append(tool.cmd.Env, "REDIS_URL_OTHER=stays")
			if status := tool.start().wait(); status != 0 {
				t.Fatalf("%q: status %d, %s", all, status, tool.err())
			}
			out := tool.out()
			if strings.Contains(out, "Q1Z") != pass || strings.Contains(out, "\nREDIS_URL=") != pass {
				t.Errorf("%q: %s", all, out)
			}
			for _, name := range []string{"REDIS_URL_OTHER=stays", "HOLDFAST_NAME=a\n", "HOLDFAST_FENCE="} {
				if !strings.Contains(out, name) {
					t.Errorf("%q: no %s in %s", all, name, out)
				}
			}
		}
	}
}

// TestPasswordFileIsNotPassedOn: nor is the program told in which file the password is, which it
// would send to localhost.
func TestPasswordFileIsNotPassedOn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	file := t.TempDir() + "/password"
	write(t, file, "any\n")
	for _, pass := range []string{"--pass-redis=false", "--pass-redis=true"} {
		tool := newTool(t, "worker@"+r.Addr(), "run", pass, "a", "--", "env")
		r.allow(t, append([]any{"nopass"}, redistest.KnownRights(t, r.client, "~*", "&*", "+@all")...)...)
		tool.cmd.Env = append(tool.cmd.Env, envPasswordFile+"="+file)
		tool.start().wait()
		if strings.Contains(tool.out(), envPasswordFile) != (pass == "--pass-redis=true") || !strings.Contains(tool.out(), "HOLDFAST_NAME=a") {
			t.Errorf("%s: %s%s", pass, tool.out(), tool.err())
		}
	}
}

// allow gives the user worker these rights.
func (r *rig) allow(t *testing.T, rights ...any) {
	t.Helper()
	if err := r.client.Do(t.Context(), append([]any{"acl", "setuser", "worker", "on"}, rights...)...).Err(); err != nil {
		t.Fatal(err)
	}
}
