package proof

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// process is a worker as the director sees it.
type process struct {
	job   job
	cmd   *exec.Cmd
	in    io.WriteCloser
	said  bytes.Buffer
	ended chan struct{} // closed when all that it wrote has been read

	mu      sync.Mutex
	records []Record
	drained chan struct{} // closed when all that it had begun is over
	dead    bool
}

// launch starts a worker.
func launch(j job) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &process{job: j, cmd: exec.Command(self), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), workerEnv+"=1")
	p.cmd.Stderr = &p.said
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { // ends with the worker
		defer close(p.ended)
		_ = readRecords(bufio.NewReaderSize(out, 1<<16), p.take)
	}()
	return p, p.send(j)
}

func (p *process) take(r Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if r.Kind == 0 {
		select {
		case <-p.drained: // it was asked twice, for the first answer came late
		default:
			close(p.drained)
		}
		return
	}
	p.records = append(p.records, r)
}

// send tells the worker something; one that was killed does not hear it.
func (p *process) send(what any) error { return json.NewEncoder(p.in).Encode(what) }

func (p *process) begin() error {
	p.mu.Lock()
	p.drained = make(chan struct{})
	p.mu.Unlock()
	return p.send(order{Do: "go"})
}

// drain has the worker end what it has begun, and reports whether that was done in time.
func (p *process) drain(deadline time.Time) bool {
	if p.send(order{Do: "drain"}) != nil {
		return false
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-p.drained:
		return true
	case <-p.ended:
		return false
	case <-timer.C:
		return false
	}
}

// collect returns the records since the last call.
func (p *process) collect() []Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.records
	p.records = nil
	return list
}

func (p *process) signal(sig syscall.Signal) { _ = p.cmd.Process.Signal(sig) }

// kill ends the worker by SIGKILL and waits until all that it said is read.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended
	_ = p.cmd.Wait()
	p.dead = true
	_ = p.in.Close()
}

// died returns why a worker that was not killed has ended, or nil.
func (p *process) died() error {
	select {
	case <-p.ended:
		if !p.dead {
			_ = p.cmd.Wait()
			return fmt.Errorf("proof: worker %d ended: %s", p.job.Worker, p.said.Bytes())
		}
	default:
	}
	return nil
}
