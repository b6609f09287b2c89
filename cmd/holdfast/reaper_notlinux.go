//go:build unix && !linux

package main

import "os/exec"

// reaper is for Linux, where this process adopts what the program leaves behind.
type reaper struct{}

var orphans reaper

func (*reaper) adopt()                    {}
func (*reaper) start(cmd *exec.Cmd) error { return cmd.Start() }
func (*reaper) wait(cmd *exec.Cmd)        { _ = cmd.Wait() }
func (*reaper) reap()                     {}
