package main

import (
	_ "embed"
	"os/exec"
)

//go:embed redispy.py
var pythonProgram string

// pythonPath is Debian's Python, for which python3-redis is installed; another one on PATH
// often lacks the module.
const pythonPath = "/usr/bin/python3"

// pythonMissing says why redis-py can't take part, or nothing.
func pythonMissing() string {
	if exec.Command(pythonPath, "-c", "import redis").Run() != nil {
		return pythonPath + " can't import redis (Debian: apt-get install python3-redis)"
	}
	return ""
}
