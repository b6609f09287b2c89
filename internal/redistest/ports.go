package redistest

import (
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// The ports of servers and proxies. They stay below the range from which the
// system takes the ports of outgoing connections: one of these could take the
// port while a server restarts. The cluster bus needs port+10000 as well.
const (
	firstPort = 11000
	blockSize = 500
	blocks    = 18
)

// ports are those that this process may use. A port that nobody listens on for
// a moment, while its server restarts or its proxy refuses, must not go to
// another test: its server would answer instead. Nor to another process, so
// that each takes blocks of ports, and owns one while it listens on the first.
var ports struct {
	sync.Mutex
	owned []net.Listener
	first []int
	used  map[int]bool
}

// freePort returns a port for the caller alone, until returnPort.
func freePort() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for {
		for range startTries {
			if len(ports.first) == 0 {
				break
			}
			port := ports.first[rand.IntN(len(ports.first))] + 1 + rand.IntN(blockSize-1)
			if !ports.used[port] && portFree(port) && portFree(port+10000) {
				ports.used[port] = true
				return port, nil
			}
		}
		if !ownBlock() {
			return 0, errors.New("redistest: found no free port")
		}
	}
}

// ownBlock takes one more block. It is called with ports locked.
func ownBlock() bool {
	for _, i := range rand.Perm(blocks) {
		first := firstPort + i*blockSize
		ln, err := listenOn(first)
		if err != nil {
			continue
		}
		if ports.used == nil {
			ports.used = make(map[int]bool)
		}
		ports.owned, ports.first = append(ports.owned, ln), append(ports.first, first)
		return true
	}
	return false
}

func returnPort(port int) {
	ports.Lock()
	defer ports.Unlock()
	delete(ports.used, port)
}

func portFree(port int) bool {
	ln, err := listenOn(port)
	if err != nil {
		return false
	}
	ln.Close()
	return true
}

func listenOn(port int) (net.Listener, error) {
	return net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
}
