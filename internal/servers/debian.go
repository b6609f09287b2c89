package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
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
	if err := r.unpack(dir); err != nil {
		return fmt.Errorf("%s of Debian's %s: %w", r.pkgs[0], strings.Join(r.suites, " and "), err)
	}
	final := filepath.Join(cache, r.name)
	if err := r.wrap(dir, final); err != nil {
		return err
	}
	return os.Rename(dir, final) // now it is whole
}

// unpack gets the packages and unpacks them into dir/root.
func (r *release) unpack(dir string) error {
	a, err := newApt(filepath.Join(dir, "apt"), r.suites)
	if err != nil {
		return err
	}
	defer os.RemoveAll(a.dir)
	pkgs, err := a.needs(r.pkgs)
	if err != nil {
		return err
	}
	if _, err := a.run("apt-get", append([]string{"download"}, pkgs...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) != len(pkgs) {
		return fmt.Errorf("%d packages came instead of %q", len(debs), pkgs)
	}
	for _, deb := range debs {
		if out, err := exec.Command("dpkg-deb", "-x", deb, filepath.Join(dir, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(deb), err, out)
		}
	}
	return nil
}

// wrap writes the commands. The loader and the libraries are found by absolute paths: final is where dir
// will be.
func (r *release) wrap(dir, final string) error {
	var libraries []string
	loader := ""
	for _, pattern := range []string{"lib/*-linux-*", "usr/lib/*-linux-*"} {
		found, _ := filepath.Glob(filepath.Join(dir, "root", pattern))
		for _, lib := range found {
			libraries = append(libraries, final+strings.TrimPrefix(lib, dir))
			if at, _ := filepath.Glob(filepath.Join(lib, "ld-linux*.so*")); len(at) > 0 {
				loader = final + strings.TrimPrefix(at[0], dir)
			}
		}
	}
	if loader == "" {
		return fmt.Errorf("%s: the packages have no loader: %q", r.name, libraries)
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

// apt is Debian's apt with lists and a sources list of its own, so that nothing of the machine's is
// changed.
type apt struct {
	dir  string
	opts []string
}

// newApt reads the lists of packages of some suites, from the mirror that this machine's apt is set up with.
func newApt(dir string, suites []string) (*apt, error) {
	mirror, err := mirror()
	if err != nil {
		return nil, err
	}
	a := &apt{dir: dir, opts: []string{
		"-oDir::Etc::sourcelist=" + filepath.Join(dir, "sources.list"), "-oDir::Etc::sourceparts=-",
		"-oDir::Etc::preferences=-", "-oDir::Etc::preferencesparts=-",
		"-oDir::State=" + filepath.Join(dir, "state"), "-oDir::State::status=/dev/null", "-oDir::Cache=" + filepath.Join(dir, "cache"),
		"-oAcquire::Languages=none", "-oAcquire::Retries=3", "-oAPT::Sandbox::User=root", "-oAPT::Get::List-Cleanup=false",
	}}
	var list strings.Builder
	for _, suite := range suites {
		fmt.Fprintf(&list, "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n", mirror, suite)
	}
	for _, sub := range []string{"state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(list.String()), 0o644); err != nil {
		return nil, err
	}
	_, err = a.run("apt-get", "update", "--error-on=any")
	return a, err
}

// mirror is where this machine gets Debian's packages from.
func mirror() (string, error) {
	out, err := exec.Command("apt-get", "indextargets", "--format", "$(REPO_URI)").Output()
	if err != nil {
		return "", fmt.Errorf("this needs a Debian machine: apt-get does not say where packages come from: %w", err)
	}
	for _, uri := range strings.Fields(string(out)) {
		if slices.Contains(strings.Split(uri, "/"), "debian") {
			return uri, nil
		}
	}
	return "", errors.New("the machine's apt has no mirror of Debian among its sources")
}

// run runs a program of apt in its directory.
func (a *apt) run(program string, args ...string) (string, error) {
	cmd := exec.Command(program, append(slices.Clone(a.opts), args...)...)
	cmd.Dir = a.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("the mirror that this machine's apt is set up with does not serve it, or can't be reached: %s %s: %w: %s",
			program, args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.String(), nil
}

// needs returns packages and the libraries that they need, and these, and so on. What else they
// depend on, such as users and services, a server that a test starts does not need.
func (a *apt) needs(pkgs []string) ([]string, error) {
	all := slices.Clone(pkgs)
	for i := 0; i < len(all); i++ {
		out, err := a.run("apt-cache", "depends", "--important", all[i])
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
			_, pkg, ok := strings.Cut(lines.Text(), "Depends: ")
			library := strings.HasPrefix(pkg, "lib") || strings.HasPrefix(pkg, "lua-")
			if ok && library && !slices.Contains(all, pkg) {
				all = append(all, pkg)
			}
		}
	}
	return all, nil
}
