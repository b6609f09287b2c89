package settings

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/trust"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDefault: without options all is well.
func TestDefault(t *testing.T) {
	s := Default()
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if s.Label == "" || len(s.Label) > MaxLabelLen {
		t.Errorf("the label is %q", s.Label)
	}
}

// TestValidate: each setting is refused beyond its limits, and not at them.
func TestValidate(t *testing.T) {
	const ms, most = time.Millisecond, trust.MaxDuration
	for _, c := range []struct {
		set     func(*Settings)
		refused string // part of the error; empty if none
	}{
		{func(s *Settings) { s.TTL = most }, ""},
		{func(s *Settings) { s.TTL = most + 1 }, "TTL"},
		{func(s *Settings) { s.TTL, s.Interval = most, most+1 }, "renew interval"},
		{func(s *Settings) { s.TurnEvery, s.TurnGap = most, ms }, ""},
		{func(s *Settings) { s.TurnEvery, s.TurnGap = most+1, ms }, "strangers' turn"},
		{func(s *Settings) { s.Retry = ms }, ""},
		{func(s *Settings) { s.Retry = ms - 1 }, "retry interval 999.999µs is under 1ms"},
		{func(s *Settings) { s.Wait = -1 }, ""},
		{func(s *Settings) { s.HasWait = true }, ""},
		{func(s *Settings) { s.Wait, s.HasWait = -1, true }, "wait timeout -1ns is under 0s"},
		{func(s *Settings) { s.MaxHold, s.HasMax = ms, true }, ""},
		{func(s *Settings) { s.HasMax = true }, "maximum hold 0s is under 1ms"},
		{func(s *Settings) { s.MinHold, s.HasMin = ms, true }, ""},
		{func(s *Settings) { s.HasMin = true }, "minimum hold 0s is under 1ms"},
		{func(s *Settings) { s.MinHold, s.HasMin, s.MaxHold, s.HasMax = ms, true, ms, true }, ""},
		{func(s *Settings) { s.MinHold, s.HasMin, s.MaxHold, s.HasMax = 2*ms, true, ms, true }, "over the maximum hold 1ms"},
		{func(s *Settings) { s.Drain = -1 }, "drain time -1ns is under 0s"},
		{func(s *Settings) { s.Replicas, s.AckTimeout = 1, ms }, ""},
		{func(s *Settings) { s.Replicas = 1 }, "replicas' timeout 0s is under 1ms"},
		{func(s *Settings) { s.Replicas, s.AckTimeout = 1, trust.Trusted(TTL) }, "replicas' timeout 9.78s is not under the 9.78s"},
		{func(s *Settings) { s.Replicas, s.AckTimeout, s.NoExpiry = 1, trust.Trusted(TTL), true }, ""},
		{func(s *Settings) { s.HasToken = true }, "the token is empty"},
		{func(s *Settings) { s.HasToken, s.Token = true, strings.Repeat("x", MaxTokenLen) }, ""},
		{func(s *Settings) { s.HasToken, s.Token = true, strings.Repeat("x", MaxTokenLen+1) }, "4097 bytes, more than 4096"},
		{func(s *Settings) { s.Label = strings.Repeat("x", MaxLabelLen+1) }, "257 bytes, more than 256"},
	} {
		s := Default()
		c.set(&s)
		switch err := s.Validate(); {
		case err == nil && c.refused != "":
			t.Errorf("not refused: %s", c.refused)
		case err != nil && (c.refused == "" || !strings.Contains(err.Error(), c.refused)):
			t.Errorf("%q, want %q", err, c.refused)
		}
	}
}
