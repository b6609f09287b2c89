//go:build linux

package kubernetes

import (
	"bytes"
	"io"
	"mime"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestMetrics: Prometheus' own parser takes /metrics of both pods, and its linter finds nothing to say of them.
func TestMetrics(t *testing.T) {
	t.Parallel()
	d := deployment(t)
	args := d.Spec.Template.Spec.Containers[0].Args
	name := "jobs:\"a\\b\"\nsecond line" // has all that is escaped
	args[slices.Index(args, "scheduler")] = name
	c := newController(t, newNode(t, 0), d)
	leader := c.leader()
	c.until("both are ready", c.complete)
	for _, p := range c.pods {
		response, err := p.node.client.Get("http://" + p.addr + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || expfmt.ResponseFormat(response.Header).FormatType() != expfmt.TypeTextPlain {
			kind, params, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
			t.Fatalf("%v; it is %s, %v", err, kind, params)
		}
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if problems, err := promlint.New(bytes.NewReader(text)).Lint(); err != nil || len(problems) > 0 {
			t.Errorf("promlint: %v, %v", problems, err)
		}
		for _, family := range families {
			for _, m := range family.Metric {
				if m.Label[0].GetName() != "lock" || m.Label[0].GetValue() != name {
					t.Errorf("%s has the labels %v", family.GetName(), m.Label)
				}
			}
		}
		leads := families["holdfast_leads"]
		if leads.GetType() != dto.MetricType_GAUGE || (leads.Metric[0].Gauge.GetValue() == 1) != (p == leader) {
			t.Errorf("%s: %v", p.name, leads)
		}
		// The gauges and counters of docs/command.md; that all are there, a test of the command checks.
		if len(families) < 12 || families["holdfast_terms_total"].GetType() != dto.MetricType_COUNTER {
			t.Errorf("%s has %d metrics: %s", p.name, len(families), text)
		}
	}
}
