package main

import (
	"context"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// childEnv in the environment makes the program a worker of a library of Go: its name, an = and the server's address.
const childEnv = "HOLDFAST_INTEROP_PEER"

// childMain is such a worker. It never returns: the process ends with its stdin.
func childMain(what string) {
	redis.SetLogger(quiet{})
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	name, addr, _ := strings.Cut(what, "=")
	peer, err := goPeers[name](addr)
	if err != nil {
		panic(err)
	}
	_ = out.Encode(answer{Version: goVersion(name)})
	for {
		var o order
		if in.Decode(&o) != nil {
			os.Exit(0)
		}
		_ = out.Encode(carryOut(peer, o))
	}
}

// carryOut does what an order says.
func carryOut(peer goPeer, o order) (a answer) {
	ctx, cancel := context.WithTimeout(context.Background(), max(time.Duration(o.Wait)*time.Millisecond, 5*time.Second))
	defer cancel()
	var err error
	switch o.Op {
	case "acquire":
		a.OK, err = peer.acquire(ctx, o)
	case "extend":
		a.OK, err = peer.extend(ctx, o)
	case "release":
		a.OK, err = peer.release(ctx)
	case "adopt":
		err = peer.adopt(o)
		a.OK = err == nil
	case "token":
		var token string
		token, err = peer.token()
		a.Token = []byte(token)
	default:
		err = errUnsupported
	}
	if err != nil {
		a.Error, a.Text = errorName(err), err.Error()
	}
	return a
}

// goModules has the module of each library of Go.
var goModules = map[string]string{
	"redsync": "github.com/go-redsync/redsync/v4", "redislock": "github.com/bsm/redislock",
	"rueidislock": "github.com/redis/rueidis", "rueidislock-1": "github.com/redis/rueidis",
	"gocron": "github.com/go-co-op/gocron-redis-lock/v2",
}

// goVersion is the version that this program was built with.
func goVersion(name string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == goModules[name] {
				return m.Version
			}
		}
	}
	return "of unknown version"
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
