//go:build !linux

package main

import (
	"time"

	"github.com/spf13/cobra"
)

// watcher is for Linux.
type watcher struct{}

func startWatcher(int) (*watcher, error) { return nil, nil }
func (*watcher) tell(time.Duration)      {}
func (*watcher) end()                    {}
func newWatcherCommand() *cobra.Command  { return &cobra.Command{Use: "watcher", Hidden: true} }
