package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// used is what was used in a time, or for each of something.
type used struct {
	commands       float64 // of Redis, those in scripts too
	client, server float64 // ms of CPU
	sent           sent    // by Holdfast's processes that count it
}

// metered is what was used up to a moment, and what there is at that moment.
type metered struct {
	used
	at                    time.Time
	memory                float64 // of Redis, bytes
	connections, channels float64
}

// meter reads the meters of the server and of processes.
func (b *bench) meter(ctx context.Context, processes ...*process) (m metered, err error) {
	for _, p := range processes {
		a, err := p.ask(order{Op: "cpu"})
		if err != nil {
			return m, err
		}
		m.client += ms(a.CPU)
		m.sent = m.sent.plus(a.Sent)
	}
	info, err := b.admin.Info(ctx, "everything").Result()
	if err != nil {
		return m, fmt.Errorf("read the server's meters by INFO: %w", err)
	}
	m.at = time.Now()
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if err := m.read(key, value); err != nil {
			return m, err
		}
	}
	return m, nil
}

// read takes one line of INFO.
func (m *metered) read(key, value string) error {
	var to *float64
	factor := 1.0
	switch key {
	case "used_cpu_sys", "used_cpu_user":
		to, factor = &m.server, 1000
	case "total_commands_processed":
		to = &m.commands
	case "used_memory":
		to = &m.memory
	case "connected_clients":
		to = &m.connections
	case "pubsub_channels":
		to = &m.channels
	default:
		return nil
	}
	v, err := strconv.ParseFloat(value, 64)
	*to += v * factor
	return err
}

// since is what was used since then.
func (m metered) since(then metered) used {
	return used{
		commands: m.commands - then.commands, client: m.client - then.client, server: m.server - then.server,
		sent: m.sent.plus(then.sent.times(-1)),
	}
}

// each is that divided by n.
func (u used) each(n float64) used {
	return used{u.commands / n, u.client / n, u.server / n, u.sent.times(1 / n)}
}

// sent is what Holdfast's Lockers have sent: round trips, and the locks that they were for.
type sent struct {
	Renewals, RenewalTrips float64
	Calls, CallTrips       float64
}

func (s sent) plus(o sent) sent {
	return sent{s.Renewals + o.Renewals, s.RenewalTrips + o.RenewalTrips, s.Calls + o.Calls, s.CallTrips + o.CallTrips}
}

func (s sent) times(f float64) sent {
	return sent{s.Renewals * f, s.RenewalTrips * f, s.Calls * f, s.CallTrips * f}
}
