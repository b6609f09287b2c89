package holdfasttest

import (
	"context"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// Process is what Redis sees as one process of several: its Lockers and clients share a connection
// to the server that can be cut. All methods may be called from any goroutine of the bubble.
type Process struct {
	r     *Redis
	label string
	link  *redistest.FakeLink

	mu      sync.Mutex
	fault   fault
	lockers []*holdfast.Locker
}

// fault is the state of a process's connection.
type fault int

const (
	isWhole fault = iota
	isCut
	isRefused
)

func (r *Redis) newProcess(label string) *Process {
	return &Process{r: r, label: label, link: r.fake.NewLink()}
}

// Locker returns a Locker of this process. A process needs one; if it has several, they are
// strangers to each other, as in real life. See [Redis.Locker].
func (p *Process) Locker(opts ...holdfast.Option) *holdfast.Locker {
	p.r.t.Helper()
	p.r.enter("Locker")
	l := holdfast.New(p.Client(), append([]holdfast.Option{holdfast.WithLabel(p.label)}, opts...)...)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lockers = append(p.lockers, l)
	return l
}

// Client returns a client of this process, for code that calls [holdfast.New] itself; that code
// closes its Locker. opts change go-redis's defaults; Dialer, PoolSize and maintenance
// notifications are set so that the client works in a bubble. It is closed at the end of the test,
// and may be closed earlier.
func (p *Process) Client(opts ...func(*redis.Options)) *redis.Client {
	p.r.t.Helper()
	p.r.enter("Client")
	return p.link.Client(append(opts[:len(opts):len(opts)], func(o *redis.Options) {
		o.Dialer = p.dial
		o.PoolSize = max(o.PoolSize, 1000) // see redistest's FakeLink.Client
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	})...)
}

// dial opens a connection that notices when it is used in another bubble.
func (p *Process) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	p.r.mustBeInside()
	conn, err := p.link.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return insideConn{conn, p.r}, nil
}

// Cut cuts the process off from Redis, without a word to either side: what it sends gets no answer
// until [Process.Heal]. A session that it holds ends with ErrExpired before its key expires.
func (p *Process) Cut() { p.r.t.Helper(); p.r.enter("Cut"); p.set(isCut) }

// Refuse ends the process's connections and refuses new ones until [Process.Heal]. To the others it
// looks as if the process had died: a lock that it holds stays held until the TTL has run out.
func (p *Process) Refuse() { p.r.t.Helper(); p.r.enter("Refuse"); p.set(isRefused) }

// Heal ends Cut and Refuse. What was sent while the process was cut off arrives now.
func (p *Process) Heal() { p.r.t.Helper(); p.r.enter("Heal"); p.set(isWhole) }

func (p *Process) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

func (p *Process) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f == p.fault {
		return
	}
	p.fault = f
	p.link.Heal()
	switch f {
	case isCut:
		p.link.Cut()
	case isRefused:
		p.link.Refuse()
	}
}

// close closes the Lockers. The clients must be open until then.
func (p *Process) close() {
	p.mu.Lock()
	lockers := p.lockers
	p.mu.Unlock()
	for _, l := range lockers {
		_ = l.Close()
	}
}
