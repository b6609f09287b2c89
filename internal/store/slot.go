package store

import (
	"strconv"
	"sync/atomic"
)

// slotCount is how many slots a Cluster has.
const slotCount = 16384

// slotOf returns the slot of a hash tag: CRC16 of the XModem kind
// (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#key-distribution-model).
func slotOf(tag string) int {
	crc := uint16(0)
	for i := range len(tag) {
		crc ^= uint16(tag[i]) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return int(crc % slotCount)
}

// tags are the hash tags that were found, by their slots.
var tags [slotCount]atomic.Pointer[string]

// tagIn returns a hash tag in that slot: always the same, and found within some milliseconds at the first
// time.
func tagIn(slot int) string {
	if tag := tags[slot].Load(); tag != nil {
		return *tag
	}
	for i := 0; ; i++ {
		if tag := strconv.Itoa(i); slotOf(tag) == slot {
			tags[slot].Store(&tag)
			return tag
		}
	}
}
