package holdfast_test

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestLeastRights: the rights that the manual lists are enough.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	admin := server.Client()
	rights := []any{"acl", "setuser", "worker", "reset", "on", ">secret",
		"~jobs:*", "~{jobs:*", "~holdfast:2:*", "+evalsha", "+eval", "+get", "+mget", "+set", "+del", "+pttl", "+pexpire",
		"+persist", "+hget", "+hset", "+hdel", "+time",
		"resetchannels", "&holdfast:2:w:*", "+publish", "+pubsub", "+subscribe", "+unsubscribe", "+ping"}
	if err := admin.Do(t.Context(), rights...).Err(); err != nil {
		t.Fatal(err)
	}
	client := server.Client(func(o *redis.Options) { o.Username, o.Password = "worker", "secret" })
	through(t, client, "jobs:a", "{jobs:b}")
	locks := holdfast.New(client, holdfast.WithTTL(300*time.Millisecond))
	defer locks.Close()
	session, err := locks.Mutex("jobs:c").Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)
	if err := session.Release(t.Context()); err != nil {
		t.Errorf("after a second of renewals: %v", err)
	}
	// What the log of denials holds is what go-redis asks when it connects.
	log, err := admin.ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range log {
		if entry.Object != "client|setinfo" && entry.Object != "client|maint_notifications" && entry.Object != "hello" && entry.Object != "client|setname" {
			t.Errorf("denied: %s %s %s", entry.Reason, entry.Context, entry.Object)
		}
	}
}
