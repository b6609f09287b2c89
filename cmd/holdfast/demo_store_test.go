package main

import (
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

func TestStoreRefusesOlderFences(t *testing.T) {
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	defer client.Close()
	store := fencedStore{client: client, key: "store"}

	const old, recent = 1_763_888_812_345_678, 1_763_888_812_345_679
	for i, tc := range []struct {
		fence int64
		want  verdict
	}{
		{old, verdict{accepted: true, count: 1}},
		{old, verdict{accepted: true, count: 2}},
		{recent, verdict{accepted: true, count: 3}},
		{old, verdict{newest: recent}},
		{recent, verdict{accepted: true, count: 4}},
		{1<<53 - 1, verdict{accepted: true, count: 5}},
		{1<<53 - 2, verdict{newest: 1<<53 - 1}},
	} {
		got, err := store.write(t.Context(), tc.fence, "value")
		if err != nil {
			t.Fatal(err)
		}
		if got != tc.want {
			t.Errorf("write %d with fence %d: %+v, want %+v", i, tc.fence, got, tc.want)
		}
	}
	if ttl := m.TTL("store"); ttl != storeExpiry {
		t.Errorf("the store expires in %v, want %v", ttl, storeExpiry)
	}
	if err := store.delete(t.Context()); err != nil || m.Exists("store") {
		t.Errorf("delete: %v, and the store exists: %t", err, m.Exists("store"))
	}
}
