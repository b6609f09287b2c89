package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(childEnv); what != "" {
		childMain(what)
	}
	goleak.VerifyTestMain(m)
}

// requireEnv, set to 1, makes a test fail where a library can't be had; else it is skipped, and says so.
const requireEnv = "HOLDFAST_REQUIRE_INTEROP"

// testStore is a folder of libraries that stays between runs, with what is installed on this machine.
func testStore(t *testing.T) *store {
	t.Helper()
	s, err := newStore(filepath.Join(cacheDir(), "holdfast-interop-installed"), true, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// lack ends a test for which a library is not there.
func lack(t *testing.T, err error) {
	t.Helper()
	if os.Getenv(requireEnv) == "1" {
		t.Fatalf("%v, but %s=1", err, requireEnv)
	}
	t.Skip(err)
}

// ofMachine returns, of several versions of a library, the one that is installed here.
func ofMachine(t *testing.T, s *store, candidates ...string) *library {
	t.Helper()
	addr := redistest.Start(t).Addr()
	cmd, err := find(candidates[0]).get(t.Context(), s)
	if err != nil {
		lack(t, err)
	}
	w, err := launch(t.Context(), cmd.on(addr))
	if err != nil {
		lack(t, err)
	}
	defer w.close()
	for _, name := range candidates {
		if strings.HasPrefix(w.version, find(name).version) {
			return find(name)
		}
	}
	lack(t, errors.New("nothing is known of the version that is installed, "+w.version))
	return nil
}

// TestRound: a library of each language does beside Holdfast what it is known to do. These are the ones that CI
// can have: redis-py and Symfony as Debian installs them, and redlock by npm.
func TestRound(t *testing.T) {
	for _, candidates := range [][]string{
		{"redis-py-4.3", "redis-py-6.1", "redis-py-6.4"},
		{"redlock-5"},
		{"symfony-5.4", "symfony-6.4", "symfony-7.4"},
		{"redsync"}, {"redislock"}, {"rueidislock"},
	} {
		name, _, _ := strings.Cut(candidates[0], "-")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := testStore(t)
			lib := ofMachine(t, s, candidates...)
			server := redistest.Start(t)
			r := &result{lib: lib, Found: make(map[string]string)}
			if err := r.try(t.Context(), s, server.Addr(), server.Client(), 2*time.Second); err != nil {
				t.Error(err)
			}
			r.print(t.Output())
			if err := changes([]*result{r}); err != nil {
				t.Error(err)
			}
		})
	}
}
