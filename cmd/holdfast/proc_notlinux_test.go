//go:build unix && !linux

package main

import "testing"

// state is a process's, as ps shows it; only Linux tells it to a test.
func state(t *testing.T, _ int) string {
	t.Helper()
	t.Skip("needs /proc")
	return ""
}
