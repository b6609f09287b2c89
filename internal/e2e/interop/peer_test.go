package interop_test

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"io"
	"net"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/redistest"
	"github.com/holdfast-go/holdfast/internal/rig"
)

//go:embed testdata/peer.py
var peerProgram string

// peer is a process that uses redis-py's Lock. It does one thing at a time.
type peer struct {
	t   *testing.T
	mu  sync.Mutex
	in  *json.Encoder
	out *json.Decoder
}

// order is what peer.py is told. A []byte is base64 in JSON.
type order struct {
	Op   string `json:"op"`
	Lock int    `json:"lock"`

	Name    []byte   `json:"name,omitempty"`
	Timeout *float64 `json:"timeout,omitempty"` // nil: None
	Sleep   float64  `json:"sleep"`
	Text    bool     `json:"text,omitempty"` // names and tokens as str, replies decoded

	Token    []byte   `json:"token,omitempty"`
	Blocking *bool    `json:"blocking,omitempty"`
	Wait     *float64 `json:"wait,omitempty"`
	Seconds  float64  `json:"seconds,omitempty"`
	Replace  bool     `json:"replace,omitempty"`
	Key      string   `json:"key,omitempty"`
	Pause    float64  `json:"pause,omitempty"`
}

// answer is what came of it: a value, or the name of an exception.
type answer struct {
	Value  any    `json:"value"`
	Raised string `json:"raised"`
	Text   string `json:"text"`
}

// startPeer starts a process that works on a server. It ends with the test, and by
// itself when its stdin does.
func startPeer(t *testing.T, s *redistest.Server) *peer {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(redistest.Python(t), "-c", peerProgram, host, port)
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		timer := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
		_, _ = io.Copy(io.Discard, out) // an answer that nobody waited for
		if err := cmd.Wait(); err != nil || stderr.Len() > 0 {
			t.Errorf("peer.py: %v\n%s", err, &stderr)
		}
	})
	return &peer{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
}

// send may be called from any goroutine.
func (p *peer) send(o order) (a answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.in.Encode(o)
	if err == nil {
		err = p.out.Decode(&a)
	}
	if err != nil {
		a.Raised, a.Text = "no answer", err.Error()
	}
	return a
}

// pyLock is a redis.lock.Lock.
type pyLock struct {
	*peer
	id   int
	text bool
}

// none as a timeout is None.
func seconds(d time.Duration) *float64 {
	if d == none {
		return nil
	}
	s := d.Seconds()
	return &s
}

// lock makes a Lock. It sleeps for 20 ms between its tries.
func (p *peer) lock(name string, timeout time.Duration, text ...bool) pyLock {
	p.t.Helper()
	o := order{Op: "lock", Name: []byte(name), Timeout: seconds(timeout), Sleep: 0.02, Text: len(text) > 0}
	a := p.send(o)
	id, ok := a.Value.(float64)
	if !ok {
		p.t.Fatalf("peer.py made no lock: %+v", a)
	}
	return pyLock{p, int(id), o.Text}
}

// tell has the lock do something.
func (l pyLock) tell(op string, o order) answer {
	o.Op, o.Lock, o.Text = op, l.id, l.text
	return l.send(o)
}

// acquire is acquire(blocking_timeout=wait), or acquire(blocking=False) if wait is 0.
func (l pyLock) acquire(wait time.Duration, token ...string) answer {
	o := order{Wait: seconds(wait)}
	if wait == 0 {
		o = order{Blocking: new(bool)}
	}
	if len(token) > 0 {
		o.Token = []byte(token[0])
	}
	return l.tell("acquire", o)
}

// acquiring is acquire in the background.
func (l pyLock) acquiring(wait time.Duration) <-chan answer {
	c := make(chan answer, 1)
	go func() { c <- l.acquire(wait) }()
	return c
}

func (l pyLock) extend(d time.Duration, replace bool) answer {
	return l.tell("extend", order{Seconds: d.Seconds(), Replace: replace})
}

func (l pyLock) adopt(token string) answer { return l.tell("adopt", order{Token: []byte(token)}) }
func (l pyLock) locked() answer            { return l.tell("locked", order{}) }
func (l pyLock) owned() answer             { return l.tell("owned", order{}) }
func (l pyLock) reacquire() answer         { return l.tell("reacquire", order{}) }
func (l pyLock) release() answer           { return l.tell("release", order{}) }

// token returns the token that the lock was acquired with.
func (l pyLock) token() string {
	l.t.Helper()
	a := l.tell("token", order{})
	var token []byte
	if text, err := json.Marshal(a.Value); err != nil || json.Unmarshal(text, &token) != nil || len(token) == 0 {
		l.t.Fatalf("peer.py gave no token: %+v", a)
	}
	return string(token)
}

// is demands what Python returned: true or false.
func (a answer) is(t *testing.T, want bool) {
	t.Helper()
	if a.Raised != "" || a.Value != want {
		t.Fatalf("Python returned %v, %s %s; want %v", a.Value, a.Raised, a.Text, want)
	}
}

// raises demands an exception.
func (a answer) raises(t *testing.T, want string) {
	t.Helper()
	if a.Raised != want {
		t.Fatalf("Python returned %v, %s %s; want %s", a.Value, a.Raised, a.Text, want)
	}
}

// withPeer runs a test on a real server with Python beside it.
func withPeer(t *testing.T, test func(f foo, py *peer)) {
	redistest.Python(t) // or skip
	rig.OnReal(t, func(e *rig.Env) { test(foo{e.T, e, "foo"}, startPeer(t, e.Server)) })
}
