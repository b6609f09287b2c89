// Package otelholdfast reports to OpenTelemetry what happens to Holdfast's locks: metrics, and
// a span for each wait and each hold.
//
//	observer, err := otelholdfast.New()
//	locks := holdfast.New(client, holdfast.WithObserver(observer))
//
// # Metrics
//
//	holdfast.acquire.duration    histogram, s    how long Acquire took, by holdfast.acquire.how:
//	                                             asked, granted, passed or resumed; or error.type
//	holdfast.session.duration    histogram, s    how long a lock was held, by holdfast.session.end:
//	                                             released or passed; or error.type if it was lost
//	holdfast.renewal.margin      histogram, s    what was left of a lease when it was renewed
//	holdfast.renewal.failures    counter         renewals that failed; the next try follows
//	holdfast.request.duration    histogram, s    round trips to Redis, by holdfast.request.kind:
//	                                             calls or renewals
//	holdfast.request.locks       histogram       how many locks shared a round trip, by the same kinds
//
// The cardinality is bounded. error.type is one of Holdfast's causes, context.Canceled or
// context.DeadlineExceeded, or _OTHER, as in the semantic conventions. A lock's name is an
// attribute, holdfast.lock.name, only if [WithNames] says so.
//
// # Spans
//
// "acquire" lasts as long as the call, and "hold" as long as the session. Both are children of
// the span in the context that was given to Acquire, and have holdfast.lock.name. A hold that
// ended by a loss has the status Error. Spans are made when they have ended.
package otelholdfast

import (
	"context"
	"errors"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-go/holdfast"
)

const scope = "github.com/holdfast-go/holdfast/otelholdfast"

// Option sets where the observer reports to, and what.
type Option func(*reporter)

// WithMeterProvider sets where metrics go. Default: the global MeterProvider.
func WithMeterProvider(p metric.MeterProvider) Option { return func(r *reporter) { r.meters = p } }

// WithTracerProvider sets where spans go. Default: the global TracerProvider.
func WithTracerProvider(p trace.TracerProvider) Option { return func(r *reporter) { r.tracers = p } }

// WithNames has metrics carry holdfast.lock.name, as f maps it: every value is a time series
// of its own, so f must not return many ("job:4711" to "job", say). Empty means none.
// Default: none.
func WithNames(f func(name string) string) Option { return func(r *reporter) { r.names = f } }

// New returns an observer for [holdfast.WithObserver]. It may serve several Lockers. An error
// is one of the MeterProvider.
func New(opts ...Option) (*holdfast.Observer, error) {
	r := &reporter{meters: otel.GetMeterProvider(), tracers: otel.GetTracerProvider()}
	for _, opt := range opts {
		opt(r)
	}
	r.tracer = r.tracers.Tracer(scope)
	if err := r.instruments(r.meters.Meter(scope)); err != nil {
		return nil, err
	}
	return &holdfast.Observer{
		Acquired:    r.acquired,
		NotAcquired: r.notAcquired,
		Renewed:     r.renewed,
		NotRenewed:  r.notRenewed,
		Lost:        r.lost,
		Released:    r.released,
		Sent:        r.sent,
	}, nil
}

type reporter struct {
	meters  metric.MeterProvider
	tracers trace.TracerProvider
	names   func(string) string
	tracer  trace.Tracer

	acquireDuration, sessionDuration, renewalMargin, requestDuration metric.Float64Histogram
	requestLocks                                                     metric.Int64Histogram
	renewalFailures                                                  metric.Int64Counter
}

// seconds are the bounds of histograms of times: locks are passed on within microseconds, and
// held for hours.
var seconds = metric.WithExplicitBucketBoundaries(
	.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)

func (r *reporter) instruments(m metric.Meter) error {
	var errs [6]error
	r.acquireDuration, errs[0] = m.Float64Histogram("holdfast.acquire.duration", seconds,
		metric.WithUnit("s"), metric.WithDescription("How long it took to acquire a lock, or to fail."))
	r.sessionDuration, errs[1] = m.Float64Histogram("holdfast.session.duration", seconds,
		metric.WithUnit("s"), metric.WithDescription("How long a lock was held."))
	r.renewalMargin, errs[2] = m.Float64Histogram("holdfast.renewal.margin", seconds,
		metric.WithUnit("s"), metric.WithDescription("What was left of a lease when it was renewed."))
	r.renewalFailures, errs[3] = m.Int64Counter("holdfast.renewal.failures",
		metric.WithUnit("{renewal}"), metric.WithDescription("Renewals that failed and are tried again."))
	r.requestDuration, errs[4] = m.Float64Histogram("holdfast.request.duration", seconds,
		metric.WithUnit("s"), metric.WithDescription("Round trips to Redis."))
	r.requestLocks, errs[5] = m.Int64Histogram("holdfast.request.locks",
		metric.WithExplicitBucketBoundaries(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048),
		metric.WithUnit("{lock}"), metric.WithDescription("Locks that shared a round trip."))
	return errors.Join(errs[:]...)
}

// of returns the attributes of a measurement.
func (r *reporter) of(name string, attrs ...attribute.KeyValue) metric.MeasurementOption {
	if r.names != nil {
		if name = r.names(name); name != "" {
			attrs = append(attrs, attribute.String("holdfast.lock.name", name))
		}
	}
	return metric.WithAttributes(attrs...)
}

// span makes a span that has ended now and took so long.
func (r *reporter) span(ctx context.Context, what, name string, took time.Duration, err error, attrs ...attribute.KeyValue) {
	end := time.Now()
	_, span := r.tracer.Start(ctx, what, trace.WithTimestamp(end.Add(-took)), trace.WithSpanKind(trace.SpanKindInternal),
		trace.WithAttributes(append(attrs, attribute.String("holdfast.lock.name", name))...))
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(end))
}

func (r *reporter) acquired(ctx context.Context, name string, how holdfast.Acquisition, waited time.Duration) {
	attr := attribute.String("holdfast.acquire.how", string(how))
	r.acquireDuration.Record(ctx, waited.Seconds(), r.of(name, attr))
	r.span(ctx, "acquire", name, waited, nil, attr)
}

func (r *reporter) notAcquired(ctx context.Context, name string, err error, waited time.Duration) {
	attr := attribute.String("error.type", kind(err))
	r.acquireDuration.Record(ctx, waited.Seconds(), r.of(name, attr))
	if errors.Is(err, holdfast.ErrHeld) {
		err = nil // an answer, and no fault
	}
	r.span(ctx, "acquire", name, waited, err, attr)
}

func (r *reporter) renewed(name string, margin time.Duration) {
	r.renewalMargin.Record(context.Background(), margin.Seconds(), r.of(name))
}

func (r *reporter) notRenewed(name string, err error, _ time.Duration) {
	r.renewalFailures.Add(context.Background(), 1, r.of(name, attribute.String("error.type", kind(err))))
}

func (r *reporter) lost(ctx context.Context, name string, cause error, held time.Duration) {
	attr := attribute.String("error.type", kind(cause))
	r.sessionDuration.Record(ctx, held.Seconds(), r.of(name, attr))
	r.span(ctx, "hold", name, held, cause, attr)
}

func (r *reporter) released(ctx context.Context, name string, passed bool, held time.Duration) {
	end := "released"
	if passed {
		end = "passed"
	}
	attr := attribute.String("holdfast.session.end", end)
	r.sessionDuration.Record(ctx, held.Seconds(), r.of(name, attr))
	r.span(ctx, "hold", name, held, nil, attr)
}

func (r *reporter) sent(what holdfast.Traffic, locks int, took time.Duration) {
	attr := metric.WithAttributes(attribute.String("holdfast.request.kind", string(what)))
	r.requestDuration.Record(context.Background(), took.Seconds(), attr)
	r.requestLocks.Record(context.Background(), int64(locks), attr)
}

// kinds are the values of error.type, the more special before what they are too.
var kinds = []struct {
	err  error
	kind string
}{
	{holdfast.ErrHeld, "held"},
	{holdfast.ErrWaitTimeout, "wait_timeout"},
	{holdfast.ErrNested, "nested"},
	{holdfast.ErrInvalid, "invalid"},
	{holdfast.ErrClosed, "closed"},
	{holdfast.ErrExpired, "expired"},
	{holdfast.ErrTaken, "taken"},
	{holdfast.ErrGone, "gone"},
	{holdfast.ErrForceReleased, "force_released"},
	{holdfast.ErrSuspended, "suspended"},
	{context.Canceled, "context_canceled"},
	{context.DeadlineExceeded, "context_deadline_exceeded"},
}

func kind(err error) string {
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.kind
		}
	}
	return "_OTHER"
}
