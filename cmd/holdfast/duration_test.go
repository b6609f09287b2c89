package main

import (
	"testing"
	"time"
)

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5": 5 * time.Second, "0": 0, "1.5": 1500 * time.Millisecond, "0.000000001": 1, "90s": 90 * time.Second, "1m30s": 90 * time.Second,
		"1h": time.Hour, "250ms": 250 * time.Millisecond, "-3": -3 * time.Second, "9000000000": 9000000000 * time.Second, "1e3": 1000 * time.Second,
	} {
		var d duration
		if err := d.Set(text); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v", text, time.Duration(d), err)
		}
	}
	for _, text := range []string{"", "soon", "5 s", "1e300", "NaN", "inf", "-inf", "10000000000", "9999999999999999999", "0x5s"} {
		d := duration(7)
		if err := d.Set(text); err == nil || d != 7 {
			t.Errorf("%q: %v", text, time.Duration(d))
		}
	}
}
