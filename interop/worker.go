package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// order is what a worker is told on its stdin, one JSON object a line. It has one lock at a time, and does one thing
// at a time.
//
//	acquire  take the lock Key, with a TTL unless it is 0: then with the library's default. It waits for Wait as the
//	         library does, or tries once
//	extend   have the lock's TTL be TTL, or whatever the library's way to extend makes of it
//	release  give it back
//	token    tell what the library knows the lock by
//	adopt    from now on have the lock Key that is held by Token
type order struct {
	Op    string `json:"op"`
	Key   string `json:"key,omitempty"`
	TTL   int64  `json:"ttl,omitempty"`  // ms
	Wait  int64  `json:"wait,omitempty"` // ms
	Token []byte `json:"token,omitempty"`
}

func (o order) ttl() time.Duration { return time.Duration(o.TTL) * time.Millisecond }

// answer is what came of an order. The first one of a worker, to none, has only the version.
type answer struct {
	Version string `json:"version"`
	OK      bool   `json:"ok"`
	Error   string `json:"error"` // the exception's class or the error's name
	Text    string `json:"text"`
	Token   []byte `json:"token"`
}

// unsupported is the error of a worker whose library has no such call.
const unsupported = "Unsupported"

// outcome is the answer in one word.
func (a answer) outcome() string {
	switch {
	case a.Error != "":
		return a.Error
	case a.OK:
		return "true"
	}
	return "false"
}

// spare is how much longer than planned an answer may take on a busy machine.
const spare = 30 * time.Second

// worker is a process with one client of a library.
type worker struct {
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	said    tail
}

// launch starts a worker, which ends with its stdin, and waits until it is connected.
func launch(ctx context.Context, c command) (*worker, error) {
	w := &worker{}
	w.cmd = exec.CommandContext(ctx, c.argv[0], c.argv[1:]...)
	w.cmd.Dir, w.cmd.Stderr = c.dir, &w.said
	w.cmd.Env = append(w.cmd.Environ(), c.env...)
	var err error
	if w.in, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	w.out = json.NewDecoder(out)
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	a, err := w.answer(spare)
	if err != nil {
		w.close()
		return nil, fmt.Errorf("starting %q: %w", c.argv, err)
	}
	w.version = strings.TrimSpace(c.version + " " + a.Version)
	return w, nil
}

// do gives an order. The error is nil unless the worker itself failed: what the library raised is in the answer.
func (w *worker) do(o order) (answer, error) {
	if err := json.NewEncoder(w.in).Encode(o); err != nil {
		return answer{}, fmt.Errorf("%s: %w\n%s", o.Op, err, w.said.String())
	}
	a, err := w.answer(time.Duration(o.Wait)*time.Millisecond + spare)
	if err != nil {
		err = fmt.Errorf("%s: %w", o.Op, err)
	}
	return a, err
}

// answer reads one. A worker that gives none in time is killed.
func (w *worker) answer(patience time.Duration) (a answer, err error) {
	timer := time.AfterFunc(patience, func() { _ = w.cmd.Process.Kill() })
	defer timer.Stop()
	if err = w.out.Decode(&a); err != nil {
		err = fmt.Errorf("no answer within %v: %w\n%s", patience, err, w.said.String())
	}
	return a, err
}

// must is do for an order that the library has to carry out.
func (w *worker) must(o order) error {
	a, err := w.do(o)
	if err == nil && !a.OK {
		err = fmt.Errorf("%s: %s %s", o.Op, a.outcome(), a.Text)
	}
	return err
}

// close lets the process end.
func (w *worker) close() {
	_ = w.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = w.cmd.Process.Kill() })
	defer timer.Stop()
	_ = w.cmd.Wait()
}

// tail keeps the end of what a process says on stderr.
type tail struct {
	mu   sync.Mutex
	text []byte
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	t.text = t.text[max(0, len(t.text)-4000):]
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.text))
}
