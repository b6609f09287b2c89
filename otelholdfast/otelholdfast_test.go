package otelholdfast_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/otelholdfast"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestEndToEnd takes locks through their lives and reads what Prometheus would, and the spans.
func TestEndToEnd(t *testing.T) {
	redisServer := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: redisServer.Addr()})
	defer client.Close()
	registry := prom.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	if err != nil {
		t.Fatal(err)
	}
	meters := metric.NewMeterProvider(metric.WithReader(exporter))
	spans := tracetest.NewInMemoryExporter()
	tracers := trace.NewTracerProvider(trace.WithSyncer(spans))
	observer, err := otelholdfast.New(
		otelholdfast.WithMeterProvider(meters), otelholdfast.WithTracerProvider(tracers),
		otelholdfast.WithNames(func(name string) string { kind, _, _ := strings.Cut(name, ":"); return kind }))
	if err != nil {
		t.Fatal(err)
	}
	locks := holdfast.New(client, holdfast.WithObserver(observer), holdfast.WithTTL(time.Second))
	defer locks.Close()

	ctx, request := tracers.Tracer("test").Start(context.Background(), "request")
	mu := locks.Mutex("job:4711")
	session, err := mu.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mu.TryAcquire(ctx); !errors.Is(err, holdfast.ErrHeld) {
		t.Fatal(err)
	}
	seats, seated := locks.Semaphore("seat:1", 2), make([]*holdfast.Session, 2)
	for i := range seated {
		if seated[i], err = seats.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := seats.TryAcquire(ctx); !errors.Is(err, holdfast.ErrHeld) {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond) // renewed
	for _, s := range append(seated, session) {
		if err := s.Release(ctx); err != nil {
			t.Fatal(err)
		}
	}
	lost, err := locks.Mutex("job:4712").Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	redisServer.Del("job:4712")
	<-lost.Done()
	if err := locks.Close(); err != nil { // which waits for what is still to be told
		t.Fatal(err)
	}
	request.End()

	server := httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	defer server.Close()
	response, err := http.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`holdfast_acquire_duration_seconds_count{.*holdfast_acquire_how="asked".*holdfast_lock_name="job".*} 2`,
		`holdfast_acquire_duration_seconds_count{error_type="held",.*holdfast_lock_name="job".*} 1`,
		`holdfast_session_duration_seconds_count{.*holdfast_lock_name="job".*holdfast_session_end="released".*} 1`,
		`holdfast_acquire_duration_seconds_count{.*holdfast_acquire_how="asked".*holdfast_lock_name="seat".*} 2`,
		`holdfast_acquire_duration_seconds_count{error_type="held",.*holdfast_lock_name="seat".*} 1`,
		`holdfast_session_duration_seconds_count{.*holdfast_lock_name="seat".*holdfast_session_end="released".*} 2`,
		`holdfast_session_duration_seconds_count{error_type="gone",.*} 1`,
		`holdfast_renewal_margin_seconds_count{.*} [1-9]`,
		`holdfast_request_duration_seconds_count{.*kind="calls".*} [1-9]`,
		`holdfast_request_locks_sum{.*kind="renewals".*} [1-9]`,
	} {
		if !regexp.MustCompile(`(?m)^` + want).Match(text) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "4711") {
		t.Error("a metric has the whole name")
	}

	parent := request.SpanContext().SpanID()
	got := make(map[string]int)
	for _, span := range spans.GetSpans() {
		if span.Name == "request" {
			continue
		}
		what := span.Name
		if span.Status.Code == codes.Error {
			what += " failed"
		}
		got[what]++
		if span.Parent.SpanID() != parent {
			t.Errorf("span %s is no child of the caller's", what)
		}
		if span.Name == "hold" && what == "hold" && span.EndTime.Sub(span.StartTime) < 500*time.Millisecond {
			t.Errorf("the hold took %v", span.EndTime.Sub(span.StartTime))
		}
	}
	if got["acquire"] != 6 || got["hold"] != 3 || got["hold failed"] != 1 || len(got) != 3 {
		t.Errorf("spans %v", got)
	}
}
