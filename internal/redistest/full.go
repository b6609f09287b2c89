package redistest

import (
	"iter"
	"os"
	"runtime/debug"
	"slices"
	"testing"
)

// FullEnv, set to "full", makes every test go through all its phases, seeds and
// rounds. Without it a test that has a great many goes through a part of them,
// always the same part, and logs which. No test is left out. NeedsServer has another value.
const FullEnv = "HOLDFAST_TEST"

// NeedsServer skips a test, or a part of one, in which no real server takes part, if FullEnv is set to "servers":
// then tests are run on one server after the other, and this part would be the same each time.
func NeedsServer(t testing.TB) {
	t.Helper()
	if os.Getenv(FullEnv) == "servers" {
		t.Skip("no server takes part")
	}
}

// Full reports whether the full set is run.
func Full() bool { return os.Getenv(FullEnv) == "full" }

// UnderRace reports whether the race detector is at work, which makes a test up to 20 times slower.
func UnderRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}

// Phases yields the numbers from 0 to n-1 in the full set, else every stride-th
// of them, beginning with 0.
func Phases(t testing.TB, n, stride int) iter.Seq[int] {
	t.Helper()
	if Full() || stride < 1 {
		stride = 1
	}
	if stride > 1 {
		t.Logf("every %dth of %d phases; %s=full goes through all", stride, n, FullEnv)
	}
	return func(yield func(int) bool) {
		for i := 0; i < n && yield(i); i += stride {
		}
	}
}

// Rounds returns n in the full set, else n divided by less.
func Rounds(t testing.TB, n, less int) int {
	t.Helper()
	if Full() || less <= 1 {
		return n
	}
	t.Logf("%d of %d rounds; %s=full does all", n/less, n, FullEnv)
	return n / less
}
