package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// spare is how much longer than planned an answer may take on a busy machine.
const spare = 30 * time.Second

// process is a child as its parent sees it.
type process struct {
	library string
	version string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *json.Decoder
	said    tail
}

// launch starts a process and waits until its contender works.
func launch(ctx context.Context, s setup) (*process, error) {
	p := &process{library: s.Library}
	switch s.Library {
	case python:
		p.cmd = exec.CommandContext(ctx, pythonPath, "-c", pythonProgram, fmt.Sprint(pollEvery.Seconds()))
	case nodejs:
		p.cmd = exec.CommandContext(ctx, "node", nodeProgram, fmt.Sprint(pollEvery.Milliseconds()))
	default:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		p.cmd = exec.CommandContext(ctx, self)
		p.cmd.Env = append(os.Environ(), childEnv+"=1")
	}
	p.cmd.Stderr = &p.said
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = json.NewDecoder(out)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	a, err := p.exchange(s, spare+time.Duration(s.Lockers)*10*time.Millisecond)
	if err != nil {
		p.close()
		return nil, err
	}
	p.version = a.Version
	return p, nil
}

// ask gives an order and returns the answer. A process that does not give one in time is
// killed, so no workload can hang.
func (p *process) ask(o order) (answer, error) {
	planned := o.For + o.Patience + time.Duration(o.N)*o.Stagger
	if o.At > 0 {
		planned += time.Until(time.Unix(0, o.At))
	}
	a, err := p.exchange(o, planned+spare+time.Duration(o.N)*time.Millisecond)
	if err != nil {
		err = fmt.Errorf("%s: %w", o.Op, err)
	}
	return a, err
}

func (p *process) exchange(what any, patience time.Duration) (a answer, err error) {
	timer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	if err = json.NewEncoder(p.in).Encode(what); err == nil {
		err = p.out.Decode(&a)
	}
	switch {
	case err != nil:
		err = fmt.Errorf("no answer within %v: %w\n%s", patience, err, p.said.String())
	case a.Error != "":
		err = errors.New(a.Error)
	}
	return a, err
}

// close lets the process end, which it does with its stdin.
func (p *process) close() {
	_ = p.in.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	_ = p.cmd.Wait()
}

// team is several processes that do the same at the same time.
type team []*process

func launchTeam(ctx context.Context, n int, s setup) (team, error) {
	t := make(team, n)
	errs := make([]error, n)
	var starting sync.WaitGroup
	for i := range t {
		starting.Go(func() { t[i], errs[i] = launch(ctx, s) })
	}
	starting.Wait()
	for _, err := range errs {
		if err != nil {
			t.close()
			return nil, err
		}
	}
	return t, nil
}

// ask gives all the same order, to be begun at the same time.
func (t team) ask(o order) ([]answer, error) {
	if len(t) > 1 {
		o.At = time.Now().Add(200 * time.Millisecond).UnixNano()
	}
	answers, errs := make([]answer, len(t)), make([]error, len(t))
	var asking sync.WaitGroup
	for i, p := range t {
		asking.Go(func() { answers[i], errs[i] = p.ask(o) })
	}
	asking.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return answers, nil
}

func (t team) close() {
	var closing sync.WaitGroup
	for _, p := range t {
		if p != nil {
			closing.Go(p.close)
		}
	}
	closing.Wait()
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
