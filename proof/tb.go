//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-go/holdfast/internal/proof"
)

// tb is what servers and proxies take for a test: outside of one it ends them all the same.
type tb struct {
	testing.TB // nil: what is not below is not used

	mu       sync.Mutex
	cleanups []func()
	errs     []error
}

// under runs f, ends what it has started, and returns what it has reported.
func under(f func(t *tb) *proof.Result) (result *proof.Result, err error) {
	t := &tb{}
	done := make(chan struct{})
	go func() { // Fatal ends it
		defer close(done)
		defer t.cleanup()
		result = f(t)
	}()
	<-done
	return result, errors.Join(t.errs...)
}

func (t *tb) cleanup() {
	for _, f := range slices.Backward(t.cleanups) {
		f()
	}
}

func (t *tb) Helper() {}

func (t *tb) Cleanup(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, f)
}

func (t *tb) TempDir() string {
	dir, err := os.MkdirTemp("", "holdfast-proof-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (t *tb) report(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, errors.New(text))
}

func (t *tb) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.errs) > 0
}

func (t *tb) Error(args ...any) { t.report(fmt.Sprint(args...)) }

func (t *tb) Errorf(format string, args ...any) { t.report(fmt.Sprintf(format, args...)) }

func (t *tb) Fatal(args ...any) {
	t.report(fmt.Sprint(args...))
	runtime.Goexit()
}

func (t *tb) Fatalf(format string, args ...any) {
	t.report(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// Skip is Fatal: who asked for something wants to know that it can't be had.
func (t *tb) Skip(args ...any) { t.Fatal(args...) }
