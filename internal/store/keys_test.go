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

// keysOf returns all keys of the locks of that name, of each kind.
func keysOf(name string) (keys []string) {
	for of := range kinds {
		for _, key := range NewLock(Kind(of), name).keys {
			keys = append(keys, key.(string))
		}
	}
	return keys
}

// auxOf and queueOf return the other keys of a mutex.
func auxOf(name string) string   { return kinds[Mutex].aux.of(name) }
func queueOf(name string) string { return kinds[Mutex].queue.of(name) }

// TestNameOf: an AUX key says the kind and the name of its lock, and no other key does.
func TestNameOf(t *testing.T) {
	for _, name := range append(names, "x", "{x}", "{x}y") {
		for of := range kinds {
			keys := NewLock(Kind(of), name).keys
			if kind, got, ok := nameOf(keys[1].(string)); !ok || kind != Kind(of) || got != name {
				t.Errorf("%.40q, kind %d: kind %d, %.40q, %v", name, of, kind, got, ok)
			}
			for _, at := range []int{0, 2} {
				if kind, got, ok := nameOf(keys[at].(string)); ok {
					t.Errorf("%.40q, kind %d: key %d is taken for the AUX of %.40q, kind %d", name, of, at, got, kind)
				}
			}
		}
	}
}

func TestKeysDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, name := range append(names, "x}", "{x", "x", "{x}", "{x}}", "{{x}") {
		if err := validate(name, false); err != nil {
			t.Errorf("%.40q: %v", name, err)
			continue
		}
		for _, key := range keysOf(name) {
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
		for _, key := range keysOf(name) {
			if b := c.ClusterKeySlot(t.Context(), key).Val(); a != b {
				t.Errorf("%.40q: NAME is in slot %d, %.40q in %d", name, a, key, b)
			}
		}
	}
}
