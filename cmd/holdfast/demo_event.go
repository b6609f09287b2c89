package main

import "time"

// What the director of the demo and its worker processes say to each other: one
// JSON object a line, a workerConfig and then orders on a worker's standard
// input, events on its standard output.
//
// Instants are wall-clock nanoseconds since 1970: all processes run on one
// machine, so theirs are of one clock and compare.

// workerConfig is the first line that a worker reads. The URL comes this way and
// not in the arguments because it may hold a password.
type workerConfig struct {
	Name  string        `json:"name"`
	Redis string        `json:"redis"`
	Lock  string        `json:"lock"`
	Store string        `json:"store"`
	TTL   time.Duration `json:"ttl"`
}

type orderKind string

const (
	orderResign    orderKind = "resign"     // give up the leadership
	orderWriteLate orderKind = "write-late" // write with the fence of the term that was lost
)

type order struct {
	Do orderKind `json:"do"`
}

type eventKind string

const (
	eventCampaigning eventKind = "campaigning"
	eventElected     eventKind = "elected"
	eventWrote       eventKind = "wrote"
	eventRefused     eventKind = "write-refused"
	eventContextDone eventKind = "ctx-done"
	eventResigned    eventKind = "resigned"
	eventFailed      eventKind = "failed"
	eventExited      eventKind = "exited" // of the process, told by the director's own team
)

type event struct {
	Kind  eventKind `json:"event"`
	At    int64     `json:"at"`
	Fence int64     `json:"fence,omitempty"`

	// ValidUntil is how far the session vouched for itself then.
	ValidUntil int64 `json:"valid_until,omitempty"`
	// Looks are the instants, since the last event of this term, at which the
	// worker ran and saw its context live.
	Looks []int64 `json:"looks,omitempty"`

	Count  int64 `json:"count,omitempty"`  // wrote: writes that the store has accepted
	Newest int64 `json:"newest,omitempty"` // write-refused: the fence that the store goes by
	Late   bool  `json:"late,omitempty"`   // a write on orderWriteLate

	Cause string `json:"cause,omitempty"` // ctx-done: the sentinel; failed: the error
	Text  string `json:"text,omitempty"`  // ctx-done: the cause's own words
	Lost  bool   `json:"lost,omitempty"`  // ctx-done: errors.Is(cause, holdfast.ErrLost)
}
