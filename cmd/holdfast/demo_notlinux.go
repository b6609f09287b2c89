//go:build !linux

package main

import "syscall"

// dieWithParent is nothing here: the end of its standard input ends a worker.
func dieWithParent() *syscall.SysProcAttr { return nil }
