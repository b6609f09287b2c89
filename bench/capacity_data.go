package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// measured is what a run has measured. It is kept in a file, so that the page can be made anew without
// measuring for most of an hour.
type measured struct {
	Runs      map[string]*runOf // by the part's name
	Held      []*holding        // by one process, each with more locks
	Fleet     *holding
	Busy      []*holding // with shorter and shorter TTLs
	Cluster   *holding
	HandOvers []*handing
	Waiters   *waiters
}

// runOf says how a part was measured.
type runOf struct {
	Began   time.Time
	Took    float64 // s
	Command string
	Machine string
	Note    string
}

// cpu is microseconds of CPU, for each of something.
type cpu struct{ Client, Server float64 }

// holding is what it takes to hold locks.
type holding struct {
	Locks, Lockers         int
	Share                  int     // of so many Lockers is a client; 0: there is only one
	TTL, For               float64 // s
	Rate                   float64 // locks taken a second
	Take, Release          cpu     // a lock
	ClientBytes, LockBytes float64 // a lock, in the process and in Redis
	NameBytes              float64 // what a lock leaves in Redis that was released
	Idle                   cpu     // in a second, without locks
	Renewals, Trips        float64 // in a second
	Renewal                cpu     // of a renewal, less what was used when idle
	Core                   cpu     // used in all, in a second
	Lost                   int

	// Of all Lockers, without locks.
	ProcessBytes, ConnectionBytes float64 // of the process, and in Redis
	Goroutines, Connections       float64
}

// trips is how many round trips there are for each renewal.
func (h *holding) trips() float64 { return h.Trips / h.Renewals }

// handing is locks that processes take in turn.
type handing struct {
	Processes, Locks int
	Hold, For        float64 // s
	Rate             float64 // hand-overs a second
	HandOver         cpu     // of one
	Core             cpu     // used in all, in a second
}

// waiters is what waiting for a held lock takes: as the first in its queue, and as another one.
type waiters struct {
	Waiters      int
	For          float64 // s
	First, Other waiter
}

type waiter struct {
	Asks                    float64 // in a second
	CPU                     cpu     // in a second
	ClientBytes, QueueBytes float64
}

func (m *measured) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, m); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func (m *measured) write(file string) error {
	text, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
