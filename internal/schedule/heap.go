package schedule

// The heap orders times. It is container/heap without its conversions.

func (t *times[T]) put(i int, e entry) {
	t.heap[i] = e
	t.buckets[e.bucket].place = int32(i)
}

func (t *times[T]) push(e entry) {
	t.heap = append(t.heap, e)
	t.up(len(t.heap)-1, e)
}

// removeAt takes the entry at i out of the heap.
func (t *times[T]) removeAt(i int) {
	last := len(t.heap) - 1
	moved := t.heap[last]
	t.heap = t.heap[:last]
	if i < last && !t.down(i, moved) {
		t.up(i, moved)
	}
}

func (t *times[T]) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 2
		if t.heap[parent].at <= e.at {
			break
		}
		t.put(i, t.heap[parent])
		i = parent
	}
	t.put(i, e)
}

// down reports whether the entry has moved.
func (t *times[T]) down(i int, e entry) bool {
	from := i
	for {
		child := 2*i + 1
		if child >= len(t.heap) {
			break
		}
		if right := child + 1; right < len(t.heap) && t.heap[right].at < t.heap[child].at {
			child = right
		}
		if t.heap[child].at >= e.at {
			break
		}
		t.put(i, t.heap[child])
		i = child
	}
	t.put(i, e)
	return i > from
}
