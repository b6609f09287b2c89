// Package scripts holds the Lua that Redis runs for Holdfast, one file a script, with
// its keys, arguments, replies and the reason why running it again is safe at the top
// of each.
package scripts

import (
	"crypto/sha1"
	_ "embed"
	"encoding/hex"
	"strings"
)

// Script is a script's text and the hash that EVALSHA calls it by.
type Script struct{ Source, Hash string }

func script(parts ...string) *Script {
	source := strings.Join(parts, "\n")
	hash := sha1.Sum([]byte(source))
	return &Script{Source: source, Hash: hex.EncodeToString(hash[:])}
}

var (
	//go:embed own.lua
	own string
	//go:embed fence.lua
	fence string

	//go:embed acquire.lua
	acquire string
	//go:embed resume.lua
	resume string
	//go:embed renew.lua
	renew string
	//go:embed extend.lua
	extend string
	//go:embed release.lua
	release string
	//go:embed check.lua
	check string
	//go:embed inspect.lua
	inspect string
	//go:embed force.lua
	force string
)

// The scripts as Redis gets them: each behind the parts that it builds on.
var (
	Acquire = script(own, fence, acquire)
	Resume  = script(own, fence, resume)
	Renew   = script(own, renew)
	Extend  = script(own, extend)
	Release = script(own, release)
	Check   = script(own, check)
	Inspect = script(inspect)
	Force   = script(force)
)
