package redistest

import (
	"os/exec"
	"sync"
	"testing"
)

// Python returns a python3 that can import redis, to test against other
// clients of the same locks.
func Python(t testing.TB) string {
	t.Helper()
	path := findPython()
	if path == "" {
		missing(t, "no python3 with the redis module")
	}
	return path
}

// The distribution's Python first: another one on PATH often lacks the module.
var findPython = sync.OnceValue(func() string {
	for _, path := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(path, "-c", "import redis").Run() == nil {
			return path
		}
	}
	return ""
})
