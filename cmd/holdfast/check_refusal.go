package main

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"
)

// refusal is why a command was refused, by the server's error. At most one
// of the fields right, gone and other is set; none, if the error refuses nothing.
type refusal struct {
	command string // that the error names, in lower case, as "config|get"; empty if it names none
	right   string // what the user lacks, in the words of ACL SETUSER
	gone    bool   // the server does not have the command: it is renamed, or left out
	other   string // a refusal in words that are not known here
}

// named are the commands that the library, its client and check itself send, as errors name
// them. An error that names any other is not understood.
var named = words(`evalsha eval get mget set del pttl pexpire persist hget hset hdel hgetall time
	publish pubsub|numsub subscribe unsubscribe ping scan wait script|load
	select readonly asking command cluster|slots cluster|info client|setname hello auth
	info config|get acl|whoami sentinel|master sentinel|ckquorum`)

// subcommands are what a container command is sent with where nothing else is known: Redis 6
// names the container only.
var subcommands = map[string]string{
	"acl": "whoami", "client": "setname", "cluster": "slots", "config": "get", "pubsub": "numsub", "script": "load", "sentinel": "master",
}

func words(text string) map[string]bool {
	set := make(map[string]bool)
	for word := range strings.FieldsSeq(text) {
		set[word] = true
	}
	return set
}

// refusalOf reads the error of a command. The client may have sent others before it, to set up
// the connection, so the error can be about one of those. The database is the client's.
//
// The words of a denial differ by server and version: see TestRefusals.
func refusalOf(sent []any, db int, err error) refusal {
	var reply redis.Error
	if !errors.As(err, &reply) {
		return refusal{}
	}
	text := reply.Error()
	switch name := ""; {
	case redis.HasErrorPrefix(err, "NOPERM"):
		if at := strings.LastIndex(text, "to run the "); at >= 0 {
			if name = fullName(quoted(text[at:]), sent); name != "" {
				return refusal{command: name, right: "+" + name}
			}
		} else if right := accessTo(text, sent, db); right != "" {
			return refusal{right: right}
		}
		return refusal{other: message(err)}
	case strings.Contains(text, "unknown command"):
		_, rest, _ := strings.Cut(text, "unknown command")
		if name = quoted(rest); fullName(name, sent) == "" {
			return refusal{other: message(err)}
		}
		return refusal{command: name, gone: true}
	case strings.Contains(text, "nknown subcommand"):
		if name = nameOf(sent); !named[name] || !strings.HasSuffix(name, "|"+quoted(text)) {
			return refusal{other: message(err)}
		}
		return refusal{command: name, gone: true}
	}
	return refusal{}
}

// fullName returns a command's name with its subcommand; empty if it is none of those named.
func fullName(name string, sent []any) string {
	if sub := subcommands[name]; sub != "" {
		if full := nameOf(sent); strings.HasPrefix(full, name+"|") {
			name = full
		} else {
			name += "|" + sub
		}
	}
	if !named[name] {
		return ""
	}
	return name
}

// nameOf is how errors name a command: in lower case, with its subcommand if it has any.
func nameOf(sent []any) string {
	if len(sent) == 0 {
		return ""
	}
	name := strings.ToLower(fmt.Sprint(sent[0]))
	if subcommands[name] != "" && len(sent) > 1 {
		name += "|" + strings.ToLower(fmt.Sprint(sent[1]))
	}
	return name
}

// quoted returns what is in the first pair of quotes, in lower case.
func quoted(text string) string {
	at := strings.IndexAny(text, "'`")
	if at < 0 {
		return ""
	}
	inside, _, ok := strings.Cut(text[at+1:], text[at:at+1])
	if !ok {
		return ""
	}
	return strings.ToLower(inside)
}

// accessTo returns the right to a key, a channel or a database that a denial is about. The
// error does not say which key, so the command must hold keys of one kind only.
func accessTo(text string, sent []any, db int) string {
	_, what, ok := strings.Cut(text, "to access ")
	first := func(prefix string) bool {
		for _, arg := range sent[min(1, len(sent)):] {
			if strings.HasPrefix(fmt.Sprint(arg), prefix) {
				return true
			}
		}
		return false
	}
	switch {
	case !ok:
	case strings.Contains(what, "database"):
		return fmt.Sprint("db=", db)
	case strings.Contains(what, "channel") && first("__keyspace@"):
		return "&__keyspace@*__:*"
	case strings.Contains(what, "channel"):
		return "&holdfast:2:w:*"
	case strings.Contains(what, "key") && first("holdfast:2:"):
		return "~holdfast:2:*"
	case strings.Contains(what, "key") && len(sent) > 1:
		return "~NAME"
	}
	return ""
}

// cantLook is the finding where the server refuses to be looked at by a command.
func cantLook(check string, c *redis.Client, err error, sent ...any) finding {
	means := "So this is not known."
	switch r := refusalOf(sent, c.Options().DB, err); {
	case r.gone:
		means = capitals(r.command) + " does not exist on this server: it is renamed, or left out. No right helps."
	case r.right != "" && r.command == nameOf(sent):
		means = "This user may not look: it needs " + r.right + " for that, and for that only."
	case r.right != "":
		means = "Nothing can be asked without " + r.right + "."
	}
	return finding{check, unknown, cmp.Or(message(err), "an error without a text"), means}
}

// capitals is a command's name as people write it.
func capitals(name string) string { return strings.ToUpper(strings.ReplaceAll(name, "|", " ")) }
