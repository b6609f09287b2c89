package redistest

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// dieWithParent lets the kernel kill the child when the test process dies,
// however it dies. See launch for what it asks of the caller.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// pause stops the process and waits until it stands still.
func (p *process) pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	cmd, _ := p.current()
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err != nil {
			return err
		}
		// The state follows the command's name, which is in parentheses.
		if i := bytes.LastIndexByte(stat, ')'); bytes.HasPrefix(stat[i:], []byte(") T")) {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return errors.New("redistest: server does not stop")
}

func (p *process) resume() error { return p.signal(syscall.SIGCONT) }
