package main

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// reaper waits for the processes that this process has adopted, as soon as they end: without it
// they stay zombies for as long as the program runs. It leaves alone what os/exec waits for.
type reaper struct {
	once sync.Once

	mu   sync.Mutex
	ours map[int]bool // process ids that os/exec waits for
}

var orphans = reaper{ours: make(map[int]bool)}

// adopt makes this process the parent of what the program leaves behind, in the place of an
// init that may not be there to wait for it. The first call starts a goroutine that ends with
// the process.
func (r *reaper) adopt() {
	r.once.Do(func() {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGCHLD)
		go func() {
			for range ended {
				r.reap()
			}
		}()
	})
}

// start starts a process that wait has to be called for. The lock keeps reap from a process
// that ends before its id is known.
func (r *reaper) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := cmd.Start()
	if err == nil {
		r.ours[cmd.Process.Pid] = true
	}
	return err
}

// wait waits for the end of a process; how it ended is in its ProcessState.
func (r *reaper) wait(cmd *exec.Cmd) {
	_ = cmd.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ours, cmd.Process.Pid)
}

// reap waits for all orphans that have ended by now.
func (r *reaper) reap() {
	for {
		pid, other := r.reapOne()
		switch {
		case pid == 0:
			return
		case !other:
			// The kernel names it first until os/exec has waited for it, which is under way.
			time.Sleep(time.Millisecond)
		}
	}
}

// reapOne returns the id of a process that has ended, 0 if there is none, and whether it was an
// orphan. An orphan is gone then.
func (r *reaper) reapOne() (pid int, orphan bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	pid = endedChild()
	if pid == 0 || r.ours[pid] {
		return pid, false
	}
	_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	return pid, true
}

// endedChild returns the id of a child that has ended, and does not wait for it; 0 if there is
// none.
func endedChild() int {
	var info struct { // unix.Siginfo does not name its fields
		_   [3]int32
		pid struct {
			_     [0]uintptr // the kernel's union is aligned like a pointer
			value int32
		}
		_ unix.Siginfo // not smaller than the kernel's
	}
	for {
		err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch err {
		case nil:
			return int(info.pid.value)
		case unix.EINTR:
		default:
			return 0
		}
	}
}
