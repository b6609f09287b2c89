package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-go/holdfast/internal/debian"
)

// release is a server as releases of Debian package it.
type release struct {
	name   string // of its folder, and on the command line
	suites []string
	pkgs   []string // the server and its command-line client
	server string   // the program in /usr/bin
	client string
}

// releases are the servers, each from the oldest release of Debian that has that version. A backport
// takes the libraries of the release that it is for.
var releases = []release{
	{"redis-6.0", []string{"bullseye"}, []string{"redis-server", "redis-tools"}, "redis-server", "redis-cli"},
	{"redis-7.0", []string{"bookworm"}, []string{"redis-server", "redis-tools"}, "redis-server", "redis-cli"},
	{"redis-8.0", []string{"trixie"}, []string{"redis-server", "redis-tools"}, "redis-server", "redis-cli"},
	{"valkey-8.0", []string{"bookworm", "bookworm-backports"}, []string{"valkey-server", "valkey-tools"}, "valkey-server", "valkey-cli"},
	{"valkey-8.1", []string{"trixie"}, []string{"valkey-server", "valkey-tools"}, "valkey-server", "valkey-cli"},
	{"valkey-9.1", []string{"forky"}, []string{"valkey-server", "valkey-tools"}, "valkey-server", "valkey-cli"},
}

// bin is where the commands redis-server and redis-cli of a release are, in the cache.
func (r *release) bin(cache string) string { return filepath.Join(cache, r.name, "bin") }

// get sees to it that the release is in the cache: its packages and the libraries they need, unpacked and
// not installed, and commands that run them with the loader and the C library of their own release.
func (r *release) get(cache string) error {
	if _, err := os.Stat(r.bin(cache)); err == nil {
		return nil
	}
	dir, err := os.MkdirTemp(cache, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := debian.Unpack(dir, r.suites, r.pkgs); err != nil {
		return fmt.Errorf("%s of Debian's %s: %w", r.pkgs[0], strings.Join(r.suites, " and "), err)
	}
	final := filepath.Join(cache, r.name)
	if err := r.wrap(dir, final); err != nil {
		return err
	}
	return os.Rename(dir, final) // now it is whole
}

// wrap writes the commands. The loader and the libraries are found by absolute paths: final is where dir
// will be.
func (r *release) wrap(dir, final string) error {
	loader, libraries, err := debian.Libraries(dir, final)
	if err != nil {
		return fmt.Errorf("%s: %w", r.name, err)
	}
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		return err
	}
	var modules []string // Debian's Redis 6.0 loads cjson at run time
	for _, lib := range libraries {
		modules = append(modules, lib+"/lua/5.1/?.so")
	}
	for command, program := range map[string]string{"redis-server": r.server, "redis-cli": r.client} {
		text := fmt.Sprintf("#!/bin/sh\n# %s with the loader and the C library of its own release of Debian.\nexport LUA_CPATH='%s'\nexec '%s' --library-path '%s' '%s' \"$@\"\n",
			program, strings.Join(modules, ";"), loader, strings.Join(libraries, ":"), filepath.Join(final, "root/usr/bin", program))
		if err := os.WriteFile(filepath.Join(bin, command), []byte(text), 0o755); err != nil {
			return err
		}
	}
	return nil
}
