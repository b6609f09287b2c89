package redistest

import "testing"

// TestPorts: no port is given out twice, whether or not somebody listens on it, and one that
// was returned can be had again.
func TestPorts(t *testing.T) {
	seen := make(map[int]bool)
	for range blockSize + 50 { // more than one block has
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		defer returnPort(port)
		if seen[port] {
			t.Fatalf("port %d was given out twice", port)
		}
		seen[port] = true
	}
	for port := range seen {
		returnPort(port)
	}
	for range 20 * blockSize {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		returnPort(port)
		if seen[port] {
			return
		}
	}
	t.Error("no port came back")
}
