package schedule

import "time"

// times knows which items are due when.
type times[T Item] struct {
	buckets []bucket[T]
	free    []int32                 // the numbers of buckets that are empty
	known   map[time.Duration]int32 // the others, by their time
	heap    []entry                 // the others, by their time
}

// bucket is the items that are due at one time. Package trust has renewals begin at few times, so there
// are few buckets, however many items, and what is done with one does not take longer the more there are. In
// a heap of a million items each step on an item's way through it would wait for memory.
type bucket[T Item] struct {
	items []T
	place int32 // in the heap
}

// entry is a bucket in the heap. It carries the time, so that no look at the bucket is needed to compare it.
type entry struct {
	at     time.Duration
	bucket int32
}

// fewItems is how many items a bucket has at most whose memory is kept for the next time.
const fewItems = 64

// of is the time of an item that is in a bucket.
func (t *times[T]) of(item T) time.Duration {
	return t.heap[t.buckets[item.Sched().bucket].place].at
}

// add puts an item that is in no bucket into that of its time.
func (t *times[T]) add(item T, at time.Duration) {
	n, ok := t.known[at]
	if !ok {
		n = t.open(at)
	}
	b := &t.buckets[n]
	b.items = append(b.items, item)
	slot := item.Sched()
	slot.place, slot.bucket = int32(len(b.items)), n
}

// remove takes an item out of its bucket.
func (t *times[T]) remove(item T) {
	slot := item.Sched()
	b := &t.buckets[slot.bucket]
	last := len(b.items) - 1
	moved := b.items[last]
	b.items[slot.place-1] = moved
	moved.Sched().place = slot.place
	clear(b.items[last:])
	b.items = b.items[:last]
	slot.place = 0
	if last == 0 {
		t.close(slot.bucket)
	}
}

// removeFirst takes the items of the first time out, and adds them to due.
func (t *times[T]) removeFirst(due []T) []T {
	n := t.heap[0].bucket
	b := &t.buckets[n]
	for _, item := range b.items {
		item.Sched().place = 0
	}
	due = append(due, b.items...)
	clear(b.items)
	b.items = b.items[:0]
	t.close(n)
	return due
}

// open returns the number of an empty bucket, which is that time's from now on.
func (t *times[T]) open(at time.Duration) (n int32) {
	if last := len(t.free) - 1; last >= 0 {
		n, t.free = t.free[last], t.free[:last]
	} else {
		n = int32(len(t.buckets))
		t.buckets = append(t.buckets, bucket[T]{})
	}
	t.known[at] = n
	t.push(entry{at, n})
	return n
}

// close frees a bucket, which is empty.
func (t *times[T]) close(n int32) {
	b := &t.buckets[n]
	delete(t.known, t.heap[b.place].at)
	t.removeAt(int(b.place))
	if cap(b.items) > fewItems {
		b.items = nil
	}
	t.free = append(t.free, n)
}
