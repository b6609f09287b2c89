package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/redis/go-redis/v9"
)

// childEnv in the environment makes the program a process of one contender.
const childEnv = "HOLDFAST_BENCH_CHILD"

// longest is the deadline where the end is a cancellation. There has to be one: without,
// redislock waits for its TTL at most.
const longest = time.Hour

// child is a process of one contender.
type child struct {
	setup
	c     contender
	names []string
	holds []held
}

type held struct {
	release func() error
	lost    context.Context
}

// childMain serves its parent and never returns: the process ends with its stdin, so it
// can't outlive the parent, however that dies.
func childMain() {
	redis.SetLogger(quiet{}) // it reports every fault that a workload makes
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	var w child
	if in.Decode(&w.setup) != nil {
		os.Exit(0)
	}
	orders := make(chan order)
	go func() {
		for {
			var o order
			if in.Decode(&o) != nil {
				os.Exit(0)
			}
			orders <- o
		}
	}()
	var a answer
	err := w.open()
	for {
		if err != nil {
			a.Error = err.Error()
		}
		if out.Encode(a) != nil {
			os.Exit(1)
		}
		a, err = w.do(<-orders)
	}
}

// open makes the contender and takes a first lock, so that what is done once (to connect,
// to load a script) has been done.
func (w *child) open() error {
	lib := find(w.Library)
	if lib == nil || lib.open == nil {
		return fmt.Errorf("no library %q", w.Library)
	}
	var err error
	if w.c, err = lib.open(w.setup); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	release, _, err := w.c.lock(fmt.Sprint("bench:first:", os.Getpid()))(ctx)
	if err != nil {
		return err
	}
	return release()
}

func (w *child) do(o order) (answer, error) {
	switch o.Op {
	case "cycle":
		return w.cycle(o)
	case "prepare":
		return w.prepare(o)
	case "take":
		return w.take(o)
	case "wait":
		w.wait()
		return answer{}, nil
	case "watch":
		return w.watch(o), nil
	case "use":
		return w.use(), nil
	case "drop":
		return w.drop(o), nil
	case "memory":
		return w.memory(), nil
	case "cpu":
		return w.cpu()
	}
	return answer{}, errors.New("unknown order " + o.Op)
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
