package holdfast_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/clock"
)

func TestMachineSlept(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var slept atomic.Int64
		defer clock.Replace(clock.Source{Asleep: func(time.Time) time.Duration { return time.Duration(slept.Load()) }})()
		mu := e.locker().Mutex("a", holdfast.WithTTL(10*time.Second))

		s := e.acquire(mu)
		time.Sleep(time.Second)
		slept.Add(int64(2 * time.Second)) // a nap that the lease outlasts
		if s.Err() != nil {
			t.Fatalf("ended by a short sleep: %v", s.Err())
		}
		time.Sleep(time.Minute)
		if s.Err() != nil {
			t.Fatalf("not renewed after a short sleep: %v", s.Err())
		}

		slept.Add(int64(11 * time.Second))
		if s.Context().Err() == nil {
			t.Fatal("the first look after the sleep found the context live")
		}
		if err := s.Err(); !errors.Is(err, holdfast.ErrSuspended) || !errors.Is(err, holdfast.ErrLost) || errors.Is(err, holdfast.ErrExpired) {
			t.Errorf("Err = %v", err)
		}
		_ = s.Release(e.ctx())

		s = e.acquire(mu)
		done := s.Done()
		slept.Add(int64(time.Hour))
		begin := time.Now()
		<-done // nobody looks
		if took := time.Since(begin); took > time.Second {
			t.Errorf("Done was closed %v after the machine woke", took)
		}
		if !errors.Is(s.Err(), holdfast.ErrSuspended) {
			t.Errorf("Err = %v", s.Err())
		}
		_ = s.Release(e.ctx())
	})
}

func TestWallClockStep(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		var step atomic.Int64
		defer clock.Replace(clock.Source{Wall: func() time.Time {
			return time.Now().Round(0).Add(time.Duration(step.Load()))
		}})()
		l := e.locker()
		s := e.acquire(l.Mutex("a"))
		fixed := e.acquire(l.Mutex("b"), holdfast.WithoutRenewal(), holdfast.WithTTL(time.Minute))
		forever := e.acquire(l.Mutex("c"), holdfast.WithoutExpiry(), holdfast.WithoutRenewal())
		gone := e.acquire(l.Mutex("d"), holdfast.WithTTL(time.Hour))
		_ = e.direct.Del(e.ctx(), "d").Err()
		time.Sleep(2 * time.Second)
		for _, by := range []time.Duration{time.Hour, -time.Hour, time.Hour} {
			step.Add(int64(by))
			time.Sleep(2 * time.Second)
			for _, s := range []*holdfast.Session{s, fixed, forever} {
				if s.Err() != nil {
					t.Errorf("a step by %v ended %v: %v", by, s, s.Err())
				}
			}
		}
		if !errors.Is(gone.Err(), holdfast.ErrGone) {
			t.Errorf("the step made nobody ask: %v", gone.Err())
		}
		if left := e.direct.PTTL(e.ctx(), "b").Val(); left > 52*time.Second {
			t.Errorf("the session without renewal has %v left: renewed", left)
		}
		if left := e.direct.PTTL(e.ctx(), "c").Val(); left != -1 {
			t.Errorf("the lock without expiry has a TTL of %v", left)
		}
	})
}
