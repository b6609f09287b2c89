package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// watcher is a second process of this command. It kills the program's group if this process
// can't do it: because it ended before the program, or does not run (SIGSTOP, a debugger) when
// the lease is about to end.
//
// It is itself in that group. So the group's number is not used again while it lives, and it
// names its own group, and no other, in what it does. It ignores the signals that the group gets,
// except SIGKILL and SIGSTOP, and joins the group when it does: the Go runtime unblocks signals as it
// starts, before it can ignore any.
type watcher struct {
	cmd    *exec.Cmd
	orders *os.File // gets the times up to which the program may run; its end is that of this process
	until  time.Duration
	ended  chan struct{}
}

const (
	watcherCommand = "watcher"
	watcherOrders  = 3 // file descriptors: the orders come here,
	watcherReady   = 4 // and this is closed after a byte when it has joined the group
	// watcherStart is how long it may take for that. The program runs meanwhile.
	watcherStart = 5 * time.Second
)

// startWatcher starts a watcher of a group whose leader is a child that was not waited for yet, and
// returns when it is in the group. The goroutine must be locked to its thread.
func startWatcher(group int) (*watcher, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer read.Close()
	ready, tell, err := os.Pipe()
	if err != nil {
		write.Close()
		return nil, err
	}
	defer ready.Close()
	w := &watcher{cmd: exec.Command("/proc/self/exe"), orders: write, ended: make(chan struct{})}
	w.cmd.Args = []string{os.Args[0], watcherCommand, strconv.Itoa(group)}
	w.cmd.Dir = "/" // it keeps no directory in use
	w.cmd.ExtraFiles = []*os.File{read, tell}
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no signals of ours either
	err = orphans.start(w.cmd)
	tell.Close()
	if err != nil {
		write.Close()
		return nil, err
	}
	go func() { // ends with the watcher, which end kills
		orphans.wait(w.cmd)
		close(w.ended)
	}()
	_ = ready.SetReadDeadline(time.Now().Add(watcherStart))
	if _, err := ready.Read(make([]byte, 1)); err != nil {
		w.end()
		return nil, fmt.Errorf("it did not start: %w", err)
	}
	return w, nil
}

// sinceBoot is a clock that two processes share and that counts the time the machine sleeps.
func sinceBoot() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &now)
	return time.Duration(now.Nano())
}

// tell says how long the program may run from now on.
func (w *watcher) tell(left time.Duration) {
	until := sinceBoot() + left
	if w == nil || (until-w.until).Abs() < 5*time.Millisecond {
		return
	}
	// The pipe may be full if the watcher was stopped.
	_ = w.orders.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := w.orders.Write(binary.NativeEndian.AppendUint64(nil, uint64(until))); err == nil {
		w.until = until
	}
}

// end ends the watcher and waits for it, so that it is in the program's group no longer.
func (w *watcher) end() {
	if w == nil {
		return
	}
	_ = w.cmd.Process.Kill()
	<-w.ended
	w.orders.Close()
}

func newWatcherCommand() *cobra.Command {
	return &cobra.Command{
		Use: watcherCommand, Short: "Kills the program if run or lead can't", Hidden: true,
		Args: exactly("GROUP"),
		RunE: func(_ *cobra.Command, args []string) error {
			group, err := strconv.Atoi(args[0])
			if err != nil || !isPipe(watcherOrders) || !isPipe(watcherReady) {
				return usageError(fmt.Errorf("%s is for run and lead to start", watcherCommand))
			}
			return watchGroup(group)
		},
	}
}

func isPipe(fd int) bool {
	var stat unix.Stat_t
	err := unix.Fstat(fd, &stat)
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFIFO
}

// watchGroup joins a group, and kills it, and so this process, when the time that it was told last
// has come, or when nobody is there any more to tell it another. It returns only if the kernel
// refuses what it needs.
func watchGroup(group int) error {
	signal.Ignore()
	if err := unix.Setpgid(0, group); err != nil {
		return fmt.Errorf("joining the program's group %d: %w", group, err)
	}
	if _, err := unix.Write(watcherReady, []byte{1}); err != nil {
		return err
	}
	_ = unix.Close(watcherReady)
	alarm, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	watched := []unix.PollFd{{Fd: watcherOrders, Events: unix.POLLIN}, {Fd: int32(alarm), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(watched, -1); err == unix.EINTR {
			continue
		} else if err != nil {
			return err
		}
		if watched[0].Revents == 0 {
			return unix.Kill(0, unix.SIGKILL)
		}
		// An order that has come counts more than an alarm that is older.
		orders := make([]byte, 4096)
		n, err := unix.Read(watcherOrders, orders)
		if err != nil || n < 8 {
			return unix.Kill(0, unix.SIGKILL)
		}
		until := int64(binary.NativeEndian.Uint64(orders[n-8 : n]))
		at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(until, 1))} // 0 would be never
		if err := unix.TimerfdSettime(alarm, unix.TFD_TIMER_ABSTIME, &at, nil); err != nil {
			return err
		}
	}
}
