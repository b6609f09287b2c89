//go:build unix

package main

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	terminal "golang.org/x/term"
)

const canRun = true

const (
	sigTerm = syscall.SIGTERM
	sigKill = syscall.SIGKILL
	sigStop = syscall.SIGTSTP
	sigCont = syscall.SIGCONT
)

// child is the program that runs under the lock, with its process group.
type child struct {
	cmd     *exec.Cmd
	tty     int           // the terminal whose foreground it was given; -1 if none
	exited  chan struct{} // closed when it has ended and was waited for
	stopped chan struct{} // gets one when it was stopped; see watchStops
	watcher *watcher      // nil if there is none
	// unwatched is why there is none, if there should be one.
	unwatched error

	mu   sync.Mutex
	gone bool // it and its group
}

// start runs a program in a process group of its own. If it is the user at a terminal who
// has called us, the program is in the terminal's foreground, to read from it and to be
// interrupted from it.
func start(program string, args, env []string) (*child, error) {
	c := &child{
		cmd: exec.Command(program, args...), tty: foreground(),
		exited: make(chan struct{}), stopped: make(chan struct{}, 1),
	}
	c.cmd.Env = env
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	attr := dieWithParent()
	if attr == nil {
		attr = &syscall.SysProcAttr{}
	}
	attr.Setpgid = true
	if c.tty >= 0 {
		attr.Foreground, attr.Ctty = true, c.tty
	}
	c.cmd.SysProcAttr = attr

	orphans.adopt()
	started := make(chan error, 1)
	// Ends when the program has. The kernel sends the parent-death signal when the thread
	// that forked ends, not the process: keep it until then.
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := orphans.start(c.cmd)
		if err == nil {
			c.watcher, c.unwatched = startWatcher(c.cmd.Process.Pid)
		}
		started <- err
		if err == nil {
			orphans.wait(c.cmd)
			c.watcher.end()
			c.reclaim()
			close(c.exited)
		}
	}()
	if err := <-started; err != nil {
		c.reclaim() // a child that could not exec may have taken it
		return nil, err
	}
	go watchStops(c) // ends when the program has
	return c, nil
}

// foreground returns the descriptor of our terminal if we are in its foreground and talk to
// it, so that nobody else does: in a pipeline such as "holdfast run … | less" the foreground
// is the others', too.
func foreground() int {
	fd := int(os.Stdin.Fd())
	if !terminal.IsTerminal(fd) || !terminal.IsTerminal(int(os.Stdout.Fd())) {
		return -1
	}
	if group, err := foregroundGroup(fd); err != nil || group != syscall.Getpgrp() {
		return -1
	}
	return fd
}

// reclaim takes the terminal's foreground back.
func (c *child) reclaim() {
	if c.tty >= 0 {
		setForeground(c.tty, syscall.Getpgrp())
	}
}

// mayRun tells the watcher how long the program may run from now on.
func (c *child) mayRun(left time.Duration) { c.watcher.tell(left) }

// signal sends a signal to the program's group, as long as there is one.
func (c *child) signal(sig os.Signal) {
	s, ok := sig.(syscall.Signal)
	c.mu.Lock()
	defer c.mu.Unlock()
	if ok && !c.gone {
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
	}
}

// status is how the program ended: its exit status, or 128 and the signal's number.
func (c *child) status() (status int, killed os.Signal) {
	if ws, ok := c.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return statusSignal + int(ws.Signal()), ws.Signal()
	}
	return c.cmd.ProcessState.ExitCode(), nil
}

// left reports whether processes of its group are left, after it has ended. They keep the
// group's number from being used again.
func (c *child) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	orphans.reap() // a zombie keeps its group
	c.gone = c.gone || syscall.Kill(-c.cmd.Process.Pid, 0) == syscall.ESRCH
	return !c.gone
}

// pause stops us, as the shell expects of a job whose program was stopped, and returns when
// we were continued; then the terminal is the program's again.
func (c *child) pause() {
	c.reclaim()
	stopSelf()
	if c.tty >= 0 && foreground() == c.tty {
		setForeground(c.tty, c.cmd.Process.Pid)
	}
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func signalNumber(sig os.Signal) int {
	s, _ := sig.(syscall.Signal)
	return int(s)
}
