// Package scripts holds the Lua that Redis runs for Holdfast, one file a script, with
// its keys, arguments, replies and the reason why running it again is safe at the top
// of each.
package scripts

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"fmt"
	"strings"
)

// Script is a script's text, the hash that EVALSHA calls it by, and how many keys it
// takes for a lock: NAME and aux, and the queue where that is needed.
type Script struct {
	Source, Hash string
	Keys         int
}

func script(keys int, source string) *Script {
	hash := sha1.Sum([]byte(source))
	return &Script{Source: source, Hash: hex.EncodeToString(hash[:]), Keys: keys}
}

// perLock returns the script that runs the last of the parts for every lock of a call.
func perLock(keys int, parts ...string) *Script {
	last := len(parts) - 1
	return script(keys, fmt.Sprintf("local WIDTH = %d\n%s\nlocal function one(lock)\n%s\n%s\nend\n%s",
		keys, strings.Join(parts[:last], "\n"), at, parts[last], each))
}

var (
	//go:embed own.lua
	own string
	//go:embed ahead.lua
	ahead string
	//go:embed now.lua
	now string
	//go:embed known.lua
	known string
	//go:embed lost.lua
	lost string
	//go:embed lease.lua
	lease string
	//go:embed ttl.lua
	ttl string
	//go:embed fence.lua
	fence string
	//go:embed install.lua
	install string
	//go:embed queue.lua
	queue string

	//go:embed at.lua
	at string
	//go:embed each.lua
	each string

	//go:embed acquire.lua
	acquire string
	//go:embed contend.lua
	contend string
	//go:embed resume.lua
	resume string
	//go:embed renew.lua
	renew string
	//go:embed touch.lua
	touch string
	//go:embed extend.lua
	extend string
	//go:embed release.lua
	release string
	//go:embed settle.lua
	settle string
	//go:embed check.lua
	check string
	//go:embed inspect.lua
	inspect string
	//go:embed force.lua
	force string
)

// The scripts as Redis gets them: each behind the parts that it builds on.
var (
	Acquire = perLock(3, own, ahead, now, acquire, fence, known, lease, install, queue, contend)
	Resume  = perLock(2, own, now, fence, known, lease, install, ttl, queue, resume)
	Renew   = perLock(2, own, known, lost, lease, ttl, renew)
	Touch   = script(1, touch)
	Extend  = perLock(2, own, known, lost, lease, ttl, extend)
	Release = perLock(3, own, ahead, release, now, fence, known, lost, lease, install, queue, settle)
	Check   = perLock(2, own, known, lost, lease, check)
	Inspect = perLock(3, own, known, lease, inspect)
	Force   = perLock(3, own, now, fence, known, lease, install, queue, force)
)
