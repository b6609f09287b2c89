package holdfast_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
)

// Metrics for Prometheus without a library: an Observer counts, and a handler writes the counts in
// Prometheus's text format.
func ExampleWithObserver() {
	client, stop := exampleRedis()
	defer stop()

	var acquired, lost, waited atomic.Int64
	locks := holdfast.New(client, holdfast.WithObserver(&holdfast.Observer{
		Acquired: func(_ context.Context, _ string, _ holdfast.Acquisition, wait time.Duration) {
			acquired.Add(1)
			waited.Add(wait.Microseconds())
		},
		Lost: func(context.Context, string, error, time.Duration) { lost.Add(1) },
	}))
	defer locks.Close()
	metrics := func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "# TYPE holdfast_acquired_total counter\nholdfast_acquired_total %d\n", acquired.Load())
		fmt.Fprintf(w, "# TYPE holdfast_lost_total counter\nholdfast_lost_total %d\n", lost.Load())
		fmt.Fprintf(w, "# TYPE holdfast_wait_seconds_total counter\nholdfast_wait_seconds_total %g\n", float64(waited.Load())/1e6)
	}

	for range 3 {
		_ = locks.Mutex("jobs:report").Do(context.Background(), func(context.Context) error { return nil })
	}
	waited.Store(1500) // for the output below
	w := httptest.NewRecorder()
	metrics(w, httptest.NewRequest("GET", "/metrics", nil))
	fmt.Print(w.Body)
	// Output:
	// # TYPE holdfast_acquired_total counter
	// holdfast_acquired_total 3
	// # TYPE holdfast_lost_total counter
	// holdfast_lost_total 0
	// # TYPE holdfast_wait_seconds_total counter
	// holdfast_wait_seconds_total 0.0015
}
