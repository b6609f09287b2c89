package deployments_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/redistest"
)

// TestTenantRights: who is confined to names that begin with tenant: can do all with those, and
// neither read nor write what is kept of other locks.
func TestTenantRights(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rights := []string{"~tenant:*", "~holdfast:2:?:{tenant:*", "~holdfast:2:?:tenant:*"}
	for _, right := range rightsFor(t) {
		if right[0] != '~' {
			rights = append(rights, right)
		}
	}
	server.SetUser(t, "worker", rights...)
	client := server.Client(func(o *redis.Options) { o.Username, o.Password = "worker", "secret" })
	through(t, client, "tenant:a", "tenant:{b}", "tenant:{c}d")
	handOver(t, client, "tenant:e", 0)
	handOver(t, client, "tenant:{f}", 0)
	if denied := server.Denied(t); len(denied) > 0 {
		t.Errorf("denied %q", denied)
	}
	locks := holdfast.New(client)
	defer locks.Close()
	for _, name := range []string{"other:a", "other:{tenant:b}", "tenant"} {
		if _, err := locks.Mutex(name).TryAcquire(t.Context()); err == nil || errors.Is(err, holdfast.ErrHeld) {
			t.Errorf("TryAcquire of %q: %v", name, err)
		}
	}
	for _, key := range []string{"holdfast:2:n:{other:a}", "holdfast:2:q:{other:a}", "holdfast:2:t:other:{tenant:b}", "holdfast:2:u:other:{tenant:b}"} {
		if err := client.Get(t.Context(), key).Err(); !redis.HasErrorPrefix(err, "NOPERM") {
			t.Errorf("GET %s: %v", key, err)
		}
	}
}

// TestRightsOfScripts: docs/acl.md lists the right to each command that a script calls.
func TestRightsOfScripts(t *testing.T) {
	files, err := filepath.Glob("../../../scripts/*.lua")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	calls := regexp.MustCompile(`(?:call|try)\('([A-Z]+)'(?:, '([A-Z]+)')?`)
	listed := rightsFor(t)
	permits := rightsFor(t, "Semaphore, RWMutex")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, call := range calls.FindAllStringSubmatch(string(text), -1) {
			right := "+" + strings.ToLower(call[1])
			if call[2] != "" {
				right += "|" + strings.ToLower(call[2])
			}
			listed := listed
			if strings.Contains(file, "permit") {
				listed = permits
			}
			if !slices.Contains(listed, right) {
				t.Errorf("%s calls %s: docs/acl.md does not list %s", file, call[1], right)
			}
		}
	}
}
