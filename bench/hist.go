package main

import (
	"maps"
	"math/bits"
	"slices"
	"time"
)

// hist counts durations in buckets that are 3% wide at most, so that a million waits cost
// what ten do. Its JSON goes from a child to its parent; redispy.py and redissemaphore.mjs make the same.
type hist struct {
	Sum     int64         `json:"sum"` // ns
	Buckets map[int]int64 `json:"buckets"`
}

const subBits = 5 // a power of two is cut into 32

func bucket(ns int64) int {
	ns = max(ns, 0)
	e := max(bits.Len64(uint64(ns))-subBits-1, 0)
	return e<<subBits + int(ns>>e)
}

// floor is the shortest duration of a bucket.
func floor(bucket int) int64 {
	e := max(bucket>>subBits-1, 0)
	return int64(bucket-e<<subBits) << e
}

func (h *hist) add(d time.Duration) {
	if h.Buckets == nil {
		h.Buckets = map[int]int64{}
	}
	h.Sum += int64(d)
	h.Buckets[bucket(int64(d))]++
}

func (h *hist) merge(o hist) {
	if h.Buckets == nil {
		h.Buckets = map[int]int64{}
	}
	h.Sum += o.Sum
	for b, n := range o.Buckets {
		h.Buckets[b] += n
	}
}

func (h *hist) count() (n int64) {
	for _, c := range h.Buckets {
		n += c
	}
	return n
}

func (h *hist) mean() time.Duration {
	if n := h.count(); n > 0 {
		return time.Duration(h.Sum / n)
	}
	return 0
}

// quantile returns the middle of the bucket in which it lies.
func (h *hist) quantile(q float64) time.Duration {
	left := int64(q * float64(h.count()))
	for _, b := range slices.Sorted(maps.Keys(h.Buckets)) {
		if left -= h.Buckets[b]; left < 0 {
			return time.Duration(floor(b)+floor(b+1)) / 2
		}
	}
	return 0
}
