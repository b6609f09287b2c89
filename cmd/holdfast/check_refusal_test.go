package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// said is a server's error by its text.
type said string

func (e said) Error() string { return string(e) }
func (said) RedisError()     {}

// TestRefusals: the words of Redis 6.0.16, 7.0.15, 8.0.2 and Valkey 8.1.1, 9.1.2 for what is
// refused.
func TestRefusals(t *testing.T) {
	no := func(right string) refusal { return refusal{right: right} }
	noCommand := func(name string) refusal { return refusal{command: name, right: "+" + name} }
	gone := func(name string) refusal { return refusal{command: name, gone: true} }
	for _, c := range []struct {
		sent string
		err  string
		want refusal
	}{
		// 6.0
		{"del a", "NOPERM this user has no permissions to run the 'del' command or its subcommand", noCommand("del")},
		{"config get save", "NOPERM this user has no permissions to run the 'config' command or its subcommand", noCommand("config|get")},
		{"cluster info", "NOPERM this user has no permissions to run the 'cluster' command or its subcommand", noCommand("cluster|info")},
		{"ping", "NOPERM this user has no permissions to run the 'cluster' command or its subcommand", noCommand("cluster|slots")},
		{"get a", "NOPERM this user has no permissions to access one of the keys used as arguments", no("~NAME")},
		{"publish a x", "ERR unknown command `publish`, with args beginning with: `a`, `x`, ", gone("publish")},
		{"pubsub numsub a", "ERR Unknown subcommand or wrong number of arguments for 'numsub'. Try PUBSUB HELP.", gone("pubsub|numsub")},
		// 7.0
		{"del a", "NOPERM this user has no permissions to run the 'del' command", noCommand("del")},
		{"pubsub numsub a", "NOPERM this user has no permissions to run the 'pubsub|numsub' command", noCommand("pubsub|numsub")},
		{"ping", "NOPERM this user has no permissions to run the 'cluster|slots' command", noCommand("cluster|slots")},
		{"time", "NOPERM this user has no permissions to run the 'select' command", noCommand("select")},
		{"hget holdfast:2:q:{a} x", "NOPERM this user has no permissions to access one of the keys used as arguments", no("~holdfast:2:*")},
		{"subscribe holdfast:2:w:a", "NOPERM this user has no permissions to access one of the channels used as arguments", no("&holdfast:2:w:*")},
		{"subscribe __keyspace@0__:a", "NOPERM this user has no permissions to access one of the channels used as arguments", no("&__keyspace@*__:*")},
		{"publish a x", "ERR unknown command 'publish', with args beginning with: 'a' 'x' ", gone("publish")},
		{"config get save", "ERR unknown command 'config', with args beginning with: 'get' 'save' ", gone("config")},
		{"pubsub numsub a", "ERR unknown subcommand 'numsub'. Try PUBSUB HELP.", gone("pubsub|numsub")},
		// 8.0 and Valkey
		{"del a", "NOPERM User worker has no permissions to run the 'del' command", noCommand("del")},
		{"del a", "NOPERM User to run the 'get' command has no permissions to run the 'del' command", noCommand("del")},
		{"config get save", "NOPERM User worker has no permissions to run the 'config|get' command", noCommand("config|get")},
		{"eval x 1 a", "NOPERM No permissions to access a key", no("~NAME")},
		{"publish holdfast:2:w:a x", "NOPERM No permissions to access a channel", no("&holdfast:2:w:*")},
		// Valkey 9.1
		{"time", "NOPERM No permissions to access database", no("db=5")},
		{"set a x", "NOPERM No permissions to access database", no("db=5")},
		{"", "NOPERM No permissions to access database", no("db=5")},
		// What refuses nothing, and what is not understood.
		{"evalsha 0 1 a", "NOSCRIPT No matching script.", refusal{}},
		{"set a x", "READONLY You can't write against a read only replica.", refusal{}},
		{"time", "NOPERM No permissions to access a key", refusal{other: "NOPERM No permissions to access a key"}},
		{"del a", "NOPERM", refusal{other: "NOPERM"}},
		{"del a", "NOPERM to run the 'del", refusal{other: "NOPERM to run the 'del"}},
		{"del a", "NOPERM this user has no permissions to run the 'debug' command", refusal{other: "NOPERM this user has no permissions to run the 'debug' command"}},
		{"del a", "ERR unknown command", refusal{other: "ERR unknown command"}},
	} {
		if got := refusalOf(args(c.sent), 5, said(c.err)); got != c.want {
			t.Errorf("%s: %s: %+v, want %+v", c.sent, c.err, got, c.want)
		}
	}
	if got := refusalOf(args("del a"), 0, errors.New("NOPERM to access a key")); got != (refusal{}) {
		t.Errorf("an error that is not the server's refuses: %+v", got)
	}
	setUp := fmt.Errorf("failed to initialize connection options: %w", said("NOPERM User worker has no permissions to run the 'select' command"))
	if got := refusalOf(args("get a"), 5, setUp); got != noCommand("select") {
		t.Errorf("%v: %+v", setUp, got)
	}
}

func args(text string) (list []any) {
	for word := range strings.FieldsSeq(text) {
		list = append(list, word)
	}
	return list
}

// FuzzRefusal: whatever a server says, a right that is named is one that exists, and a command
// that is said to be missing is one that is needed.
func FuzzRefusal(f *testing.F) {
	for _, text := range []string{
		"NOPERM No permissions to access database", "NOPERM this user has no permissions to access one of the channels used as arguments",
		"NOPERM this user has no permissions to run the 'config' command or its subcommand", "NOPERM User a has no permissions to run the 'select' command",
		"ERR unknown command `publish`, with args beginning with: `a`, ", "ERR unknown subcommand 'numsub'. Try PUBSUB HELP.",
	} {
		f.Add("time", text)
		f.Add("pubsub numsub holdfast:2:w:a", text)
		f.Add("", text)
	}
	others := map[string]bool{"": true, "db=3": true, "~NAME": true, "~holdfast:2:*": true, "&holdfast:2:w:*": true, "&__keyspace@*__:*": true}
	f.Fuzz(func(t *testing.T, sent, text string) {
		r := refusalOf(args(sent), 3, said(text))
		if right, command := strings.CutPrefix(r.right, "+"); command && !named[right] || !command && !others[r.right] {
			t.Errorf("%q: %q: no such right: %+v", sent, text, r)
		}
		if r.gone && !named[r.command] && subcommands[r.command] == "" {
			t.Errorf("%q: %q: no such command: %+v", sent, text, r)
		}
		if r.gone && (r.right != "" || r.other != "") || r.right != "" && r.other != "" {
			t.Errorf("%q: %q: more than one reason: %+v", sent, text, r)
		}
	})
}
