package main

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCapacityQuick measures all parts, with few locks. How much anything takes is not its matter.
func TestCapacityQuick(t *testing.T) {
	needRedis(t)
	var stdout, stderr bytes.Buffer
	md, data := filepath.Join(t.TempDir(), "out.md"), filepath.Join(t.TempDir(), "out.json")
	if err := run(t.Context(), []string{"-capacity", "-quick", "-md", md, "-data", data}, &stdout, &stderr); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	}
	t.Logf("%s\n%s", &stderr, &stdout)
	written, err := os.ReadFile(md)
	if err != nil || string(written) != stdout.String() {
		t.Errorf("-md wrote something else than was printed: %v", err)
	}
	again := new(bytes.Buffer)
	if err := run(t.Context(), []string{"-capacity", "-from", data}, again, io.Discard); err != nil || again.String() != stdout.String() {
		t.Errorf("-from makes another page: %v\n%s", err, again)
	}
	m := new(measured)
	if err := m.read(data); err != nil {
		t.Fatal(err)
	}
	for _, h := range append(append(m.Held, m.Busy...), m.Fleet, m.Cluster) {
		// Each lock is renewed at the end of the interval, or up to a quarter earlier; a slice may begin just after.
		each := h.Renewals * h.For / float64(h.Locks)
		if want := h.For / (h.TTL / 2); h.Lost != 0 || each < want/2-1 || each > want*2+1 || h.Trips > h.Renewals {
			t.Errorf("%d locks of %d Lockers, TTL %v s: %d lost; %.1f renewals of each in %.1f s, %.0f round trips a second for %.0f renewals",
				h.Locks, h.Lockers, h.TTL, h.Lost, each, h.For, h.Trips, h.Renewals)
		}
	}
	// Each has one for its subscription, and some for its requests.
	if want := float64(m.Fleet.Lockers); m.Fleet.Connections < want || m.Fleet.Connections > want*8 {
		t.Errorf("%.0f Lockers have %.0f connections", want, m.Fleet.Connections)
	}
	for _, h := range m.HandOvers {
		if h.Rate <= 0 || h.HandOver.Client <= 0 || h.Hold > 0 && h.Rate > 1.4*float64(h.Locks)/h.Hold {
			t.Errorf("hand-overs: %+v", h)
		}
	}
	if w := m.Waiters; w.First.Asks <= 0 || w.Other.Asks <= 0 {
		t.Errorf("waiters ask %v and %v times a second", w.First.Asks, w.Other.Asks)
	}
}

// TestCapacityCosts takes apart what was put together of known costs.
func TestCapacityCosts(t *testing.T) {
	const renewal, trip = 3.0, 40.0
	hold := func(locks, lockers int, renewals, trips float64) *holding {
		return &holding{
			Locks: locks, Lockers: lockers, TTL: 60, Renewals: renewals, Trips: trips, Connections: 1,
			Renewal: cpu{1, renewal + trip*trips/renewals},
		}
	}
	m := &measured{
		Held:    []*holding{hold(3_000_000, 1, 100_000, 100)},
		Fleet:   hold(100_000, 1000, 4000, 100),
		Cluster: hold(1000, 1, 100, 1), HandOvers: []*handing{{HandOver: cpu{0, 50}}, {HandOver: cpu{0, 90}}}, Waiters: new(waiters),
	}
	k := m.costs()
	if math.Abs(k.renewal-renewal) > 1e-9 || math.Abs(k.trip-trip) > 1e-9 || k.tripsEach != 3 || k.early != 1 || k.together != 50 || k.single != 90 {
		t.Errorf("%+v", k)
	}
	if got, want := k.core(100_000, 1000, time.Minute), (100_000*renewal+3000*trip)/30/1e6; math.Abs(got-want) > 1e-9 {
		t.Errorf("%v of a core, want %v", got, want)
	}
	if n := k.most(100, time.Minute); math.Abs(k.core(n, n/100, time.Minute)-planned) > 1e-9 {
		t.Errorf("%v locks take %v of a core", n, k.core(n, n/100, time.Minute))
	}
	if text, err := json.Marshal(m); err != nil || !bytes.Contains(text, []byte(`"Locks":3000000`)) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCapacityArguments(t *testing.T) {
	for _, args := range [][]string{
		{"-parts", "("}, {"-held", "1,x"}, {"-held", "0"}, {"-share", "0"}, {"-for", "1ms"}, {"more"},
		{"-from", "no such file"}, {"-lockers", "9999999"},
	} {
		if err := run(t.Context(), append([]string{"-capacity"}, args...), io.Discard, io.Discard); err == nil {
			t.Errorf("%q was accepted", args)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty.json")
	if err := os.WriteFile(empty, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-capacity", "-from", empty}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "fleet") {
		t.Errorf("a page of nothing: %v", err)
	}
}

// TestCapacityPage: docs/capacity.md is the page of what was measured last.
func TestCapacityPage(t *testing.T) {
	m := new(measured)
	if err := m.read("capacity.json"); err != nil {
		t.Fatal(err)
	}
	want, err := m.page()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(want, "NaN") || strings.Contains(want, "Inf") {
		t.Error("the page has a number that is none")
	}
	got, err := os.ReadFile("../docs/capacity.md")
	if err != nil || string(got) != want {
		t.Errorf("docs/capacity.md is not current (%v): go -C bench run . -capacity -from capacity.json -md ../docs/capacity.md", err)
	}
}
