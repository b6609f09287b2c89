package redistest

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Rights returns the rights that an ACL user needs, as docs/acl.md lists them, by the first column of
// the list there.
func Rights(t testing.TB) map[string][]string {
	t.Helper()
	_, self, _, _ := runtime.Caller(0)
	text, err := os.ReadFile(filepath.Join(filepath.Dir(self), "..", "..", "docs", "acl.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, list, ok := strings.Cut(string(text), "-----                      ------\n")
	list, _, end := strings.Cut(list, "\n```\n")
	if !ok || !end {
		t.Fatal("redistest: docs/acl.md has no list of rights")
	}
	rights, where := make(map[string][]string), ""
	for line := range strings.Lines(list) {
		at := strings.IndexAny(line, "~&+")
		if at < 0 {
			t.Fatalf("redistest: no right in %q", line)
		}
		if column := strings.TrimSpace(line[:at]); column != "" {
			where = column
		}
		rights[where] = append(rights[where], strings.Fields(line[at:])...)
	}
	return rights
}

// SetUser gives a user of a server, whose password is "secret", these rights and no others.
func (s *Server) SetUser(t testing.TB, user string, rights ...string) {
	t.Helper()
	admin := s.Client()
	command := append([]any{"acl", "setuser", user, "reset", "on", ">secret"}, KnownRights(t, admin, rights...)...)
	if err := admin.Do(t.Context(), command...).Err(); err != nil {
		t.Fatalf("redistest: acl setuser: %v", err)
	}
}

// KnownRights returns rights as arguments of ACL SETUSER, without those to channels if the server has none such:
// then every user has them all.
func KnownRights(t testing.TB, admin *redis.Client, rights ...string) (known []any) {
	t.Helper()
	channels := KnowsChannels(t, admin)
	for _, right := range rights {
		if channels || right[0] != '&' && right != "allchannels" {
			known = append(known, right)
		}
	}
	return known
}

// Denied returns what a server has denied to its users, as reason and what it was about, but for
// what clients of go-redis ask at the opening of a connection and can do without.
func (s *Server) Denied(t testing.TB) (denied []string) {
	t.Helper()
	log, err := s.Client().ACLLog(t.Context(), 100).Result()
	if err != nil {
		t.Fatal(err)
	}
	idle := []string{"client", "client|setinfo", "client|maint_notifications", "hello"}
	for _, entry := range log {
		if !slices.Contains(idle, entry.Object) {
			denied = append(denied, entry.Reason+" "+entry.Context+" "+entry.Object)
		}
	}
	return denied
}
