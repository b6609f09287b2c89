package store

import (
	"regexp"
	"strings"
)

// verdict is what an error reply says of the script that was called.
type verdict int

const (
	// foreign: not known to come from Redis. A proxy may have sent it while the server has run the
	// request, or will run it: the outcome is unknown, as when a connection breaks.
	foreign verdict = iota
	// passing: Redis is in a state that ends by itself: it loads, fails over, moves slots, is busy
	// or full.
	passing
	// refusing: Redis says no, and will say so again.
	refusing
)

// codes are the first words of Redis's error replies.
var codes = map[string]verdict{
	"LOADING": passing, "READONLY": passing, "MASTERDOWN": passing, "CLUSTERDOWN": passing,
	"TRYAGAIN": passing, "BUSY": passing, "OOM": passing, "MISCONF": passing, "NOREPLICAS": passing,
	"REPLACED": passing, // lib_older.lua
	"MOVED":    passing, "ASK": passing, "UNBLOCKED": passing,

	"NOSCRIPT": refusing, "WRONGTYPE": refusing, "NOPERM": refusing, "NOAUTH": refusing,
	"WRONGPASS": refusing, "CROSSSLOT": refusing, "DENIED": refusing, "NOPROTO": refusing,
	"EXECABORT": refusing, "UNKILLABLE": refusing,
}

// phrases are the first words of Redis's errors without a code, after "ERR". Servers word them
// differently: see testdata/replies.tsv.
var phrases = []struct {
	text    string
	verdict verdict
}{
	// A script reads or writes a key that is not at this node, while its slot migrates.
	{"Script attempted to access a non local key", passing},
	{"Lua script attempted to access a non local key", passing},
	{"Attempted to access a non local key", passing},
	// CLUSTERDOWN of a script, with cluster-allow-reads-when-down.
	{"Script attempted to execute a write command while the cluster is down", passing},
	{"Lua script attempted to execute a write command while the cluster is down", passing},
	{"Can not execute a write command '", passing},
	{"Script killed by user", passing}, // which Redis allows only before the first write
	{"WAIT cannot be used with replica", passing},
	{"max number of clients", passing},

	{"The user executing the script can't", refusing},
	{"ACL failure in script", refusing},
	{"unknown command", refusing},
	{"wrong number of arguments", refusing},
	{"syntax error", refusing},
	{"Error compiling script", refusing},
	{"Error running script", refusing},
	{"Could not find scripting engine", refusing},
	// Replies while a connection is opened: the script was not sent.
	{"DB index is out of range", refusing},
	{"invalid DB index", refusing},
	{"SELECT is not allowed", refusing},
	{"AUTH <password> called without", refusing},
	{"Client sent AUTH", refusing},
	{"invalid password", refusing},
}

var (
	// called and at match what Redis 6 puts in front of an error that a script raised: "ERR Error
	// running script (call to f_HASH): @user_script:12: @user_script: 12: -OOM command not …".
	called = regexp.MustCompile(`^ERR Error running script \(call to (?:f_)?[0-9a-f]+\): `)
	at     = regexp.MustCompile(`^(?:@?\w+: ?\d+: )+`)
	// where matches what later servers put at the end of an error that a script raised.
	where = regexp.MustCompile(` script: (?:[0-9a-f]{40}, )?on @user_script:\d+\.$`)
)

// raised takes what a server has put around an error that a script raised off it, so that its own code
// comes first, as with Redis 7. told says that a script replied the error for one lock of several. ours
// is false if the error is not known to come from a script.
func raised(reply string, told bool) (text string, ours bool) {
	text = called.ReplaceAllString(reply, "")
	if ours = told || text != reply; ours {
		text = strings.TrimPrefix(at.ReplaceAllString(text, ""), "-")
	}
	return text, ours || where.MatchString(text)
}

// judge returns what an error reply says of the script. told says that a script replied it for one lock
// of several: then it comes from Redis, whatever it says.
func judge(reply string, told bool) verdict {
	text, ours := raised(reply, told)
	code, rest, _ := strings.Cut(text, " ")
	if v, known := codes[code]; known {
		return v
	}
	switch code {
	case "ERR":
		if v, known := codes[firstWord(rest)]; known { // as Kvrocks puts it
			return v
		}
	default:
		rest = text
	}
	if ours || rest != text {
		for _, p := range phrases {
			if strings.HasPrefix(rest, p.text) {
				return p.verdict
			}
		}
	}
	if ours {
		return refusing
	}
	return foreign
}
