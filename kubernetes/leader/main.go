// Command leader is a program for docs/kubernetes.md: of all its pods one leads, at a time, and works. It answers
// HTTP as "holdfast lead --listen" does: /leader and /healthz.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/election"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where to answer HTTP")
	drain := flag.Duration("drain", 20*time.Second, "how long the work under way may take after SIGTERM")
	job := flag.Duration("job", time.Second, "how long a piece of work takes")
	flag.Parse()
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	// SIGTERM, which the kubelet sends, ends ctx, and nothing else.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *drain, *job); err != nil {
		slog.Error("ends", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen string, drain, job time.Duration) error {
	opts, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return fmt.Errorf("REDIS_URL: %w", err)
	}
	opts.Username, opts.Password = os.Getenv("REDIS_USER"), os.Getenv("REDIS_PASSWORD")
	client := redis.NewClient(opts)
	defer client.Close()
	locks := holdfast.New(client, holdfast.WithTTL(15*time.Second), holdfast.WithDrain(drain), holdfast.WithLabel(os.Getenv("POD_NAME")))
	defer locks.Close()

	elector := election.New(locks.Mutex("scheduler"), election.Config{})
	server := &http.Server{Addr: listen, Handler: health(elector), ReadTimeout: 5 * time.Second}
	failed := make(chan error, 1)
	ctx, cancel := context.WithCancelCause(ctx)
	go func() { // ends with Close, below, which is waited for
		err := server.ListenAndServe()
		cancel(err) // without its answers the pod would be restarted: better at once
		failed <- err
	}()
	err = elector.Run(ctx, func(ctx context.Context) error { return term(ctx, job) }) // for ever
	server.Close()
	if served := <-failed; !errors.Is(served, http.ErrServerClosed) {
		return fmt.Errorf("answering HTTP at %s: %w", listen, served)
	}
	if errors.Is(err, context.Canceled) { // SIGTERM, while it waited
		return nil
	}
	return err
}

// health answers the kubelet. Neither answer asks Redis.
func health(elector *election.Elector) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /leader", func(w http.ResponseWriter, _ *http.Request) {
		leads := elector.IsLeader()
		if !leads {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintf(w, "{\"leads\":%t}\n", leads)
	})
	return mux
}

// term is the work of one term. After SIGTERM it finishes what it has begun, and begins nothing.
func term(ctx context.Context, job time.Duration) error {
	s, _ := holdfast.FromContext(ctx)
	slog.Info("term begins", "fence", s.Fence())
	defer slog.Info("term ends", "fence", s.Fence())
	for {
		select {
		case <-s.Draining():
			return nil // Run campaigns again after a loss, and returns after SIGTERM
		default:
			work(ctx, job)
		}
	}
}

// work stands for a piece of work: it ends early if the lock is lost.
func work(ctx context.Context, takes time.Duration) {
	select {
	case <-time.After(takes):
	case <-ctx.Done():
	}
}
