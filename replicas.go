package holdfast

import (
	"github.com/holdfast-go/holdfast/internal/queue"
)

// acknowledged waits until as many replicas have the lease as the options ask for. If too few have
// it, the lock is given back.
func (c *call) acknowledged(s *Session) error {
	err := c.m.l.replicas.Wait(s.Context(), c.Ctx, s.lease, s.holder(), c.Terms(), c.conf.AckTimeout)
	if err != nil {
		c.undo(s)
	}
	return err
}

// undo gives back the lock of a session that nobody will hear of. A lease that was taken up stays its
// token's.
func (c *call) undo(s *Session) {
	releaser := &c.m.l.releaser
	undo := releaser.Discard
	if c.How == queue.Resumed {
		undo = releaser.Abandon
	}
	releaser.Undo(c.Ctx, func() { undo(s.holder()) })
}
