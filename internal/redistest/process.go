package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTries   = 20               // ports to try
	readyTimeout = 20 * time.Second // generous: the machine may be busy
)

var errPortTaken = errors.New("address already in use")

// process is one redis-server with its port and directory. It may be killed
// and started again.
type process struct {
	bin  string
	conf string // of a Sentinel; else empty
	args []string
	env  []string // added to this process's
	port int
	dir  string

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when cmd has exited
}

// start runs a redis-server on a free port, or a Sentinel if conf is not empty.
func start(bin, conf string, args, env []string) (*process, error) {
	dir, err := os.MkdirTemp("", "redistest-")
	if err != nil {
		return nil, err
	}
	p := &process{bin: bin, conf: conf, args: args, env: env, dir: dir}
	for range startTries {
		if p.port, err = freePort(); err != nil {
			break
		}
		if err = p.launch(); !errors.Is(err, errPortTaken) {
			break
		}
		returnPort(p.port)
	}
	if err != nil {
		p.remove()
		return nil, err
	}
	return p, nil
}

func (p *process) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

func (p *process) logFile() string { return filepath.Join(p.dir, "log") }

// launch starts the process on p.port and waits until it answers.
// kind returns the arguments that make the process a Sentinel or a server.
func (p *process) kind() ([]string, error) {
	if p.conf == "" {
		return []string{"--save", "", "--appendonly", "no"}, nil
	}
	// Sentinel keeps its state in its file: write it only once.
	file := filepath.Join(p.dir, "sentinel.conf")
	if _, err := os.Stat(file); err != nil {
		if err := os.WriteFile(file, []byte(p.conf), 0o600); err != nil {
			return nil, err
		}
	}
	return []string{file, "--sentinel"}, nil
}

func (p *process) launch() error {
	args, err := p.kind()
	if err != nil {
		return err
	}
	args = append(args, "--port", strconv.Itoa(p.port), "--bind", "127.0.0.1", "--dir", p.dir)
	log, err := os.Create(p.logFile())
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.bin, append(args, p.args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, log, log
	cmd.Env = append(os.Environ(), p.env...)
	cmd.SysProcAttr = dieWithParent()

	started, done := make(chan error, 1), make(chan struct{})
	go func() {
		// The kernel sends the parent-death signal when the thread that
		// forked ends, not the process: keep it to ourselves until the
		// child is gone.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(done)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait() // reaps it; how it ended is in its log
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	p.mu.Lock()
	p.cmd, p.done = cmd, done
	p.mu.Unlock()
	if err := p.waitReady(cmd.Process.Pid, done); err != nil {
		p.kill()
		return err
	}
	return nil
}

func (p *process) waitReady(pid int, done <-chan struct{}) error {
	for end := time.Now().Add(readyTimeout); time.Now().Before(end); {
		select {
		case <-done:
			out, _ := os.ReadFile(p.logFile())
			if strings.Contains(string(out), "Address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("redistest: redis-server ended: %s", out)
		case <-time.After(2 * time.Millisecond):
		}
		if p.answers(pid) {
			return nil
		}
	}
	return errors.New("redistest: redis-server does not answer")
}

// answers asks for the process id, so that another server that has taken the
// port meanwhile is not mistaken for ours.
func (p *process) answers(pid int) bool {
	conn, err := net.DialTimeout("tcp", p.addr(), time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	fmt.Fprintf(conn, "PING\r\nINFO server\r\nQUIT\r\n")
	lines := bufio.NewScanner(conn)
	if !lines.Scan() {
		return false
	}
	if strings.HasPrefix(lines.Text(), "-NOAUTH") {
		return true // it cannot be asked more
	}
	if lines.Text() != "+PONG" {
		return false // such as LOADING
	}
	for lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "process_id:"); ok {
			return id == strconv.Itoa(pid)
		}
	}
	return false
}

// current returns the process started last.
func (p *process) current() (*exec.Cmd, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd, p.done
}

// kill ends the process for certain, even a stopped one, and waits until its
// port is free. It does nothing if it has ended already.
func (p *process) kill() error {
	cmd, done := p.current()
	if cmd == nil {
		return nil
	}
	if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-done
	return nil
}

// restart kills the process if it runs and starts it again on its port, which
// somebody else may hold for a moment.
func (p *process) restart() error {
	if err := p.kill(); err != nil {
		return err
	}
	var err error
	for range startTries {
		if err = p.launch(); !errors.Is(err, errPortTaken) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
	return err
}

func (p *process) signal(sig syscall.Signal) error {
	cmd, _ := p.current()
	return cmd.Process.Signal(sig)
}

// remove ends the process and deletes its directory.
func (p *process) remove() {
	p.kill()
	returnPort(p.port)
	os.RemoveAll(p.dir)
}
