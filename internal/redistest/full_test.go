package redistest_test

import (
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast/internal/redistest"
)

func TestFull(t *testing.T) {
	for _, tc := range []struct {
		env    string
		phases []int
		rounds int
	}{
		{"", []int{0, 3, 6}, 25},
		{"full", []int{0, 1, 2, 3, 4, 5, 6, 7}, 100},
	} {
		t.Setenv(redistest.FullEnv, tc.env)
		if got := slices.Collect(redistest.Phases(t, 8, 3)); !slices.Equal(got, tc.phases) {
			t.Errorf("%q: phases %v, want %v", tc.env, got, tc.phases)
		}
		if got := redistest.Rounds(t, 100, 4); got != tc.rounds {
			t.Errorf("%q: %d rounds, want %d", tc.env, got, tc.rounds)
		}
	}
}
