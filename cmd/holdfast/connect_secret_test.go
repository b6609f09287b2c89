package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// piecesOf are what must not be shown of a password: each three bytes of it that follow each other.
func piecesOf(password string) (pieces []string) {
	for i := 0; i+3 <= len(password); i++ {
		pieces = append(pieces, password[i:i+3])
	}
	return pieces
}

// shows returns a piece of a password that a text shows. A piece counts if it has one of the
// characters that no message and no form of a URL has.
func shows(text, password string) string {
	for _, piece := range piecesOf(password) {
		if strings.ContainsAny(piece, "QXZJ89") && strings.Contains(text, piece) {
			return piece
		}
	}
	return ""
}

// urlForms are where a password can be in a URL. The hosts are addresses, since go-redis looks names up.
var urlForms = []string{
	"redis://:%s@127.0.0.1:6379/3", "redis://user:%s@127.0.0.1", "redis://:%s@[::1]:7?db=3", "rediss://user:%s@127.0.0.1:1/0?read_timeout=7s",
	"redis://127.0.0.1?password=%s", "redis://user@127.0.0.1:1/2?password=%s&db=3", "redis://127.0.0.1?db=3&password=%s",
	"unix://:%s@/run/redis.sock?db=3", "unix://user:%s@/run/redis.sock", "unix:///run/redis.sock?password=%s",
	"redis-sentinel://:%s@a:1,b:2/main?db=4", "rediss-sentinel://user:%s@a:1/main", "redis-sentinel://a:1/main?password=%s",
	"redis-cluster://:%s@a:1,b:2", "rediss-cluster://user:%s@a:1", "redis-cluster://a:1?password=%s",
	"redis-cluster:/:%s@a:1", "redis-ring://:%s@a:1", "redis:%s@a",
}

// checkSecret fails the test if what is said of a URL, or of the target that it names, shows a
// piece of the password in it.
func checkSecret(t *testing.T, form, password string) {
	t.Helper()
	raw := fmt.Sprintf(form, password)
	u, err := parseTarget(raw)
	var target *target
	if err == nil {
		target, err = u.client("")
	}
	text := fmt.Sprint(err)
	if err == nil {
		defer target.client.Close()
		text = target.addr // which messages show, as do errors of dialling it
	}
	if piece := shows(text, password); piece != "" {
		t.Errorf("%s: %q shows %q", raw, text, piece)
	}
	if _, err := demoOptions(raw); err != nil && shows(err.Error(), password) != "" {
		t.Errorf("demo: %s: %v", raw, err)
	} else if err == nil && shows(target.addr, password) != "" {
		t.Errorf("demo: %s: %s", raw, target.addr)
	}
}

// TestNothingOfAPassword: whatever a password is made of, and wherever it is in a URL without
// being encoded, no message shows a piece of it.
func TestNothingOfAPassword(t *testing.T) {
	const alphabet = "QXZJ89/?#@:%&=+,;.-_[]!$ "
	for _, password := range []string{
		"Q9Z/J8X", "Q9Z?J8X", "Q9Z#J8X", "Q9Z@J8X", "Q9Z:J8X", "Q9Z%J8X", "998989/J8X", "998989?J8X", "998989#J8X@Z9Q",
		"/Q9Z@J8X", "Q9Z@J8X/X9J@Z9Q", "Q9Z@J8X?X9J@Z9Q", "Q9Z&addr=J8X:1", "Q9Z,J8X:1/Z9Q",
	} {
		for _, form := range urlForms {
			if strings.Contains(password, "&") && strings.Contains(form, "password=") {
				continue // another of the query's fields by all rules: there is no telling
			}
			checkSecret(t, form, password)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		password := make([]byte, 3+random.IntN(20))
		for i := range password {
			password[i] = alphabet[random.IntN(len(alphabet))]
		}
		checkSecret(t, urlForms[random.IntN(len(urlForms))], string(password))
	}
}

// FuzzSecretURL is TestNothingOfAPassword for any password.
func FuzzSecretURL(f *testing.F) {
	for i := range urlForms {
		f.Add(i, "Q9Z/J8X@X9J?Z9Q#X9Z%8AQ")
	}
	f.Fuzz(func(t *testing.T, form int, password string) {
		if form >= 0 && form < len(urlForms) && !strings.Contains(password, "addr") {
			checkSecret(t, urlForms[form], password)
		}
	})
}

// TestEscapesAreNamed: where a character of a password has made a URL unreadable, the command says
// so, whichever command it is, and shows nothing of the URL.
func TestEscapesAreNamed(t *testing.T) {
	for _, raw := range []string{
		"redis://:Q9Z/J8X@127.0.0.1", "redis://:Q9Z?J8X@127.0.0.1", "redis://:99/J8X@127.0.0.1", "redis://:99?J8X@127.0.0.1", "redis://u:Q9Z#J8X/9@127.0.0.1",
		"redis://:Q9Z%J8X@127.0.0.1", "unix://:Q9Z/J8X@/run/redis.sock", "redis-sentinel://:Q9Z/J8X@127.0.0.1:1/main", "redis-cluster://:Q9Z?J8X@127.0.0.1:1",
	} {
		t.Setenv(envURL, raw)
		for _, args := range [][]string{{"ls"}, {"check"}, {"run", "x", "--", "true"}, {"lead", "x", "--", "true"}, {"inspect", "x"}, {"demo", "--redis", raw}} {
			var out bytes.Buffer
			if status := run(t.Context(), args, &out, &out); status != statusUsage || !strings.Contains(out.String(), "percent-encoded: %2F") {
				t.Errorf("%s %q: status %d, %q", args[0], raw, status, out.String())
			}
			if text := out.String(); strings.Contains(text, "Q9Z") || strings.Contains(text, "J8X") || strings.Contains(text, ":99") {
				t.Errorf("%s %q: %q", args[0], raw, text)
			}
		}
	}
}

// TestUserWithoutPassword: a user in a URL is not ignored in silence.
func TestUserWithoutPassword(t *testing.T) {
	for _, name := range redisEnvironment {
		t.Setenv(name, "")
	}
	for url, want := range map[string]int{
		"redis://QXZ@127.0.0.1:1": statusUsage, "redis://QXZ:@127.0.0.1:1": statusUsage, "redis-cluster://QXZ@127.0.0.1:1": statusUsage,
		"redis://default@127.0.0.1:1": statusUnavailable, "redis://QXZ@127.0.0.1:1?password=Q9Z": statusUnavailable,
	} {
		t.Setenv(envURL, url)
		for _, args := range [][]string{{"ls"}, {"check"}, {"run", "x", "--", "true"}} {
			var out bytes.Buffer
			status := run(t.Context(), args, &out, &out)
			if status != want || want == statusUsage && !strings.Contains(out.String(), "names a user, but there is no password") || strings.Contains(out.String(), "QXZ") {
				t.Errorf("%s %q: status %d, %q", args[0], url, status, out.String())
			}
		}
	}
}

// TestURLAsArgument: a URL in the wrong place is not shown either.
func TestURLAsArgument(t *testing.T) {
	const url = "redis://:Q9Z@127.0.0.1"
	for _, args := range [][]string{
		{url}, {"check", url}, {"ls", "*", url}, {"top", "*", url}, {"inspect", "x", url}, {"watch", "x", url}, {"demo", url},
		{"run", "x", url, "--", "true"}, {"lead", url, "x", "--", "true"}, {"release", "--force", "x", url},
	} {
		var out bytes.Buffer
		if status := run(t.Context(), args, &out, &out); status != statusUsage || strings.Contains(out.String(), "Q9Z") || !strings.Contains(out.String(), "--redis") {
			t.Errorf("%q: status %d, %s", args, status, out.String())
		}
	}
}
