package grace

import (
	"slices"
	"strconv"
	"strings"
)

// Replicas are a master's replicas as it shows them: how many, and for each that it lists a space, its
// address, a colon and its port.
type Replicas string

// None are the replicas of a master that has none.
const None Replicas = "0"

// names returns the replicas that can be promoted. One without a port can't: a backup, say.
func (r Replicas) names() []string {
	fields := strings.Fields(string(r))
	return slices.DeleteFunc(fields[min(1, len(fields)):], func(name string) bool { return strings.HasSuffix(name, ":0") })
}

// without returns those of names that are not in others. One that is there twice counts twice.
func without(names, others []string) (missing []string) {
	others = slices.Clone(others)
	for _, name := range names {
		if at := slices.Index(others, name); at >= 0 {
			others = slices.Delete(others, at, at+1)
		} else {
			missing = append(missing, name)
		}
	}
	return missing
}

// and returns the replicas and some more, which are missing now.
func (r Replicas) and(missing []string) Replicas {
	fields := append(strings.Fields(string(r)), missing...)
	if len(fields) == 0 {
		return None
	}
	n, _ := strconv.Atoi(fields[0])
	fields[0] = strconv.Itoa(n + len(missing))
	return Replicas(strings.Join(fields, " "))
}

// pattern returns what finds in INFO that a master shows exactly these: see lib_said.lua. The lines of the
// replicas come after their number; between them may be a line that begins with an m (min_slaves…).
func (r Replicas) pattern() string {
	fields := strings.Fields(string(r))
	if len(fields) == 0 {
		fields = []string{"0"}
	}
	text := "\nconnected_slaves:" + fields[0] + "\r\n"
	if fields[0] != "0" && len(fields) == 1 {
		return text + "[^s][^\r]*\r\n[^s]" // none is listed
	}
	for i, name := range fields[1:] {
		at := strings.LastIndexByte(name, ':')
		if at < 0 {
			at = len(name)
		}
		line := "slave" + strconv.Itoa(i) + ":ip=" + literal(name[:at]) + ",port=" + literal(strings.TrimPrefix(name[at:], ":")) + ",[^\r]*\r\n"
		if i == 0 {
			line = ".-" + line
		}
		text += line
	}
	if len(fields) > 1 {
		text += "[^s]" // no other is listed
	}
	return text
}

// literal is a text as a pattern of Lua.
func literal(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c < 0x80 && !('0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z') {
			b.WriteByte('%')
		}
		b.WriteByte(c)
	}
	return b.String()
}
