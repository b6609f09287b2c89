package proof

import (
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// cells is the store that the locks protect: a fence and a counter for each, in memory that
// all processes share. A worker may be stopped or killed at any point of its use, so there
// is no lock in it: both are one word, the fence in its upper bits.
type cells struct {
	mem  []byte
	cell []uint64
}

func openCells(path string, n int) (*cells, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(int64(8 * n)); err != nil {
		return nil, err
	}
	mem, err := syscall.Mmap(int(f.Fd()), 0, 8*n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return &cells{mem, unsafe.Slice((*uint64)(unsafe.Pointer(&mem[0])), n)}, nil
}

func (c *cells) close() { _ = syscall.Munmap(c.mem) }

// read returns the counter, unless a larger fence has been here. From now on this one has.
func (c *cells) read(i uint16, fence int64) (value uint16, ok bool) {
	for {
		word := atomic.LoadUint64(&c.cell[i])
		if int64(word>>valueBits) > fence {
			return 0, false
		}
		value = uint16(word % Values)
		if atomic.CompareAndSwapUint64(&c.cell[i], word, uint64(fence)<<valueBits|uint64(value)) {
			return value, true
		}
	}
}

// look returns the counter, unless a larger fence has been here, and leaves no trace.
func (c *cells) look(i uint16, fence int64) (value uint16, ok bool) {
	word := atomic.LoadUint64(&c.cell[i])
	return uint16(word % Values), int64(word>>valueBits) <= fence
}

// write sets the counter, unless a larger fence has been here. It does not look at what the
// counter is by now: that nobody else has written it is what the lock is for.
func (c *cells) write(i uint16, fence int64, value uint16) bool {
	for {
		word := atomic.LoadUint64(&c.cell[i])
		if int64(word>>valueBits) > fence {
			return false
		}
		if atomic.CompareAndSwapUint64(&c.cell[i], word, uint64(fence)<<valueBits|uint64(value%Values)) {
			return true
		}
	}
}

func (c *cells) value(i uint16) uint16 { return uint16(atomic.LoadUint64(&c.cell[i]) % Values) }
