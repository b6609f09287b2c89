package redistest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Version returns the name and the version of a server, such as "Valkey 9.1.2".
func Version(ctx context.Context, admin *redis.Client) (string, error) {
	info, err := admin.Info(ctx, "server").Result()
	if err != nil {
		return "", err
	}
	said := make(map[string]string)
	for line := range strings.Lines(info) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		said[key] = value
	}
	if said["server_name"] == "valkey" { // which goes on to say for which version of Redis it speaks
		return "Valkey " + said["valkey_version"], nil
	}
	return "Redis " + said["redis_version"], nil
}

// Lacks skips the rest of a test that this server can't run, and says why. By default tests run on a server
// that can run them all: there it fails.
func Lacks(t testing.TB, admin *redis.Client, what string) {
	t.Helper()
	version, err := Version(context.Background(), admin)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv(ServerEnv) == "" && strings.HasPrefix(version, "Redis 7.0.") {
		t.Fatalf("%s lacks %s", version, what)
	}
	t.Skipf("%s lacks %s", version, what)
}

// Has reports whether a server has a command, or as "name|sub" a subcommand.
func Has(t testing.TB, admin *redis.Client, command string) bool {
	t.Helper()
	list, err := admin.Do(context.Background(), "command", "info", command).Slice()
	if err != nil {
		t.Fatalf("redistest: command info %s: %v", command, err)
	}
	return len(list) == 1 && list[0] != nil
}

// KnowsChannels reports whether a server has rights to channels: Redis 6.0 does not.
func KnowsChannels(t testing.TB, admin *redis.Client) bool {
	t.Helper()
	user, err := admin.Do(context.Background(), "acl", "getuser", "default").Result()
	if err != nil {
		t.Fatalf("redistest: acl getuser: %v", err)
	}
	return strings.Contains(fmt.Sprint(user), "channels")
}

// ServeSlots has a node that knows no other serve the slots from first to last.
func (s *Server) ServeSlots(ctx context.Context, first, last int) error {
	command := []any{"cluster", "addslots"} // ADDSLOTSRANGE came with Redis 7
	for slot := first; slot <= last; slot++ {
		command = append(command, slot)
	}
	return s.do(ctx, command...).Err()
}
