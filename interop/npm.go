package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// npm is the folder where npm has installed the libraries of node/package-lock.json, or their newest versions: these
// each time anew.
func (s *store) npm(ctx context.Context) (string, error) {
	lock, err := files.ReadFile("node/package-lock.json")
	if err != nil {
		return "", err
	}
	getting.Lock()
	defer getting.Unlock()
	final := filepath.Join(s.dir, "node")
	if s.newest {
		return final + "-newest", s.newestOnce(ctx)
	}
	if there, err := os.ReadFile(filepath.Join(final, "package-lock.json")); err == nil && string(there) == string(lock) {
		return final, nil
	}
	return final, s.make("node", func(dir string) error { return install(ctx, dir) })
}

// install installs what package-lock.json says.
func install(ctx context.Context, dir string) error {
	for _, name := range []string{"package.json", "package-lock.json"} {
		text, err := files.ReadFile("node/" + name)
		if err = errors.Join(err, os.WriteFile(filepath.Join(dir, name), text, 0o644)); err != nil {
			return err
		}
	}
	return npm(ctx, dir, "ci")
}

// npm calls it. Some of the libraries want versions of their clients that others can't use. Nothing runs on installation.
func npm(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "npm", append(args, "--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund")...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("npm %s: %w: %s", args[0], err, out)
	}
	return err
}

// newestOnce installs the newest versions, unless this run has done so.
func (s *store) newestOnce(ctx context.Context) error {
	if s.have {
		return nil
	}
	s.have = true
	text, err := files.ReadFile("node/package.json")
	if err != nil {
		return err
	}
	var pkg struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &pkg); err != nil {
		return err
	}
	args := []string{"install"}
	for name, version := range pkg.Dependencies {
		if !strings.HasPrefix(version, "npm:") { // that is an older version, for a reason
			args = append(args, name+"@latest")
		}
	}
	return s.make("node-newest", func(dir string) error {
		return errors.Join(install(ctx, dir), npm(ctx, dir, args...))
	})
}
