package list_test

import (
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/list"
	"github.com/holdfast-go/holdfast/internal/store"
)

// TestStateOf: what is shown of a lock that is free, held, kept, a stranger's, or without expiry.
func TestStateOf(t *testing.T) {
	const fence = 1_700_000_000_000_000
	since := time.UnixMicro(fence).UTC()
	for name, c := range map[string]struct {
		reply store.Reply
		want  list.State
	}{
		"free": {store.Reply{Status: store.Gone, Place: 2}, list.State{Waiters: 2, Grace: time.Minute}},
		"held": {store.Reply{Status: store.Held, Place: 1, Label: "a", Fence: fence, TTL: time.Second, Age: time.Hour},
			list.State{Held: true, Waiters: 1, Label: "a", Fence: fence, TTL: time.Second, Since: since, HeldFor: time.Hour, Grace: time.Minute}},
		"kept": {store.Reply{Status: store.Kept, Label: "a", Fence: fence, TTL: time.Second},
			list.State{Held: true, Kept: true, Label: "a", Fence: fence, TTL: time.Second, Since: since, Grace: time.Minute}},
		"a stranger's": {store.Reply{Status: store.Stranger, TTL: time.Second},
			list.State{Held: true, Stranger: true, TTL: time.Second, Grace: time.Minute}},
		"without expiry": {store.Reply{Status: store.Held, Fence: fence, TTL: store.NoExpiry},
			list.State{Held: true, Fence: fence, NoExpiry: true, Since: since, Grace: time.Minute}},
	} {
		if got := list.StateOf(store.Mutex, c.reply, time.Minute); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
