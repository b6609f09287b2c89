package main

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/holdfast-go/holdfast/internal/debian"
)

//go:embed workers node/package.json node/package-lock.json
var files embed.FS

// store is the folder in which the libraries are. It gets what it has not.
type store struct {
	dir string
	// installed takes what Debian's packages have installed on this machine, instead of unpacking them.
	installed bool
	// newest takes the newest version of each library of npm, instead of the one in node/package-lock.json.
	newest bool
	have   bool // the newest, in this run
}

// newStore makes the folder and puts the programs of the workers there.
func newStore(dir string, installed, newest bool) (*store, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &store{dir: dir, installed: installed, newest: newest}
	workers := filepath.Join(dir, "workers")
	if err := os.MkdirAll(workers, 0o755); err != nil {
		return nil, err
	}
	entries, err := files.ReadDir("workers")
	for _, e := range entries {
		err = errors.Join(err, s.put(e.Name()))
	}
	return s, err
}

// put writes the program of a worker unless it is there: others may be about to read it.
func (s *store) put(name string) error {
	text, err := files.ReadFile("workers/" + name)
	if err != nil {
		return err
	}
	if there, err := os.ReadFile(s.worker(name)); err == nil && string(there) == string(text) {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "new-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close(), os.Rename(f.Name(), s.worker(name)))
}

func (s *store) worker(name string) string { return filepath.Join(s.dir, "workers", name) }

// getting is held while something is looked for and got, since tests do that at the same time.
var getting sync.Mutex

// make makes a folder of the store, whole or not at all.
func (s *store) make(name string, fill func(dir string) error) error {
	dir, err := os.MkdirTemp(s.dir, "new-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := fill(dir); err != nil {
		return err
	}
	final := filepath.Join(s.dir, name)
	return errors.Join(os.RemoveAll(final), os.Rename(dir, final))
}

// suites are the packages of each release of Debian that workers need.
var suites = map[string][]string{
	"bookworm": {"python3-redis", "python3-django-redis", "php8.2-cli", "php-redis", "php-predis", "php-symfony-lock", "php-illuminate-cache", "php-illuminate-redis"},
	"trixie":   {"python3-redis", "php8.4-cli", "php-redis", "php-predis", "php-symfony-lock", "php-illuminate-cache", "php-illuminate-redis"},
	"forky":    {"python3-redis", "python3-valkey", "php8.4-cli", "php-redis", "php-predis", "php-symfony-lock", "php-illuminate-cache", "php-illuminate-redis"},
}

// root is the folder of a release's packages, unpacked. What is there is taken as it is: remove the folder for
// newer packages.
func (s *store) root(suite string) (string, error) {
	if s.installed {
		return "/", nil
	}
	getting.Lock()
	defer getting.Unlock()
	root := filepath.Join(s.dir, suite, "root")
	if _, err := os.Stat(root); err == nil {
		return root, nil
	}
	err := s.make(suite, func(dir string) error {
		if err := debian.Unpack(dir, []string{suite}, suites[suite], "php", "python3-"); err != nil {
			return err
		}
		return movePHP(filepath.Join(dir, "root/usr/share/php"), filepath.Join(root, "usr/share/php"))
	})
	if err != nil {
		err = fmt.Errorf("packages of Debian's %s: %w", suite, err)
	}
	return root, err
}

// movePHP has the files of packages of PHP find each other at final: some name each other by where they would be
// installed.
func movePHP(dir, final string) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "autoload.php" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, bytes.ReplaceAll(text, []byte("/usr/share/php/"), []byte(final+"/")), 0o644)
	})
}
