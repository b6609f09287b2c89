package proof

import (
	"io"
	"sync"
	"time"
)

// recorder sends records, many in one write. A worker that is killed loses those of the
// last few milliseconds.
type recorder struct {
	out io.Writer
	mu  sync.Mutex
	buf []byte
}

// newRecorder starts a goroutine that lives as long as the process.
func newRecorder(out io.Writer) *recorder {
	r := &recorder{out: out}
	go func() {
		for range time.Tick(5 * time.Millisecond) {
			r.flush()
		}
	}()
	return r
}

func (r *recorder) add(rec Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buf = rec.append(r.buf)
}

func (r *recorder) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.buf) > 0 {
		_, _ = r.out.Write(r.buf) // if the director is gone this process ends, too
		r.buf = r.buf[:0]
	}
}
