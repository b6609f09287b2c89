package failover_test

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestSeveral: of several locks none is given in a history that is not settled.
func TestSeveral(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	m := newMember(t, server.Addr())
	began := time.Now()
	if a, err := m.TryAcquireAll(ctx(t), []string{"one", "two"}); !errors.Is(err, holdfast.ErrFailoverGrace) || !errors.Is(err, holdfast.ErrHeld) {
		t.Errorf("TryAcquireAll: %v, %v", a, err)
	}
	a, err := m.AcquireAll(ctx(t), []string{"one", "two"})
	must(t, err)
	if took := time.Since(began); took < grace {
		t.Errorf("the locks came after %v, sooner than %v", took, grace)
	}
	must(t, a.Release(ctx(t)))
	server.Restart()
	if a, err := m.TryAcquireAll(ctx(t), []string{"one", "two"}); !errors.Is(err, holdfast.ErrFailoverGrace) {
		t.Errorf("TryAcquireAll: %v, %v", a, err)
	}
}
