package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/spf13/cobra"

	"github.com/holdfast-go/holdfast"
)

const (
	workEvery = 150 * time.Millisecond // a leader's writes
	lookEvery = 10 * time.Millisecond  // and its looks at its context

	// restAfterResigning is how long a worker that has resigned leaves the place
	// to others. Longer than they wait between two asks.
	restAfterResigning = time.Second
)

func newDemoWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "demo-worker",
		Short:  "A worker process of the demo, started by it",
		Hidden: true,
		Args:   noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A terminal sends Ctrl-C to the director and its workers alike. The
			// director ends them in its own order: by closing their input.
			signal.Ignore(os.Interrupt)
			ctx, stop := signal.NotifyContext(context.WithoutCancel(cmd.Context()), syscall.SIGTERM)
			defer stop()
			return runWorker(ctx, cmd.InOrStdin(), cmd.OutOrStdout())
		},
	}
}

// worker is one of the demo's processes: it campaigns, writes while it leads,
// and tells the director on its standard output what it sees.
type worker struct {
	config workerConfig
	store  fencedStore
	resign chan struct{}
	lost   atomic.Int64 // fence of the last term that was lost

	mu  sync.Mutex // an event is one line: orders and terms tell in turn
	out *json.Encoder
}

func runWorker(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	orders := json.NewDecoder(stdin)
	w := &worker{resign: make(chan struct{}, 1), out: json.NewEncoder(stdout)}
	if err := orders.Decode(&w.config); err != nil {
		return fmt.Errorf("reading the worker's configuration: %w", err)
	}
	options, err := redis.ParseURL(w.config.Redis)
	if err != nil {
		return err
	}
	client := redis.NewClient(options)
	defer client.Close()
	w.store = fencedStore{client: client, key: w.config.Store}

	locks := holdfast.New(client, holdfast.WithLogger(nil))
	defer locks.Close()
	lock := locks.Mutex(w.config.Lock,
		holdfast.WithTTL(w.config.TTL), holdfast.WithLabel(w.config.Name))

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	// Ends with the input, or, after a SIGTERM, with the process.
	go func() {
		defer stop()
		w.obey(ctx, orders)
	}()
	return w.campaign(ctx, lock)
}

// campaign leads term after term until ctx is done. Lead itself campaigns again
// after a loss; it returns when a term was resigned.
func (w *worker) campaign(ctx context.Context, lock *holdfast.Mutex) error {
	for {
		w.tell(event{Kind: eventCampaigning})
		err := lock.Lead(ctx, w.lead)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			w.tell(event{Kind: eventFailed, Cause: err.Error()})
			return err
		}
		select {
		case <-time.After(restAfterResigning):
		case <-ctx.Done():
			return nil
		}
	}
}

// obey carries out orders until its input ends, as it does with the director.
func (w *worker) obey(ctx context.Context, orders *json.Decoder) {
	for {
		var o order
		if err := orders.Decode(&o); err != nil {
			return
		}
		switch o.Do {
		case orderResign:
			select {
			case w.resign <- struct{}{}:
			default:
			}
		case orderWriteLate:
			// What code does that never looks at its context: ctx here is the
			// process's, not the lost session's.
			w.tell(w.write(ctx, w.lost.Load(), event{Late: true}))
		}
	}
}

// lead is one term. It works with its context's session: every write carries its
// fence, and before every write it looks whether its context is still live.
func (w *worker) lead(ctx context.Context) error {
	session, ok := holdfast.FromContext(ctx)
	if !ok {
		return errors.New("the context of a term has no session")
	}
	select {
	case <-w.resign: // meant for an earlier term
	default:
	}
	w.tell(event{Kind: eventElected, Fence: session.Fence(), ValidUntil: session.ValidUntil().UnixNano()})

	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var looks []int64
	var nextWrite time.Time
	for ; ; <-tick.C {
		// The instant is read before the context: a context that is live now
		// was live then, whatever stops this process between the two lines.
		now := time.Now()
		if ctx.Err() != nil {
			w.lose(ctx, session.Fence(), looks)
			return context.Cause(ctx)
		}
		looks = append(looks, now.UnixNano())
		select {
		case <-w.resign:
			w.tell(event{Kind: eventResigned, At: now.UnixNano(), Fence: session.Fence(), Looks: looks})
			return nil
		default:
		}
		if now.Before(nextWrite) {
			continue
		}
		nextWrite = now.Add(workEvery)
		told := w.write(ctx, session.Fence(), event{
			At: now.UnixNano(), Looks: looks, ValidUntil: session.ValidUntil().UnixNano(),
		})
		if told.Kind == eventFailed && ctx.Err() != nil {
			continue // cut off by the loss, which the next look reports
		}
		w.tell(told)
		looks = nil
	}
}

// lose reports how a term ended that was not resigned.
func (w *worker) lose(ctx context.Context, fence int64, looks []int64) {
	w.lost.Store(fence)
	cause := context.Cause(ctx)
	w.tell(event{
		Kind: eventContextDone, Fence: fence, Looks: looks,
		Cause: causeName(cause), Text: cause.Error(), Lost: errors.Is(cause, holdfast.ErrLost),
	})
}

// write makes one write under fence and completes ev with how it went.
func (w *worker) write(ctx context.Context, fence int64, ev event) event {
	got, err := w.store.write(ctx, fence, "by "+w.config.Name)
	ev.Fence = fence
	switch {
	case err != nil:
		ev.Kind, ev.Cause = eventFailed, "write to the store: "+err.Error()
	case got.accepted:
		ev.Kind, ev.Count = eventWrote, got.count
	default:
		ev.Kind, ev.Newest = eventRefused, got.newest
	}
	return ev
}

// tell sends an event. It ignores errors: without a director the input ends too.
func (w *worker) tell(ev event) {
	if ev.At == 0 {
		ev.At = time.Now().UnixNano()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.out.Encode(ev)
}

// causeName is the name of the sentinel that says most about why a session ended.
func causeName(cause error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{holdfast.ErrExpired, "ErrExpired"},
		{holdfast.ErrTaken, "ErrTaken"},
		{holdfast.ErrGone, "ErrGone"},
		{holdfast.ErrForceReleased, "ErrForceReleased"},
		{holdfast.ErrSuspended, "ErrSuspended"},
		{holdfast.ErrLost, "ErrLost"},
		{holdfast.ErrReleased, "ErrReleased"},
		{holdfast.ErrClosed, "ErrClosed"},
	} {
		if errors.Is(cause, known.err) {
			return known.name
		}
	}
	return "another cause"
}
