package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// farewell is how long workers get to end by themselves when the demo ends.
const farewell = time.Second

// teamEvent is an event with the worker that it comes from.
type teamEvent struct {
	worker string
	event
}

// member is one worker process.
type member struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	orders *json.Encoder
	stderr lastBytes
	frozen bool
	// expected is set before the director kills it: its end is then no event.
	expected atomic.Bool
}

func (m *member) pid() int { return m.cmd.Process.Pid }

// team is the demo's worker processes. All of it but its readers belongs to the
// director's goroutine.
type team struct {
	config  workerConfig // without the name
	members map[string]*member
	started []*member // also those that were replaced

	events  chan teamEvent
	closing chan struct{}
	readers sync.WaitGroup
}

func newTeam(config workerConfig) *team {
	return &team{
		config:  config,
		members: make(map[string]*member),
		events:  make(chan teamEvent, 64),
		closing: make(chan struct{}),
	}
}

// start starts the worker of that name, in place of an earlier one if there was.
func (t *team) start(name string) (*member, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program to start it again: %w", err)
	}
	m := &member{name: name, cmd: exec.Command(self, "demo-worker")}
	m.cmd.SysProcAttr = dieWithParent()
	m.cmd.Stderr = &m.stderr
	if m.stdin, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	t.members[name] = m
	t.started = append(t.started, m)
	t.readers.Go(func() { t.read(m, stdout) })

	m.orders = json.NewEncoder(m.stdin)
	config := t.config
	config.Name = name
	if err := m.orders.Encode(config); err != nil {
		return nil, fmt.Errorf("configuring %s: %w", name, err)
	}
	return m, nil
}

// read hands on what a worker tells until its output ends, and reaps it. close
// joins it.
func (t *team) read(m *member, stdout io.Reader) {
	lines := json.NewDecoder(stdout)
	for {
		var ev event
		if err := lines.Decode(&ev); err != nil {
			break // it ended, or is of no use any more
		}
		t.send(teamEvent{worker: m.name, event: ev})
	}
	_ = m.cmd.Process.Kill()
	err := m.cmd.Wait()
	if m.expected.Load() {
		return
	}
	why := "it ended by itself"
	if err != nil {
		why = err.Error()
	}
	if said := strings.TrimSpace(string(m.stderr.bytes)); said != "" {
		why += "\n" + said
	}
	t.send(teamEvent{worker: m.name, event: event{Kind: eventExited, At: time.Now().UnixNano(), Cause: why}})
}

func (t *team) send(ev teamEvent) {
	select {
	case t.events <- ev:
	case <-t.closing:
	}
}

// order tells a worker to do something.
func (t *team) order(name string, do orderKind) error {
	if err := t.members[name].orders.Encode(order{Do: do}); err != nil {
		return fmt.Errorf("telling %s to %s: %w", name, do, err)
	}
	return nil
}

func (t *team) kill(name string) error {
	m := t.members[name]
	m.expected.Store(true)
	return m.cmd.Process.Kill()
}

func (t *team) freeze(name string) error {
	m := t.members[name]
	m.frozen = true // even if it fails: close then kills it
	return freeze(m.cmd.Process)
}

func (t *team) thaw(name string) error {
	m := t.members[name]
	err := thaw(m.cmd.Process)
	m.frozen = err != nil
	return err
}

// close ends all workers and returns when none is left. Those that run get a
// moment to release what they hold; a frozen one would use it for nothing.
func (t *team) close() {
	close(t.closing)
	for _, m := range t.started {
		m.expected.Store(true)
		_ = m.stdin.Close()
		if m.frozen {
			_ = m.cmd.Process.Kill()
		}
	}
	late := time.AfterFunc(farewell, func() {
		for _, m := range t.started {
			_ = m.cmd.Process.Kill()
		}
	})
	defer late.Stop()
	t.readers.Wait()
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct{ bytes []byte }

func (l *lastBytes) Write(p []byte) (int, error) {
	const keep = 4096
	l.bytes = append(l.bytes, p...)
	l.bytes = l.bytes[max(0, len(l.bytes)-keep):]
	return len(p), nil
}
