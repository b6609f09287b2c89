package proof

import (
	"encoding/binary"
	"errors"
	"io"
)

// Kind is what a Record tells of.
type Kind uint8

// The life of one acquisition, in this order.
const (
	Asked    Kind = iota + 1 // T1: the call of Acquire began
	Got                      // T1: it returned a session
	Failed                   // T1: it returned an error
	Used                     // one use, from T1 to T2
	Ended                    // T1: the last look that found the context alive began; T2: the first that did not ended, or Release was called
	Released                 // T1: Release returned
)

// Record is what a worker says to the director: one step of one acquisition.
type Record struct {
	Kind   Kind
	OK     bool   // of Used: the store took it; of Ended: by the caller's Release
	Code   uint8  // of Failed and Ended: see codes
	Lock   uint16 // its number
	Caller uint32 // the goroutine that asks, different in each process
	Client uint32 // the Locker it asks, likewise
	ID     uint64 // the acquisition
	T1, T2 int64  // nanoseconds of CLOCK_MONOTONIC
	Fence  int64
	Value  uint16 // of Used: what was read before one was added
	Weight uint32 // how many permits are asked for; 1 of a mutex
}

const recordSize = 3 + 2 + 4 + 4 + 8*4 + 2 + 4

func (r *Record) append(b []byte) []byte {
	ok := byte(0)
	if r.OK {
		ok = 1
	}
	b = append(b, byte(r.Kind), ok, r.Code)
	b = binary.LittleEndian.AppendUint16(b, r.Lock)
	b = binary.LittleEndian.AppendUint32(b, r.Caller)
	b = binary.LittleEndian.AppendUint32(b, r.Client)
	b = binary.LittleEndian.AppendUint64(b, r.ID)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.T1))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.T2))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Fence))
	b = binary.LittleEndian.AppendUint16(b, r.Value)
	return binary.LittleEndian.AppendUint32(b, r.Weight)
}

func (r *Record) parse(b []byte) {
	le := binary.LittleEndian
	*r = Record{
		Kind: Kind(b[0]), OK: b[1] == 1, Code: b[2],
		Lock: le.Uint16(b[3:]), Caller: le.Uint32(b[5:]), Client: le.Uint32(b[9:]), ID: le.Uint64(b[13:]),
		T1: int64(le.Uint64(b[21:])), T2: int64(le.Uint64(b[29:])), Fence: int64(le.Uint64(b[37:])), Value: le.Uint16(b[45:]), Weight: le.Uint32(b[47:]),
	}
}

// readRecords gives each record to f until the stream ends. A worker that was killed may
// have left half a record at the end.
func readRecords(in io.Reader, f func(Record)) error {
	var r Record
	buf := make([]byte, recordSize)
	for {
		switch _, err := io.ReadFull(in, buf); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
		r.parse(buf)
		f(r)
	}
}
