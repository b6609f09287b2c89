package clock

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNowCountsSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slept := 7 * time.Hour // before the Clock was made: not its business
		c := New(Source{Asleep: func(time.Time) time.Duration { return slept }})
		time.Sleep(time.Second)
		if got := c.Now(); got != time.Second {
			t.Fatalf("Now = %v after a second awake", got)
		}
		slept += time.Minute
		if got, want := c.Now(), time.Minute+time.Second; got != want {
			t.Fatalf("Now = %v after a minute's sleep, want %v", got, want)
		}
		slept -= time.Second // a reading that came out too small
		if got, want := c.Now(), time.Minute+time.Second; got != want {
			t.Fatalf("Now went from %v to %v", want, got)
		}
	})
}

func TestJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var step time.Duration
		c := New(Source{Wall: func() time.Time { return time.Now().Round(0).Add(step) }})
		time.Sleep(time.Hour)
		if c.Jumped() {
			t.Fatal("jumped without a step")
		}
		step = time.Hour
		if !c.Jumped() {
			t.Fatal("a step by an hour went unnoticed")
		}
		if c.Jumped() {
			t.Fatal("one step was noticed twice")
		}
		step = 0
		if c.Jumped() {
			t.Fatal("a step back counts as a jump")
		}
		if c.Now() != time.Hour {
			t.Fatalf("the wall clock moved Now to %v", c.Now())
		}
	})
}

func TestSystem(t *testing.T) {
	c := New(System())
	before := time.Now()
	a := c.Now()
	time.Sleep(time.Millisecond)
	b := c.Now()
	if b <= a || b-a > time.Since(before) {
		t.Fatalf("Now went from %v to %v", a, b)
	}
	if c.Asleep() > time.Millisecond {
		t.Fatalf("a machine that is awake seems to have slept %v", c.Asleep())
	}
}

func BenchmarkNow(b *testing.B) {
	c := New(System())
	for b.Loop() {
		c.Now()
	}
}
