package gocronholdfast_test

import (
	"bytes"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-co-op/gocron/v2"
	"github.com/google/uuid"

	"github.com/holdfast-go/holdfast/gocronholdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

func onFake(t *testing.T, test func(t *testing.T, r *holdfasttest.Redis)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, holdfasttest.New(t)) })
}

// must returns what fails the test if err is not nil, and else returns v.
func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// output collects what is logged.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func (o *output) option() gocronholdfast.Option {
	return gocronholdfast.WithLogger(slog.New(slog.NewTextHandler(o, nil)))
}

// scheduler starts a scheduler with one job, until the end of the test.
func scheduler(t *testing.T, option gocron.SchedulerOption, every time.Duration, task gocron.Task, options ...gocron.JobOption) gocron.Scheduler {
	t.Helper()
	s := must(gocron.NewScheduler(option))(t)
	t.Cleanup(func() {
		if err := s.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	start := gocron.WithStartAt(gocron.WithStartDateTime(time.Now().Truncate(every).Add(every)))
	must(s.NewJob(gocron.DurationJob(every), task, append([]gocron.JobOption{gocron.WithName("job"), start}, options...)...))(t)
	s.Start()
	return s
}

// failed returns an option of a job, and where the errors of its runs come.
func failed() (gocron.JobOption, chan error) {
	errs := make(chan error, 10)
	return gocron.WithEventListeners(gocron.AfterJobRunsWithError(func(_ uuid.UUID, _ string, err error) { errs <- err })), errs
}

// locker returns a Locker of a process of its own.
func locker(t *testing.T, r *holdfasttest.Redis, options ...gocronholdfast.Option) *gocronholdfast.Locker {
	t.Helper()
	return must(gocronholdfast.NewLocker(r.Locker(), options...))(t)
}
