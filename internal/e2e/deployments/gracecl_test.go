package deployments

import (
	"context"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestGraceClusterSketch(t *testing.T) {
	c := redistest.StartCluster(t)
	opts := []holdfast.Option{holdfast.WithTTL(time.Second), holdfast.WithFailoverGrace(3 * time.Second)}
	locks := holdfast.New(c.Client(), opts...)
	defer locks.Close()
	ctx := context.Background()
	_, err := locks.Mutex("a").TryAcquire(ctx)
	t.Log(err)
	t.Log(locks.SettleHistory(ctx))
	for _, name := range []string{"a", "b", "c", "d"} {
		began := time.Now()
		s, err := locks.Mutex(name).Acquire(ctx)
		t.Log(name, err, time.Since(began))
		if err == nil {
			t.Log(s.Release(ctx))
		}
	}
	locks2 := holdfast.New(c.Client(), opts...)
	defer locks2.Close()
	for _, name := range []string{"a", "b", "c", "d"} {
		began := time.Now()
		_, err := locks2.Mutex(name).TryAcquire(ctx)
		t.Log(name, err, time.Since(began))
	}
}
