package main

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast/internal/debian"
)

// command is how a worker is started, but for the server, which on adds.
type command struct {
	argv []string
	env  []string
	dir  string
	// version is that of a library whose worker can't tell it.
	version string
}

// on has the command connect to a server: its port is the last argument, or its address is in the environment.
func (c command) on(addr string) command {
	if len(c.env) > 0 && strings.HasPrefix(c.env[0], childEnv) {
		c.env = []string{c.env[0] + "=" + addr}
		return c
	}
	c.argv = append(slices.Clone(c.argv), addr[strings.LastIndexByte(addr, ':')+1:])
	return c
}

// getter sees to it that a library is there, and says how its worker is started.
type getter func(ctx context.Context, s *store) (command, error)

// python starts redispy.py with the packages of a release, on this machine's Python: they have no compiled parts
// that they can't do without.
func python(suite string, args ...string) getter {
	return func(_ context.Context, s *store) (command, error) {
		root, err := s.root(suite)
		if err != nil {
			return command{}, err
		}
		python := "/usr/bin/python3" // for which Debian's packages are installed
		if _, err := os.Stat(python); err != nil {
			if python, err = exec.LookPath("python3"); err != nil {
				return command{}, err
			}
		}
		packages := filepath.Join(root, "usr/lib/python3/dist-packages")
		if _, err := os.Stat(filepath.Join(packages, args[0])); err != nil {
			return command{}, fmt.Errorf("there is no package %s in %s (Debian: python3-%s)", args[0], packages, args[0])
		}
		return command{
			argv: append(append([]string{python, s.worker("redispy.py")}, args...), "127.0.0.1"),
			env:  []string{"PYTHONPATH=" + packages, "PYTHONDONTWRITEBYTECODE=1"},
		}, nil
	}
}

// php starts lock.php with the PHP and the packages of a release.
func php(suite string, args ...string) getter {
	return func(_ context.Context, s *store) (command, error) {
		root, err := s.root(suite)
		if err != nil {
			return command{}, err
		}
		argv := []string{"php"}
		if s.installed {
			if _, err := exec.LookPath("php"); err != nil {
				return command{}, err
			}
		} else if argv, err = phpOf(root); err != nil {
			return command{}, err
		}
		folder := map[string]string{"symfony": "Symfony/Component/Lock", "laravel": "Illuminate/Cache"}[args[0]]
		if _, err := os.Stat(filepath.Join(root, "usr/share/php", folder)); err != nil {
			return command{}, fmt.Errorf("the package of %s is not there: %w", folder, err)
		}
		version, err := s.debianVersion(root, map[string]string{"symfony": "php-symfony-lock", "laravel": "php-illuminate-cache"}[args[0]])
		return command{argv: append(append(argv, s.worker("lock.php")), args...), version: version}, err
	}
}

// debianVersion is the version of a package, without what Debian adds to it.
func (s *store) debianVersion(root, pkg string) (string, error) {
	var text []byte
	var err error
	if s.installed {
		text, err = exec.Command("dpkg-query", "-W", "-f", "(${Version})", pkg).Output()
	} else {
		text, err = firstOf(filepath.Join(root, "usr/share/doc", pkg, "changelog.Debian.gz"))
	}
	if err != nil {
		return "", fmt.Errorf("the version of %s: %w", pkg, err)
	}
	_, version, _ := strings.Cut(string(text), "(")
	version, _, _ = strings.Cut(version, ")")
	if i := strings.IndexAny(version, "+-~"); i > 0 {
		version = version[:i]
	}
	return version, nil
}

// firstOf is the beginning of a compressed file.
func firstOf(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	text := make([]byte, 200)
	n, err := io.ReadFull(z, text)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return text[:n], err
}

// phpOf is the call of an unpacked PHP, with the loader and the libraries of its own release.
func phpOf(root string) ([]string, error) {
	dir := filepath.Dir(root)
	loader, libraries, err := debian.Libraries(dir, dir)
	if err != nil {
		return nil, err
	}
	programs, _ := filepath.Glob(filepath.Join(root, "usr/bin/php[0-9]*"))
	modules, _ := filepath.Glob(filepath.Join(root, "usr/lib/php/20*"))
	if len(programs) != 1 || len(modules) != 1 {
		return nil, fmt.Errorf("%s has %d programs of PHP and %d folders of extensions, not one of each", root, len(programs), len(modules))
	}
	argv := []string{loader, "--library-path", strings.Join(libraries, ":"), programs[0], "-n",
		"-d", "display_errors=stderr", "-d", "extension_dir=" + modules[0], "-d", "include_path=" + filepath.Join(root, "usr/share/php")}
	for _, extension := range []string{"igbinary", "redis", "mbstring", "ctype", "posix"} {
		if _, err := os.Stat(filepath.Join(modules[0], extension+".so")); err == nil {
			argv = append(argv, "-d", "extension="+extension)
		}
	}
	return argv, nil
}

// node starts node.mjs in the folder where npm has installed the libraries.
func node(library string) getter {
	return func(ctx context.Context, s *store) (command, error) {
		if _, err := exec.LookPath("node"); err != nil {
			return command{}, err
		}
		dir, err := s.npm(ctx)
		return command{argv: []string{"node", s.worker("node.mjs"), library}, dir: dir}, err
	}
}

// goPeerOf starts this program as a worker.
func goPeerOf(name string) getter {
	return func(context.Context, *store) (command, error) {
		self, err := os.Executable()
		return command{argv: []string{self}, env: []string{childEnv + "=" + name}}, err
	}
}

// nowhere is for a library that can't be had.
func nowhere(why string) getter {
	return func(context.Context, *store) (command, error) { return command{}, errNotAvailable{why} }
}

// errNotAvailable is a known reason why a library can't be had: the report says it, and nothing has failed.
type errNotAvailable struct{ why string }

func (e errNotAvailable) Error() string { return e.why }
