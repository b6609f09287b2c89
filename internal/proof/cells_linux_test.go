package proof

import (
	"path/filepath"
	"testing"
)

// TestCells: the store takes no fence smaller than one it has seen, and keeps what was read
// and written apart from the fence. A look leaves no fence.
func TestCells(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cells")
	a, err := openCells(path, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	b, err := openCells(path, 2) // as another process does
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	const small, large = 1_795_630_405_554_604, 1_795_630_405_554_605
	if v, ok := a.read(1, small); v != 0 || !ok || !a.write(1, small, v+1) {
		t.Errorf("the first: %d, %v", v, ok)
	}
	if v, ok := b.read(1, large); v != 1 || !ok {
		t.Errorf("the next reads %d, %v", v, ok)
	}
	if a.write(1, small, 7) {
		t.Error("the smaller fence writes, though the larger one has read")
	}
	if _, ok := a.read(1, small); ok {
		t.Error("the smaller fence reads")
	}
	if v, ok := a.look(1, large+1); v != 1 || !ok {
		t.Errorf("a look: %d, %v", v, ok)
	}
	if _, ok := a.look(1, small); ok {
		t.Error("the smaller fence looks")
	}
	if !b.write(1, large, Values+5) || a.value(1) != 5 || a.value(0) != 0 {
		t.Errorf("the values are %d and %d", a.value(0), a.value(1))
	}
}
