package schedule

// The heap orders entries by when they are due. It is container/heap without its conversions: an
// entry that carries its time needs no look at the item to be compared.

func (s *Scheduler[T]) put(i int, e entry[T]) {
	s.heap[i] = e
	e.item.Sched().place = int32(i + 1)
}

func (s *Scheduler[T]) push(e entry[T]) {
	s.heap = append(s.heap, e)
	s.size.Store(int32(len(s.heap)))
	s.up(len(s.heap)-1, e)
}

// removeAt takes the entry at i out of the heap.
func (s *Scheduler[T]) removeAt(i int) T {
	item, last := s.heap[i].item, len(s.heap)-1
	moved := s.heap[last]
	s.heap[last] = entry[T]{}
	s.heap = s.heap[:last]
	s.size.Store(int32(last))
	item.Sched().place = 0
	if i < last {
		s.heap[i] = moved
		s.fix(i)
	}
	return item
}

// fix moves the entry at i to where it belongs.
func (s *Scheduler[T]) fix(i int) {
	if e := s.heap[i]; !s.down(i, e) {
		s.up(i, e)
	}
}

func (s *Scheduler[T]) up(i int, e entry[T]) {
	for i > 0 {
		parent := (i - 1) / 2
		if s.heap[parent].at <= e.at {
			break
		}
		s.put(i, s.heap[parent])
		i = parent
	}
	s.put(i, e)
}

// down reports whether the entry has moved.
func (s *Scheduler[T]) down(i int, e entry[T]) bool {
	from := i
	for {
		child := 2*i + 1
		if child >= len(s.heap) {
			break
		}
		if right := child + 1; right < len(s.heap) && s.heap[right].at < s.heap[child].at {
			child = right
		}
		if s.heap[child].at >= e.at {
			break
		}
		s.put(i, s.heap[child])
		i = child
	}
	s.put(i, e)
	return i > from
}
