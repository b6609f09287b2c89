package holdfasttest

import (
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// stopWithin makes the server's clock stand still while a script runs, as that of Redis does.
// miniredis looks at the clock at each command of the script, and so a key can expire between two
// of them. In a bubble it can't, since time moves only while everybody waits.
func stopWithin(m *miniredis.Miniredis) {
	var inOrder sync.Mutex
	m.Server().SetPreHook(func(_ *server.Peer, cmd string, _ ...string) bool {
		if cmd != "EVAL" && cmd != "EVALSHA" { // which no script calls
			if !m.TryLock() {
				return false // a script calls this, or another command has just set the clock
			}
			m.Unlock()
		}
		inOrder.Lock()
		defer inOrder.Unlock()
		m.SetTime(time.Now())
		return false
	})
}
