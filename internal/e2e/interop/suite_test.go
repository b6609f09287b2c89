// Package interop has the tests of what redis-py's users are used to: that a lock here does what theirs
// does, and that workers of both share one.
package interop_test

import (
	"testing"

	"github.com/holdfast-go/holdfast/internal/locktest"
)

func TestMain(m *testing.M) { locktest.Main(m) }
