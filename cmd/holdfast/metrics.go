package main

import (
	"strconv"
	"strings"
)

// metricsType is the media type of Prometheus' text format, and its version.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

// metric is one of /metrics, with its samples.
type metric struct {
	name, kind, help string
	samples          []sample
}

// sample is a value of a metric: the one with a label of its own, or the only one.
type sample struct {
	label, of string // "cause" and "expired", say
	value     float64
}

const (
	gauge   = "gauge"   // goes up and down
	counter = "counter" // only grows, from 0 at the start of the command
)

func one(value float64) []sample { return []sample{{value: value}} }

func truth(is bool) []sample {
	if is {
		return one(1)
	}
	return one(0)
}

// each has a sample for each value of a label, also for what has not been counted yet: a rate is right
// only from a first sample of 0 on.
func each(label string, values []string, counted map[string]int) (all []sample) {
	for _, of := range values {
		all = append(all, sample{label, of, float64(counted[of])})
	}
	return all
}

// metrics is what /metrics says.
func (m *monitor) metrics() (status int, body string) {
	now := m.now()
	var fence int64
	if now.leads {
		fence = now.leader.fence
	}
	causes := []string{causeOther}
	for _, l := range losses {
		causes = append(causes, l.cause)
	}
	var out strings.Builder
	for _, metric := range []metric{
		{"holdfast_leads", gauge, "1 while this process leads, else 0.", truth(now.leads)},
		{"holdfast_waiting", gauge, "1 while this process waits for the lock, else 0.", truth(now.waits)},
		{"holdfast_fence", gauge, "The fence of this process's term; 0 while it does not lead.", one(float64(fence))},
		{"holdfast_lease_remaining_seconds", gauge, "For how long the lease is trusted if no renewal is confirmed; 0 while this process does not lead.", one(now.remaining.Seconds())},
		{"holdfast_led_seconds_total", counter, "For how long this process has led.", one(now.led.Seconds())},
		{"holdfast_terms_total", counter, "Terms that have begun.", one(float64(now.count.terms))},
		{"holdfast_losses_total", counter, "Terms that ended because the lock was lost, or about to be.", each("cause", causes, now.count.losses)},
		{"holdfast_campaign_failures_total", counter, "Tries to get the lock that failed, for example because Redis could not be reached.", one(float64(now.count.campaignFailures))},
		{"holdfast_renewals_total", counter, "Renewals of the lease that Redis has confirmed.", one(float64(now.count.renewals))},
		{"holdfast_renewal_failures_total", counter, "Renewals of the lease that failed; the next try follows.", one(float64(now.count.renewalFailures))},
		{"holdfast_program_starts_total", counter, "Starts of the program.", one(float64(now.count.starts))},
		{"holdfast_program_exits_total", counter, "Ends of the program: by itself with status 0 (success), with another (failure), or because holdfast made it end (stopped).", each("result", results, now.count.exits)},
	} {
		metric.write(&out, m.name)
	}
	return 200, out.String()
}

// write adds a metric in the text format: each sample has the lock's name as a label.
func (m metric) write(out *strings.Builder, lock string) {
	out.WriteString("# HELP " + m.name + " " + helpEscape.Replace(m.help) + "\n# TYPE " + m.name + " " + m.kind + "\n")
	for _, s := range m.samples {
		out.WriteString(m.name + `{lock="` + labelValue(lock) + `"`)
		if s.label != "" {
			out.WriteString("," + s.label + `="` + labelValue(s.of) + `"`)
		}
		out.WriteString("} " + strconv.FormatFloat(s.value, 'g', -1, 64) + "\n")
	}
}

var (
	helpEscape  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	labelEscape = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

// labelValue is a text as the value of a label, which has to be UTF-8. Other bytes are shown as \xff.
func labelValue(text string) string {
	var valid strings.Builder
	for i, r := range text {
		if r == '\uFFFD' && !strings.HasPrefix(text[i:], "\uFFFD") {
			valid.WriteString(`\x` + strconv.FormatUint(uint64(text[i])|0x100, 16)[1:])
			continue
		}
		valid.WriteRune(r)
	}
	return labelEscape.Replace(valid.String())
}
