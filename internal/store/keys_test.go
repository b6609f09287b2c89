package store

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

var names = []string{
	"jobs", "{jobs}", "{jobs}:a", "a{b", "a{b}c{d}", "}{x}", "{{x}}", "ключ", "\x00\n\xff", " ", "holdfast:x",
	"holdfast:", "{holdfast:2:n:}", strings.Repeat("n", 4096),
}

func TestKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range append(names, "x}", "{x", "x", "{x}", "{x}}", "{{x}") {
		if err := validate(name, false); err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		for _, key := range []string{name, auxOf(name), queueOf(name)} {
			if other, ok := seen[key]; ok && other != name {
				t.Errorf("%.40q and %.40q share the key %.40q", name, other, key)
			}
			seen[key] = name
		}
	}
}

func TestKeysRefused(t *testing.T) {
	for _, name := range []string{"holdfast:2:n:{x}", "holdfast:2:t:{x}", "holdfast:2", "holdfast:0:"} {
		if err := validate(name, false); !errors.Is(err, ErrReserved) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"a}b", "{}", "}", "{}x", "{}{x}", "x}{"} {
		if err := validate(name, true); !errors.Is(err, ErrNotColocated) {
			t.Errorf("%q on a cluster: %v", name, err)
		}
		if err := validate(name, false); err != nil {
			t.Errorf("%q on one server: %v", name, err)
		}
	}
}

// TestKeysShareASlot asks a real node of a Cluster in which slots the keys are.
func TestKeysShareASlot(t *testing.T) {
	c := redistest.Start(t, "--cluster-enabled", "yes").Client()
	for _, name := range names {
		if err := validate(name, true); err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		a, err := c.ClusterKeySlot(t.Context(), name).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{auxOf(name), queueOf(name)} {
			if b := c.ClusterKeySlot(t.Context(), key).Val(); a != b {
				t.Errorf("%.40q: NAME is in slot %d, %.40q in %d", name, a, key, b)
			}
		}
	}
}
