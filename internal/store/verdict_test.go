package store

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

//go:embed testdata/replies.tsv
var replies string

// TestVerdict: real error replies of servers and proxies are understood, also when another error wraps
// them, and after a token was taken out.
func TestVerdict(t *testing.T) {
	type says struct{ answered, transient bool }
	want := map[string]says{"foreign": {false, true}, "passing": {true, true}, "refusing": {true, false}}
	seen := map[string]int{}
	for line := range strings.Lines(replies) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 4 {
			t.Fatalf("%d fields: %s", len(fields), line)
		}
		who, situation, class, text := fields[0], fields[1], fields[2], fields[3]
		want, ok := want[class]
		if !ok {
			t.Fatalf("class %q: %s", class, line)
		}
		seen[class]++
		var err error = reply(text)
		if strings.HasPrefix(situation, "told by a script") {
			err = toldError(text)
		}
		for _, err := range []error{err, fmt.Errorf("wrapped: %w", err), redact(err, text[len(text)-3:])} {
			if got := (says{Answered(err), Transient(err)}); got != want {
				t.Errorf("%s, %s: %q: %+v, want %+v", who, situation, err, got, want)
			}
		}
	}
	for class := range want {
		if seen[class] < 5 {
			t.Errorf("the table has %d %s", seen[class], class)
		}
	}
	wrapped := reply("ERR Error running script (call to f_948fb05a800633cd285d7440e4d64ca534f7c396): @user_script:1: " +
		"@user_script: 1: -READONLY You can't write against a read only replica.")
	if err := redact(wrapped, "token"); !redis.HasErrorPrefix(err, "READONLY") {
		t.Errorf("Redis 6's form is left: %v", err)
	}
	if err := errors.New("READONLY"); Answered(err) || !Transient(err) {
		t.Error("an error that is no reply counts as one")
	}
	if Transient(redis.ErrClosed) {
		t.Error("a closed client opens again")
	}
}
