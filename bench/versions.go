package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
)

// version says which version of a library this is.
func (b *bench) version(lib *library) string {
	if lib.module == "" {
		return b.versions[lib.name]
	}
	if lib.name == ours {
		return revision()
	}
	info, _ := debug.ReadBuildInfo()
	if info != nil {
		for _, m := range info.Deps {
			if m.Path == lib.module {
				return m.Version
			}
		}
	}
	return "of unknown version"
}

// revision is the commit of the library that this module is beside.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty", "--tags").Output()
	if err != nil {
		return "of unknown version"
	}
	return strings.TrimSpace(string(out))
}

// machine says what this ran on.
func (b *bench) machine(ctx context.Context) string {
	server := "redis-server of unknown version"
	if info, err := b.admin.InfoMap(ctx, "server").Result(); err == nil {
		server = "redis-server " + info["Server"]["redis_version"]
	}
	return fmt.Sprintf("%s, %s, %s/%s, %d CPUs%s", server, runtime.Version(), runtime.GOOS, runtime.GOARCH,
		runtime.NumCPU(), processor())
}

// processor is the CPU's name, if the system tells it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return " (" + strings.TrimSpace(value) + ")"
		}
	}
	return ""
}
