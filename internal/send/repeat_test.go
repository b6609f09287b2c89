package send

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/store"
)

// TestUntilAnswered: for as long as the server has not answered, but no longer than the limit, and
// whatever becomes of the context.
func TestUntilAnswered(t *testing.T) {
	const limit = 5 * time.Second
	for name, c := range map[string]struct {
		fails   error // how requests fail
		until   time.Duration
		silent  bool // instead, they are not answered until then
		want    error
		inDoubt bool
		most    time.Duration
	}{
		"an answer":          {nil, 0, false, nil, false, ms},
		"a refusal":          {errRefused, time.Hour, false, errRefused, false, ms},
		"full for a second":  {errFull, time.Second, false, nil, false, 3 * time.Second},
		"full for long":      {errFull, time.Hour, false, errFull, false, limit},
		"broken for a while": {io.EOF, time.Second, false, nil, true, 3 * time.Second},
		"silent for a while": {nil, time.Second, true, nil, true, 1500 * ms},
		"silent for long":    {nil, time.Hour, true, errSilent, true, limit},
		"no server":          {errDial, time.Hour, false, errDial, false, limit},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				f.answer = func(b sentBatch, calls []*store.Call) {
					switch {
					case b.at >= c.until:
						after(ms)(b, calls)
					case c.silent:
						time.Sleep(10 * time.Second)
						failing(io.EOF)(b, calls)
					default:
						failing(c.fails)(b, calls)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				var last error
				began := time.Now()
				r, inDoubt, err := s.UntilAnswered(ctx, limit, func(before error) store.Call {
					last = before
					return call("a")
				})
				if took := time.Since(began); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) || inDoubt != c.inDoubt || took > c.most {
					t.Errorf("%+v, in doubt: %v, %v, after %v", r, inDoubt, err, took)
				}
				if c.fails != nil && c.fails != errRefused && !errors.Is(last, c.fails) {
					t.Errorf("the last try was told of %v", last)
				}
				if (err == nil) != (r.Status == store.Held) {
					t.Errorf("reply %+v", r)
				}
			})
		})
	}
}
