//go:build linux

package kubernetes

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

// beScheduler makes this test binary the program of "holdfast lead": its value is how long the program takes to end
// after SIGTERM.
const beScheduler = "HOLDFAST_TEST_BE_SCHEDULER"

// built is the folder with the commands holdfast and leader.
var built string

func TestMain(m *testing.M) {
	if takes := os.Getenv(beScheduler); takes != "" {
		scheduler(takes)
		return
	}
	dir, err := os.MkdirTemp("", "holdfast-kubernetes-")
	if err == nil {
		err = build(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built = dir
	goleak.VerifyTestMain(m, goleak.Cleanup(func(status int) {
		os.RemoveAll(dir)
		os.Exit(status)
	}))
}

// build makes the commands, each in its own module.
func build(dir string) error {
	for module, program := range map[string]string{"..": "./cmd/holdfast", ".": "./leader"} {
		cmd := exec.Command("go", "build", "-o", dir+"/", program)
		cmd.Dir, cmd.Env = module, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", program, err, out)
		}
	}
	return nil
}

// scheduler is a program that one machine runs. It writes when it begins and ends, and takes a while to end.
func scheduler(takes string) {
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM)
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	slog.Info("term begins", "fence", os.Getenv("HOLDFAST_FENCE"))
	<-told
	d, err := time.ParseDuration(takes)
	if err != nil {
		panic(err)
	}
	time.Sleep(d)
	slog.Info("term ends", "fence", os.Getenv("HOLDFAST_FENCE"))
}

// newNode is a node whose programs take so long to end after SIGTERM.
func newNode(t *testing.T, takes time.Duration) *node {
	t.Helper()
	if os.Getuid() != 0 {
		t.Log("only root may make process namespaces: the programs are not the first processes of one")
	}
	server := redistest.Start(t)
	server.SetUser(t, "scheduler", "~*", "&*", "+@all")
	n := &node{
		t: t, bin: t.TempDir(), redis: server.Addr(), secrets: map[string]string{"redis/password": "secret"},
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"holdfast":  fmt.Sprintf("exec '%s/holdfast' \"$@\"", built),
		"leader":    fmt.Sprintf("exec '%s/leader' --job=%v \"$@\"", built, takes),
		"scheduler": fmt.Sprintf("%s=%v exec '%s'", beScheduler, takes, self),
	} {
		if err := os.WriteFile(filepath.Join(n.bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return n
}
