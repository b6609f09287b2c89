package main

import "time"

// order is what a process is told on its stdin, one JSON object a line, after its setup.
// It does one at a time, and answers each on stdout.
type order struct {
	Op string

	// cycle: from At on, acquire, keep for Hold or a quarter more or less, release, pause for Think, over and over for
	// For. Shared: all on the lock Name; otherwise each goroutine has one of its own.
	// Burst: so many cycles go together, after a Pause that the rate leaves out.
	// Log: tell when each thing happened. Permits: the name is a semaphore's, with so many; 0: a lock's.
	//
	// prepare: get ready to hold N locks. take: acquire them, each goroutine with a pause of
	// Stagger after each, waiting for Patience in all (0: no limit). watch: tell when
	// each was lost, if it was within Patience. drop: release them. wait: begin to wait for them, a
	// goroutine for each, for as long as the process lives.
	//
	// memory, cpu: tell what the process uses.
	Name       string
	Goroutines int
	Shared     bool
	Permits    int
	Log        bool
	At         int64 // Unix time, ns
	For        time.Duration
	Hold       time.Duration
	Think      time.Duration
	Burst      int
	Pause      time.Duration
	N          int
	Stagger    time.Duration
	Patience   time.Duration
}

// answer says what came of a setup or an order.
type answer struct {
	Error   string `json:",omitempty"`
	Version string `json:",omitempty"` // to the setup; redis-py's and Python's

	Rate    float64 // cycles a second
	Count   int64   // acquisitions within the time
	Waits   hist    // those that the end cut off, too
	Events  []event `json:",omitempty"`
	Failed  int64   // acquisitions and releases
	Failure string  `json:",omitempty"`
	Broken  int64   // times that more of one process were inside than may be

	Times      []int64 `json:",omitempty"` // Unix time, ns; 0 if it did not happen
	Silent     bool    // the library has no signal
	Lost       int
	Bytes      int64
	Goroutines int64
	CPU        time.Duration
	Sent       sent
}

// event is one cycle: Unix times in ns. Processes of one machine read the same clock.
type event struct {
	Asked, Got, Called int64 // Acquire called, Acquire returned, Release called
	process            int
}
