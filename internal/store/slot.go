package store

import "strconv"

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

// tagIn returns a hash tag in that slot: always the same, and found within some milliseconds.
func tagIn(slot int) string {
	for i := 0; ; i++ {
		if tag := strconv.Itoa(i); slotOf(tag) == slot {
			return tag
		}
	}
}
