package proof

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// workerEnv, if set, makes ChildMain the worker.
const workerEnv = "HOLDFAST_PROOF_WORKER"

// job is what a worker is told first.
type job struct {
	Worker  uint32 // its number, new for each process
	Library string
	Target  Target
	Clients int // each with two goroutines
	Locks   []string
	Cells   string
	Seed    uint64
	// Think is the mean pause between two acquisitions of a goroutine.
	Think time.Duration
	// Fresh and Hold: see Config.
	Fresh, Hold time.Duration
}

// order is what it is told then.
type order struct {
	Do  string // go, drain, cancel, hog, exhaust, suspend, step, stacks
	For time.Duration
	To  string // the file, of stacks
}

// ChildMain makes this process a worker, if it was started as one, and does not return then.
// Programs that call Run call it first.
func ChildMain(libraries ...Library) {
	if os.Getenv(workerEnv) == "" {
		return
	}
	redis.SetLogger(quiet{})
	if err := work(libraries); err != nil {
		fmt.Fprintln(os.Stderr, "proof: worker:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

// worker is one process of clients.
type worker struct {
	job
	out     *recorder
	cells   *cells
	clients []Contender
	ids     uint64
	idsMu   sync.Mutex

	mu       sync.Mutex
	going    context.Context // done when the goroutines are to stop asking
	stop     context.CancelFunc
	canceled context.Context // done when the calls under way are to be cancelled
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

func work(libraries []Library) error {
	in := json.NewDecoder(os.Stdin)
	w := &worker{out: newRecorder(os.Stdout)}
	if err := in.Decode(&w.job); err != nil {
		return err
	}
	var library *Library
	for i := range libraries {
		if libraries[i].Name == w.Library {
			library = &libraries[i]
		}
	}
	if library == nil {
		return fmt.Errorf("no library is called %q", w.Library)
	}
	var err error
	if w.cells, err = openCells(w.Cells, len(w.Locks)); err != nil {
		return err
	}
	for range w.Clients {
		c, err := library.Open(w.Target)
		if err != nil {
			return err
		}
		w.clients = append(w.clients, c)
	}
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return nil // the director is gone, or done
		}
		w.obey(o)
	}
}

func (w *worker) obey(o order) {
	switch o.Do {
	case "go":
		w.begin()
	case "drain":
		w.stop()
		go func() {
			w.running.Wait()
			w.out.add(Record{}) // all that was begun is over
			w.out.flush()
		}()
	case "stacks":
		var stacks bytes.Buffer
		_ = pprof.Lookup("goroutine").WriteTo(&stacks, 2)
		_ = os.WriteFile(o.To, stacks.Bytes(), 0o600)
	case "cancel":
		w.mu.Lock()
		w.cancel()
		w.canceled, w.cancel = context.WithCancel(context.Background())
		w.mu.Unlock()
	case "suspend", "step":
		for _, c := range w.clients {
			if i, ok := c.(Injector); ok && o.Do == "suspend" {
				i.Suspend(o.For)
			} else if ok {
				i.StepWall(o.For)
			}
		}
	case "hog":
		go hog(o.For)
	case "exhaust":
		for _, c := range w.clients {
			go c.Exhaust(o.For)
		}
	}
}

func (w *worker) begin() {
	w.going, w.stop = context.WithCancel(context.Background())
	w.canceled, w.cancel = context.WithCancel(context.Background())
	for i, c := range w.clients {
		for g := range uint32(2) {
			client := w.Worker<<clientBits | uint32(i)
			r := rand.New(rand.NewPCG(w.Seed, uint64(client)<<1|uint64(g)))
			w.running.Go(func() {
				caller := &caller{w: w, c: c, client: client, number: client<<1 | g, second: g == 1, r: r}
				caller.run()
			})
		}
	}
}

func (w *worker) nextID() uint64 {
	w.idsMu.Lock()
	defer w.idsMu.Unlock()
	w.ids++
	return uint64(w.Worker)<<40 | w.ids
}

// hog leaves the process one thread for Go code and lets 50 goroutines spin on it.
func hog(d time.Duration) {
	before := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(before)
	end := time.Now().Add(d)
	var spinning sync.WaitGroup
	for range 50 {
		spinning.Go(func() {
			for time.Now().Before(end) {
				for range 1 << 16 { //nolint:revive // it is to waste time
					_ = end
				}
			}
		})
	}
	spinning.Wait()
}
