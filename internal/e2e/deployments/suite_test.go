// Package deployments has the tests of what a lock does on each way to run Redis: alone,
// through TLS and with the rights that docs/acl.md lists, with replicas, with Sentinel, and as a
// Cluster, while masters fail and slots move.
package deployments_test

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/locktest"
)

func TestMain(m *testing.M) { locktest.Main(m) }

// atMost returns a context that ends with the test, or when the test hangs.
func atMost(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// acquire is Acquire that must succeed.
func acquire(t *testing.T, mu *holdfast.Mutex) *holdfast.Session {
	t.Helper()
	s, err := mu.Acquire(atMost(t))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func second[A any](_ A, err error) error { return err }
