package otelholdfast_test

import (
	"log"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/otelholdfast"
)

// Metrics for Prometheus, at /metrics.
func Example() {
	exporter, err := prometheus.New()
	if err != nil {
		log.Fatal(err)
	}
	observer, err := otelholdfast.New(
		otelholdfast.WithMeterProvider(metric.NewMeterProvider(metric.WithReader(exporter))))
	if err != nil {
		log.Fatal(err)
	}
	locks := holdfast.New(redis.NewClient(&redis.Options{Addr: "localhost:6379"}), holdfast.WithObserver(observer))
	defer locks.Close()

	http.Handle("/metrics", promhttp.Handler())
	log.Fatal(http.ListenAndServe("localhost:9464", nil))
}
