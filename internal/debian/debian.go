// Package debian gets packages of Debian's releases and unpacks them. It installs nothing: apt works with lists
// of its own, on the mirror that the machine's apt is set up with, and the programs that it unpacks run with the
// loader and the C library of their own release.
package debian

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

// Unpack unpacks packages of some suites into dir/root, together with those that they need, and these, and so
// on: libraries, and what begins with one of the prefixes. What else they depend on, such as users and
// services, a program that a test starts does not need.
func Unpack(dir string, suites, pkgs []string, prefixes ...string) error {
	a, err := newApt(filepath.Join(dir, "apt"), suites)
	if err != nil {
		return err
	}
	defer os.RemoveAll(a.dir)
	all, err := a.needs(pkgs, append([]string{"lib", "zlib1g", "lua-"}, prefixes...))
	if err != nil {
		return err
	}
	if _, err := a.run("apt-get", append([]string{"download"}, all...)...); err != nil {
		return err
	}
	debs, err := filepath.Glob(filepath.Join(a.dir, "*.deb"))
	if err != nil {
		return err
	}
	if len(debs) != len(all) {
		return fmt.Errorf("%d packages came instead of %q", len(debs), all)
	}
	for _, deb := range debs {
		if out, err := exec.Command("dpkg-deb", "-x", deb, filepath.Join(dir, "root")).CombinedOutput(); err != nil {
			return fmt.Errorf("unpacking %s: %w: %s", filepath.Base(deb), err, out)
		}
	}
	return nil
}

// Libraries returns the loader and the folders of libraries in dir/root, as paths that hold once dir has been
// renamed to final.
func Libraries(dir, final string) (loader string, folders []string, err error) {
	for _, pattern := range []string{"lib/*-linux-*", "usr/lib/*-linux-*"} {
		found, err := filepath.Glob(filepath.Join(dir, "root", pattern))
		if err != nil {
			return "", nil, err
		}
		for _, lib := range found {
			folders = append(folders, final+strings.TrimPrefix(lib, dir))
			if at, _ := filepath.Glob(filepath.Join(lib, "ld-linux*.so*")); len(at) > 0 {
				loader = final + strings.TrimPrefix(at[0], dir)
			}
		}
	}
	if loader == "" {
		return "", nil, fmt.Errorf("the packages have no loader: %q", folders)
	}
	return loader, folders, nil
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

// needs returns packages and those with one of these prefixes that they need, and these, and so on.
func (a *apt) needs(pkgs, prefixes []string) ([]string, error) {
	all := slices.Clone(pkgs)
	for i := 0; i < len(all); i++ {
		out, err := a.run("apt-cache", "depends", "--important", all[i])
		if err != nil {
			return nil, err
		}
		for lines := bufio.NewScanner(strings.NewReader(out)); lines.Scan(); {
			_, pkg, ok := strings.Cut(lines.Text(), "Depends: ")
			follow := slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(pkg, p) })
			if ok && follow && !slices.Contains(all, pkg) {
				all = append(all, pkg)
			}
		}
	}
	return all, nil
}
