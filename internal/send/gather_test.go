package send

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather: announced requests go in one batch, also if they come one by one, if the server has just
// answered fast, or if one of them is not made; and no longer than 2 ms later.
func TestGather(t *testing.T) {
	for name, c := range map[string]struct {
		come, silent int           // of those announced
		missing      int           // announced, and not heard of
		want         time.Duration // when they are sent, after the last came
	}{
		"all come":          {3, 0, 0, 0},
		"one is not made":   {2, 1, 0, 0},
		"one never comes":   {2, 0, 1, flushAfter - ms/10},
		"none comes":        {0, 3, 0, 0},
		"one is announced":  {1, 0, 0, 0},
		"two, and one only": {1, 1, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			onFake(t, func(t *testing.T, f *fake, s *Sender) {
				f.inline = true
				ask(t, s, 3) // and the goroutine that sent it may look for more
				before := len(f.log())
				var names []string
				for i := range c.come + c.silent + c.missing {
					names = append(names, fmt.Sprint("lock", i))
				}
				done := s.Gather(names)
				var asking sync.WaitGroup
				var last time.Duration
				for i, name := range names[:c.come+c.silent] {
					if i > 0 {
						time.Sleep(ms / 10)
					}
					last = time.Since(f.began)
					asking.Go(func() {
						defer done(name)
						if i >= c.silent {
							if _, err := s.Ask(t.Context(), call(name)); err != nil {
								t.Error(err)
							}
						}
					})
					synctest.Wait()
				}
				asking.Wait()
				log := f.log()[before:]
				if c.come == 0 && len(log) == 0 {
					return
				}
				if len(log) != 1 || len(log[0].names) != c.come {
					t.Fatalf("%+v", log)
				}
				if late := log[0].at - last; late < 0 || late > c.want {
					t.Errorf("sent %v after the last came, not %v", late, c.want)
				}
				// Nobody waits for anybody any more.
				began := time.Since(f.began)
				ask(t, s, 1)
				if log := f.log(); log[len(log)-1].at != began {
					t.Errorf("a later one waited for %v", log[len(log)-1].at-began)
				}
			})
		})
	}
}
