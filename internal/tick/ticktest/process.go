package ticktest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/locktest"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Schedule runs the schedulers of one process until the plan has ended or stop is closed. The caller
// closes the client.
type Schedule func(p Plan, log *Log, client *redis.Client, stop <-chan struct{}) error

const planEnv = "HOLDFAST_TEST_PLAN"

// Main runs the tests of a package, or the plan of a process that a test has started. Goroutines that
// are left behind are an error of either.
func Main(m *testing.M, schedule Schedule) {
	text := os.Getenv(planEnv)
	if text == "" {
		locktest.Main(m)
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler))
	if err := child(text, schedule); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	fmt.Println("ok")
	os.Exit(0)
}

func child(text string, schedule Schedule) error {
	var p Plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	stop := make(chan struct{})
	go func() { // ends with the process
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(stop)
		select {}
	}()
	before := goleak.IgnoreCurrent()
	client := redis.NewClient(&redis.Options{Addr: p.Addr})
	err := schedule(p, NewLog(client), client, stop)
	return errors.Join(err, client.Close(), goleak.Find(before))
}

// Process is a process that a test has started.
type Process struct {
	cmd  *exec.Cmd
	in   *os.File
	said chan string // its last line, when it has ended
}

// Start starts this test's program again, to run the plan. It ends at the latest with the test, also if
// that is killed.
func Start(t *testing.T, p Plan) *Process {
	t.Helper()
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), planEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	c := &Process{cmd, w, make(chan string, 1)}
	go func() { // ends with the process, which the cleanup kills; that waits for it
		last := "it said nothing"
		for lines := bufio.NewScanner(out); lines.Scan(); {
			last = lines.Text()
		}
		_ = cmd.Wait()
		c.said <- last
		close(c.said)
	}()
	t.Cleanup(func() {
		w.Close()
		_ = cmd.Process.Kill()
		for range c.said {
		}
	})
	return c
}

// Pid is its process id.
func (c *Process) Pid() int { return c.cmd.Process.Pid }

// Signal sends it a signal.
func (c *Process) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Stop has it end before its time.
func (c *Process) Stop() { c.in.Close() }

// Wait waits until it has ended, and returns what went wrong in it.
func (c *Process) Wait(within time.Duration) error {
	select {
	case said := <-c.said:
		if said != "ok" {
			return fmt.Errorf("process %d: %s", c.Pid(), said)
		}
		return nil
	case <-time.After(within):
		return fmt.Errorf("process %d has not ended after %v", c.Pid(), within)
	}
}

// Kill kills it, waits until it is gone, and writes that down.
func (c *Process) Kill(log *Log) {
	_ = c.cmd.Process.Kill()
	<-c.said
	log.Add(Event{What: Killed, Pid: c.Pid()})
}

// Run runs a plan in several processes, each with a clock that is as far ahead as it says, and returns
// what they have done.
func Run(t *testing.T, p Plan, clocks ...time.Duration) (Summary, error) {
	t.Helper()
	server := redistest.Start(t)
	p.Addr = server.Addr()
	p.Start = time.Now().Add(4 * time.Second) // time for the processes to start
	for _, ahead := range clocks {
		p.Start = p.Start.Add(ahead) // so the first tick of each is yet to come
	}
	var all []*Process
	for _, p.Ahead = range clocks {
		all = append(all, Start(t, p))
	}
	for _, c := range all {
		if err := c.Wait(time.Until(p.End()) + 30*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	events, err := NewLog(server.Client()).Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := Summarize(events)
	t.Log(s)
	return s, s.Alone()
}

// KillOneByOne runs a plan in three processes. It kills one that is running a job, and another, and
// waits each time until one of those that are left runs jobs. It returns what they have done.
func KillOneByOne(t *testing.T, p Plan) (Summary, error) {
	t.Helper()
	server := redistest.Start(t)
	log := NewLog(server.Client())
	p.Addr, p.Start = server.Addr(), time.Now().Add(4*time.Second)
	var all []*Process
	for range 3 {
		all = append(all, Start(t, p))
	}
	for len(all) > 1 {
		victim := worker(t, log, all)
		all[victim].Kill(log)
		all = append(all[:victim], all[victim+1:]...)
	}
	worker(t, log, all)
	all[0].Stop()
	if err := all[0].Wait(30 * time.Second); err != nil {
		t.Error(err)
	}
	events, err := log.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := Summarize(events)
	t.Log(s)
	return s, s.Alone()
}

// worker waits until one of the processes has begun some jobs since now and is running one, and returns
// which.
func worker(t *testing.T, log *Log, all []*Process) int {
	t.Helper()
	seen := -1
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		events, err := log.Events(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if seen < 0 {
			seen = len(events)
		}
		if len(events) < seen+10 {
			continue
		}
		last := events[len(events)-1]
		for i, c := range all {
			if last.What == Begun && last.Pid == c.Pid() {
				return i
			}
		}
	}
	t.Fatal("no process runs jobs")
	return 0
}
