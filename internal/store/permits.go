package store

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-go/holdfast/scripts"
)

// MaxPermits is the largest limit.
const MaxPermits = 1_000_000_000

// Want is so many permits, of at most limit that are in use then, in the form in which scripts have it.
func Want(permits, limit int) string { return fmt.Sprintf("%010d%010d", permits, limit) }

// parseWant reads what Want has written, and returns what comes after it.
func parseWant(text string) (permits, limit int, rest string, err error) {
	const digits = scripts.WantLen / 2
	if len(text) < 2*digits {
		return 0, 0, "", errMalformed
	}
	permits, errPermits := strconv.Atoi(text[:digits])
	limit, errLimit := strconv.Atoi(text[digits : 2*digits])
	return permits, limit, text[2*digits:], errors.Join(errPermits, errLimit)
}

// PermitHolder is one who holds permits.
type PermitHolder struct {
	Label          string
	Fence          int64
	Permits, Limit int
	TTL            time.Duration // what is left; NoExpiry without end
	Kept           bool          // released, and kept by its minimum hold
}

// Holders reads the reply to an Inspect of permits: how many are in use, the smallest limit of those who have
// some, and who that is, the largest fence last. Of an Inspect that is the only one.
func Holders(r Reply) (used, limit int, holders []PermitHolder) {
	used, limit, list, err := parseWant(r.Label)
	for err == nil && list != "" {
		var h PermitHolder
		if h, list, err = parseHolder(list); err == nil {
			holders = append(holders, h)
		}
	}
	return used, limit, holders
}

// parseHolder reads the first holder of a list: see permits_inspect.lua.
func parseHolder(list string) (h PermitHolder, rest string, err error) {
	const digits, head, fence = scripts.WaiterDigits, scripts.WaiterHead, scripts.WaiterHead + scripts.FenceLen
	const text = fence + 1
	if len(list) < text {
		return h, "", errMalformed
	}
	left, errLeft := strconv.ParseInt(list[:digits], 10, 64)
	size, errSize := strconv.ParseUint(list[digits:head], 10, 16)
	h.Fence, err = strconv.ParseInt(list[head:fence], 10, 64)
	if err = errors.Join(err, errLeft, errSize); err != nil || int(size) > len(list)-text {
		return h, "", errMalformed
	}
	h.TTL, h.Kept = NoExpiry, list[fence] == '1'
	if left < scripts.Never {
		h.TTL = time.Duration(left) * time.Millisecond
	}
	h.Permits, h.Limit, h.Label, err = parseWant(list[text : text+int(size)])
	return h, list[text+int(size):], err
}

// PermitWaiters reads the queue of the reply to an InspectQueue of permits.
func PermitWaiters(r Reply) (queue []Waiter) {
	for _, w := range r.Queue {
		w.Permits, _, w.Label, _ = parseWant(w.Label)
		queue = append(queue, w)
	}
	return queue
}

var errMalformed = errors.New("a list that no Holdfast script makes")
