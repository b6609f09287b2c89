package main

import (
	"os/exec"
	"strings"
)

// nodeProgram is beside the libraries that it imports, which npm installs there from package-lock.json.
const nodeProgram = "node/redissemaphore.mjs"

// nodeMissing says why redis-semaphore can't take part, or nothing.
func nodeMissing() string {
	if _, err := exec.LookPath("node"); err != nil {
		return "node isn't on PATH (Debian: apt-get install nodejs npm)"
	}
	cmd := exec.Command("node", "--input-type=module", "-e", `import "redis-semaphore"; import "ioredis"`)
	cmd.Dir = "node"
	if out, err := cmd.CombinedOutput(); strings.Contains(string(out), "ERR_MODULE_NOT_FOUND") {
		return "bench/node has no node_modules (npm ci --prefix bench/node --ignore-scripts)"
	} else if err != nil {
		return "node can't import it: " + err.Error()
	}
	return ""
}
