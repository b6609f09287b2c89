package holdfast_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// capture keeps what is logged.
type capture struct {
	mu    sync.Mutex
	lines []string
}

func (c *capture) Enabled(context.Context, slog.Level) bool { return true }
func (c *capture) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *capture) WithGroup(string) slog.Handler            { return c }

func (c *capture) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool { line += " " + a.String(); return true })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = append(c.lines, line)
	return nil
}

func (c *capture) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.lines...)
}

func (c *capture) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lines = nil
}

// count returns how many lines contain the text.
func (c *capture) count(text string) (n int) {
	for _, line := range c.all() {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// TestLogging: a loss is logged at Warn, to the default logger unless another was given or none; a
// renewal that failed only to one that was given.
func TestLogging(t *testing.T) {
	onFake(t, func(t *testing.T, e *env) {
		std, given := new(capture), new(capture)
		was := slog.Default()
		defer slog.SetDefault(was)
		slog.SetDefault(slog.New(std))
		for _, c := range []struct {
			opts       []holdfast.Option
			std, given bool
		}{
			{nil, true, false},
			{[]holdfast.Option{holdfast.WithLogger(slog.New(given))}, false, true},
			{[]holdfast.Option{holdfast.WithLogger(nil)}, false, false},
		} {
			l, link := e.linked(append(c.opts, holdfast.WithTTL(time.Second))...)
			s := e.acquire(l.Mutex("a"))
			link.Refuse()
			<-s.Done()
			time.Sleep(time.Second)
			for name, got := range map[string]struct {
				log *capture
				any bool
			}{"default": {std, c.std}, "given": {given, c.given}} {
				losses, renewals := got.log.count(`WARN holdfast: lock lost lock=a fence=`), got.log.count("INFO")
				if (losses == 1) != got.any || (renewals > 0) != (got.any && got.log == given) {
					t.Errorf("with %d options, the %s logger has %v", len(c.opts), name, got.log.all())
				}
				got.log.reset()
			}
			link.Heal()
			_ = s.Release(e.ctx())
		}
	})
}
